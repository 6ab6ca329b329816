"""Which tables and columns a dataset has, and the way between them and an observation.

A column is a numpy array, or texts; in Parquet it has the schema's name without its shape suffix.
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
    "events": EVENT_COLUMNS,
    "follows": {"user": "int32", "author": "int32", "time": "int64"},
}
# Recorded data only: the ids that entities had at the source, so that results can be traced back.
SOURCE_ID_TABLES: dict[str, Kind] = {"ids_users": "user", "ids_authors": "author", "ids_notes": "note"}
SOURCE_ID_COLUMNS: dict[str, str] = {"source_id": TEXT}


def column_types(table: str) -> dict[str, str]:
    """Return the columns of a table with their types."""
    return SOURCE_ID_COLUMNS if table in SOURCE_ID_TABLES else TABLES[table]


def to_tables(observation: Observation, source_ids: Mapping[Kind, Texts]) -> dict[str, Columns]:
    """Return the columns of every table."""
    users, authors, notes = observation.catalog.users, observation.catalog.authors, observation.catalog.notes
    events, follows = observation.events, observation.follows
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
        "events": {name: getattr(events, f"{name}_E") for name in EVENT_COLUMNS},
        "follows": {"user": follows.user_F, "author": follows.author_F, "time": follows.time_F},
    }
    ids: dict[str, Columns] = {
        table: {"source_id": source_ids[kind]} for table, kind in SOURCE_ID_TABLES.items() if kind in source_ids
    }
    return tables | ids


def to_observation(
    tables: Mapping[str, Columns], now: int, categories: tuple[str, ...], channels: tuple[str, ...]
) -> Observation:
    """Return the observation that the tables hold; the schema checks order, ranges and references."""
    users, authors, notes, follows = (tables[name] for name in ("users", "authors", "notes", "follows"))
    catalog = Catalog(
        Users(_array(users, "joined_time"), _array(users, "author")),
        Authors(_array(authors, "joined_time"), _array(authors, "category"), _texts(authors, "profile")),
        Notes(
            _array(notes, "author"),
            _array(notes, "born_time"),
            _array(notes, "is_video"),
            _array(notes, "category"),
            _texts(notes, "title"),
            _texts(notes, "body"),
        ),
        categories,
    )
    events = EventLog(**{f"{name}_E": _array(tables["events"], name) for name in EVENT_COLUMNS}, channels=channels)
    edges = Follows(_array(follows, "user"), _array(follows, "author"), _array(follows, "time"))
    return Observation(now, catalog, events, edges)


def to_source_ids(tables: Mapping[str, Columns]) -> dict[Kind, StoredTexts]:
    """Return the source ids of each kind that has them."""
    return {kind: _texts(tables[name], "source_id") for name, kind in SOURCE_ID_TABLES.items() if name in tables}


def _array(columns: Columns, name: str) -> NDArray[Any]:
    column = columns[name]
    assert isinstance(column, np.ndarray)
    return column


def _texts(columns: Columns, name: str) -> StoredTexts:
    column = columns[name]
    assert isinstance(column, StoredTexts)
    return column
