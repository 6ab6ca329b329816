"""The log as it is written: rows of one tick after another, handed out a day at a time or joined when somebody reads.

Shapes: S sessions, E events, F follow edges.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from simulator.luck import keys, uniforms
from simulator.policy import CHANNELS
from simulator.schema import EVENT_COLUMNS, RESPONSES, EventLog, Follows
from simulator.tick import Impressions, of_columns

SLOT_SECONDS = 8
_START_WITHIN = 1_800  # seconds of the hour in which sessions begin; the longest still ends within the hour

Rows = dict[str, NDArray[Any]]


def in_time(shown: Impressions, user_S: NDArray[np.int32], key: np.uint64) -> tuple[Impressions, NDArray[np.int64]]:
    """Return the impressions of one tick in order of time, and the second of the hour of each."""
    start_S = (uniforms(keys(key, user_S)) * _START_WITHIN).astype(np.int64)
    order_E, second_E = _by_second(shown.session_E, shown.slot_E, start_S)
    return of_columns(column[order_E] for column in shown), second_E


def rows_of(shown: Impressions, user_E: NDArray[np.int32], time_E: NDArray[np.int64], first_session: int) -> Rows:
    """Return the event columns of impressions."""
    rows: Rows = {
        "user": user_E,
        "note": shown.note_E,
        "time": time_E,
        "session": first_session + shown.session_E,
        "position": shown.position_E,
        "channel": shown.channel_E,
        "propensity": shown.propensity_E,
    }
    rows |= dict(zip(RESPONSES, _unpacked(shown.responses_E), strict=True))
    rows["dwell_seconds"] = shown.dwell_E
    return rows


@numba.njit(cache=True)
def _unpacked(responses_E: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the six bits of every answer as six columns."""
    bit_6E = np.empty((6, len(responses_E)), np.bool_)
    for bit in range(6):
        for e in range(len(responses_E)):
            bit_6E[bit, e] = (responses_E[e] >> bit) & 1
    return bit_6E


@numba.njit(cache=True)
def _by_second(
    session_E: NDArray[np.int32], slot_E: NDArray[np.int16], start_S: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sort impressions by second of the hour, equal ones as they are: a counting sort."""
    upto, second_E = np.zeros(3_601, np.int64), np.empty(len(session_E), np.int64)
    for e in range(len(session_E)):
        second_E[e] = start_S[session_E[e]] + SLOT_SECONDS * slot_E[e]
        upto[second_E[e] + 1] += 1
    upto = np.cumsum(upto)
    order_E, sorted_E = np.empty(len(session_E), np.int64), np.empty(len(session_E), np.int64)
    for e in range(len(session_E)):
        at = upto[second_E[e]]
        order_E[at], sorted_E[at] = e, second_E[e]
        upto[second_E[e]] += 1
    return order_E, sorted_E


def event_log(rows: Rows) -> EventLog:
    """Return rows as an event log."""
    return EventLog(**{f"{name}_E": column for name, column in rows.items()}, channels=CHANNELS)


def join_rows(parts: list[Rows]) -> Rows:
    """Return successive rows as one, in order of time."""
    rows = {
        name: np.concatenate([part[name] for part in parts]) if parts else np.empty(0, dtype)
        for name, dtype in EVENT_COLUMNS.items()
    }
    if bool((rows["time"][1:] < rows["time"][:-1]).any()):  # slates shown from outside share the hour with sessions
        order = np.argsort(rows["time"], kind="stable")
        rows = {name: column[order] for name, column in rows.items()}
    return rows


class Journal:
    """The events that nobody has drained yet, and all follow edges."""

    def __init__(self) -> None:
        self._parts: list[Rows] = []
        self._follows: list[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]] = []

    def copy(self) -> Journal:
        """Return a journal that goes on by itself; what is written does not change, so it is shared."""
        twin = Journal()
        twin._parts, twin._follows = list(self._parts), list(self._follows)
        return twin

    def write(self, rows: Rows) -> None:
        """Add the events of one tick."""
        self._parts.append(rows)

    def befriend(self, user_F: NDArray[np.int32], author_F: NDArray[np.int32], time_F: NDArray[np.int64]) -> None:
        """Add follow edges, in order of time."""
        if len(user_F):
            self._follows.append((user_F, author_F, time_F))

    def drain(self) -> Rows:
        """Hand out the events written since the last time, in order of time, and forget them."""
        rows, self._parts = join_rows(self._parts), []
        return rows

    def rows(self) -> Rows:
        """Return the events that were not drained."""
        self._parts = [join_rows(self._parts)]
        return self._parts[0]

    def follows(self) -> Follows:
        """Return all follow edges so far; an edge made again is kept once."""
        if not self._follows:
            return Follows(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.int64))
        user_F, author_F, time_F = (np.concatenate(part) for part in zip(*self._follows, strict=True))
        order = np.argsort(time_F, kind="stable")
        user_F, author_F, time_F = user_F[order], author_F[order], time_F[order]
        pair_F = user_F.astype(np.int64) << 32 | author_F
        first = np.sort(np.unique(pair_F, return_index=True)[1])
        self._follows = [(user_F[first], author_F[first], time_F[first])]
        return Follows(*self._follows[0])
