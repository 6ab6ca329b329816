"""What each user clicked, in order of time, each target once. E clicks, U users, R rows, L length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from methods.interactions import targets_of_events
from simulator.schema import Kind, Observation


@dataclass(frozen=True, slots=True, eq=False)
class Histories:
    """First clicks, by user and then by time: those of user u are the half-open start[u] .. start[u + 1]."""

    start_U1: NDArray[np.int64]
    user_E: NDArray[np.int32]
    target_E: NDArray[np.int32]

    @classmethod
    def of(cls, seen: Observation, *, target: Kind) -> Histories:
        """Take the first click of every (user, target); events come in order of time."""
        target_E = targets_of_events(seen, target=target)
        rows = np.flatnonzero(seen.events.click_E & (target_E >= 0))
        user_E, target_E = seen.events.user_E[rows], target_E[rows]
        n_users = len(seen.catalog.users)
        _, first = np.unique(user_E.astype(np.int64) * seen.catalog.count(target) + target_E, return_index=True)
        first = first[np.lexsort((first, user_E[first]))]
        start_U1 = np.searchsorted(user_E[first], np.arange(n_users + 1))
        return cls(start_U1.astype(np.int64), user_E[first], target_E[first])

    def before(self, rows_R: NDArray[np.int64], length: int) -> NDArray[np.int64]:
        """Return the `length` clicks (R, L) before each row of the same user, latest first; -1 where none is."""
        return self._back(rows_R, self.start_U1[self.user_E[rows_R]], length)

    def latest(self, users_R: NDArray[np.int32], length: int) -> NDArray[np.int64]:
        """Return the last `length` clicks (R, L) of each user, latest first; -1 where none is."""
        return self._back(self.start_U1[users_R.astype(np.int64) + 1], self.start_U1[users_R], length)

    def _back(self, end_R: NDArray[np.int64], start_R: NDArray[np.int64], length: int) -> NDArray[np.int64]:
        at_RL = end_R[:, None] - 1 - np.arange(length)
        is_there_RL = at_RL >= start_R[:, None]
        ids_RL = np.full(at_RL.shape, -1, np.int64)
        ids_RL[is_there_RL] = self.target_E[at_RL[is_there_RL]]
        return ids_RL
