"""A dataset as one folder: written whole or not at all, read with every check."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from pydantic import JsonValue

from simulator.dataset.manifest import SCHEMA_VERSION, DatasetError, Manifest, read_manifest, write_manifest
from simulator.dataset.parquet import read_table, write_table
from simulator.dataset.tables import (
    SOURCE_ID_TABLES,
    TABLES,
    column_types,
    to_observation,
    to_source_ids,
    to_tables,
)
from simulator.schema import Kind, Observation, SchemaError, StoredTexts, Texts

NO_SOURCE_IDS: Mapping[Kind, Texts] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """A dataset as read: what it says of itself, what it shows, and the ids entities had at the source, if any."""

    manifest: Manifest
    observation: Observation
    source_ids: Mapping[Kind, StoredTexts]


def write(
    folder: Path,
    observation: Observation,
    *,
    name: str,
    origin: dict[str, JsonValue],
    source_ids: Mapping[Kind, Texts] = NO_SOURCE_IDS,
) -> Manifest:
    """Write a new dataset folder, whole or not at all; a folder that exists is refused.

    Everything goes to a hidden sibling, which is renamed at the end: a kill leaves that sibling and no dataset.
    """
    _refuse_existing(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.unfinished")
    unfinished.mkdir()
    try:
        manifest = _write_into(unfinished, observation, name, origin, source_ids)
        _refuse_existing(folder)
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished)
        raise
    return manifest


def read(folder: Path) -> Dataset:
    """Read a dataset folder, checking manifest, bytes, columns and schema; what is wrong raises DatasetError."""
    manifest = read_manifest(folder)
    _check_tables(folder, manifest)
    files = manifest.tables.items()
    tables = {name: read_table(folder / table.file, table, column_types(name)) for name, table in files}
    try:
        observation = to_observation(tables, manifest.now, manifest.categories, manifest.channels)
    except SchemaError as error:
        raise DatasetError(str(folder), "tables that obey the schema", error) from error
    source_ids = to_source_ids(tables)
    for kind, ids in source_ids.items():
        if len(ids) != observation.catalog.count(kind):
            raise DatasetError(f"{folder}: ids of each {kind}", observation.catalog.count(kind), len(ids))
    return Dataset(manifest, observation, source_ids)


def _write_into(
    folder: Path,
    observation: Observation,
    name: str,
    origin: dict[str, JsonValue],
    source_ids: Mapping[Kind, Texts],
) -> Manifest:
    tables = {
        table: write_table(folder / f"{table}.parquet", columns, column_types(table))
        for table, columns in to_tables(observation, source_ids).items()
    }
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        name=name,
        now=int(observation.now),
        categories=observation.catalog.categories,
        channels=observation.events.channels,
        origin=origin,
        tables=tables,
    ).sealed()
    write_manifest(folder, manifest)
    return manifest


def _check_tables(folder: Path, manifest: Manifest) -> None:
    """Refuse a missing or unknown table, and a file name that could point elsewhere."""
    names = set(manifest.tables)
    if not set(TABLES) <= names <= set(TABLES) | set(SOURCE_ID_TABLES):
        raise DatasetError(f"{folder}: tables", f"{list(TABLES)} and at most {list(SOURCE_ID_TABLES)}", sorted(names))
    for name, table in manifest.tables.items():
        if table.file != f"{name}.parquet":
            raise DatasetError(f"{folder}: tables.{name}.file", f"{name}.parquet", table.file)


def _refuse_existing(folder: Path) -> None:
    if folder.exists():
        raise DatasetError(str(folder), "no such folder yet", "an existing one")
