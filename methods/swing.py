"""Swing: two users who share few other targets say more about the targets that they do share.

s(t, h) = sum over pairs of users {u, v} who clicked both of w_u w_v / (alpha2 + |I_u and I_v|),
w_u = (alpha1 + |I_u|) ** -beta, I_u the targets that u clicked.

Defaults are those of Apache Flink ML, but for `min_user_items` (10 there, for months of a shop's clicks; a user with
one target never counts). Reference: Yang et al. 2020, arXiv:2010.05525. U users, T targets, R rows, K neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from methods.base import Budget, Capabilities
from methods.interactions import FROM_USERS_AND_AUTHORS, Sparse, binary, clicks, n_users_of
from methods.kernel import compiled
from methods.neighbours import Neighbourhood, pack, scores, take_best
from methods.ranking import rank
from simulator.schema import Kind, Observation, Requests, Slates


@dataclass(frozen=True, slots=True)
class SwingConfig:
    """The weights of users and pairs, and the caps that bound the work on heads."""

    alpha1: float = 15.0  # smooths the weight of a user
    alpha2: float = 0.0  # smooths the weight of a pair
    beta: float = 0.3  # 0: every user weighs the same
    min_user_items: int = 2  # users with fewer targets are left out
    max_user_items: int = 1_000  # users with more are left out
    max_users_per_item: int = 1_000  # of a target with more users, that many are drawn
    n_neighbours: int = 100
    popularity_power: float = 0.0  # divide s(t, h) by (users of t * users of h) ** power


NORMALISED = SwingConfig(popularity_power=0.5)
TRIALS = {
    "base": SwingConfig(),
    "half normalised": SwingConfig(popularity_power=0.25),
    "normalised": NORMALISED,
    "users alike": SwingConfig(beta=0.0),
    "pairs smoothed": SwingConfig(alpha2=1.0),
}


class Swing:
    """Rank candidates by their swings with the query's history."""

    capabilities: ClassVar[Capabilities] = Capabilities(FROM_USERS_AND_AUTHORS, cold_targets=False)

    def __init__(self, config: SwingConfig = SwingConfig()) -> None:
        self.config = config

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        """Learn the neighbours of every clicked target."""
        self.target_, self.sampling_seed_ = target, int(rng.integers(2**31))
        self.learnt_ = Neighbourhood.learn(clicks(seen, target=target), self._rows)

    def index(self, seen: Observation) -> None:
        """Take the histories of now, and neighbours for targets that were first clicked after the fit."""
        counts_UT = clicks(seen, target=self.target_)
        self.similar_TT_ = self.learnt_.grown(counts_UT)
        self.history_UT_ = binary(counts_UT)

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        """Rank by summed similarity."""
        return rank(scores(requests, self.history_UT_, self.similar_TT_), requests, k=k)

    def _rows(self, clicks_UT: Sparse, ids_R: NDArray[np.int64]) -> Sparse:
        return swing_rows(clicks_UT, ids_R, self.config, rng=np.random.default_rng(self.sampling_seed_))


def swing_rows(clicks_UT: Sparse, ids_R: NDArray[np.int64], config: SwingConfig, *, rng: np.random.Generator) -> Sparse:
    """Return the nearest other targets by Swing, (R, T)."""
    n_items_U = np.diff(clicks_UT.indptr)
    weight_U = ((config.alpha1 + np.maximum(n_items_U, 1)) ** -config.beta).astype(np.float32)
    is_counted_U = (n_items_U >= config.min_user_items) & (n_items_U <= config.max_user_items)
    start_R1, user_P = _drawn_users(clicks_UT, ids_R, is_counted_U, config.max_users_per_item, rng=rng)
    shape = (len(ids_R), config.n_neighbours)
    ids_RK, best_RK = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    n_users_T = np.maximum(n_users_of(clicks_UT), 1)
    _swing(
        ids_R,
        start_R1,
        user_P,
        clicks_UT.indptr,
        clicks_UT.indices,
        weight_U,
        (n_users_T**-config.popularity_power).astype(np.float32),
        np.float32(config.alpha2),
        ids_RK,
        best_RK,
    )
    return pack(ids_RK, best_RK, clicks_UT.shape[1])


def _drawn_users(
    clicks_UT: Sparse, ids_R: NDArray[np.int64], is_counted_U: NDArray[np.bool_], cap: int, *, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the counted users of each row, at most `cap` of them, drawn at random: offsets and users."""
    users_TU = clicks_UT.T.tocsr()
    users_R = []
    for target in ids_R:
        users = users_TU.indices[users_TU.indptr[target] : users_TU.indptr[target + 1]]
        users = users[is_counted_U[users]]
        users_R.append(users if len(users) <= cap else rng.choice(users, size=cap, replace=False))
    start_R1 = np.concatenate([[0], np.cumsum([len(users) for users in users_R])]).astype(np.int64)
    return start_R1, np.concatenate([*users_R, np.empty(0, np.int32)]).astype(np.int32)


@compiled
def _swing(  # noqa: PLR0913 - a kernel takes its arrays one by one
    ids_R: NDArray[np.int64],
    start_R1: NDArray[np.int64],
    user_P: NDArray[np.int32],
    start_U1: NDArray[np.int32],
    item_V: NDArray[np.int32],
    weight_U: NDArray[np.float32],
    scale_T: NDArray[np.float32],
    alpha: np.float32,
    ids_RK: NDArray[np.int32],
    best_RK: NDArray[np.float32],
) -> None:
    """Fill the best neighbours of each row: one walk over both users' items finds the shared ones and their number."""
    n_targets = len(scale_T)
    owner_T, sum_T = np.full(n_targets, -1, np.int32), np.zeros(n_targets, np.float32)
    shared = np.empty(n_targets + 1, np.int32)  # one more: written before it is known to be shared
    mark = np.int32(0)
    for r in range(len(ids_R)):
        users = user_P[start_R1[r] : start_R1[r + 1]]
        for a in range(len(users)):
            mark += 1
            for item in item_V[start_U1[users[a]] : start_U1[users[a] + 1]]:
                owner_T[item] = mark
            for v in users[:a]:
                n_shared = 0
                for item in item_V[start_U1[v] : start_U1[v + 1]]:
                    shared[n_shared] = item
                    n_shared += owner_T[item] == mark
                weight = weight_U[users[a]] * weight_U[v] / (alpha + n_shared)
                for item in shared[:n_shared]:
                    sum_T[item] += weight
        sum_T[ids_R[r]] = 0
        similar = np.flatnonzero(sum_T)
        scaled = sum_T[similar] * scale_T[similar] * scale_T[ids_R[r]]
        take_best(similar.astype(np.int32), scaled, ids_RK[r], best_RK[r])
        sum_T[similar] = 0
