"""Who comes back, and what an active day of a user holds: the consumer's side.

A user is active on a day with an impression on it. Shapes: E events, U users, D whole days, F follow edges.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bench.readings.counting import add_up, visit
from bench.readings.result import Reading, mean, ratio, share
from bench.readings.window import Window
from simulator.schema import DAY_SECONDS, EventLog, Follows

_ENGAGEMENTS = ("like", "collect", "comment", "share", "follow")


class Returning:
    """Readings of activity, retention and lifetime."""

    def __init__(self, window: Window) -> None:
        joined_U = window.catalog.users.joined_time_U
        self._window = window
        self._last_day_U = np.full(len(joined_U), -1, np.int64)
        self._past_U = np.zeros(len(joined_U), np.uint64)
        self._counts_2D = np.zeros((2, window.n_days), np.int64)
        self._came_KU = np.zeros((len(window.config.retention_days), len(joined_U)), bool)
        self._totals = dict.fromkeys(("impressions", "clicks", "engagements"), 0)
        self._dwell = 0.0

    def absorb(self, events: EventLog) -> None:
        """Take in the next events."""
        user_E, joined_U = events.user_E, self._window.catalog.users.joined_time_U
        since_E = (events.time_E - joined_U[user_E]) // DAY_SECONDS
        for came_U, day in zip(self._came_KU, self._window.config.retention_days, strict=True):
            came_U[user_E[since_E == day]] = True
        day_E = self._window.days_of(events.time_E)
        state = (self._last_day_U, self._past_U)
        visit(user_E, day_E, self._window.config.lifetime_days, state, self._counts_2D)
        whole = events.take(slice(0, int(np.searchsorted(day_E == -1, True))))  # the tail comes last
        self._totals["impressions"] += len(whole)
        self._totals["clicks"] += int(whole.click_E.sum())
        for name in _ENGAGEMENTS:
            self._totals["engagements"] += int(getattr(whole, f"{name}_E").sum())
        self._dwell = add_up(whole.dwell_seconds_E, self._dwell)

    def daily(self) -> dict[str, NDArray[np.float64]]:
        """Return active users by day, and lifetime by first day, NaN until that has matured."""
        users_D, pairs_D = self._counts_2D.astype(np.float64)
        is_ripe_D = np.arange(len(users_D)) + self._window.config.lifetime_days <= len(users_D)
        lifetime_D = np.full(len(users_D), np.nan)
        np.divide(pairs_D, users_D, out=lifetime_D, where=is_ripe_D & (users_D > 0))
        return {"users": users_D, "lifetime": lifetime_D}

    def scalars(self, follows: Follows) -> Iterator[Reading]:
        """Yield the readings; follow edges are counted by their own table, not by the log's responses."""
        users_D, n = self._counts_2D[0].astype(np.float64), int(self._counts_2D[0].sum())
        yield Reading("dau", mean(users_D), "users", len(users_D), "users with an impression on a day, mean over days")
        yield from self._retention()
        yield self._lifetime()
        for name, total in self._totals.items():
            weights = ": like, collect, comment, share, follow, each 1" if name == "engagements" else ""
            yield Reading(f"{name}_per_user_day", ratio(total, n), "", n, f"{name} over active user-days{weights}")
        yield Reading("dwell_per_user_day", ratio(self._dwell, n), "s", n, "dwell seconds over active user-days")
        yield from self._follows(follows, n)

    def _retention(self) -> Iterator[Reading]:
        window, joined_U = self._window, self._window.catalog.users.joined_time_U
        is_new_U = (joined_U >= window.start) & (joined_U > window.config.founded_time)
        for came_U, day in zip(self._came_KU, window.config.retention_days, strict=True):
            came = came_U[is_new_U & (joined_U + (day + 1) * DAY_SECONDS <= window.end)]
            meaning = (
                f"share with an impression in [{day}, {day + 1}) d after joining; users who joined in the window, "
            )
            meaning += f"founders left out, {day + 1} d or more before its end"
            yield Reading(f"retention_day_{day}", share(came), "share", len(came), meaning)

    def _lifetime(self) -> Reading:
        span = self._window.config.lifetime_days
        n_ripe = max(len(self._counts_2D[0]) - span + 1, 0)
        users, pairs = (int(count_D[:n_ripe].sum()) for count_D in self._counts_2D)
        meaning = (
            f"active days of a user in d .. d + {span - 1}, given active on d; mean over such (user, d), d matured"
        )
        return Reading(f"lt{span}", ratio(pairs, users), "days", users, meaning)

    def _follows(self, follows: Follows, n: int) -> Iterator[Reading]:
        window = self._window
        new_F = (window.days_of(follows.time_F) >= 0) & (follows.time_F > window.config.founded_time)
        new_F &= follows.author_F < len(window.catalog.authors)
        edges = follows.take(new_F)
        meaning = "new follow edges over active user-days; those of founding, and to authors not there, left out"
        yield Reading("follows_per_user_day", ratio(len(edges), n), "edges", n, meaning)
        since_F = edges.time_F - window.tenure_from()[edges.author_F]
        meaning = "share of new follow edges that go to authors who joined less than 7 d before"
        yield Reading("follows_to_new_authors", share(since_F < 7 * DAY_SECONDS), "share", len(edges), meaning)
