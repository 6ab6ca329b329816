"""The schema takes what is valid and refuses every single fault, naming the field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.schema import (
    Authors,
    Catalog,
    EventLog,
    Follows,
    Notes,
    Observation,
    Requests,
    SchemaError,
    Slates,
    StoredTexts,
    Users,
)
from tests.schema_strategies import (
    MAX_TIME,
    array_fields,
    catalogs,
    event_logs,
    follows,
    observations,
    requests,
    slates,
)

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


def with_values(row: T, name: str, *values: object) -> T:
    """The same row with a column of other values, of the right dtype."""
    column = array_fields(row)[name]
    return replace(row, **{name: np.array(values, column.dtype)})  # type: ignore[type-var]


@given(st.one_of(catalogs(), event_logs(), follows(), observations(), requests(), slates()))
def test_what_the_strategies_make_is_taken_and_read_only(row: object) -> None:
    parts = [row]
    if isinstance(row, Catalog):
        parts = [row.users, row.authors, row.notes]
    if isinstance(row, Observation):
        parts = [row.events, row.follows]
    assert not any(column.flags.writeable for part in parts for column in array_fields(part).values())


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


def field_of(row: object, name: str) -> str:
    """`time_E` of an EventLog is called EventLog.time."""
    return f"{type(row).__name__}.{name.rsplit('_', 1)[0]}"


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


@pytest.mark.parametrize(
    ("start", "end", "times"),
    [(7, 9, [7]), (8, 9, []), (9, 10, [9, 9]), (9, 9, []), (0, 7, []), (0, 100, [7, 9, 9]), (7, 10, [7, 9, 9])],
)
def test_between_takes_its_start_and_leaves_its_end(start: int, end: int, times: list[int]) -> None:
    assert a_log().between(start, end).time_E.tolist() == times


@given(event_logs(), st.integers(0, MAX_TIME), st.integers(0, MAX_TIME))
def test_between_is_the_filter_by_time(log: EventLog, start: int, end: int) -> None:
    expected = log.take((log.time_E >= start) & (log.time_E < end))
    assert log.between(start, end).note_E.tolist() == expected.note_E.tolist()


def test_take_keeps_all_columns_of_the_rows() -> None:
    taken = a_log().take(np.array([0, 2]))
    assert (taken.note_E.tolist(), taken.channel_E.tolist(), taken.channels) == ([0, 2], [0, 1], ("popular", "random"))
    assert taken.response("click").tolist() == [True, True]


def test_take_refuses_rows_out_of_order() -> None:
    with pytest.raises(SchemaError, match=r"EventLog\.time"):
        a_log().take(np.array([2, 0]))


def test_before_leaves_out_what_arrives_at_now() -> None:
    past = a_catalog().before(5)
    assert [past.count("user"), past.count("author"), past.count("note")] == [1, 1, 1]


def test_before_hides_that_a_user_will_be_an_author() -> None:
    late = replace(a_catalog(), users=Users(np.array([0, 0]), np.array([1, 0], np.int32)))
    assert late.before(5).users.author_U.tolist() == [-1, 0]


@given(catalogs(), st.integers(-1, MAX_TIME + 1))
def test_before_is_a_prefix(catalog: Catalog, now: int) -> None:
    past = catalog.before(now)
    n = past.count("note")
    assert past.notes.author_N.tolist() == catalog.notes.author_N[:n].tolist()
    assert past.notes.title.take(np.arange(n)) == catalog.notes.title.take(np.arange(n))
    assert (catalog.notes.born_time_N < now).sum() == n
    assert (catalog.users.joined_time_U < now).sum() == past.count("user")
    assert (catalog.authors.joined_time_A < now).sum() == past.count("author")


@given(follows(), st.integers(0, MAX_TIME))
def test_follows_before_leave_out_those_at_now(edges: Follows, now: int) -> None:
    assert edges.before(now).time_F.tolist() == [time for time in edges.time_F.tolist() if time < now]


@given(requests(), st.data())
def test_requests_between_keep_what_each_has_seen(asked: Requests, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(asked)))
    last = data.draw(st.integers(first, len(asked)))
    part = asked.between(first, last)
    assert part.ids_Q.tolist() == asked.ids_Q[first:last].tolist()
    assert [seen(part, q) for q in range(len(part))] == [seen(asked, q) for q in range(first, last)]


def seen(asked: Requests, q: int) -> list[int]:
    ids: list[int] = asked.seen_S[asked.seen_start_Q1[q] : asked.seen_start_Q1[q + 1]].tolist()
    return ids


def test_texts_are_taken_in_the_order_asked() -> None:
    texts = StoredTexts.of(["a", "", "c"])
    assert texts.take(np.array([2, 0, 0, 1], np.int32)) == ["c", "a", "a", ""]
    assert (len(texts.head(2)), texts.head(2).take(np.array([1], np.int32))) == (2, [""])
