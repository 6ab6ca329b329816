"""A world whose hours are booked: what readers, authors and the corpus got out of each, as floats by stable keys.

Shapes: U users, A authors, N notes, E impressions, S visitors.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from simulator.schema import DAY_SECONDS, RESPONSES, Catalog, EventLog, Slates
from simulator.shelf import HOUR_SECONDS
from simulator.world import World

REACHED = 100  # impressions within the first 24 hours that a new note is to get
NEW_AUTHOR_DAYS = 7


def gini(count_N: NDArray[np.int64]) -> float:
    """Return the Gini coefficient of counts, 0 when all are equal or there are none.

    G = sum_i (2 i - n - 1) x_i / (n sum_i x_i), x ascending, i from 1; equal counts share the mean of their ranks.
    """
    n, total = len(count_N), int(count_N.sum())
    if total == 0:
        return 0.0
    n_with_V = np.bincount(count_N)  # of value v
    upto_V = np.cumsum(n_with_V)
    rank_V = upto_V - (n_with_V - 1) / 2.0
    return float(((2.0 * rank_V - n - 1.0) * n_with_V * np.arange(len(n_with_V))).sum() / (n * total))


class BookedWorld:
    """A world, the catalog of its day, and the accounts of its last hour (`info`) and day."""

    def __init__(self, world: World, *, keep_log: bool) -> None:
        self.world, self.keep_log = world, keep_log
        self.visits_U = np.zeros(world.spec.n_users, np.int32)
        self.catalog = world.showing().catalog()  # of the whole day: cut it at now before anybody sees it
        self._day = -1
        self._hours: deque[tuple[NDArray[np.int32], NDArray[np.int32]]] = deque(maxlen=24)
        self._reached_by_N = np.zeros(0, np.int64)  # impressions in the first 24 hours
        self.info = self._accounts(world.latest(), None, n_visitors=0, n_own=0)

    def visitors(self) -> NDArray[np.int32]:
        """Begin the hour and return who comes."""
        user_S = self.world.visitors()
        if self.world.now // DAY_SECONDS != self._day:
            self._day, self.catalog = self.world.now // DAY_SECONDS, self.world.showing().catalog()
            missing = len(self.catalog.notes) - len(self._reached_by_N)
            self._reached_by_N = np.concatenate([self._reached_by_N, np.zeros(missing, np.int64)])
        return user_S

    @property
    def n_born(self) -> int:
        """How many notes were born before now; asking does not begin the hour, which a twin still has to itself."""
        return int(np.searchsorted(self.catalog.notes.born_time_N, self.world.now))

    def step(self, slates: Slates | None) -> EventLog | None:
        """Live one hour and book it; return the impressions of the slates, if there are any."""
        user_S = self.visitors()
        own = self.world.step(slates)
        latest = self.world.latest()
        if not self.keep_log:
            self.world.drain()
        self.visits_U[user_S] += 1
        self._hours.append((user_S, latest.note_E))
        self.info = self._accounts(latest, own, n_visitors=len(user_S), n_own=0 if slates is None else len(slates))
        return own

    def fork(self, *, luck: int) -> BookedWorld:
        """Return a twin that goes on by itself with luck of its own."""
        twin = object.__new__(BookedWorld)
        twin.__dict__.update(self.__dict__)
        twin.world, twin._hours = self.world.fork(luck=luck), self._hours.copy()
        twin.visits_U, twin._reached_by_N = self.visits_U.copy(), self._reached_by_N.copy()
        return twin

    def _accounts(self, latest: EventLog, own: EventLog | None, *, n_visitors: int, n_own: int) -> dict[str, float]:
        totals = _totals("consumer", latest) | _totals("own", own if own is not None else latest.take(slice(0, 0)))
        user_S = np.concatenate([user_S for user_S, _ in self._hours]) if self._hours else np.empty(0, np.int32)
        totals |= {"consumer/visitors": n_visitors, "consumer/active_users": len(np.unique(user_S))}
        totals |= {"own/requests": n_own, "platform/requests": n_visitors - n_own}
        return {name: float(value) for name, value in (totals | self._authors(latest) | self._corpus(latest)).items()}

    def _authors(self, latest: EventLog) -> dict[str, float]:
        """Account for the authors: births of the hour, who published in the last day, who is new."""
        notes, authors, now = self.catalog.notes, self.catalog.authors, self.world.now
        joined = np.searchsorted(authors.joined_time_A, [now - HOUR_SECONDS, now])
        day, hour, end = np.searchsorted(notes.born_time_N, [now - DAY_SECONDS, now - HOUR_SECONDS, now])
        tenure_E = latest.time_E - authors.joined_time_A[notes.author_N[latest.note_E]]
        return {
            "author/births": end - hour,
            "author/publishers": len(np.unique(notes.author_N[day:end])),
            "author/new_authors": joined[1] - joined[0],
            "author/new_share": _share(tenure_E < NEW_AUTHOR_DAYS * DAY_SECONDS),
        }

    def _corpus(self, latest: EventLog) -> dict[str, float]:
        """Account for the notes: how much the fresh get, and how unequal the last day was."""
        notes, reached_by_N, n_born = self.catalog.notes, self._reached_by_N, self.n_born
        is_fresh_E = latest.time_E - notes.born_time_N[latest.note_E] < DAY_SECONDS
        fresh_X, count_X = np.unique(latest.note_E[is_fresh_E], return_counts=True)
        before_X = reached_by_N[fresh_X]
        reached_by_N[fresh_X] += count_X
        shown_N = np.zeros(n_born, np.int64)
        for _, note_E in self._hours:
            shown_N += np.bincount(note_E, minlength=n_born)
        return {
            "corpus/notes": n_born,
            "corpus/fresh_share": _share(is_fresh_E),
            "corpus/reached_100": ((before_X < REACHED) & (before_X + count_X >= REACHED)).sum(),
            "corpus/gini": gini(shown_N),
        }


def _share(is_E: NDArray[np.bool_]) -> float:
    return float(is_E.mean()) if len(is_E) else 0.0


def _totals(whose: str, events: EventLog) -> dict[str, float]:
    engaged_E = np.logical_or.reduce([events.response(name) for name in RESPONSES if name != "click"])
    return {
        f"{whose}/impressions": len(events),
        f"{whose}/clicks": events.click_E.sum(),
        f"{whose}/engagements": engaged_E.sum(),
        f"{whose}/dwell_minutes": events.dwell_seconds_E.sum(dtype=np.float64) / 60.0,
    }


def born(catalog: Catalog, now: int) -> Catalog:
    """Return what of a day's catalog is there at `now`; the first inhabitants are there at time 0."""
    return catalog.before(max(now, 1))
