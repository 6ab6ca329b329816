"""What happened: the event log (one row an impression), the follow edges, and the observation of both.

Shapes: E events, F follow edges. Intervals of time are half-open, [start, end).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from simulator.schema.catalog import Catalog
from simulator.schema.checks import SchemaError, check_column, check_range, check_sorted

Response = Literal["click", "like", "collect", "comment", "share", "follow"]
RESPONSES: tuple[Response, ...] = ("click", "like", "collect", "comment", "share", "follow")


@dataclass(frozen=True, slots=True, eq=False)
class EventLog:
    """One row an impression, in order of time, with the user's responses.

    `channel_E` indexes `channels`; `propensity_E` is the probability that the logging policy showed this note in
    this slot given its channel, NaN where it is not known. In simulated worlds it is 1 / pool on uniform slots, and
    holds for notes that the user has not seen: a draw that the user has seen leaves its slot to the ranker. Recorded
    data without impressions has one clicked row an interaction.
    """

    user_E: NDArray[np.int32]
    note_E: NDArray[np.int32]
    time_E: NDArray[np.int64]
    session_E: NDArray[np.int32]
    position_E: NDArray[np.int16]
    channel_E: NDArray[np.int8]
    propensity_E: NDArray[np.float32]
    click_E: NDArray[np.bool_]
    like_E: NDArray[np.bool_]
    collect_E: NDArray[np.bool_]
    comment_E: NDArray[np.bool_]
    share_E: NDArray[np.bool_]
    follow_E: NDArray[np.bool_]
    dwell_seconds_E: NDArray[np.float32]
    channels: tuple[str, ...]

    def __post_init__(self) -> None:
        check_column("EventLog.time", self.time_E, "int64")
        for name, dtype in EVENT_COLUMNS.items():
            check_column(f"EventLog.{name}", getattr(self, f"{name}_E"), dtype, len(self))
        check_sorted("EventLog.time", self.time_E)
        check_range("EventLog.position", self.position_E, 0, np.inf)
        check_range("EventLog.channel", self.channel_E, 0, max(1, len(self.channels)))
        known = self.propensity_E[~np.isnan(self.propensity_E)]
        if known.size and not (known.min() > 0 and known.max() <= 1):
            raise SchemaError("EventLog.propensity", "values in (0, 1] or NaN", f"[{known.min()}, {known.max()}]")
        if self.dwell_seconds_E.size and not bool(np.isfinite(self.dwell_seconds_E).all()):
            raise SchemaError("EventLog.dwell_seconds", "finite values", "NaN or infinite")
        check_range("EventLog.dwell_seconds", self.dwell_seconds_E, 0, np.inf)

    def __len__(self) -> int:
        return len(self.time_E)

    def __deepcopy__(self, memo: dict[int, object]) -> EventLog:
        return self  # nothing in it can change

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64] | slice) -> EventLog:
        """Return some rows, by mask, ascending indices or slice; rows of a checked log are not checked again."""
        if isinstance(rows, np.ndarray) and rows.dtype != np.bool_:
            check_sorted("EventLog.take: rows", rows)
        taken = object.__new__(EventLog)
        object.__setattr__(taken, "channels", self.channels)
        for field in fields(self):
            if field.name != "channels":
                column = _rows(getattr(self, field.name), rows)
                column.flags.writeable = False
                object.__setattr__(taken, field.name, column)
        return taken

    def between(self, start: int, end: int) -> EventLog:
        """Return the events with start <= time < end."""
        first, last = np.searchsorted(self.time_E, [start, end])
        return self.take(slice(int(first), int(last)))

    def response(self, name: Response) -> NDArray[np.bool_]:
        """Return one response column by name."""
        column: NDArray[np.bool_] = getattr(self, f"{name}_E")
        return column


def _rows(column: NDArray[Any], rows: NDArray[np.bool_] | NDArray[np.int64] | slice) -> NDArray[Any]:
    """Return rows of a column; what a mask keeps from the start on is copied in one piece."""
    if isinstance(rows, slice) or rows.dtype != np.bool_:
        return column[rows]
    n_kept = int(np.argmin(rows)) if not rows.all() else len(rows)
    return np.concatenate([column[:n_kept], column[n_kept:][rows[n_kept:]]])


EVENT_COLUMNS: dict[str, str] = {
    "user": "int32",
    "note": "int32",
    "time": "int64",
    "session": "int32",
    "position": "int16",
    "channel": "int8",
    "propensity": "float32",
    **dict.fromkeys(RESPONSES, "bool"),
    "dwell_seconds": "float32",
}


@dataclass(frozen=True, slots=True, eq=False)
class Follows:
    """Follow edges user -> author in order of time."""

    user_F: NDArray[np.int32]
    author_F: NDArray[np.int32]
    time_F: NDArray[np.int64]

    def __post_init__(self) -> None:
        check_column("Follows.time", self.time_F, "int64")
        check_column("Follows.user", self.user_F, "int32", len(self))
        check_column("Follows.author", self.author_F, "int32", len(self))
        check_sorted("Follows.time", self.time_F)

    def __len__(self) -> int:
        return len(self.time_F)

    def take(self, rows: NDArray[np.bool_] | slice) -> Follows:
        """Return some edges, by mask or slice."""
        return Follows(self.user_F[rows], self.author_F[rows], self.time_F[rows])

    def before(self, now: int) -> Follows:
        """Return the edges with time < now."""
        return self.take(slice(0, int(np.searchsorted(self.time_F, now))))


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """All that a method may know at `now`: no event at or after it, no unborn note, nobody who has not joined."""

    now: int
    catalog: Catalog
    events: EventLog
    follows: Follows

    def __post_init__(self) -> None:
        users, authors, notes = self.catalog.users, self.catalog.authors, self.catalog.notes
        for field, times in (
            ("Users.joined_time", users.joined_time_U),
            ("Authors.joined_time", authors.joined_time_A),
            ("Notes.born_time", notes.born_time_N),
            ("EventLog.time", self.events.time_E),
            ("Follows.time", self.follows.time_F),
        ):
            if times.size and int(times[-1]) >= self.now:
                raise SchemaError(field, f"times before now = {self.now}", int(times[-1]))
        check_range("EventLog.user", self.events.user_E, 0, len(users))
        check_range("EventLog.note", self.events.note_E, 0, len(notes))
        check_range("Follows.user", self.follows.user_F, 0, len(users))
        check_range("Follows.author", self.follows.author_F, 0, len(authors))
        if bool((self.events.time_E < notes.born_time_N[self.events.note_E]).any()):
            raise SchemaError("EventLog.time", "no event before its note was born", "an earlier event")
        if bool((self.events.time_E < users.joined_time_U[self.events.user_E]).any()):
            raise SchemaError("EventLog.time", "no event before its user joined", "an earlier event")

    def __deepcopy__(self, memo: dict[int, object]) -> Observation:
        return self  # nothing in it can change
