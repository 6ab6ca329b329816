"""Which tables, files and columns a dataset has, and the way between them and an observation.

A column is a numpy array, or texts; in Parquet it has the schema's name without its shape suffix. The events are a
folder of parts, every other table is one file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from simulator.schema import (
    EVENT_COLUMNS,
    Authors,
    Catalog,
    EventLog,
    Follows,
    Kind,
    Notes,
    Observation,
    StoredTexts,
    Texts,
    Users,
    WithheldTexts,
)

Column = NDArray[Any] | Texts
Columns = Mapping[str, Column]

TEXT = "text"
ARROW_TYPES: dict[str, pa.DataType] = {
    "bool": pa.bool_(),
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float32": pa.float32(),
    TEXT: pa.large_string(),
}

EVENTS = "events"
TABLES: dict[str, dict[str, str]] = {
    "users": {"joined_time": "int64", "author": "int32"},
    "authors": {"joined_time": "int64", "category": "int16", "profile": TEXT},
    "notes": {
        "author": "int32",
        "born_time": "int64",
        "is_video": "bool",
        "category": "int16",
        "title": TEXT,
        "body": TEXT,
    },
    EVENTS: EVENT_COLUMNS,
    "follows": {"user": "int32", "author": "int32", "time": "int64"},
}
# Recorded data only: the ids that entities had at the source, so that results can be traced back.
SOURCE_ID_TABLES: dict[str, Kind] = {"ids_users": "user", "ids_authors": "author", "ids_notes": "note"}
SOURCE_ID_COLUMNS: dict[str, str] = {"source_id": TEXT}


def column_types(table: str, *, texts: bool) -> dict[str, str]:
    """Return the columns of a table with their types, those of `texts` only on request."""
    if table in SOURCE_ID_TABLES:
        return SOURCE_ID_COLUMNS
    return {name: dtype for name, dtype in TABLES[table].items() if texts or dtype != TEXT}


def part_file(table: str, part: int) -> str:
    """Return where part number `part` of a table lies in the folder."""
    return f"{EVENTS}/part-{part:05d}.parquet" if table == EVENTS else f"{table}.parquet"


def event_columns(log: EventLog) -> dict[str, NDArray[Any]]:
    """Return the columns of a log."""
    return {name: getattr(log, f"{name}_E") for name in EVENT_COLUMNS}


def to_tables(observation: Observation, source_ids: Mapping[Kind, Texts]) -> dict[str, Columns]:
    """Return the columns of every table."""
    users, authors, notes = observation.catalog.users, observation.catalog.authors, observation.catalog.notes
    follows = observation.follows
    tables: dict[str, Columns] = {
        "users": {"joined_time": users.joined_time_U, "author": users.author_U},
        "authors": {"joined_time": authors.joined_time_A, "category": authors.category_A, "profile": authors.profile},
        "notes": {
            "author": notes.author_N,
            "born_time": notes.born_time_N,
            "is_video": notes.is_video_N,
            "category": notes.category_N,
            "title": notes.title,
            "body": notes.body,
        },
        EVENTS: event_columns(observation.events),
        "follows": {"user": follows.user_F, "author": follows.author_F, "time": follows.time_F},
    }
    ids: dict[str, Columns] = {
        table: {"source_id": source_ids[kind]} for table, kind in SOURCE_ID_TABLES.items() if kind in source_ids
    }
    return tables | ids


def to_catalog(tables: Mapping[str, Columns], categories: tuple[str, ...]) -> Catalog:
    """Return the catalog that the tables hold; the schema checks order, ranges and references."""
    users, authors, notes = (tables[name] for name in ("users", "authors", "notes"))
    return Catalog(
        Users(_array(users, "joined_time"), _array(users, "author")),
        Authors(
            _array(authors, "joined_time"),
            _array(authors, "category"),
            _texts_or_none(authors, "profile", "Authors.profile"),
        ),
        Notes(
            _array(notes, "author"),
            _array(notes, "born_time"),
            _array(notes, "is_video"),
            _array(notes, "category"),
            _texts_or_none(notes, "title", "Notes.title"),
            _texts_or_none(notes, "body", "Notes.body"),
        ),
        categories,
    )


def to_log(columns: Columns, channels: tuple[str, ...]) -> EventLog:
    """Return the events that columns hold."""
    return EventLog(**{f"{name}_E": _array(columns, name) for name in EVENT_COLUMNS}, channels=channels)


def to_follows(columns: Columns) -> Follows:
    """Return the follow edges that columns hold."""
    return Follows(_array(columns, "user"), _array(columns, "author"), _array(columns, "time"))


def to_source_ids(tables: Mapping[str, Columns]) -> dict[Kind, StoredTexts]:
    """Return the source ids of each kind that has them."""
    return {kind: _texts(tables[name], "source_id") for name, kind in SOURCE_ID_TABLES.items() if name in tables}


def _array(columns: Columns, name: str) -> NDArray[Any]:
    column = columns[name]
    assert isinstance(column, np.ndarray)
    return column


def _texts_or_none(columns: Columns, name: str, field: str) -> StoredTexts | WithheldTexts:
    if name in columns:
        return _texts(columns, name)
    return WithheldTexts(field, len(next(iter(columns.values()))))


def _texts(columns: Columns, name: str) -> StoredTexts:
    column = columns[name]
    assert isinstance(column, StoredTexts)
    return column
