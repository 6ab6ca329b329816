"""Hypothesis strategies for everything that crosses the schema: valid, small, and often empty."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from simulator.schema import (
    RESPONSES,
    Authors,
    Catalog,
    EventLog,
    Follows,
    Kind,
    Notes,
    Observation,
    Requests,
    Slates,
    StoredTexts,
    Users,
)

MAX_TIME = 10**6
KINDS: tuple[Kind, ...] = ("user", "author", "note")


def whole(dtype: str, n: int, low: int, high: int) -> st.SearchStrategy[NDArray[Any]]:
    """Columns of `n` whole numbers in the half-open [low, high)."""
    return npst.arrays(dtype, n, elements=st.integers(low, max(low, high - 1)))


def flags(n: int) -> st.SearchStrategy[NDArray[Any]]:
    return npst.arrays("bool", n)


def times(n: int) -> st.SearchStrategy[NDArray[Any]]:
    return whole("int64", n, 0, MAX_TIME).map(np.sort)


@st.composite
def stored_texts(draw: st.DrawFn, n: int) -> StoredTexts:
    return StoredTexts.of(draw(st.lists(st.text(max_size=8), min_size=n, max_size=n)))


@st.composite
def catalogs(draw: st.DrawFn, min_size: int = 0) -> Catalog:
    n_users, n_authors, n_notes = (draw(st.integers(min_size, min_size + 5)) for _ in KINDS)
    categories = tuple(draw(st.lists(st.text(max_size=4), max_size=3, unique=True)))
    authors = Authors(
        draw(times(n_authors)), draw(whole("int16", n_authors, -1, len(categories))), draw(stored_texts(n_authors))
    )
    born_time_N = draw(times(n_notes))
    # Of the authors, who stand in order of arrival, a note may have any that was there at its birth.
    n_there_N = np.searchsorted(authors.joined_time_A, born_time_N, side="right")
    author_N = np.array([draw(st.integers(-1, int(n) - 1)) for n in n_there_N], np.int32)
    notes = Notes(
        author_N,
        born_time_N,
        draw(flags(n_notes)),
        draw(whole("int16", n_notes, -1, len(categories))),
        draw(stored_texts(n_notes)),
        draw(stored_texts(n_notes)),
    )
    return Catalog(
        Users(draw(times(n_users)), draw(whole("int32", n_users, -1, n_authors))), authors, notes, categories
    )


@st.composite
def event_logs(
    draw: st.DrawFn,
    user_E: NDArray[np.int32] | None = None,
    note_E: NDArray[np.int32] | None = None,
    time_E: NDArray[np.int64] | None = None,
) -> EventLog:
    """Logs of given users, notes and times, or of any."""
    if user_E is None or note_E is None or time_E is None:
        n = draw(st.integers(0, 8))
        user_E, note_E, time_E = draw(whole("int32", n, 0, 9)), draw(whole("int32", n, 0, 9)), draw(times(n))
    n = len(time_E)
    channels = tuple(draw(st.lists(st.text(max_size=4), min_size=1, max_size=3)))
    propensity = st.one_of(st.just(float("nan")), st.floats(2.0**-20, 1.0, width=32))
    return EventLog(
        user_E=user_E,
        note_E=note_E,
        time_E=time_E,
        session_E=draw(whole("int32", n, 0, 100)),
        position_E=draw(whole("int16", n, 0, 100)),
        channel_E=draw(whole("int8", n, 0, len(channels))),
        propensity_E=draw(npst.arrays("float32", n, elements=propensity)),
        dwell_seconds_E=draw(npst.arrays("float32", n, elements=st.floats(0.0, 2.0**20, width=32))),
        channels=channels,
        **{f"{name}_E": draw(flags(n)) for name in RESPONSES},
    )


@st.composite
def follows(draw: st.DrawFn, n_users: int = 9, n_authors: int = 9) -> Follows:
    n = draw(st.integers(0, 5)) if n_users and n_authors else 0
    return Follows(draw(whole("int32", n, 0, n_users)), draw(whole("int32", n, 0, n_authors)), draw(times(n)))


@st.composite
def observations(draw: st.DrawFn, min_size: int = 0) -> Observation:
    """Observations; with `min_size` at least so many users, authors, notes and events."""
    catalog = draw(catalogs(min_size))
    users, notes = catalog.users, catalog.notes
    n = draw(st.integers(min_size, min_size + 8)) if len(users) and len(notes) else 0
    user_E, note_E = draw(whole("int32", n, 0, len(users))), draw(whole("int32", n, 0, len(notes)))
    there_E = np.maximum(users.joined_time_U[user_E], notes.born_time_N[note_E])
    time_E = there_E + draw(whole("int64", n, 0, 1000))
    order_E = np.argsort(time_E)
    events = draw(event_logs(user_E[order_E], note_E[order_E], time_E[order_E]))
    edges = draw(follows(len(users), len(catalog.authors)))
    return Observation(draw(st.integers(MAX_TIME + 1000, 2 * MAX_TIME)), catalog, events, edges)


def ascending(max_size: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, 50), max_size=max_size, unique=True).map(sorted)


@st.composite
def requests(draw: st.DrawFn) -> Requests:
    n = draw(st.integers(0, 5))
    seen = [draw(ascending(4)) for _ in range(n)]
    return Requests(
        query=draw(st.sampled_from(KINDS)),
        target=draw(st.sampled_from(KINDS)),
        ids_Q=draw(whole("int32", n, 0, 50)),
        time=draw(st.integers(0, MAX_TIME)),
        candidates_C=np.array(draw(ascending(8)), np.int32),
        seen_start_Q1=np.cumsum([0, *map(len, seen)]),
        seen_S=np.array([target for targets in seen for target in targets], np.int32),
        tie_seed=draw(st.integers(0, 2**31)),
    )


@st.composite
def slates(draw: st.DrawFn) -> Slates:
    shape = (draw(st.integers(0, 4)), draw(st.integers(0, 5)))
    n_answers_Q = draw(whole("int64", shape[0], 0, shape[1] + 1))
    is_answer_QK = np.arange(shape[1]) < n_answers_Q[:, None]
    ids_QK = draw(npst.arrays("int32", shape, elements=st.integers(0, 50)))
    scores_QK = draw(npst.arrays("float32", shape, elements=st.floats(width=32, allow_nan=False)))
    return Slates(np.where(is_answer_QK, ids_QK, np.int32(-1)), np.where(is_answer_QK, scores_QK, np.float32("nan")))


def array_fields(row: object) -> dict[str, NDArray[Any]]:
    """The arrays of a schema object by field name."""
    columns = {name: getattr(row, name) for name in type(row).__slots__}  # type: ignore[attr-defined]
    return {name: column for name, column in columns.items() if isinstance(column, np.ndarray)}
