"""The schema takes what is valid, keeps it read-only, and cuts time half-open."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.schema import Catalog, EventLog, Follows, Observation, Requests, SchemaError, StoredTexts, Users
from tests.schema_examples import a_catalog, a_log
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


@given(st.one_of(catalogs(), event_logs(), follows(), observations(), requests(), slates()))
def test_what_the_strategies_make_is_taken_and_read_only(row: object) -> None:
    parts = [row]
    if isinstance(row, Catalog):
        parts = [row.users, row.authors, row.notes]
    if isinstance(row, Observation):
        parts = [row.events, row.follows]
    assert not any(column.flags.writeable for part in parts for column in array_fields(part).values())


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
    with pytest.raises(SchemaError, match=r"EventLog\.take"):
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
    assert past.notes.title.take(np.arange(n, dtype=np.int32)) == catalog.notes.title.take(np.arange(n, dtype=np.int32))
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
