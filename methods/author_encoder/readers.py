"""Who reads whom: the positives of a window, added up a log at a time, the newest authors of each user kept.

Only distinct (user, author) edges are remembered, never events, so that a log may stream. Shapes: E events, U users,
A authors, N notes, X edges kept: those of user u are [start_U1[u], start_U1[u + 1]), authors ascending.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from methods.author_encoder.pairs import PairConfig
from methods.groups import place_in_group
from simulator.schema import DAY_SECONDS, Catalog, EventLog, Observation

_PENDING = 1 << 21  # edges that wait before they are joined with those of earlier logs


@dataclass(frozen=True, slots=True, eq=False)
class Readers:
    """The weighted edges of a window, and what was cut off.

    `n_read_U` counts all distinct authors of a user, before the cap; `exposure_N` the impressions of each note.
    """

    start_U1: NDArray[np.int64]
    author_X: NDArray[np.int32]
    weight_X: NDArray[np.float64]
    newest_X: NDArray[np.int64]  # time of the newest positive
    n_read_U: NDArray[np.int64]
    exposure_N: NDArray[np.int64]
    n_authors: int
    n_positives: int

    def __post_init__(self) -> None:
        for name in ("start_U1", "author_X", "weight_X", "newest_X", "n_read_U", "exposure_N"):
            getattr(self, name).flags.writeable = False

    @property
    def n_users(self) -> int:
        """Users who read anybody in the window."""
        return int((self.n_read_U > 0).sum())

    @property
    def n_truncated(self) -> int:
        """Users who read more authors than were kept."""
        return int((self.n_read_U > np.diff(self.start_U1)).sum())

    @property
    def n_cut(self) -> int:
        """Edges that the cap cut off."""
        return int(self.n_read_U.sum()) - len(self.author_X)

    @property
    def user_X(self) -> NDArray[np.int64]:
        """The user of each edge."""
        return np.repeat(np.arange(len(self.n_read_U)), np.diff(self.start_U1))

    def readers_A(self) -> NDArray[np.int64]:
        """Return the number of readers of each author."""
        return np.bincount(self.author_X, minlength=self.n_authors)

    def squares_A(self) -> NDArray[np.float64]:
        """Return the sum over readers of x_ua squared."""
        return np.bincount(self.author_X, self.weight_X**2, minlength=self.n_authors).astype(np.float64, copy=False)

    def matrix(self, value_X: NDArray[np.generic]) -> sp.csr_matrix:
        """Return a value on each edge as a sparse (U, A); a copy, since scipy drops zeros in place."""
        shape = (len(self.n_read_U), self.n_authors)
        return sp.csr_matrix((value_X, self.author_X, self.start_U1), shape=shape, copy=True)


class ReaderCounter:
    """Takes in the logs of a window one after another; memory follows distinct edges, not events."""

    def __init__(self, catalog: Catalog, *, now: int, config: PairConfig) -> None:
        self._catalog, self._now, self._config = catalog, now, config
        self._start = now - round(config.window_days * DAY_SECONDS)
        self._parts: list[_Edges] = [_Edges.nothing()]
        self._n_positives = 0
        self._exposure_N = np.zeros(len(catalog.notes), np.int64)

    def absorb(self, events: EventLog) -> None:
        """Add the events of [now - window, now); those of notes without a known author count for nobody."""
        events = events.between(self._start, self._now)
        self._exposure_N += np.bincount(events.note_E, minlength=len(self._exposure_N))
        author_E = self._catalog.notes.author_N[events.note_E]
        positive_E = np.zeros(len(events), np.bool_)
        for name in self._config.responses:
            positive_E |= events.response(name)
        positive_E &= author_E >= 0
        time_E = events.time_E[positive_E]
        key_E = events.user_E[positive_E].astype(np.int64) * len(self._catalog.authors) + author_E[positive_E]
        self._n_positives += len(key_E)
        self._parts.append(_Edges(key_E, self._decay(time_E), time_E).joined())
        if sum(len(part.key_X) for part in self._parts[1:]) > _PENDING:
            self._parts = [_Edges.of(self._parts).joined()]

    def finish(self) -> Readers:
        """Keep the newest authors of each user; of two as new the one with the greater id."""
        edges, n_authors = _Edges.of(self._parts).joined(), len(self._catalog.authors)
        user_X, author_X = np.divmod(edges.key_X, max(n_authors, 1))
        n_read_U = np.bincount(user_X, minlength=len(self._catalog.users))
        newest_first = np.lexsort((-author_X, -edges.newest_X, user_X))
        place_X = np.empty(len(user_X), np.int64)
        place_X[newest_first] = place_in_group(user_X[newest_first])
        kept_X = place_X < self._config.cap
        weight_X = edges.weight_X if self._config.repeats == "sum" else self._decay(edges.newest_X)
        return Readers(
            np.concatenate([[0], np.cumsum(np.minimum(n_read_U, self._config.cap))]).astype(np.int64),
            author_X[kept_X].astype(np.int32),
            weight_X[kept_X],
            edges.newest_X[kept_X],
            n_read_U,
            self._exposure_N,
            n_authors,
            self._n_positives,
        )

    def _decay(self, time_X: NDArray[np.int64]) -> NDArray[np.float64]:
        weight_X: NDArray[np.float64] = np.exp((time_X - self._now) / (self._config.tau_days * DAY_SECONDS))
        return weight_X


def readers_of(seen: Observation, config: PairConfig) -> Readers:
    """Return the readers of the window that ends now."""
    return readers_in(seen.catalog, [seen.events], now=seen.now, config=config)


def readers_in(catalog: Catalog, logs: Iterable[EventLog], *, now: int, config: PairConfig) -> Readers:
    """Return the readers of the window that ends at `now`, from logs that stream in any order.

    Authors who join at or after `now` are not known: the catalog is cut there.
    """
    counter = ReaderCounter(catalog.before(now), now=now, config=config)
    for log in logs:
        counter.absorb(log)
    return counter.finish()


@dataclass(frozen=True, slots=True, eq=False)
class _Edges:
    """Edges by key user * n_authors + author."""

    key_X: NDArray[np.int64]
    weight_X: NDArray[np.float64]
    newest_X: NDArray[np.int64]

    @classmethod
    def nothing(cls) -> _Edges:
        return cls(np.empty(0, np.int64), np.empty(0, np.float64), np.empty(0, np.int64))

    @classmethod
    def of(cls, parts: list[_Edges]) -> _Edges:
        columns = zip(*((part.key_X, part.weight_X, part.newest_X) for part in parts), strict=True)
        return cls(*map(np.concatenate, columns))

    def joined(self) -> _Edges:
        """Return one edge a key, ascending: weights summed, the newest time."""
        order = np.argsort(self.key_X, kind="stable")
        key_X = self.key_X[order]
        first_X = np.flatnonzero(np.diff(key_X, prepend=-1))
        if len(first_X) == 0:
            return self
        weight_X = np.add.reduceat(self.weight_X[order], first_X)
        return _Edges(key_X[first_X], weight_X, np.maximum.reduceat(self.newest_X[order], first_X))
