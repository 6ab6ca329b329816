"""The schema refuses every single fault, naming the field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from simulator.schema import Catalog, Observation, Requests, SchemaError, Slates, StoredTexts, Users
from tests.schema_examples import a_catalog, a_log, an_observation, some_requests, some_slates, with_values
from tests.schema_strategies import array_fields

ROWS: list[Any] = [
    a_catalog().users,
    a_catalog().authors,
    a_catalog().notes,
    a_log(),
    an_observation().follows,
    some_requests(),
    some_slates(),
]
COLUMNS = [pytest.param(row, name, id=f"{type(row).__name__}.{name}") for row in ROWS for name in array_fields(row)]
# The column whose length is the table's: when it is too long, the others are too short.
LENGTH_GIVERS = {"joined_time_U", "joined_time_A", "born_time_N", "time_E", "time_F", "ids_Q", "ids_QK"}


def field_of(row: object, name: str) -> str:
    """`time_E` of an EventLog is called EventLog.time."""
    return f"{type(row).__name__}.{name.rsplit('_', 1)[0]}"


@pytest.mark.parametrize(("row", "name"), COLUMNS)
def test_another_dtype_is_refused_by_name(row: Any, name: str) -> None:
    column = array_fields(row)[name]
    other = "float64" if column.dtype != np.float64 else "int64"
    with pytest.raises(SchemaError, match=field_of(row, name)):
        replace(row, **{name: column.astype(other)})


@pytest.mark.parametrize(("row", "name"), COLUMNS)
def test_a_list_in_place_of_an_array_is_refused_by_name(row: Any, name: str) -> None:
    with pytest.raises(SchemaError, match=field_of(row, name)):
        replace(row, **{name: array_fields(row)[name].tolist()})


@pytest.mark.parametrize(("row", "name"), COLUMNS)
def test_a_column_cannot_be_written_to(row: Any, name: str) -> None:
    with pytest.raises(ValueError, match="read-only"):
        array_fields(row)[name][:1] = 0


@pytest.mark.parametrize(("row", "name"), [column for column in COLUMNS if column.values[1] != "candidates_C"])
def test_another_length_is_refused(row: Any, name: str) -> None:
    column = array_fields(row)[name]
    field = type(row).__name__ if name in LENGTH_GIVERS else field_of(row, name)
    with pytest.raises(SchemaError, match=field):
        replace(row, **{name: np.concatenate([column, column[-1:]])})


FAULTS: dict[str, tuple[Callable[[], object], str]] = {
    "users out of order": (
        lambda: with_values(a_catalog().users, "joined_time_U", 7, 0),
        r"Users.joined_time: .* row 1",
    ),
    "authors out of order": (lambda: with_values(a_catalog().authors, "joined_time_A", 5, 0), "Authors.joined_time"),
    "notes out of order": (lambda: with_values(a_catalog().notes, "born_time_N", 0, 9, 5), "Notes.born_time: .* row 2"),
    "events out of order": (lambda: with_values(a_log(), "time_E", 7, 9, 8), "EventLog.time: .* 8 after 9 at row 2"),
    "follows out of order": (lambda: with_values(an_observation().follows, "time_F", 8, 2), "Follows.time"),
    "position below 0": (lambda: with_values(a_log(), "position_E", 0, -1, 1), "EventLog.position"),
    "channel below 0": (lambda: with_values(a_log(), "channel_E", 0, -1, 1), "EventLog.channel"),
    "channel without a name": (lambda: with_values(a_log(), "channel_E", 0, 2, 1), r"EventLog.channel: .*\[0, 2\)"),
    "propensity 0": (lambda: with_values(a_log(), "propensity_E", np.nan, 0, 1), "EventLog.propensity"),
    "propensity above 1": (lambda: with_values(a_log(), "propensity_E", np.nan, 0.5, 1.01), "EventLog.propensity"),
    "dwell below 0": (lambda: with_values(a_log(), "dwell_seconds_E", 0, 1, -1), "EventLog.dwell_seconds"),
    "dwell NaN": (lambda: with_values(a_log(), "dwell_seconds_E", 0, 1, np.nan), "EventLog.dwell_seconds"),
    "dwell infinite": (lambda: with_values(a_log(), "dwell_seconds_E", 0, 1, np.inf), "EventLog.dwell_seconds"),
    "texts of another type": (lambda: StoredTexts(pa.array(["a"])), "StoredTexts.column: expected LargeStringArray"),
    "texts with a null": (
        lambda: StoredTexts(pa.array(["a", None], pa.large_string())),
        "StoredTexts.column: .* 1 null",
    ),
    "a profile too few": (
        lambda: replace(a_catalog().authors, profile=StoredTexts.of(["Ann"])),
        "Authors.profile: expected 2 texts, got 1",
    ),
    "a title too many": (
        lambda: replace(a_catalog().notes, title=StoredTexts.of(list("abcd"))),
        "Notes.title: expected 3 texts, got 4",
    ),
    "a body too few": (
        lambda: replace(a_catalog().notes, body=StoredTexts.of([])),
        "Notes.body: expected 3 texts, got 0",
    ),
    "user is no author": (lambda: catalog_with("users", "author_U", -1, 2), r"Users.author: .*\[-1, 2\)"),
    "note of no author": (lambda: catalog_with("notes", "author_N", 0, 1, -2), "Notes.author"),
    "author without a category": (lambda: catalog_with("authors", "category_A", 0, 2), "Authors.category"),
    "note without a category": (lambda: catalog_with("notes", "category_N", 0, 2, -1), "Notes.category"),
    "note before its author": (lambda: catalog_with("notes", "author_N", 1, 1, -1), "Notes.born_time"),
    "now at the last event": (lambda: replace(an_observation(), now=9), "Notes.born_time: .* before now = 9"),
    "event of no user": (lambda: observation_with("user_E", 0, 1, 2), "EventLog.user"),
    "event of user -1": (lambda: observation_with("user_E", 0, 1, -1), "EventLog.user"),
    "event of no note": (lambda: observation_with("note_E", 0, 1, 3), "EventLog.note"),
    "event before its note": (lambda: observation_with("note_E", 2, 1, 2), "EventLog.time: .* note was born"),
    "event before its user": (
        lambda: observation_with("time_E", 0, 5, 9, user_E=(1, 1, 1)),
        "EventLog.time: .* joined",
    ),
    "event at now": (lambda: observation_with("time_E", 7, 9, 10), "EventLog.time: .* before now = 10, got 10"),
    "follow of no author": (lambda: edges_with("author_F", 0, 2), "Follows.author"),
    "follow of no user": (lambda: edges_with("user_F", -1, 0), "Follows.user"),
    "follow at now": (lambda: edges_with("time_F", 2, 10), "Follows.time"),
    "candidates repeat": (lambda: with_values(some_requests(), "candidates_C", 0, 1, 1), "Requests.candidates"),
    "candidates fall": (lambda: with_values(some_requests(), "candidates_C", 0, 5, 1), "Requests.candidates"),
    "seen does not begin at 0": (lambda: with_values(some_requests(), "seen_start_Q1", 1, 2, 3), "Requests.seen_start"),
    "seen offsets fall": (lambda: with_values(some_requests(), "seen_start_Q1", 0, 4, 3), "Requests.seen_start"),
    "seen offsets end early": (lambda: with_values(some_requests(), "seen_start_Q1", 0, 1, 2), "Requests.seen"),
    "seen repeats": (lambda: with_values(some_requests(), "seen_S", 5, 5, 0), "Requests.seen"),
    "seen falls": (lambda: with_values(some_requests(), "seen_S", 5, 1, 0), "Requests.seen"),
    "score NaN": (
        lambda: replace(some_slates(), scores_QK=np.full((2, 3), np.nan, np.float32)),
        "Slates.scores: .*NaN",
    ),
    "slate id -2": (lambda: replace(some_slates(), ids_QK=np.full((2, 3), -2, np.int32)), "Slates.ids: .* got -2"),
    "an id after a pad": (lambda: slate_of(-1, 4, 5), "Slates.ids: .* on the right"),
    "one-dimensional slate": (lambda: Slates(np.zeros(3, np.int32), np.zeros(3, np.float32)), "Slates.ids"),
}


def catalog_with(table: str, name: str, *values: object) -> Catalog:
    catalog = a_catalog()
    changed: dict[str, Any] = {
        table: with_values(
            {"users": catalog.users, "authors": catalog.authors}.get(table, catalog.notes), name, *values
        )
    }
    return replace(catalog, **changed)


def observation_with(name: str, *values: object, **more: tuple[object, ...]) -> Observation:
    log = with_values(a_log(), name, *values)
    for other, others in more.items():
        log = with_values(log, other, *others)
    return replace(an_observation(), events=log)


def edges_with(name: str, *values: object) -> Observation:
    return replace(an_observation(), follows=with_values(an_observation().follows, name, *values))


def slate_of(*ids: int) -> Slates:
    return Slates(np.array([ids], np.int32), np.zeros((1, len(ids)), np.float32))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_single_fault_is_refused_by_name(fault: str) -> None:
    make, message = FAULTS[fault]
    with pytest.raises(SchemaError, match=message):
        make()


def test_the_error_knows_its_field() -> None:
    with pytest.raises(SchemaError) as caught:
        with_values(a_log(), "channel_E", 0, 2, 1)
    assert caught.value.field == "EventLog.channel"


@pytest.mark.parametrize("column", [None, np.int64(3), np.zeros((2, 2), np.int64), [0, 1]])
def test_what_gives_a_table_its_length_is_named_when_it_is_no_column(column: object) -> None:
    with pytest.raises(SchemaError, match=r"Users\.joined_time: expected int64"):
        Users(column, np.zeros(2, np.int32))  # type: ignore[arg-type]


def test_requests_refuse_kinds_and_ids_that_cannot_be() -> None:
    ids, none_seen = np.array([0, 1], np.int32), (np.zeros(3, np.int64), np.empty(0, np.int32))
    with pytest.raises(SchemaError, match=r"Requests\.target: expected one of user, author, note, got 'banana'"):
        Requests("user", "banana", ids, 0, ids, *none_seen, 0)  # type: ignore[arg-type]
    with pytest.raises(SchemaError, match=r"Requests\.ids: expected values in \[0, inf\), got \[-1, 1\]"):
        Requests("user", "note", np.array([-1, 1], np.int32), 0, ids, *none_seen, 0)
