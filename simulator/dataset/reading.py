"""Read a dataset with every check: whole, or its events one part at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.dataset.digest import ContentDigest
from simulator.dataset.manifest import DatasetError, Manifest, read_manifest
from simulator.dataset.parquet import blocks, read_part
from simulator.dataset.tables import (
    EVENTS,
    SOURCE_ID_TABLES,
    TABLES,
    Columns,
    column_types,
    part_file,
    to_catalog,
    to_follows,
    to_log,
    to_source_ids,
)
from simulator.schema import (
    EVENT_COLUMNS,
    Catalog,
    EventLog,
    Follows,
    Kind,
    Observation,
    SchemaError,
    StoredTexts,
)

NO_FOLLOWS = Follows(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """A dataset as read: what it says of itself, what it shows, and the ids entities had at the source, if any."""

    manifest: Manifest
    observation: Observation
    source_ids: Mapping[Kind, StoredTexts]


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """A dataset whose events are read part by part, each time anew; all else is in memory and checked."""

    folder: Path
    manifest: Manifest
    catalog: Catalog
    follows: Follows
    source_ids: Mapping[Kind, StoredTexts]

    def without_events(self) -> Observation:
        """Return everything but the events."""
        return Observation(self.manifest.now, self.catalog, _no_events(self.manifest), self.follows)

    def events(self) -> Iterator[EventLog]:
        """Yield the log of each part in order of time, checked as a whole one is; one is read while one is in hand.

        Each part is checked by the sha256 of its file; that all values are those the fingerprint speaks of is known,
        and refused otherwise, after the last one.
        """
        last_time = 0
        for number, columns in enumerate(_parts(self.folder, self.manifest, EVENTS)):
            place = self.folder / part_file(EVENTS, number)
            with _schema_of(place):
                log = to_log(columns, self.manifest.channels)
                Observation(self.manifest.now, self.catalog, log, NO_FOLLOWS)
            if len(log):
                if number and log.time_E[0] < last_time:
                    raise DatasetError(
                        f"{place}: time", f"no time before {last_time} of an earlier part", log.time_E[0]
                    )
                last_time = int(log.time_E[-1])
            yield log


def read(folder: Path) -> Dataset:
    """Read a whole dataset, checking manifest, bytes, columns, content and schema; a fault raises DatasetError."""
    stream = scan(folder)
    manifest = stream.manifest
    columns = _whole_events(folder, manifest)
    with _schema_of(folder):
        log = to_log(columns, manifest.channels)
        observation = Observation(manifest.now, stream.catalog, log, stream.follows)
    return Dataset(manifest, observation, stream.source_ids)


def scan(folder: Path) -> Stream:
    """Read a dataset with every check but its events, which are read and checked when they are asked for."""
    manifest = read_manifest(folder)
    _check_files(folder, manifest)
    tables: dict[str, Columns] = {}
    for name in manifest.tables:
        if name != EVENTS:
            (tables[name],) = _parts(folder, manifest, name)
    with _schema_of(folder):
        catalog = to_catalog(tables, manifest.categories)
        follows = to_follows(tables["follows"])
        Observation(manifest.now, catalog, _no_events(manifest), follows)
    source_ids = to_source_ids(tables)
    for kind, ids in source_ids.items():
        if len(ids) != catalog.count(kind):
            raise DatasetError(f"{folder}: ids of each {kind}", catalog.count(kind), len(ids))
    return Stream(folder, manifest, catalog, follows, source_ids)


def _whole_events(folder: Path, manifest: Manifest) -> Columns:
    table, parts = manifest.tables[EVENTS], _parts(folder, manifest, EVENTS)
    if len(table.parts) == 1:
        (columns,) = parts
        return columns
    whole, start = _empty_events(table.rows), 0
    for part, columns in zip(table.parts, parts, strict=True):
        for name, column in whole.items():
            column[start : start + part.rows] = columns[name]
        start += part.rows
    return whole


def _no_events(manifest: Manifest) -> EventLog:
    return to_log(_empty_events(0), manifest.channels)


def _empty_events(n: int) -> dict[str, NDArray[Any]]:
    return {name: np.empty(n, dtype) for name, dtype in EVENT_COLUMNS.items()}


def _parts(folder: Path, manifest: Manifest, name: str) -> Iterator[Columns]:
    """Yield the parts of a table; content that is not the manifest's is refused after the last one."""
    table, types = manifest.tables[name], column_types(name, texts=manifest.texts)
    digest = ContentDigest(types)
    for part in table.parts:
        columns = read_part(folder, part, types)
        for block in blocks(columns, types):
            digest.update(block)
        yield columns
    if digest.hexdigest() != table.content:
        raise DatasetError(f"{folder}: tables.{name}.content", table.content, digest.hexdigest())


def _check_files(folder: Path, manifest: Manifest) -> None:
    """Refuse a missing or unknown table, a file name that could point elsewhere, and a part that nobody lists.

    Other readers take the folder of events as it is: a part too many would be theirs but not ours.
    """
    names = set(manifest.tables)
    if not set(TABLES) <= names <= set(TABLES) | set(SOURCE_ID_TABLES):
        raise DatasetError(f"{folder}: tables", f"{list(TABLES)} and at most {list(SOURCE_ID_TABLES)}", sorted(names))
    for name, table in manifest.tables.items():
        if name != EVENTS and len(table.parts) != 1:
            raise DatasetError(f"{folder}: tables.{name}.parts", "one part", len(table.parts))
        for number, part in enumerate(table.parts):
            if part.file != part_file(name, number):
                raise DatasetError(f"{folder}: tables.{name}.parts.{number}.file", part_file(name, number), part.file)
    listed = {folder / part.file for part in manifest.tables[EVENTS].parts}
    unlisted = sorted(path.name for path in (folder / EVENTS).glob("*.parquet") if path not in listed)
    if unlisted:
        raise DatasetError(f"{folder}: {EVENTS}", "no part but those of the manifest", unlisted)


@contextmanager
def _schema_of(place: Path) -> Iterator[None]:
    """Say where the data lies that breaks the schema."""
    try:
        yield
    except SchemaError as error:
        raise DatasetError(str(place), "tables that obey the schema", error) from error
