"""Bayesian personalised ranking of matrix factors, by the library `implicit`.

Maximise sum over (u, t clicked, s not) of log sigmoid(z_ut - z_us) - regularization (|x|^2 + |y|^2 + b^2), where
z_ut = x_u y_t + b_t. The library draws s in proportion to its clicks, so z learns by how much u's taste exceeds
everybody's; log of the number of users who clicked t is added back (the logQ correction).
Who is new is folded in by the ridge regression that turns the mean of the other side's vectors, with the number n of
them, into a learnt vector: x = W [mean y, log(1 + n) mean y, log(1 + n), 1], W fitted on those who were there.

Reference: Rendle et al. 2009, arXiv:1205.2618. U users, T targets, F factors,
B factors and bias.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from implicit.cpu.bpr import BayesianPersonalizedRanking
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from methods.base import Budget, Capabilities
from methods.factors import Factors, folded_sides
from methods.interactions import FROM_USERS_AND_AUTHORS, binary, clicks, n_users_of
from methods.ranking import rank
from simulator.schema import Kind, Observation, Requests, Slates


@dataclass(frozen=True, slots=True)
class BPRConfig:
    """The loss and how long it is minimised."""

    factors: int = 64
    learning_rate: float = 0.02
    regularization: float = 0.01
    iterations: int = 50
    fold_in_l2: float = 1.0
    popularity: float = 1.0  # weight of log clicks; 1 undoes the library's sampling, 0 leaves it


SAMPLED = BPRConfig(factors=128, learning_rate=0.05, regularization=0.005, iterations=100, popularity=0.0)
TRIALS = {
    "base": BPRConfig(),
    "wide": BPRConfig(factors=128, learning_rate=0.05, regularization=0.005, iterations=100),
    "wide and sampled": SAMPLED,
    "held tight": BPRConfig(factors=128, learning_rate=0.05, regularization=0.02, iterations=200, popularity=0.5),
    "let go": BPRConfig(factors=192, learning_rate=0.05, regularization=0.002, iterations=200, popularity=0.5),
}
WIDE = TRIALS["let go"]


class BPR:
    """Rank candidates by the dot product of the user's and the target's factors."""

    capabilities: ClassVar[Capabilities] = Capabilities(FROM_USERS_AND_AUTHORS, cold_targets=False)

    def __init__(self, config: BPRConfig = BPRConfig()) -> None:
        self.config = config

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        """Factorise the clicks."""
        self.target_ = target
        self.clicks_UT_ = binary(clicks(seen, target=target))
        # The library runs its own threads, warns of a BLAS that does too, and checks that only here.
        with threadpool_limits(1, "blas"):
            model = BayesianPersonalizedRanking(
                factors=self.config.factors,
                learning_rate=self.config.learning_rate,
                regularization=self.config.regularization,
                iterations=self.config.iterations,
                num_threads=budget.threads,
                random_state=int(rng.integers(2**31)),
            )
            model.fit(self.clicks_UT_, show_progress=False)
        # Those without clicks still hold their random start. The last column of items is the bias, of users all ones.
        has_clicks_U1 = (np.diff(self.clicks_UT_.indptr) > 0)[:, None]
        has_clicks_T1 = (n_users_of(self.clicks_UT_) > 0)[:, None]
        self.users_UF_ = model.user_factors[:, :-1] * has_clicks_U1
        self.items_TB_ = model.item_factors * has_clicks_T1

    def index(self, seen: Observation) -> None:
        """Fold in targets first clicked after the fit, then users."""
        now_UT = binary(clicks(seen, target=self.target_))
        l2 = self.config.fold_in_l2
        users_UF, items_TB = folded_sides(self.users_UF_, self.items_TB_, self.clicks_UT_, now_UT, l2=l2)
        log_clicks_T = np.log(np.maximum(n_users_of(now_UT), 1)).astype(np.float32)
        self.factors_ = Factors(users_UF, items_TB[:, :-1], items_TB[:, -1] + self.config.popularity * log_clicks_T)

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        """Rank by factors."""
        return rank(self.factors_.scores(requests), requests, k=k)

    def describe(self) -> NDArray[np.float32]:
        """Return the factors of the targets, without the bias."""
        return self.factors_.items_TF
