"""The window that is read, and what is asked of it.

Times are int64 seconds, windows half-open [start, end). Day d of a window is [start + d days, start + (d + 1) days);
what is left at the end after the last whole day is in no daily reading.
Shapes: N notes, A authors, J notes born in the window (the newest, so their ids are a range), D whole days.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from simulator.schema import DAY_SECONDS, Catalog

HOUR_SECONDS = 3_600
LONG_AGO = -(2**62)  # joined before anything that is known; differences still fit 64 bits


@dataclass(frozen=True, slots=True)
class Config:
    """What is counted as soon, often, young or active; defaults as published where there is something published."""

    impression_marks: tuple[int, ...] = (1, 10, 100)  # time to first m impressions
    restricted_hours: tuple[int, ...] = (24, 72)  # horizons of restricted means
    curve_hours: int = 72  # end of the hourly grid of survival curves, included
    guarantee_impressions: int = 100  # Xiaohongshu's guarantee: 100 impressions ...
    guarantee_hours: int = 24  # ... in 24 h
    heat_clicks: int = 1_000  # Xiaohongshu's high-heat note: 1,000 clicks in 30 days
    heat_clicks_scaled: int = 200  # the same, scaled to a small world: its few hottest notes in a hundred
    heat_days: int = 30
    effective_viewers: int = 20  # distinct viewers that make a note effective ...
    effective_hours: int = 24  # ... within so many hours
    retention_days: tuple[int, ...] = (0, 1, 7)
    lifetime_days: int = 7  # LT7; at most 64
    survival_days: int = 7  # an author survives who publishes again in days [1, 1 + this) after the first note
    age_hours: tuple[int, ...] = (0, 1, 6, 24, 168, 720)  # lower edges of the buckets of note age
    tenure_days: tuple[int, ...] = (0, 1, 7, 30)  # lower edges of the buckets of author tenure
    co_clickers: int = 2  # users that must have clicked both of two authors
    co_click_cap: int = 50  # newest distinct authors kept of a user
    co_click_young_days: int = 7  # tenure below which an author counts as new there
    founded_time: int = 0  # who joined by then was there before the log began: of unknown age, never "new"

    def __post_init__(self) -> None:
        for name in ("age_hours", "tenure_days"):
            edges = getattr(self, name)
            if not edges or edges[0] != 0 or any(low >= high for low, high in pairwise(edges)):
                raise ValueError(f"Config.{name}: expected edges ascending from 0, got {edges}")
        if not 1 <= self.lifetime_days <= 64:
            raise ValueError(f"Config.lifetime_days: expected 1 to 64, got {self.lifetime_days}")
        counts = ("guarantee_impressions", "heat_clicks", "heat_clicks_scaled", "effective_viewers", "co_clickers")
        for name in (*counts, "co_click_cap"):
            if getattr(self, name) < 1:
                raise ValueError(f"Config.{name}: expected at least 1, got {getattr(self, name)}")
        if not self.impression_marks or min(self.impression_marks) < 1:
            raise ValueError(f"Config.impression_marks: expected numbers from 1, got {self.impression_marks}")


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """The seconds [start, end) of a world, who was there by its end, and what to count."""

    catalog: Catalog
    start: int
    end: int
    config: Config

    @classmethod
    def of(cls, catalog: Catalog, *, start: int, end: int, config: Config) -> Window:
        """Return the window over what of the catalog exists before `end`."""
        if not start < end:
            raise ValueError(f"window: expected start < end, got [{start}, {end})")
        return cls(catalog.before(end), start, end, config)

    @property
    def n_days(self) -> int:
        """Whole days in the window."""
        return (self.end - self.start) // DAY_SECONDS

    @property
    def first_new_note(self) -> int:
        """Id of the first note born in the window: it and all later ones are."""
        return int(np.searchsorted(self.catalog.notes.born_time_N, self.start))

    @property
    def born_time_J(self) -> NDArray[np.int64]:
        """Birth of the notes born in the window."""
        return self.catalog.notes.born_time_N[self.first_new_note :]

    @property
    def author_J(self) -> NDArray[np.int32]:
        """Author of the notes born in the window, -1 unknown."""
        return self.catalog.notes.author_N[self.first_new_note :]

    def tenure_from(self) -> NDArray[np.int64]:
        """Return since when each author has been there; founders since long ago."""
        joined_A = self.catalog.authors.joined_time_A
        return np.where(joined_A <= self.config.founded_time, LONG_AGO, joined_A)

    def days_of(self, time_X: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the day of each time in the window, -1 for those in no whole day."""
        day_X = (time_X - self.start) // DAY_SECONDS
        return np.where((day_X >= 0) & (day_X < self.n_days), day_X, -1)


def is_world(catalog: Catalog) -> bool:
    """Whether the log begins with its world: founders are there at time 0."""
    return len(catalog.users) > 0 and bool(catalog.users.joined_time_U[0] == 0)


def window_of(
    catalog: Catalog, now: int, since: int | None, until: int | None, *, first_time: int = 0
) -> tuple[int, int]:
    """Return the seconds [start, end) of the days [since, until), by default all up to `now`.

    A world's first day is day 0, with its founders; that of recorded data is the midnight before its first event, at
    `first_time`.
    """
    origin = 0 if is_world(catalog) else first_time // DAY_SECONDS * DAY_SECONDS
    start = origin + (since or 0) * DAY_SECONDS
    end = now if until is None else origin + until * DAY_SECONDS
    if not origin <= start < end <= now:
        n_days = (now - origin) / DAY_SECONDS
        raise ValueError(f"since, until: expected days 0 <= since < until <= {n_days:g}, got {since}, {until}")
    return start, end
