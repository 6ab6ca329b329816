"""Whatever is wrong with a dataset folder is refused, and said by file and field."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from simulator import dataset
from simulator.dataset import DatasetError, Manifest, Table
from simulator.dataset.digest import ContentDigest
from simulator.dataset.manifest import MANIFEST_FILE, read_manifest, write_manifest
from simulator.dataset.parquet import file_sha256, write_part
from simulator.dataset.tables import column_types, part_file, to_tables
from simulator.schema import StoredTexts, Texts
from tests.dataset_examples import IDS, ORIGIN, files_of, path_of, with_parts, write_one
from tests.schema_examples import an_observation

EVENTS_FILE = part_file("events", 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_one(tmp_path / "one")
    return tmp_path / "one"


@pytest.fixture(scope="module")
def pristine() -> Iterator[Path]:
    with TemporaryDirectory() as parent:
        write_one(Path(parent) / "one")
        yield Path(parent) / "one"


def edit_manifest(**changes: Any) -> Callable[[Path], None]:
    """Edit fields of the manifest (... removes one), its fingerprint not."""

    def edit(folder: Path) -> None:
        fields = json.loads((folder / MANIFEST_FILE).read_text())
        fields |= changes
        (folder / MANIFEST_FILE).write_text(
            json.dumps({name: value for name, value in fields.items() if value is not ...})
        )

    return edit


def edit_table(table: str, change: Callable[[pa.Table], pa.Table], *, resealed: bool = True) -> Callable[[Path], None]:
    """Rewrite a Parquet file; `resealed` puts its new sha256 into the manifest, as a careful forger would."""

    def edit(folder: Path) -> None:
        path = path_of(folder, table)
        pq.write_table(change(pq.read_table(path)), path)
        if resealed:
            reseal_file(folder, table)

    return edit


def reseal_file(folder: Path, table: str) -> None:
    manifest = read_manifest(folder)
    part = manifest.tables[table].parts[0].model_copy(update={"sha256": file_sha256(path_of(folder, table))})
    write_manifest(folder, with_parts(manifest, table, part))


def replace_column(table: str, name: str, column: NDArray[Any] | Texts) -> Callable[[Path], None]:
    """Write a table anew with another column and seal the manifest: all is sound but what the schema says."""

    def edit(folder: Path) -> None:
        manifest = read_manifest(folder)
        columns = {**to_tables(an_observation(), IDS)[table], name: column}
        types = column_types(table, texts=True)
        digest = ContentDigest(types)
        part = write_part(folder, part_file(table, 0), columns, types, digest=digest)
        tables = {**manifest.tables, table: Table(content=digest.hexdigest(), parts=(part,))}
        write_manifest(folder, manifest.model_copy(update={"tables": tables}).sealed())

    return edit


def reseal(change: Callable[[Manifest], Manifest]) -> Callable[[Path], None]:
    return lambda folder: write_manifest(folder, change(read_manifest(folder)).sealed())


def without(table: str) -> Callable[[Manifest], Manifest]:
    return lambda manifest: manifest.model_copy(
        update={"tables": {name: entry for name, entry in manifest.tables.items() if name != table}}
    )


def with_file(table: str, file: str) -> Callable[[Manifest], Manifest]:
    return lambda manifest: with_parts(
        manifest, table, manifest.tables[table].parts[0].model_copy(update={"file": file})
    )


def with_no_parts(folder: Path) -> None:
    fields = json.loads((folder / MANIFEST_FILE).read_text())
    fields["tables"]["events"]["parts"] = []
    (folder / MANIFEST_FILE).write_text(json.dumps(fields))


def truncate(name: str) -> Callable[[Path], None]:
    return lambda folder: os.truncate(folder / name, (folder / name).stat().st_size // 2)


def truncate_and_reseal(folder: Path) -> None:
    truncate(EVENTS_FILE)(folder)
    reseal_file(folder, "events")


def cast(name: str, dtype: pa.DataType) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.set_column(table.schema.get_field_index(name), name, table.column(name).cast(dtype))


def null_first(name: str) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        column = pa.array([None, *table.column(name).to_pylist()[1:]], table.schema.field(name).type)
        return table.set_column(table.schema.get_field_index(name), pa.field(name, column.type), column)

    return change


CORRUPTIONS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (shutil.rmtree, r"one/manifest\.json: expected a file, got none"),
    "no manifest": (lambda folder: (folder / MANIFEST_FILE).unlink(), r"manifest\.json: expected a file, got none"),
    "a truncated manifest": (truncate(MANIFEST_FILE), r"manifest\.json: expected Invalid JSON"),
    "a manifest of another version": (edit_manifest(schema_version=1, extra=1), r"schema_version: .* 2, got 1"),
    "a manifest without a version": (edit_manifest(schema_version=...), "schema_version: expected Field required"),
    "a manifest with a new field": (edit_manifest(note="hello"), "note: .* got 'hello'"),
    "a manifest without a field": (edit_manifest(origin=...), "origin: expected Field required"),
    "a manifest field of another type": (edit_manifest(now="10"), "now: .* integer, got '10'"),
    "an edited name": (edit_manifest(name="two"), r"manifest\.json: fingerprint: expected \w{64}, got \w{64}"),
    "an edited now": (edit_manifest(now=11), "fingerprint: expected"),
    "edited texts": (edit_manifest(texts=False), "fingerprint: expected"),
    "edited categories": (edit_manifest(categories=["food", "travel"]), "fingerprint: expected"),
    "edited channels": (edit_manifest(channels=["popular", "fresh"]), "fingerprint: expected"),
    "an edited origin": (edit_manifest(origin={**ORIGIN, "seed": 2}), "fingerprint: expected"),
    "a manifest without a fingerprint": (edit_manifest(fingerprint=...), "fingerprint: expected .* got none"),
    "a table too few": (reseal(without("follows")), r"tables: expected .*'follows'.*, got \["),
    "a file elsewhere": (
        reseal(with_file("users", "../users.parquet")),
        r"users\.parts\.0\.file: expected users\.parquet, got \.\.",
    ),
    "a part elsewhere": (
        reseal(with_file("events", "events/../../part-00000.parquet")),
        r"events\.parts\.0\.file: expected events/part-00000\.parquet, got events/\.\.",
    ),
    "a part under another number": (
        reseal(with_file("events", "events/part-00001.parquet")),
        r"file: expected events/part-00000\.parquet, got events/part-00001\.parquet",
    ),
    "a table of two parts": (
        reseal(lambda manifest: with_parts(manifest, "users", *manifest.tables["users"].parts * 2)),
        r"users\.parts: expected one part, got 2",
    ),
    "a part listed twice": (
        reseal(lambda manifest: with_parts(manifest, "events", *manifest.tables["events"].parts * 2)),
        r"events\.parts\.1\.file: expected events/part-00001\.parquet",
    ),
    "a table without parts": (with_no_parts, r"events\.parts: .* got \[\]"),
    "a part that nobody lists": (
        lambda folder: shutil.copy(folder / EVENTS_FILE, folder / part_file("events", 1)),
        r"events: expected no part but those of the manifest, got \['part-00001\.parquet'\]",
    ),
    "a manifest that denies the texts": (
        reseal(lambda manifest: manifest.model_copy(update={"texts": False})),
        r"authors\.parquet: columns: expected \['joined_time', 'category'\]",
    ),
    "a missing file": (
        lambda folder: (folder / "notes.parquet").unlink(),
        r"notes\.parquet: expected a file, got none",
    ),
    "a truncated file": (truncate(EVENTS_FILE), r"part-00000\.parquet: sha256: expected \w{64}, got \w{64}"),
    "a truncated file, resealed": (truncate_and_reseal, r"part-00000\.parquet: expected a whole Parquet file"),
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
        r"part-00000\.parquet: user: expected int32, got int64",
    ),
    "a short string column": (
        edit_table("notes", cast("body", pa.string())),
        r"body: expected large_string, got string",
    ),
    "a null": (edit_table("events", null_first("note")), r"part-00000\.parquet: note: expected no nulls, got 1 nulls"),
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
@settings(max_examples=150, deadline=None)
def test_no_flipped_byte_goes_unnoticed(pristine: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(files_of(pristine))))
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
