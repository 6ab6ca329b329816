"""An observation with what every subject of the card asks of it: what the log can tell, days, ages, authors.

Shapes: E events, U users, A authors, N notes, C clicked events. Days count from that of the first event.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.realism.finding import Whole
from simulator.schema import DAY_SECONDS, Observation

MIN_DAYS = 7  # a log that spans less has no days to speak of: its times may be places in a list
ASSISTED = ("fresh", "explore", "random")  # channels that show a note for another reason than its merit


@dataclass(frozen=True, slots=True, eq=False)
class Traffic:
    """A log with at least one event. `lacks_*` is the reason why something cannot be measured, empty where it can."""

    seen: Observation
    day_E: NDArray[np.int32]
    n_days: int
    lacks_impressions: str
    lacks_days: str
    lacks_births: str
    lacks_authors: str

    @classmethod
    def of(cls, seen: Observation) -> Traffic:
        """Look at an observation once."""
        log, notes = seen.events, seen.catalog.notes
        if not len(log):
            raise ValueError("realism: expected at least one event, got an empty log")
        first_day = int(log.time_E[0]) // DAY_SECONDS
        n_days = int(log.time_E[-1]) // DAY_SECONDS - first_day + 1
        lacks_days = "" if n_days >= MIN_DAYS else f"the log's times span {n_days} of the {MIN_DAYS} days needed"
        return cls(
            seen=seen,
            day_E=(log.time_E // DAY_SECONDS - first_day).astype(np.int32),
            n_days=n_days,
            lacks_impressions="every row is a click: no impressions are recorded" if bool(log.click_E.all()) else "",
            lacks_days=lacks_days,
            lacks_births=lacks_days or _lacks_births(seen),
            lacks_authors="" if bool((notes.author_N >= 0).any()) else "the notes name no author",
        )

    @property
    def start(self) -> int:
        """The first second of the first day."""
        return int(self.seen.events.time_E[0]) // DAY_SECONDS * DAY_SECONDS

    def age_seconds_E(self, rows: NDArray[np.bool_]) -> Whole:
        """Return the age of the note at each of some events."""
        log = self.seen.events
        return log.time_E[rows] - self.seen.catalog.notes.born_time_N[log.note_E[rows]]

    def clicks_N(self) -> Whole:
        """Return how many clicks each note had."""
        log = self.seen.events
        return np.bincount(log.note_E[log.click_E], minlength=len(self.seen.catalog.notes))

    def clicks_A(self) -> Whole:
        """Return how many clicks each author's notes had."""
        author_N = self.seen.catalog.notes.author_N
        known = author_N >= 0
        clicks_A = np.bincount(author_N[known], self.clicks_N()[known], minlength=len(self.seen.catalog.authors))
        return clicks_A.astype(np.int64)

    def notes_A(self) -> Whole:
        """Return how many notes each author published."""
        author_N = self.seen.catalog.notes.author_N
        return np.bincount(author_N[author_N >= 0], minlength=len(self.seen.catalog.authors))

    def active_days(self) -> tuple[Whole, Whole, Whole]:
        """Return user, day and number of events of every day on which a user was active, by user then day."""
        key, count = np.unique(self.seen.events.user_E.astype(np.int64) * self.n_days + self.day_E, return_counts=True)
        user, day = np.divmod(key, self.n_days)
        return user, day, count


def _lacks_births(seen: Observation) -> str:
    """Say why ages mean nothing: importers let a note without a birth be born with its first event."""
    log, notes = seen.events, seen.catalog.notes
    note, first = np.unique(log.note_E, return_index=True)
    share = float((log.time_E[first] == notes.born_time_N[note]).mean())
    return "the notes' births are those of their first events" if share > 0.5 else ""
