"""The log as it is written: rows of one tick after another, handed out a day at a time or joined when somebody reads.

Shapes: S sessions, E events, F follow edges.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.kernel import compiled, kernel
from simulator.luck import keys, uniforms
from simulator.policy import CHANNELS
from simulator.schema import EVENT_COLUMNS, RESPONSES, EventLog, Follows
from simulator.tick import Impressions, blank

SLOT_SECONDS = 8
_START_WITHIN = 1_800  # seconds of the hour in which sessions begin; the longest still ends within the hour

Rows = dict[str, NDArray[Any]]


def in_time(shown: Impressions, user_S: NDArray[np.int32], key: np.uint64) -> tuple[Impressions, NDArray[np.int64]]:
    """Return the impressions of one tick in order of time, and the second of the hour of each."""
    start_S = (uniforms(keys(key, user_S)) * _START_WITHIN).astype(np.int64)
    ordered, second_E = blank(len(shown.note_E)), np.empty(len(shown.note_E), np.int64)
    _by_second(shown, start_S, ordered, second_E)
    return ordered, second_E


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


@compiled
def _unpacked(responses_E: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the six bits of every answer as six columns."""
    bit_6E = np.empty((6, len(responses_E)), np.bool_)
    for bit in range(6):
        for e in range(len(responses_E)):
            bit_6E[bit, e] = (responses_E[e] >> bit) & 1
    return bit_6E


@kernel
def _count_seconds(
    session_E: NDArray[np.int32], slot_E: NDArray[np.int16], start_S: NDArray[np.int64], upto: NDArray[np.int64]
) -> None:
    """Write how many impressions come before each second of the hour."""
    for e in range(len(session_E)):
        upto[start_S[session_E[e]] + SLOT_SECONDS * slot_E[e] + 1] += 1
    for second in range(1, len(upto)):
        upto[second] += upto[second - 1]


@compiled
def _by_second(shown: Impressions, start_S: NDArray[np.int64], out: Impressions, second_E: NDArray[np.int64]) -> None:
    """Sort impressions by second of the hour, equal ones as they are: a counting sort."""
    upto = np.zeros(3_601, np.int64)
    _count_seconds(shown.session_E, shown.slot_E, start_S, upto)
    session_E, note_E, slot_E, position_E, channel_E, propensity_E, responses_E, dwell_E = shown
    to_session_E, to_note_E, to_slot_E, to_position_E, to_channel_E, to_propensity_E, to_responses_E, to_dwell_E = out
    for e in range(len(session_E)):
        second = start_S[session_E[e]] + SLOT_SECONDS * slot_E[e]
        at = upto[second]
        upto[second] += 1
        second_E[at], to_session_E[at], to_note_E[at], to_slot_E[at] = second, session_E[e], note_E[e], slot_E[e]
        to_position_E[at], to_channel_E[at], to_propensity_E[at] = position_E[e], channel_E[e], propensity_E[e]
        to_responses_E[at], to_dwell_E[at] = responses_E[e], dwell_E[e]


def event_log(rows: Rows) -> EventLog:
    """Return rows as an event log."""
    return EventLog(**{f"{name}_E": column for name, column in rows.items()}, channels=CHANNELS)


def join_rows(parts: list[Rows]) -> Rows:
    """Return successive rows as one, in order of time."""
    if len(parts) == 1:
        return parts[0]
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
