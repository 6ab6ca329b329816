"""A dataset that is written part by part is the one written whole, and can be gone on with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import dataset
from simulator.dataset import DatasetError, digest, parquet
from simulator.dataset.tables import event_columns
from simulator.schema import Observation, SchemaError
from tests.dataset_examples import (
    ORIGIN,
    a_long_observation,
    files_of,
    open_one,
    stream_one,
    without_events,
    write_one,
    write_parts,
)
from tests.schema_strategies import observations

CUTS = (0, 5, 5, 6, 13, 20)  # after three parts the open block has a row of the first and one of the third
LONG = a_long_observation()


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest, "ROWS_PER_BLOCK", 4)
    monkeypatch.setattr(parquet, "ROWS_PER_GROUP", 3)


@pytest.fixture
def reference(tmp_path: Path) -> dict[str, bytes]:
    """All files of the dataset as written without a break."""
    stream_one(tmp_path / "reference", LONG, CUTS)
    return files_of(tmp_path / "reference")


@given(observations(), st.lists(st.integers(0, 8), max_size=5), st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_streamed_or_whole_the_fingerprint_and_the_data_are_the_same(
    observation: Observation, cuts: list[int], rows: int
) -> None:
    n = len(observation.events)
    ends = [0, *sorted(min(cut, n) for cut in cuts), n]
    with TemporaryDirectory() as parent, patch.object(digest, "ROWS_PER_BLOCK", rows):
        whole = dataset.write(Path(parent) / "whole", observation, name="one", origin=ORIGIN)
        streamed = stream_one(Path(parent) / "streamed", observation, ends)
        read = dataset.read(Path(parent) / "streamed")
        scanned = list(dataset.scan(Path(parent) / "streamed").events())
    assert streamed.fingerprint == whole.fingerprint
    assert [len(log) for log in scanned] == list(np.diff(ends))
    for name, column in event_columns(observation.events).items():
        np.testing.assert_array_equal(event_columns(read.observation.events)[name], column)
        np.testing.assert_array_equal(np.concatenate([event_columns(log)[name] for log in scanned]), column)


def interrupted(folder: Path, n_parts: int) -> None:
    with open_one(folder) as writer:
        write_parts(writer, LONG, CUTS[: n_parts + 1])
        raise KeyboardInterrupt


@pytest.mark.parametrize("n_parts", range(len(CUTS)))
def test_after_an_exception_it_goes_on_where_it_stood(
    n_parts: int, tmp_path: Path, reference: dict[str, bytes]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path / "one", n_parts)
    assert not (tmp_path / "one").exists()
    with open_one(tmp_path / "one") as writer:
        assert writer.n_parts == n_parts
        write_parts(writer, LONG, CUTS)
        writer.finish(without_events(LONG))
    assert files_of(tmp_path / "one") == reference
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "reference"]


@pytest.mark.parametrize("n_parts", range(len(CUTS)))
def test_truncated_parts_are_written_again(n_parts: int, tmp_path: Path, reference: dict[str, bytes]) -> None:
    with open_one(tmp_path / "one") as writer:
        write_parts(writer, LONG, CUTS)
        writer.truncate(n_parts)
        assert writer.n_parts == n_parts
        write_parts(writer, LONG, CUTS)
        writer.finish(without_events(LONG))
    assert files_of(tmp_path / "one") == reference


def test_truncated_parts_leave_no_file(tmp_path: Path) -> None:
    with open_one(tmp_path / "one") as writer:
        write_parts(writer, LONG, CUTS)
        writer.truncate(1)
        writer.finish(without_events(LONG))
    assert len(dataset.read(tmp_path / "one").observation.events) == 5
    assert [path.name for path in (tmp_path / "one/events").iterdir()] == ["part-00000.parquet"]


def test_a_journal_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    def half(path: Path, text: str) -> int:
        path.write_bytes(text[: len(text) // 2].encode())
        raise OSError("disk full")

    with open_one(tmp_path / "one") as writer:
        write_parts(writer, LONG, CUTS[:2])
        with patch.object(Path, "write_text", half), pytest.raises(OSError, match="full"):
            write_parts(writer, LONG, CUTS)
    with open_one(tmp_path / "one") as writer:
        assert writer.n_parts == 1


def test_no_more_parts_are_kept_than_there_are(tmp_path: Path) -> None:
    with open_one(tmp_path / "one") as writer, pytest.raises(DatasetError, match="n_parts: expected 0 to 0, got 1"):
        writer.truncate(1)


def test_a_part_that_fails_leaves_the_writer_as_it_was(tmp_path: Path, reference: dict[str, bytes]) -> None:
    with open_one(tmp_path / "one") as writer:
        write_parts(writer, LONG, CUTS[:3])
        with (
            patch.object(parquet, "file_sha256", side_effect=OSError("disk full")),
            pytest.raises(OSError, match="full"),
        ):
            write_parts(writer, LONG, CUTS)
        write_parts(writer, LONG, CUTS)
        writer.finish(without_events(LONG))
    assert files_of(tmp_path / "one") == reference


@pytest.mark.parametrize("torn", [0, 2, 4])
def test_a_torn_part_is_dropped_with_all_after_it(torn: int, tmp_path: Path, reference: dict[str, bytes]) -> None:
    with open_one(tmp_path / "one") as writer:
        write_parts(writer, LONG, CUTS)
    part = tmp_path / f".one.unfinished/dataset/events/part-0000{torn}.parquet"
    part.write_bytes(part.read_bytes()[:-1])
    with open_one(tmp_path / "one") as writer:
        assert writer.n_parts == torn
        write_parts(writer, LONG, CUTS)
        writer.finish(without_events(LONG))
    assert files_of(tmp_path / "one") == reference


@pytest.mark.parametrize(
    "change", [{"key": "other"}, {"name": "two"}, {"origin": {**ORIGIN, "seed": 2}}, {"texts": False}], ids=str
)
def test_unfinished_work_of_another_dataset_is_discarded(change: dict[str, Any], tmp_path: Path) -> None:
    with open_one(tmp_path / "one") as writer:
        write_parts(writer, LONG, CUTS)
        (writer.checkpoint / "4").touch()
    with open_one(tmp_path / "one", **change) as writer:
        assert writer.n_parts == 0
        assert list(writer.checkpoint.iterdir()) == []
        assert list((tmp_path / ".one.unfinished/dataset").rglob("*.parquet")) == []


@pytest.mark.parametrize("journal", [b"", b"{", b'{"schema_version":1}', b"\xff"])
def test_work_with_a_broken_journal_is_begun_anew(journal: bytes, tmp_path: Path) -> None:
    with open_one(tmp_path / "one") as writer:
        write_parts(writer, LONG, CUTS)
    (tmp_path / ".one.unfinished/journal.json").write_bytes(journal)
    with open_one(tmp_path / "one") as writer:
        assert writer.n_parts == 0


def test_a_journal_cannot_name_files_elsewhere(tmp_path: Path) -> None:
    with open_one(tmp_path / "one") as writer:
        write_parts(writer, LONG, CUTS)
    journal = tmp_path / ".one.unfinished/journal.json"
    (tmp_path / "part-00000.parquet").write_bytes(
        (tmp_path / ".one.unfinished/dataset/events/part-00000.parquet").read_bytes()
    )
    journal.write_text(journal.read_text().replace("events/part-00000", "../../part-00000"))
    with open_one(tmp_path / "one") as writer:
        assert writer.n_parts == 0


def test_what_a_caller_keeps_is_there_after_a_break_and_gone_at_the_end(tmp_path: Path) -> None:
    with open_one(tmp_path / "one") as writer:
        (writer.checkpoint / "0").write_text("state")
    with open_one(tmp_path / "one") as writer:
        assert (writer.checkpoint / "0").read_text() == "state"
        writer.finish(without_events(LONG))
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
    assert not (tmp_path / "one/checkpoint").exists()


def test_two_writers_are_refused(tmp_path: Path) -> None:
    with open_one(tmp_path / "one") as writer:
        with pytest.raises(DatasetError, match=r"\.one\.unfinished: expected no other process .*, got one at work"):
            open_one(tmp_path / "one")
        with pytest.raises(DatasetError, match="got one at work"):
            write_one(tmp_path / "one")
        write_parts(writer, LONG, CUTS)
        writer.finish(without_events(LONG))
    assert len(dataset.read(tmp_path / "one").observation.events) == 20


def test_another_process_is_refused(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from tests.dataset_examples import open_one; open_one(Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "one")]
    root = Path(__file__).parents[1]
    with open_one(tmp_path / "one"):
        refused = subprocess.run(command, cwd=root, check=False, capture_output=True, text=True)
    assert "expected no other process that writes this dataset, got one at work" in refused.stderr
    subprocess.run(command, cwd=root, check=True)


@pytest.mark.parametrize("finishes", [True, False])
def test_a_writer_that_comes_as_another_leaves_starts_or_is_refused(
    finishes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_one(tmp_path / "one")

    def leave(*args: int) -> None:
        monkeypatch.undo()
        first.finish(without_events(LONG)) if finishes else first.discard()
        first.close()

    # Between the second's look at the folder and its lock: the sibling that it locks is gone by then.
    monkeypatch.setattr("fcntl.flock", leave)
    if finishes:
        with pytest.raises(DatasetError, match="one: expected no such folder yet"):
            open_one(tmp_path / "one")
    else:
        with open_one(tmp_path / "one") as second:
            second.finish(without_events(LONG))
    assert len(dataset.read(tmp_path / "one").observation.events) == 0


BAD_EVENTS: dict[str, tuple[dict[str, Any], str]] = {
    "a column too few": ({"like": None}, "events: expected columns"),
    "another type": ({"user": np.zeros(20)}, r"events\.user: expected int32\(20,\), got float64\(20,\)"),
    "another length": ({"user": np.zeros(3, np.int32)}, r"events\.user: expected int32\(20,\), got int32\(3,\)"),
    "time that runs back": ({"time": np.arange(20)[::-1]}, r"events\.time: expected non-decreasing order"),
}


@pytest.mark.parametrize("fault", BAD_EVENTS)
def test_events_that_fit_no_table_are_refused(fault: str, tmp_path: Path) -> None:
    change, message = BAD_EVENTS[fault]
    columns = {name: column for name, column in (event_columns(LONG.events) | change).items() if column is not None}
    with open_one(tmp_path / "one") as writer:
        with pytest.raises(SchemaError, match=message):
            writer.write_events(columns)
        assert writer.n_parts == 0


def test_the_buffers_of_the_caller_stay_writeable(tmp_path: Path) -> None:
    columns = {name: column.copy() for name, column in event_columns(LONG.events).items()}
    with open_one(tmp_path / "one") as writer:
        writer.write_events(columns)
    assert all(column.flags.writeable for column in columns.values())


def test_events_at_the_end_are_refused(tmp_path: Path) -> None:
    with open_one(tmp_path / "one") as writer, pytest.raises(DatasetError, match="finish: events: expected none"):
        writer.finish(LONG)
