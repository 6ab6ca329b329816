"""The log as it is written: columns of one tick after another, joined when somebody reads them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.luck import keys, uniforms
from simulator.policy import CHANNELS
from simulator.schema import EVENT_COLUMNS, EventLog, Follows
from simulator.serving import Impressions

_START_WITHIN = 3_000  # seconds of the hour in which sessions begin; ten pages of a minute still fit
_PAGE_SECONDS = 60


def rows_of(
    shown: Impressions, user_S: NDArray[np.int32], hour_start: int, first_session: int, key: np.uint64
) -> tuple[dict[str, NDArray[Any]], NDArray[np.uint8]]:
    """Return the event columns of one tick in order of time, and each row's response bits."""
    is_used_SR = np.arange(shown.note_SR.shape[1]) < shown.n_S[:, None]
    session_SR, _ = np.nonzero(is_used_SR)
    start_S = hour_start + (uniforms(keys(key, user_S)) * _START_WITHIN).astype(np.int64)
    position_E = shown.position_SR[is_used_SR]
    time_E = start_S[session_SR] + _PAGE_SECONDS * shown.page_SR[is_used_SR].astype(np.int64) + position_E
    order = np.argsort(time_E, kind="stable")
    responses_E = shown.responses_SR[is_used_SR][order]
    columns: dict[str, NDArray[Any]] = {
        "user": user_S[session_SR][order],
        "note": shown.note_SR[is_used_SR][order],
        "time": time_E[order],
        "session": (first_session + session_SR[order]).astype(np.int32),
        "position": position_E[order],
        "channel": shown.channel_SR[is_used_SR][order],
        "propensity": shown.propensity_SR[is_used_SR][order],
    }
    for bit, name in enumerate(("click", "like", "collect", "comment", "share", "follow")):
        columns[name] = (responses_E & (1 << bit)) > 0
    columns["dwell_seconds"] = shown.dwell_SR[is_used_SR][order]
    return columns, responses_E


def event_log(columns: dict[str, NDArray[Any]]) -> EventLog:
    """Return columns as an event log."""
    return EventLog(**{f"{name}_E": column for name, column in columns.items()}, channels=CHANNELS)


class Journal:
    """All events and follow edges so far."""

    def __init__(self) -> None:
        self._events: dict[str, list[NDArray[Any]]] = {name: [] for name in EVENT_COLUMNS}
        self._follows: list[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]] = []

    def write(self, columns: dict[str, NDArray[Any]]) -> None:
        """Add the events of one tick."""
        for name, column in columns.items():
            self._events[name].append(column)

    def befriend(self, user_F: NDArray[np.int32], author_F: NDArray[np.int32], time_F: NDArray[np.int64]) -> None:
        """Add follow edges."""
        self._follows.append((user_F, author_F, time_F))

    def events(self) -> EventLog:
        """Return everything that happened so far."""
        for name, dtype in EVENT_COLUMNS.items():
            chunks = self._events[name]
            self._events[name] = [np.concatenate(chunks) if chunks else np.empty(0, dtype)]
        time_E = self._events["time"][0]
        if bool((time_E[1:] < time_E[:-1]).any()):  # slates shown from outside share the hour with sessions
            order = np.argsort(time_E, kind="stable")
            self._events = {name: [chunks[0][order]] for name, chunks in self._events.items()}
        return event_log({name: chunks[0] for name, chunks in self._events.items()})

    def follows(self) -> Follows:
        """Return all follow edges so far."""
        user_F, author_F, time_F = (np.concatenate(part) for part in zip(*self._follows, strict=True))
        return Follows(user_F, author_F, time_F)
