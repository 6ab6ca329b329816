"""A dataset is scanned part by part with the checks of a whole one; texts left out are missed when asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from simulator import dataset
from simulator.dataset import DatasetError
from simulator.dataset.manifest import read_manifest, write_manifest
from simulator.dataset.parquet import file_sha256
from simulator.dataset.tables import event_columns
from simulator.schema import Observation, SchemaError, WithheldTexts
from tests.dataset_examples import (
    IDS,
    a_long_observation,
    open_one,
    stream_one,
    with_parts,
    without_events,
    write_parts,
)

CUTS = (0, 5, 5, 13, 20)
LONG = a_long_observation()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    stream_one(tmp_path / "one", LONG, CUTS)
    return tmp_path / "one"


def test_a_scan_has_all_but_the_events_at_once(folder: Path) -> None:
    for path in (folder / "events").iterdir():
        path.unlink()
    stream = dataset.scan(folder)
    assert len(stream.catalog.notes) == 3
    assert len(stream.follows) == 2
    assert stream.manifest.tables["events"].rows == 20


def test_events_can_be_read_again(folder: Path) -> None:
    stream = dataset.scan(folder)
    assert [len(log) for log in stream.events()] == [len(log) for log in stream.events()] == [5, 0, 8, 7]


def test_the_parts_before_a_torn_one_are_read(folder: Path) -> None:
    torn = folder / "events/part-00002.parquet"
    torn.write_bytes(torn.read_bytes()[:-1])
    logs = dataset.scan(folder).events()
    assert len(next(logs)) == 5
    assert len(next(logs)) == 0
    with pytest.raises(DatasetError, match=r"part-00002\.parquet: sha256"):
        next(logs)


def forge_part(folder: Path) -> None:
    """Change a value without a trace in any sha256."""
    path = folder / "events/part-00002.parquet"
    table = pq.read_table(path)
    pq.write_table(table.set_column(6, "propensity", table["propensity"].take([0] * 8)).cast(table.schema), path)
    manifest = read_manifest(folder)
    parts = list(manifest.tables["events"].parts)
    parts[2] = parts[2].model_copy(update={"sha256": file_sha256(path)})
    write_manifest(folder, with_parts(manifest, "events", *parts))


@pytest.mark.parametrize("use", [dataset.read, lambda folder: list(dataset.scan(folder).events())])
def test_forged_values_are_found_after_the_last_part(use: Callable[[Path], object], folder: Path) -> None:
    forge_part(folder)
    with pytest.raises(DatasetError, match=r"tables\.events\.content: expected \w{64}, got \w{64}"):
        use(folder)


def write_badly(folder: Path, **changes: object) -> None:
    """Write a last part that breaks the schema."""
    columns = event_columns(LONG.events.take(slice(13, 20)))
    with open_one(folder) as writer:
        write_parts(writer, LONG, CUTS[:-1])
        writer.write_events(columns | {name: np.full(7, value, columns[name].dtype) for name, value in changes.items()})
        writer.finish(without_events(LONG))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("user", 2, r"EventLog\.user: expected values in \[0, 2\)"),
        ("note", -1, r"EventLog\.note"),
        ("channel", 2, r"EventLog\.channel"),
        ("time", 100, r"EventLog\.time: expected times before now = 100"),
        ("time", 11, r"part-00003\.parquet: time: expected no time before \d+ of an earlier part, got 11"),
    ],
)
def test_a_part_that_breaks_the_schema_is_refused_by_its_name(
    name: str, value: int, message: str, tmp_path: Path
) -> None:
    write_badly(tmp_path / "one", **{name: value})
    logs = dataset.scan(tmp_path / "one").events()
    assert [len(next(logs)) for _ in range(3)] == [5, 0, 8]
    with pytest.raises(DatasetError, match=message) as caught:
        next(logs)
    assert "part-00003" in caught.value.place
    with pytest.raises(DatasetError, match="EventLog"):
        dataset.read(tmp_path / "one")


@pytest.fixture
def silent(tmp_path: Path) -> Path:
    """A dataset without texts."""
    with open_one(tmp_path / "silent", texts=False) as writer:
        write_parts(writer, LONG, CUTS)
        writer.finish(without_events(LONG), source_ids=IDS)
    return tmp_path / "silent"


def test_texts_are_left_out_of_the_files(silent: Path) -> None:
    assert not read_manifest(silent).texts
    assert pq.read_schema(silent / "authors.parquet").names == ["joined_time", "category"]
    assert pq.read_schema(silent / "notes.parquet").names == ["author", "born_time", "is_video", "category"]


def test_texts_that_were_left_out_are_missed_when_asked_for(silent: Path) -> None:
    catalog = dataset.read(silent).observation.catalog
    for field, texts, n in (
        ("Authors.profile", catalog.authors.profile, 2),
        ("Notes.title", catalog.notes.title, 3),
        ("Notes.body", catalog.notes.body, 3),
    ):
        assert len(texts) == n
        assert [len(texts.head(k)) for k in (0, 1, 9)] == [0, 1, n]
        with pytest.raises(
            SchemaError, match=f"{field}: expected texts, got a dataset written without them; .*--texts"
        ):
            texts.head(1).take(np.array([0], np.int32))


def test_a_catalog_without_texts_has_a_past(silent: Path) -> None:
    past = dataset.read(silent).observation.catalog.before(6)
    assert isinstance(past.notes.title, WithheldTexts)
    assert len(past.notes.title) == 2


def test_ids_are_written_without_texts_too(silent: Path) -> None:
    assert dataset.scan(silent).source_ids["user"].take(np.array([1], np.int32)) == ["u2"]


def test_the_fingerprint_covers_the_texts_that_are_written(silent: Path, folder: Path) -> None:
    assert read_manifest(silent).fingerprint != read_manifest(folder).fingerprint


def test_what_was_read_without_texts_is_written_without_texts(silent: Path, tmp_path: Path) -> None:
    found = dataset.read(silent)
    again: Observation = found.observation
    manifest = dataset.write(
        tmp_path / "again", again, name="one", origin=found.manifest.origin, source_ids=found.source_ids
    )
    assert manifest.fingerprint == found.manifest.fingerprint


def test_texts_that_are_missing_cannot_be_written(silent: Path, tmp_path: Path) -> None:
    rest = without_events(dataset.read(silent).observation)
    with open_one(tmp_path / "one") as writer, pytest.raises(SchemaError, match=r"Authors\.profile: expected texts"):
        writer.finish(rest)
