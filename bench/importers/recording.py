"""A recorded log as an observation: ids remapped to order of arrival, unknown arrivals taken from the events.

Shapes: E events, U users, N notes, A authors, F follow edges, X entities of one kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bench.importers.raw import UNKNOWN_TIME, RawEvents, RawNotes, RawUsers
from bench.importers.source import SourceError
from simulator.schema import (
    RESPONSES,
    Authors,
    Catalog,
    EventLog,
    Follows,
    Kind,
    Notes,
    Observation,
    StoredTexts,
    Users,
)

SESSION_GAP_SECONDS = 1_800  # the convention of web analytics: half an hour without an event ends a session
MAX_CATEGORIES = int(np.iinfo(np.int16).max)


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """What was recorded, and the ids that users, authors and notes had at the source."""

    observation: Observation
    source_ids: Mapping[Kind, StoredTexts]


def assemble(events: RawEvents, notes: RawNotes, users: RawUsers) -> Recording:
    """Put a log in order of time and its entities in order of arrival.

    Who has no arrival time arrives with the first event, or with the log where there is none; an arrival after the
    first event is moved back to it. `now` is one second after all that happened.
    """
    if not len(events):
        raise SourceError("events", "at least one", "none")
    order_E = np.lexsort((events.tie_E, events.time_E))
    time_E = events.time_E[order_E]
    people = _arrivals("users", users.id_U, users.joined_time_U, events.user_E.take(order_E), time_E)
    works = _arrivals("notes", notes.id_N, notes.born_time_N, events.note_E.take(order_E), time_E)
    catalog, author_ids = _catalog(people, works, notes)
    log = _event_log(events, order_E, people.id_E, works.id_E)
    now = 1 + int(max(time_E[-1], people.time_X[-1], works.time_X[-1]))
    observation = Observation(now, catalog, log, _follows(log, catalog.notes.author_N))
    source_ids: dict[Kind, StoredTexts] = {
        "user": StoredTexts(people.source_id_X),
        "author": StoredTexts(author_ids),
        "note": StoredTexts(works.source_id_X),
    }
    return Recording(observation, source_ids)


@dataclass(frozen=True, slots=True, eq=False)
class _Arrivals:
    """Entities in order of arrival; `row_X` is the row in the source's list (beyond its end: not listed)."""

    source_id_X: pa.LargeStringArray
    time_X: NDArray[np.int64]
    row_X: NDArray[np.int64]
    id_E: NDArray[np.int32]


def _arrivals(
    field: str,
    listed: pa.LargeStringArray,
    known_time: NDArray[np.int64],
    source_id_E: pa.LargeStringArray,
    time_E: NDArray[np.int64],
) -> _Arrivals:
    coded = pa.concat_arrays([listed, source_id_E]).dictionary_encode()
    codes = coded.indices.to_numpy()
    # Codes number the distinct ids as they first appear, so a list without repeats is numbered 0, 1, 2, ...
    repeated = np.flatnonzero(codes[: len(listed)] != np.arange(len(listed)))
    if len(repeated):
        raise SourceError(f"{field}: id", "each listed once", f"{listed[int(repeated[0])].as_py()!r} again")
    code_E = codes[len(listed) :]
    first_time_X = np.full(len(coded.dictionary), UNKNOWN_TIME)
    np.minimum.at(first_time_X, code_E, time_E)
    time_X = first_time_X.copy()
    time_X[: len(listed)] = np.minimum(known_time, first_time_X[: len(listed)])
    time_X[time_X == UNKNOWN_TIME] = time_E[0]
    row_X = np.argsort(time_X, kind="stable")
    rank_X = np.empty(len(row_X), np.int32)
    rank_X[row_X] = np.arange(len(row_X), dtype=np.int32)
    return _Arrivals(coded.dictionary.take(pa.array(row_X)), time_X[row_X], row_X, rank_X[code_E])


