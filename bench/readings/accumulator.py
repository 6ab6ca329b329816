"""All readings of a window from a log that comes in pieces; memory is that of the entities and one piece."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from bench.readings.co_clicking import CoClicking
from bench.readings.exposing import Exposing
from bench.readings.publishing import Publishing
from bench.readings.result import Readings
from bench.readings.returning import Returning
from bench.readings.waiting import Waiting, hourly
from bench.readings.window import Config, Window
from simulator.schema import Catalog, EventLog, Follows, SchemaError
from simulator.schema.checks import check_range


class Accumulator:
    """Takes in successive event logs in order of time, and reads the window [start, end) at any moment.

    What lies outside the window is passed over. The result depends on the rows and their order alone, never on where
    the log was cut.
    """

    def __init__(self, catalog: Catalog, follows: Follows, *, start: int, end: int, config: Config) -> None:
        self.window = Window.of(catalog, start=start, end=end, config=config)
        self._follows = follows.before(end)
        self._last_time = np.iinfo(np.int64).min
        self._waiting = Waiting(self.window)
        self._exposing = Exposing(self.window)
        self._publishing = Publishing(self.window)
        self._returning = Returning(self.window)
        self._co_clicking = CoClicking(self.window)

    def absorb(self, events: EventLog) -> None:
        """Take in the next events, none before the last of those taken in so far."""
        if len(events) and int(events.time_E[0]) < self._last_time:
            raise SchemaError("EventLog.time", f"chunks in order, from {self._last_time} on", int(events.time_E[0]))
        if len(events):
            self._last_time = int(events.time_E[-1])
        events = events.between(self.window.start, self.window.end)
        users, notes = self.window.catalog.users, self.window.catalog.notes
        check_range("EventLog.user", events.user_E, 0, len(users))
        check_range("EventLog.note", events.note_E, 0, len(notes))
        if bool((events.time_E < notes.born_time_N[events.note_E]).any()):
            raise SchemaError("EventLog.time", "no event before its note was born", "an earlier event")
        if bool((events.time_E < users.joined_time_U[events.user_E]).any()):
            raise SchemaError("EventLog.time", "no event before its user joined", "an earlier event")
        for part in (self._waiting, self._exposing, self._publishing, self._returning, self._co_clicking):
            part.absorb(events)

    def result(self) -> Readings:
        """Return the readings of what was taken in so far, as if the rest of the window were empty."""
        window, daily = self.window, self._returning.daily() | self._publishing.daily()
        curves = self._waiting.curves() | {"second_note": self._publishing.second_note()}
        scalars = (
            *self._waiting.scalars(),
            *self._exposing.scalars(self._waiting.impressions.count_J),
            *self._publishing.scalars(daily["users"]),
            *self._returning.scalars(self._follows),
            *self._co_clicking.scalars(),
        )
        drawn = tuple(hourly(name, curve, window.config.curve_hours) for name, curve in curves.items())
        return Readings(window.start, window.end, scalars, self._exposing.tables(), drawn, daily)


def readings(  # noqa: PLR0913 - the world, the window, and what to count
    catalog: Catalog,
    follows: Follows,
    chunks: Iterable[EventLog],
    *,
    start: int,
    end: int,
    config: Config = Config(),  # noqa: B008 - frozen
) -> Readings:
    """Read the window [start, end) of a run of days from successive event logs in order of time, one a day say."""
    taken = Accumulator(catalog, follows, start=start, end=end, config=config)
    for events in chunks:
        taken.absorb(events)
    return taken.result()
