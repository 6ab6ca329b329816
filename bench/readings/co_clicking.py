"""Which authors readers click together: the degree of an author in the co-occurrence graph.

x_ua = 1 where author a is among the newest `co_click_cap` distinct authors that user u clicked in the window; authors a
and b are linked where sum_u x_ua x_ub >= `co_clickers`. The product is made in blocks of rows, so that it never lies in
memory whole. Shapes: E events, U users, A authors, C authors kept a user.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from bench.readings.counting import remember
from bench.readings.result import NAN, Reading, mean, share
from bench.readings.window import Window
from simulator.schema import DAY_SECONDS, EventLog

_BLOCK_PAIRS = 4_000_000  # co-clicks multiplied at a time


class CoClicking:
    """The newest authors of each user, and what links them."""

    def __init__(self, window: Window) -> None:
        self._window = window
        n_users = len(window.catalog.users)
        self._recent_UC = np.zeros((n_users, window.config.co_click_cap), np.int32)  # pages untouched cost nothing
        self._n_U = np.zeros(n_users, np.int32)

    def absorb(self, events: EventLog) -> None:
        """Take in the next events; clicks on notes of unknown authors count for nobody."""
        author_E = self._window.catalog.notes.author_N[events.note_E]
        rows_E = events.click_E & (author_E >= 0)
        remember(events.user_E[rows_E], author_E[rows_E], self._recent_UC, self._n_U)

    def degree_A(self) -> NDArray[np.int64]:
        """Return the number of other authors each author is linked with."""
        n_authors = len(self._window.catalog.authors)
        is_kept_UC = np.arange(self._recent_UC.shape[1]) < self._n_U[:, None]
        start_U1 = np.concatenate([[0], np.cumsum(self._n_U, dtype=np.int64)])
        author_X = self._recent_UC[is_kept_UC]
        clicked_UA = csr_array((np.ones(len(author_X), np.int32), author_X, start_U1), (len(self._n_U), n_authors))
        by_author_AU = clicked_UA.T.tocsr()
        degree_A = np.zeros(n_authors, np.int64)
        for first, last in _blocks(by_author_AU @ self._n_U.astype(np.int64)):
            both = (by_author_AU[first:last] @ clicked_UA).tocoo()
            linked = (both.data >= self._window.config.co_clickers) & (both.row + first != both.col)
            degree_A[first:last] = np.bincount(both.row[linked], minlength=last - first)
        return degree_A

    def scalars(self) -> Iterator[Reading]:
        """Yield mean, median and 90th percentile of the degree, and how many new authors have none."""
        config, catalog, window = self._window.config, self._window.catalog, self._window
        has_note_A = np.zeros(len(catalog.authors), bool)
        has_note_A[catalog.notes.author_N[catalog.notes.author_N >= 0]] = True
        degree_A = self.degree_A()
        degree_X = degree_A[has_note_A]
        meaning = f"other authors that >= {config.co_clickers} users clicked too in the window (newest "
        meaning += f"{config.co_click_cap} distinct authors of a user); over authors with a note before its end"
        middle, high = _percentile(degree_X, 50), _percentile(degree_X, 90)
        for name, value in (("mean", mean(degree_X)), ("median", middle), ("p90", high)):
            yield Reading(f"co_click_degree/{name}", value, "authors", len(degree_X), f"{name} number of {meaning}")
        days = config.co_click_young_days
        young_A = has_note_A & (window.end - window.tenure_from() < days * DAY_SECONDS)
        meaning = f"share of degree 0 among authors with a note who joined less than {days} d before the window's end"
        alone_X = degree_A[young_A] == 0
        yield Reading("co_click_alone", share(alone_X), "share", len(alone_X), meaning)


def _blocks(pairs_A: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Cut authors into ranges of about `_BLOCK_PAIRS` pairs, each of one author at least."""
    block_A = np.cumsum(pairs_A) // _BLOCK_PAIRS
    edges = np.concatenate([[0], np.flatnonzero(np.diff(block_A)) + 1, [len(pairs_A)]])
    yield from ((int(a), int(b)) for a, b in pairwise(edges) if a < b)


def _percentile(value_X: NDArray[np.int64], q: float) -> float:
    return float(np.percentile(value_X, q)) if len(value_X) else NAN
