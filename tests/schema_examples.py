"""One small valid example of everything that crosses the schema, to be broken one column at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np

from simulator.schema import (
    Authors,
    Catalog,
    EventLog,
    Follows,
    Notes,
    Observation,
    Requests,
    Slates,
    StoredTexts,
    Users,
)
from tests.schema_strategies import array_fields

T = TypeVar("T")


def a_catalog() -> Catalog:
    """Two users (the second is author 0), two authors (joined 0 and 5), three notes (born 0, 5, 9)."""
    return Catalog(
        Users(np.array([0, 7]), np.array([-1, 0], np.int32)),
        Authors(np.array([0, 5]), np.array([0, -1], np.int16), StoredTexts.of(["Ann", "Bo"])),
        Notes(
            np.array([0, 1, -1], np.int32),
            np.array([0, 5, 9]),
            np.array([True, False, False]),
            np.array([0, 1, -1], np.int16),
            StoredTexts.of(["one", "two", "three"]),
            StoredTexts.of(["", "b", "c"]),
        ),
        ("food", "home"),
    )


def a_log() -> EventLog:
    """Three events at 7, 9 and 9."""
    none = np.zeros(3, bool)
    return EventLog(
        user_E=np.array([0, 1, 1], np.int32),
        note_E=np.array([0, 1, 2], np.int32),
        time_E=np.array([7, 9, 9]),
        session_E=np.array([0, 1, 1], np.int32),
        position_E=np.array([0, 0, 1], np.int16),
        channel_E=np.array([0, 1, 1], np.int8),
        propensity_E=np.array([np.nan, 0.5, 1.0], np.float32),
        click_E=~none,
        like_E=none.copy(),
        collect_E=none.copy(),
        comment_E=none.copy(),
        share_E=none.copy(),
        follow_E=none.copy(),
        dwell_seconds_E=np.array([0, 1.5, 3], np.float32),
        channels=("popular", "random"),
    )


def an_observation() -> Observation:
    edges = Follows(np.array([0, 1], np.int32), np.array([0, 1], np.int32), np.array([2, 8]))
    return Observation(10, a_catalog(), a_log(), edges)


def some_requests() -> Requests:
    return Requests(
        query="user",
        target="note",
        ids_Q=np.array([4, 2], np.int32),
        time=10,
        candidates_C=np.array([0, 1, 5], np.int32),
        seen_start_Q1=np.array([0, 2, 3]),
        seen_S=np.array([1, 5, 0], np.int32),
        tie_seed=3,
    )


def some_slates() -> Slates:
    ids_QK = np.array([[5, 1, -1], [-1, -1, -1]], np.int32)
    return Slates(ids_QK, np.where(ids_QK >= 0, 1.0, np.nan).astype(np.float32))


def with_values(row: T, name: str, *values: object) -> T:
    """The same row with a column of other values, of the right dtype."""
    column = array_fields(row)[name]
    return replace(row, **{name: np.array(values, column.dtype)})  # type: ignore[type-var]
