"""A day's version: each author once, whatever the ranks; killed runs go on; only what changed is encoded."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from methods.author_encoder.daily.chunks import chunks_of, share
from methods.author_encoder.daily.encoders import Encoder, EncoderName, encoded
from methods.author_encoder.daily.job import Busy, do_share, held
from methods.author_encoder.daily.launch import RankError
from methods.author_encoder.daily.manifest import Versions
from methods.author_encoder.daily.shards import CATEGORY_MEAN, ENCODED, GLOBAL_MEAN, ShardError, read_shard
from methods.author_encoder.daily.texts import HeldTexts, ParquetTexts, Texts, spool
from methods.author_encoder.daily.work import EmbedConfig
from simulator.schema import SchemaError
from tests.daily_examples import (
    FAKE,
    all_of,
    authors,
    fake_vectors,
    made,
    order_of,
    place_at,
    published,
    silent,
    with_texts,
)

REFUSING = EncoderName("tests.daily_examples:refusing")
FAILING = EncoderName("tests.daily_examples:failing_late")
ROOT = Path(__file__).parents[1]


@given(st.integers(1, 500), st.integers(1, 60), st.integers(1, 9))
def test_ranks_have_every_row_once(n_rows: int, rows_per_chunk: int, n_ranks: int) -> None:
    chunks = chunks_of(n_rows, rows_per_chunk)
    shares = [chunk for rank in range(n_ranks) for chunk in share(chunks, rank, n_ranks)]
    rows = sorted(row for chunk in shares for row in range(chunk.start, chunk.end))
    assert rows == list(range(n_rows))


def test_every_author_has_the_vector_of_its_text(tmp_path: Path) -> None:
    texts = authors(100)
    day = all_of(made(order_of(texts), tmp_path))
    assert day.author_A.tolist() == texts.author_M.tolist()
    assert np.array_equal(day.vectors_AD, fake_vectors(texts.text_M).astype(np.float16))
    assert (day.fill_A == ENCODED).all()


def test_two_ranks_make_the_bytes_of_one(tmp_path: Path) -> None:
    texts = with_texts(authors(100), {5: "", 40: " "})
    one, two = (made(order_of(texts), tmp_path / str(n), n_ranks=n) for n in (1, 2))
    assert [s.sha256 for s in one.manifest.shards] == [s.sha256 for s in two.manifest.shards]
    assert one.manifest == two.manifest


def test_a_failed_rank_keeps_what_it_did_and_says_why(tmp_path: Path) -> None:
    with pytest.raises(RankError, match=r"rank 0: .*RuntimeError: out of memory"):
        made(order_of(authors(100), encoder=FAILING), tmp_path, n_ranks=2)
    (stage,) = (tmp_path / "staging").iterdir()
    done = {path.name: path.stat().st_mtime_ns for path in (stage / "parts").iterdir()}
    assert "part-00000.parquet" in done
    assert "part-00002.parquet" not in done
    version = made(order_of(authors(100)), tmp_path)
    assert version.manifest.counts.encoded == 100
    assert not stage.exists()


def test_when_all_chunks_are_done_the_version_is_finished_without_the_model(tmp_path: Path) -> None:
    for rank in range(4):
        do_share(order_of(authors(100)), Versions(tmp_path), rank=(rank, 4), tell=silent)
    assert made(order_of(authors(100), encoder=REFUSING), tmp_path).manifest.counts.encoded == 100
    with pytest.raises(AssertionError, match="asked to encode"):
        made(order_of(authors(100), encoder=REFUSING), tmp_path / "anew")


def test_a_killed_run_goes_on_where_it_stood(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "import tests.daily_examples as d\n"
        "real = d.fake_vectors\n"
        "d.fake_vectors = lambda texts, version='1': (time.sleep(0.05), real(texts, version))[1]\n"
        "d.made(d.order_of(d.authors(400), rows=16), Path(sys.argv[1]))\n"
    )
    killed = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT)
    parts: list[Path] = []
    while len(parts) < 3:
        assert killed.poll() is None, "it ended before it could be killed"
        parts = list(tmp_path.glob("staging/*/parts/part-*.parquet"))
        time.sleep(0.02)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    before = {path.name: path.stat().st_mtime_ns for path in parts}
    stage = parts[0].parents[1]
    order = order_of(authors(400), rows=16)
    do_share(order, Versions(tmp_path), rank=(0, 1), tell=silent)
    assert {name: (stage / "parts" / name).stat().st_mtime_ns for name in before} == before
    version = made(order, tmp_path)
    assert version.manifest.n_authors == 400
    assert np.array_equal(all_of(version).vectors_AD, all_of(made(order, tmp_path / "whole")).vectors_AD)


def test_only_changed_and_new_authors_are_encoded(tmp_path: Path) -> None:
    place = place_at(tmp_path)
    first = authors(100)
    published(made(order_of(first), tmp_path), place)
    second = with_texts(authors(110, day=0), {7: "another", 60: "text"}, day=1)
    version = made(order_of(second, rows=25, day=1), tmp_path)
    assert version.manifest.counts.model_dump() == {
        "encoded": 12,
        "copied": 98,
        "known": 100,
        "empty": 0,
        "cut": 0,
        "repaired": 0,
        "unknown_category": 0,
        "undated": 0,
    }
    assert np.array_equal(all_of(version).vectors_AD, fake_vectors(second.text_M).astype(np.float16))


def test_a_day_without_changes_asks_no_model(tmp_path: Path) -> None:
    published(made(order_of(authors(100)), tmp_path), place_at(tmp_path))
    version = made(order_of(authors(100), encoder=REFUSING, day=1), tmp_path)
    assert version.manifest.counts.copied == 100


def test_another_model_encodes_everybody(tmp_path: Path) -> None:
    published(made(order_of(authors(100)), tmp_path), place_at(tmp_path))
    version = made(order_of(authors(100), encoder=replace(FAKE, folder=Path("2"))), tmp_path)
    assert (version.manifest.counts.encoded, version.manifest.counts.copied) == (100, 0)


def test_a_change_without_a_newer_day_is_encoded_and_counted(tmp_path: Path) -> None:
    published(made(order_of(authors(100)), tmp_path), place_at(tmp_path))
    version = made(order_of(with_texts(authors(100), {3: "silently other"})), tmp_path)
    assert (version.manifest.counts.encoded, version.manifest.counts.undated) == (1, 1)


def test_a_damaged_shard_of_the_last_version_is_not_copied_from(tmp_path: Path) -> None:
    version = made(order_of(authors(100)), tmp_path)
    published(version, place_at(tmp_path))
    damage(version.folder / "part-00001.parquet")
    with pytest.raises(ShardError, match=r"v1/part-00001.parquet: expected sha256"):
        made(order_of(authors(100), day=1), tmp_path)


def test_authors_without_text_get_the_mean_of_their_category(tmp_path: Path) -> None:
    texts = with_texts(authors(100), {4: "", 8: " \n", 9: "\ufffd"})
    version = made(order_of(texts), tmp_path)
    day = all_of(version)
    rows_MD = fake_vectors(texts.text_M).astype(np.float16).astype(np.float64)
    own = [row for row in range(0, 100, 4) if row not in (4, 8)]
    mean_D = rows_MD[own].mean(axis=0)
    assert np.allclose(day.vectors_AD[4], mean_D / np.linalg.norm(mean_D), atol=2e-3)
    assert np.array_equal(day.vectors_AD[4], day.vectors_AD[8])
    assert day.fill_A[[4, 8, 9]].tolist() == [CATEGORY_MEAN] * 3
    assert int((day.fill_A != ENCODED).sum()) == version.manifest.figures.category_fills == 3


def test_a_category_without_texts_and_an_unknown_one_get_the_mean_of_all(tmp_path: Path) -> None:
    texts = authors(100)
    category_M = texts.category_M.copy()
    category_M[3::4] = 0  # nobody with a text is left in category 3
    category_M[[10, 11, 12]] = (3, 99, -1)
    texts = with_texts(replace(texts, category_M=category_M), {10: "", 11: "", 12: ""})
    version = made(order_of(texts), tmp_path)
    assert all_of(version).fill_A[[10, 11, 12]].tolist() == [GLOBAL_MEAN] * 3
    assert version.manifest.counts.unknown_category == 1
    assert version.manifest.figures.category_counts[-1] == 2


@pytest.mark.parametrize(("category", "n_unknown"), [(99, 1), (-1, 0)])
def test_a_text_in_a_category_that_is_not_known_is_encoded(category: int, n_unknown: int, tmp_path: Path) -> None:
    texts = authors(100)
    category_M = texts.category_M.copy()
    category_M[11] = category
    version = made(order_of(replace(texts, category_M=category_M)), tmp_path)
    day = all_of(version)
    assert day.fill_A[11] == ENCODED
    assert np.array_equal(day.vectors_AD, fake_vectors(texts.text_M).astype(np.float16))
    assert version.manifest.counts.unknown_category == n_unknown
    assert version.manifest.figures.category_counts == (25, 25, 25, 24, 1)


def test_a_chunk_of_empty_texts_is_filled(tmp_path: Path) -> None:
    texts = with_texts(authors(100), {row: "" for row in range(32)})
    assert (all_of(made(order_of(texts), tmp_path)).fill_A[:32] != ENCODED).all()


def test_a_day_without_any_text_is_refused(tmp_path: Path) -> None:
    texts = with_texts(authors(10), {row: "" for row in range(10)})
    with pytest.raises(SchemaError, match="at least one author with a text"):
        made(order_of(texts), tmp_path)


def test_a_text_of_fifty_thousand_tokens_is_cut_and_counted(tmp_path: Path) -> None:
    long = "word " * 50_000
    version = made(order_of(with_texts(authors(40), {5: long})), tmp_path)
    assert version.manifest.counts.cut == 1
    assert np.array_equal(all_of(version).vectors_AD[5], fake_vectors([long[:200]])[0].astype(np.float16))


def test_text_that_is_no_utf8_is_repaired_and_counted(tmp_path: Path) -> None:
    texts = with_texts(authors(40), {5: "half a \ud83d pair"})
    assert made(order_of(texts), tmp_path).manifest.counts.repaired == 1
    columns = {"author": [1, 2, 3], "category": [0, None, 1], "changed_day": [0, 0, 0]}
    table = pa.table(columns | {"text": pa.array([b"good", b"bad \xff\xfe", None], pa.binary())})
    (tmp_path / "in").mkdir()
    pq.write_table(table, tmp_path / "in" / "a.parquet")
    read = ParquetTexts.open(tmp_path / "in").read(0, 3)
    assert (list(read.text_M), read.n_repaired) == (["good", "bad \ufffd\ufffd", ""], 1)
    assert read.category_M.tolist() == [0, -1, 1]


def test_a_stream_is_spooled_and_read_by_any_rows(tmp_path: Path) -> None:
    rows = ((3 * i, f"text {i}", i % 4, 7) for i in range(95))
    source = spool(rows, tmp_path, rows_per_group=10)
    read = source.read(17, 43)
    assert (len(source), len(source.groups)) == (95, 10)
    assert read.author_M.tolist() == [3 * i for i in range(17, 43)]
    assert list(read.text_M) == [f"text {i}" for i in range(17, 43)]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"author": [2, 1]}, "distinct ids in ascending order, got 1 after 2"),
        ({"author": ["a", "b"]}, "author: expected integers"),
        ({"text": [1, 2]}, "text: expected text or binary"),
        ({"text": None}, "columns: expected author, text"),
    ],
)
def test_a_file_of_texts_that_is_wrong_is_refused(tmp_path: Path, columns: dict[str, list[int]], message: str) -> None:
    sound = {"author": [1, 2], "text": ["a", "b"], "category": [0, 0], "changed_day": [0, 0]} | columns
    pq.write_table(pa.table({name: c for name, c in sound.items() if c is not None}), tmp_path / "a.parquet")
    with pytest.raises(SchemaError, match=message):
        ParquetTexts.open(tmp_path).read(0, 2)


def test_row_groups_out_of_order_are_refused_before_any_work(tmp_path: Path) -> None:
    spool([(i, "x", 0, 0) for i in range(5, 9)], tmp_path, name="a")
    with pytest.raises(SchemaError, match=r"b.parquet: author: expected row groups ascending, after 8, got 3"):
        spool([(i, "x", 0, 0) for i in range(3, 9)], tmp_path, name="b")


@pytest.mark.parametrize(
    ("rows_MD", "message"),
    [
        (np.zeros((2, 4), np.float32), "float16 or float32"),
        (np.zeros((3, 4), np.float64), "float64"),
        (np.full((3, 4), np.nan, np.float32), "others for author 1"),
        (np.full((3, 4), 1e9, np.float32), "finite in float16"),
    ],
)
def test_an_encoder_that_answers_wrongly_is_refused(rows_MD: NDArray[np.float32], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        encoded(Encoder("bad", "1", lambda texts: rows_MD).encode, ["a", "b", "c"], np.array([1, 2, 3]), "float16")


def test_an_encoder_that_is_not_there_is_refused() -> None:
    with pytest.raises(SchemaError, match="nowhere:at_all"):
        EncoderName("nowhere:at_all").load()


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    with held(tmp_path), pytest.raises(Busy, match="no other process"), held(tmp_path):
        pass


def test_shards_say_what_they_hold_and_are_read_by_others(tmp_path: Path) -> None:
    version = made(order_of(authors(40)), tmp_path)
    path = version.folder / "part-00000.parquet"
    schema = pq.read_schema(path)
    assert str(schema.field("vector").type) == f"fixed_size_list<element: halffloat>[{16}]"
    assert read_shard(path)[1] == {"model": "fake", "model_version": "1", "version": 1, "day": 0}
    import duckdb

    read = duckdb.connect().execute(f"select count(*), max(len(vector)) from '{path}'")
    assert read.fetchall() == [(32, 16)]


def test_a_setting_out_of_range_is_refused() -> None:
    with pytest.raises(SchemaError, match=r"EmbedConfig.rows_per_chunk: expected at least 1, got 0"):
        EmbedConfig(4, rows_per_chunk=0)
    with pytest.raises(SchemaError, match=r"Texts.author"):
        HeldTexts(Texts(np.array([1, 2]), ["a"], np.zeros(1, np.int32), np.zeros(1, np.int32)))


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
