"""A dataset folder gives back what was written, and whatever is wrong with it is said by file and field."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from numpy.typing import NDArray

from simulator import dataset
from simulator.dataset import DatasetError, parquet
from simulator.dataset.digest import ContentDigest
from simulator.dataset.manifest import MANIFEST_FILE, read_manifest, write_manifest
from simulator.dataset.parquet import file_sha256, write_part
from simulator.dataset.tables import Column, column_types, to_tables
from simulator.schema import Kind, Observation, StoredTexts, Texts
from tests.dataset_examples import IDS, ORIGIN, files_of, path_of, with_parts, write_one
from tests.schema_examples import an_observation
from tests.schema_strategies import observations


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_one(tmp_path / "one")
    return tmp_path / "one"


def values(observation: Observation) -> dict[str, list[Any]]:
    """All columns as plain values, NaN as None."""
    return {
        f"{table}.{name}": [None if value != value else value for value in plain(column)]
        for table, columns in to_tables(observation, {}).items()
        for name, column in columns.items()
    }


def plain(column: NDArray[Any] | Texts) -> list[Any]:
    if isinstance(column, np.ndarray):
        numbers: list[Any] = column.tolist()
        return numbers
    return column.take(np.arange(len(column), dtype=np.int32))


@given(observations())
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_what_is_written_is_read(observation: Observation) -> None:
    with TemporaryDirectory() as parent:
        manifest = dataset.write(Path(parent) / "any", observation, name="any", origin={})
        found = dataset.read(Path(parent) / "any")
    assert found.manifest == manifest
    assert values(found.observation) == values(observation)
    assert found.observation.now == observation.now
    assert found.observation.catalog.categories == observation.catalog.categories
    assert found.observation.events.channels == observation.events.channels
    assert not found.observation.events.time_E.flags.writeable


def test_the_manifest_says_what_the_folder_holds(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert (manifest.name, manifest.now, manifest.origin) == ("one", 10, ORIGIN)
    rows = {name: table.rows for name, table in manifest.tables.items()}
    assert rows == {"users": 2, "authors": 2, "notes": 3, "events": 3, "follows": 2, "ids_users": 2, "ids_notes": 3}


def test_source_ids_are_read_back(folder: Path) -> None:
    ids = dataset.read(folder).source_ids
    assert {kind: plain(texts) for kind, texts in ids.items()} == {"user": ["u1", "u2"], "note": ["n1", "n2", "n3"]}


def test_the_same_content_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    write_one(tmp_path / "two")
    assert files_of(folder) == files_of(tmp_path / "two")


def test_the_fingerprint_does_not_depend_on_the_encoding(folder: Path) -> None:
    before = read_manifest(folder)
    path = path_of(folder, "events")
    pq.write_table(pq.read_table(path), path, compression="none")
    part = before.tables["events"].parts[0].model_copy(update={"sha256": file_sha256(path)})
    write_manifest(folder, with_parts(before, "events", part))
    assert dataset.read(folder).manifest.fingerprint == before.fingerprint


@pytest.mark.parametrize("field", ["name", "now", "origin"])
def test_the_fingerprint_covers(field: str, folder: Path, tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"name": "one", "origin": ORIGIN}
    observation = an_observation()
    if field == "now":
        observation = Observation(11, observation.catalog, observation.events, observation.follows)
    else:
        arguments[field] = {"name": "two", "origin": {**ORIGIN, "seed": 2}}[field]
    other = dataset.write(tmp_path / "other", observation, **arguments, source_ids=IDS)
    assert other.fingerprint != read_manifest(folder).fingerprint


class Numbered:
    """Texts that are rendered on demand."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def take(self, ids: NDArray[np.int32]) -> list[str]:
        return [f"text {i}" for i in ids]

    def head(self, n: int) -> Numbered:
        return Numbered(n)


def test_rendered_texts_are_written_block_by_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROWS_PER_GROUP", 3)
    n = 8
    columns: dict[str, Column] = {
        "author": np.full(n, -1, np.int32),
        "born_time": np.arange(n),
        "is_video": np.zeros(n, bool),
        "category": np.full(n, -1, np.int16),
    }
    types = column_types("notes", texts=True)
    stored = StoredTexts.of(Numbered(n).take(np.arange(n, dtype=np.int32)))
    digests = [ContentDigest(types), ContentDigest(types)]
    every: dict[str, Texts] = {"a.parquet": Numbered(n), "b.parquet": stored}
    rendered, again = (
        write_part(tmp_path, file, {**columns, "title": texts, "body": texts}, types, digest=digest)
        for (file, texts), digest in zip(every.items(), digests, strict=True)
    )
    assert rendered.sha256 == again.sha256
    assert digests[0].hexdigest() == digests[1].hexdigest()
    assert pq.ParquetFile(tmp_path / "a.parquet").num_row_groups == 3
    back = parquet.read_part(tmp_path, rendered, types)
    assert plain(back["title"]) == [f"text {i}" for i in range(n)]


def test_columns_have_plain_names_and_types(folder: Path) -> None:
    schema = pq.read_schema(folder / "notes.parquet")
    assert schema.names == ["author", "born_time", "is_video", "category", "title", "body"]
    assert schema.field("title").type == pa.large_string()


def test_an_existing_folder_is_refused_and_kept(folder: Path) -> None:
    before = (folder / MANIFEST_FILE).read_bytes()
    with pytest.raises(DatasetError, match="one: expected no such folder yet, got an existing one"):
        write_one(folder)
    assert (folder / MANIFEST_FILE).read_bytes() == before
    assert [path.name for path in folder.parent.iterdir()] == ["one"]


def test_an_origin_that_is_not_json_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="origin"):
        dataset.write(tmp_path / "one", an_observation(), name="one", origin={"when": object()})  # type: ignore[dict-item]
    assert list(tmp_path.iterdir()) == []


def test_an_exception_leaves_nothing(tmp_path: Path) -> None:
    texts: dict[Kind, Texts] = {"user": StoredTexts.of(["u1"]), "note": Broken(3)}
    with pytest.raises(KeyboardInterrupt):
        dataset.write(tmp_path / "one", an_observation(), name="one", origin={}, source_ids=texts)
    assert list(tmp_path.iterdir()) == []


class Broken(Numbered):
    """Texts during whose rendering somebody presses Ctrl-C."""

    def take(self, ids: NDArray[np.int32]) -> list[str]:
        raise KeyboardInterrupt