def _catalog(people: _Arrivals, works: _Arrivals, raw: RawNotes) -> tuple[Catalog, pa.LargeStringArray]:
    """Return the catalog and the authors' source ids.

    An author arrives with the first note, and is described by what that note says.
    """
    names, category_N = _categories(_in_order(raw.category_N, works))
    author_N, author_ids, debut_A = _authors(_in_order(raw.author_N, works))
    profile_A = _in_order(raw.profile_N, works).take(pa.array(debut_A))
    notes = Notes(
        author_N,
        works.time_X,
        np.full(len(author_N), raw.is_video),
        category_N,
        StoredTexts(_in_order(raw.title_N, works)),
        StoredTexts(_in_order(raw.body_N, works)),
    )
    authors = Authors(works.time_X[debut_A], category_N[debut_A], StoredTexts(profile_A))
    users = Users(people.time_X, np.full(len(people.time_X), -1, np.int32))
    return Catalog(users, authors, notes, names), author_ids


def _in_order(listed: pa.LargeStringArray, works: _Arrivals) -> pa.LargeStringArray:
    """Return a listed column in order of arrival, empty for what the source does not list."""
    return listed.take(pa.array(works.row_X, mask=works.row_X >= len(listed))).fill_null("")


def _categories(category_N: pa.LargeStringArray) -> tuple[tuple[str, ...], NDArray[np.int16]]:
    names = sorted(name for name in pc.unique(category_N).to_pylist() if name)
    if len(names) > MAX_CATEGORIES:
        raise SourceError("category", f"at most {MAX_CATEGORIES} first-level categories", len(names))
    codes = pc.index_in(category_N, pa.array(names, pa.large_string())).fill_null(-1)
    return tuple(names), codes.to_numpy().astype(np.int16)


def _authors(author_N: pa.LargeStringArray) -> tuple[NDArray[np.int32], pa.LargeStringArray, NDArray[np.int64]]:
    """Return the author of each note, the authors' source ids, and each author's first note.

    Notes stand in order of birth, so numbering authors as they first appear is their order of arrival.
    """
    is_known_N = pc.not_equal(author_N, "")
    coded = author_N.filter(is_known_N).dictionary_encode()
    known_N = np.flatnonzero(is_known_N.to_numpy(zero_copy_only=False))
    code = coded.indices.to_numpy()
    id_N = np.full(len(author_N), -1, np.int32)
    id_N[known_N] = code
    _, first = np.unique(code, return_index=True)
    return id_N, coded.dictionary, known_N[first]


def _event_log(
    raw: RawEvents, order_E: NDArray[np.int64], user_E: NDArray[np.int32], note_E: NDArray[np.int32]
) -> EventLog:
    n = len(raw)
    responses = {f"{name}_E": raw.responses.get(name, np.zeros(n, bool))[order_E] for name in RESPONSES}
    time_E = raw.time_E[order_E]
    return EventLog(
        user_E=user_E,
        note_E=note_E,
        time_E=time_E,
        session_E=_sessions(user_E, time_E),
        position_E=np.zeros(n, np.int16),
        channel_E=raw.channel_E[order_E],
        propensity_E=np.full(n, np.nan, np.float32),
        dwell_seconds_E=raw.dwell_seconds_E[order_E],
        channels=raw.channels,
        **responses,
    )


def _sessions(user_E: NDArray[np.int32], time_E: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return session numbers: a session is a user's events, each at most SESSION_GAP_SECONDS after the one before."""
    order_E = np.argsort(user_E, kind="stable")
    is_new_E = np.ones(len(user_E), bool)
    is_same_user = np.diff(user_E[order_E]) == 0
    is_new_E[1:] = ~(is_same_user & (np.diff(time_E[order_E]) <= SESSION_GAP_SECONDS))
    session_E = np.empty(len(user_E), np.int32)
    session_E[order_E] = np.cumsum(is_new_E, dtype=np.int32) - 1
    return session_E


def _follows(log: EventLog, author_N: NDArray[np.int32]) -> Follows:
    """Return the first follow of each user and author."""
    author_E = author_N[log.note_E]
    row_F = np.flatnonzero(log.follow_E & (author_E >= 0))
    pairs = np.stack([log.user_E[row_F], author_E[row_F]], axis=1)
    _, first = np.unique(pairs, axis=0, return_index=True)
    row_F = row_F[np.sort(first)]
    return Follows(log.user_E[row_F], author_E[row_F], log.time_E[row_F])
