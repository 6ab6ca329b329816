"""Pairs on disk: read back by us and by others, whole or not at all; the windows of a folder are those of the world."""

import math
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from bench.author_encoder.making import Asked, of_dataset, windows
from methods.author_encoder.filters import FilterConfig
from methods.author_encoder.mining import mine
from methods.author_encoder.pair_files import COLUMNS, read_pairs, write_pairs
from methods.author_encoder.pairs import PairConfig, Pairs
from simulator import dataset
from simulator.schema import DAY_SECONDS, SchemaError
from simulator.simulate import simulate
from simulator.spec import find_world
from tests.author_pair_references import pairs_of
from tests.waiting import quiet

SOME = pairs_of((0, 1, 0.5, 5), (0, 2, 0.25, 4), (1, 7, math.pi, 3))
ASKED = Asked(PairConfig(window_days=7.0, min_count=2), FilterConfig(head_share=1.0), next_days=3.0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a=b" / "pairs.parquet"
    write_pairs(path, SOME, origin={"world": "tiny"})
    return path


def columns_of(pairs: Pairs) -> Iterator[NDArray[np.generic]]:
    yield from (pairs.first_P, pairs.second_P, pairs.score_P, pairs.count_P)


def test_pairs_come_back_as_they_were(file: Path) -> None:
    found, origin = read_pairs(file)
    for got, expected in zip(columns_of(found), columns_of(SOME), strict=True):
        np.testing.assert_array_equal(got, expected)
    assert (found.n_authors, origin) == (10, {"world": "tiny"})


def test_no_pairs_come_back_too(tmp_path: Path) -> None:
    write_pairs(tmp_path / "none.parquet", pairs_of(), origin={})
    assert len(read_pairs(tmp_path / "none.parquet")[0]) == 0


def test_arrow_sees_the_stated_schema(file: Path) -> None:
    assert pq.read_schema(file).equals(COLUMNS)
    assert str(COLUMNS.field("count")) == "pyarrow.Field<count: int32 not null>"


def test_duckdb_reads_the_file_as_it_is(file: Path) -> None:
    with closing(duckdb.connect()) as connection:
        rows = connection.sql(f"select first, second, score, count from '{file}' order by first, second").fetchall()
    assert rows == [(a, b, s, c) for a, b, s, c in zip(*(x.tolist() for x in columns_of(SOME)), strict=True)]


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(pq, "write_table", fail)
    with pytest.raises(OSError, match="no room"):
        write_pairs(file, pairs_of(), origin={})
    assert len(read_pairs(file)[0]) == 3
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.parquet"
    path.write_text("first,second")
    with pytest.raises(SchemaError, match="expected a Parquet file of pairs"):
        read_pairs(path)
    pq.write_table(pa.table({"first": [1]}), path)
    with pytest.raises(SchemaError, match=r"coldrecall\.pairs: expected version 1, got None"):
        read_pairs(path)
    meta = {b"coldrecall.pairs": b'{"version": 1, "n_authors": 3, "origin": {}}'}
    pq.write_table(pa.table({"first": [1]}).replace_schema_metadata(meta), path)
    with pytest.raises(SchemaError, match=r"columns: expected first int32 not null, .*, got first int64"):
        read_pairs(path)
    twice = pa.Table.from_arrays([pa.array([1, 1], f.type) for f in COLUMNS], schema=COLUMNS)
    pq.write_table(twice.replace_schema_metadata(meta), path)
    with pytest.raises(SchemaError, match="expected pairs that keep their promise"):
        read_pairs(path)


def test_a_folder_that_streams_gives_the_pairs_of_the_whole_log(tmp_path: Path) -> None:
    simulate(find_world("tiny"), tmp_path / "world", seed=3)  # a part a day
    whole = dataset.read(tmp_path / "world").observation
    now = whole.now - 3 * DAY_SECONDS
    expected = windows(whole.catalog, [whole.events], now=now, asked=ASKED, vectors_AF=None)
    found = of_dataset(tmp_path / "world", ASKED, quiet)
    pairs, wanted = mine(found.readers, ASKED.pairs), mine(expected.readers, ASKED.pairs)
    assert len(pairs) > 20
    for got, column in zip(columns_of(pairs), columns_of(wanted), strict=True):
        np.testing.assert_array_equal(got, column)
    np.testing.assert_array_equal(found.ground.next.author_X, expected.ground.next.author_X)
