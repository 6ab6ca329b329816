"""A dataset folder gives back what was written, and whatever is wrong with it is said by file and field."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from simulator import dataset
from simulator.dataset import DatasetError, Manifest, parquet
from simulator.dataset.manifest import read_manifest, write_manifest
from simulator.dataset.parquet import file_sha256, write_table
from simulator.dataset.tables import column_types, to_tables
from simulator.schema import Kind, Observation, StoredTexts, Texts
from tests.schema_strategies import observations
from tests.test_schema import an_observation

ORIGIN: dict[str, Any] = {"world": "tiny", "seed": 1, "version": "0.1.0", "spec": {"share": 0.1}}
IDS: dict[Kind, Texts] = {"user": StoredTexts.of(["u1", "u2"]), "note": StoredTexts.of(["n1", "n2", "n3"])}
MANIFEST = "manifest.json"


def write_one(folder: Path) -> Manifest:
    return dataset.write(folder, an_observation(), name="one", origin=ORIGIN, source_ids=IDS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_one(tmp_path / "one")
    return tmp_path / "one"


@pytest.fixture(scope="module")
def pristine() -> Iterator[Path]:
    with TemporaryDirectory() as parent:
        write_one(Path(parent) / "one")
        yield Path(parent) / "one"


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
    files = sorted(path.name for path in folder.iterdir())
    assert files == sorted(path.name for path in (tmp_path / "two").iterdir())
    assert all((folder / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in files)


def test_the_fingerprint_does_not_depend_on_the_encoding(folder: Path) -> None:
    before = read_manifest(folder)
    path = folder / "events.parquet"
    pq.write_table(pq.read_table(path), path, compression="none")
    table = before.tables["events"].model_copy(update={"sha256": file_sha256(path)})
    write_manifest(folder, before.model_copy(update={"tables": {**before.tables, "events": table}}))
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
    columns = {
        "author": np.full(n, -1, np.int32),
        "born_time": np.arange(n),
        "is_video": np.zeros(n, bool),
        "category": np.full(n, -1, np.int16),
    }
    rendered = write_table(
        tmp_path / "a.parquet", {**columns, "title": Numbered(n), "body": Numbered(n)}, column_types("notes")
    )
    stored = StoredTexts.of(Numbered(n).take(np.arange(n, dtype=np.int32)))
    again = write_table(tmp_path / "b.parquet", {**columns, "title": stored, "body": stored}, column_types("notes"))
    assert rendered.sha256 == again.sha256
    assert pq.ParquetFile(tmp_path / "a.parquet").num_row_groups == 3
    back = parquet.read_table(tmp_path / "a.parquet", rendered, column_types("notes"))
    assert plain(back["title"]) == [f"text {i}" for i in range(n)]


def test_columns_have_plain_names_and_types(folder: Path) -> None:
    schema = pq.read_schema(folder / "notes.parquet")
    assert schema.names == ["author", "born_time", "is_video", "category", "title", "body"]
    assert schema.field("title").type == pa.large_string()


def edit_manifest(**changes: Any) -> Callable[[Path], None]:
    """Edit fields of the manifest, its fingerprint not."""

    def edit(folder: Path) -> None:
        fields = json.loads((folder / MANIFEST).read_text())
        fields |= changes
        (folder / MANIFEST).write_text(json.dumps({name: value for name, value in fields.items() if value is not ...}))

    return edit


def edit_table(table: str, change: Callable[[pa.Table], pa.Table], *, resealed: bool = True) -> Callable[[Path], None]:
    """Rewrite a Parquet file; `resealed` puts its new sha256 into the manifest, as a careful forger would."""

    def edit(folder: Path) -> None:
        path = folder / f"{table}.parquet"
        pq.write_table(change(pq.read_table(path)), path)
        if resealed:
            manifest = read_manifest(folder)
            entry = manifest.tables[table].model_copy(update={"sha256": file_sha256(path)})
            write_manifest(folder, manifest.model_copy(update={"tables": {**manifest.tables, table: entry}}))

    return edit


def replace_column(table: str, name: str, column: NDArray[Any] | Texts) -> Callable[[Path], None]:
    """Write a table anew with another column and seal the manifest: all is sound but what the schema says."""

    def edit(folder: Path) -> None:
        manifest = read_manifest(folder)
        columns = {**to_tables(an_observation(), IDS)[table], name: column}
        entry = write_table(folder / f"{table}.parquet", columns, column_types(table))
        tables = {**manifest.tables, table: entry}
        write_manifest(folder, manifest.model_copy(update={"tables": tables}).sealed())

    return edit


def reseal(change: Callable[[Manifest], Manifest]) -> Callable[[Path], None]:
    return lambda folder: write_manifest(folder, change(read_manifest(folder)).sealed())


def without(table: str) -> Callable[[Manifest], Manifest]:
    return lambda manifest: manifest.model_copy(
        update={"tables": {name: entry for name, entry in manifest.tables.items() if name != table}}
    )


def with_file(table: str, file: str) -> Callable[[Manifest], Manifest]:
    def change(manifest: Manifest) -> Manifest:
        entry = manifest.tables[table].model_copy(update={"file": file})
        return manifest.model_copy(update={"tables": {**manifest.tables, table: entry}})

    return change


def truncate(name: str) -> Callable[[Path], None]:
    return lambda folder: os.truncate(folder / name, (folder / name).stat().st_size // 2)


def truncate_and_reseal(folder: Path) -> None:
    truncate("events.parquet")(folder)
    manifest = read_manifest(folder)
    entry = manifest.tables["events"].model_copy(update={"sha256": file_sha256(folder / "events.parquet")})
    write_manifest(folder, manifest.model_copy(update={"tables": {**manifest.tables, "events": entry}}))


def cast(name: str, dtype: pa.DataType) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.set_column(table.schema.get_field_index(name), name, table.column(name).cast(dtype))


def null_first(name: str) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        column = pa.array([None, *table.column(name).to_pylist()[1:]], table.schema.field(name).type)
        return table.set_column(table.schema.get_field_index(name), pa.field(name, column.type), column)

    return change


CORRUPTIONS: dict[str, tuple[Callable[[Path], None], str]] = {
    "no folder": (shutil.rmtree, r"one/manifest\.json: expected a file, got none"),
    "no manifest": (lambda folder: (folder / MANIFEST).unlink(), r"manifest\.json: expected a file, got none"),
    "a truncated manifest": (truncate(MANIFEST), r"manifest\.json: expected Invalid JSON"),
    "a manifest of another version": (edit_manifest(schema_version=2, extra=1), r"schema_version: .* 1, got 2"),
    "a manifest without a version": (edit_manifest(schema_version=...), "schema_version: expected Field required"),
    "a manifest with a new field": (edit_manifest(note="hello"), "note: .* got 'hello'"),
    "a manifest without a field": (edit_manifest(origin=...), "origin: expected Field required"),
    "a manifest field of another type": (edit_manifest(now="10"), "now: .* integer, got '10'"),
    "an edited name": (edit_manifest(name="two"), r"manifest\.json: fingerprint: expected \w{64}, got \w{64}"),
    "an edited now": (edit_manifest(now=11), "fingerprint: expected"),
    "edited categories": (edit_manifest(categories=["food", "travel"]), "fingerprint: expected"),
    "edited channels": (edit_manifest(channels=["popular", "fresh"]), "fingerprint: expected"),
    "an edited origin": (edit_manifest(origin={**ORIGIN, "seed": 2}), "fingerprint: expected"),
    "a manifest without a fingerprint": (edit_manifest(fingerprint=...), "fingerprint: expected .* got none"),
    "a table too few": (reseal(without("follows")), r"tables: expected .*'follows'.*, got \["),
    "a file elsewhere": (
        reseal(with_file("users", "../users.parquet")),
        r"users\.file: expected users\.parquet, got \.\.",
    ),
    "a missing file": (
        lambda folder: (folder / "notes.parquet").unlink(),
        r"notes\.parquet: expected a file, got none",
    ),
    "a truncated file": (truncate("events.parquet"), r"events\.parquet: sha256: expected \w{64}, got \w{64}"),
    "a truncated file, resealed": (truncate_and_reseal, r"events\.parquet: expected a whole Parquet file"),
    "an edited table": (edit_table("users", lambda table: table[:1], resealed=False), r"users\.parquet: sha256"),
    "a row too few": (edit_table("users", lambda table: table[:1]), r"users\.parquet: rows: expected \{2\}, got \{1\}"),
    "edited values": (edit_table("users", lambda table: table.take([0, 0])), "content"),
    "a missing column": (
        edit_table("notes", lambda table: table.drop_columns("title")),
        r"notes\.parquet: columns: .*'title'",
    ),
    "another order of columns": (edit_table("users", lambda table: table.select([1, 0])), r"users\.parquet: columns"),
    "a wrong dtype": (
        edit_table("events", cast("user", pa.int64())),
        r"events\.parquet: user: expected int32, got int64",
    ),
    "a short string column": (
        edit_table("notes", cast("body", pa.string())),
        r"body: expected large_string, got string",
    ),
    "a null": (edit_table("events", null_first("note")), r"events\.parquet: note: expected no nulls, got 1 nulls"),
    "a null text": (edit_table("authors", null_first("profile")), r"authors\.parquet: profile: expected no nulls"),
    "time out of order": (
        replace_column("events", "time", np.array([9, 8, 9])),
        r"EventLog\.time: .* 8 after 9 at row 1",
    ),
    "an event of no user": (replace_column("events", "user", np.array([0, 1, 2], np.int32)), r"EventLog\.user"),
    "a channel without a name": (
        replace_column("events", "channel", np.array([0, 1, 2], np.int8)),
        r"EventLog\.channel",
    ),
    "ids of too few users": (
        replace_column("ids_users", "source_id", StoredTexts.of(["u1"])),
        "ids of each user: expected 2, got 1",
    ),
}


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_a_corruption_is_refused_by_file_and_field(corruption: str, folder: Path) -> None:
    corrupt, message = CORRUPTIONS[corruption]
    corrupt(folder)
    with pytest.raises(DatasetError, match=message):
        dataset.read(folder)


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_flipped_byte_goes_unnoticed(pristine: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(path.name for path in pristine.iterdir())))
    whole = (pristine / name).read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    torn = data.draw(st.booleans())
    broken = whole[:at] if torn else whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    with TemporaryDirectory() as parent:
        copy = Path(parent) / "one"
        shutil.copytree(pristine, copy)
        (copy / name).write_bytes(broken)
        try:
            found = dataset.read(copy)
        except DatasetError:
            return
    # White space of the manifest is nobody's content.
    assert found.manifest == read_manifest(pristine)


def test_an_existing_folder_is_refused_and_kept(folder: Path) -> None:
    before = (folder / MANIFEST).read_bytes()
    with pytest.raises(DatasetError, match="one: expected no such folder yet, got an existing one"):
        write_one(folder)
    assert (folder / MANIFEST).read_bytes() == before
    assert [path.name for path in folder.parent.iterdir()] == ["one"]


def test_an_origin_that_is_not_json_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="origin"):
        dataset.write(tmp_path / "one", an_observation(), name="one", origin={"when": object()})  # type: ignore[dict-item]
    assert list(tmp_path.iterdir()) == []


def test_a_kill_leaves_no_dataset_and_hurts_no_later_write(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from simulator.dataset import folder; "
        "from tests.test_dataset import write_one; "
        "folder.write_manifest = lambda *_: os.kill(os.getpid(), signal.SIGKILL); write_one(Path(sys.argv[1]))"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "one"], cwd=Path(__file__).parents[1], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.endswith(".unfinished")
    with pytest.raises(DatasetError, match="expected a file, got none"):
        dataset.read(tmp_path / "one")
    write_one(tmp_path / "one")
    assert dataset.read(tmp_path / "one").manifest.name == "one"
