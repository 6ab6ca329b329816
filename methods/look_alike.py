"""Look-alike: a target is the mean of those who engaged with it, and goes to those who are like them.

score(u, t) = x_u mean of x_v over v who clicked t, with the users' ALS factors x of length one. One first engagement is
enough, and each new one moves the mean at the next index without a refit; a target without any has zeros.

References: Liu et al. 2019, doi:10.1145/3292500.3330706 (mean of seeds as the plain form of its attention).
Shapes: U users, T targets, Q requests, F factors.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from methods.als import ALSConfig, FoldedALS, LearntALS
from methods.base import Budget, Capabilities
from methods.factors import grown, unit
from methods.ground import answers
from methods.interactions import FROM_USERS_AND_AUTHORS, clicks, n_users_of
from methods.ranking import rank
from simulator.schema import Kind, Observation, Requests, Slates


@dataclass(frozen=True, slots=True)
class LookAlikeConfig:
    """Whence the users' vectors come."""

    als: ALSConfig = field(default_factory=ALSConfig)


BASE = LookAlikeConfig()
TRIALS = {
    "base": BASE,
    "light": LookAlikeConfig(ALSConfig(regularization=10.0, alpha=10.0)),
    "middle": LookAlikeConfig(ALSConfig(regularization=30.0, alpha=20.0)),
    "narrow": LookAlikeConfig(ALSConfig(factors=32)),
    "wide": LookAlikeConfig(ALSConfig(factors=192)),
}


class LookAlike:
    """Rank candidates by the likeness of the user to the mean of those who clicked them."""

    capabilities: ClassVar[Capabilities] = Capabilities(FROM_USERS_AND_AUTHORS, cold_targets=False)

    def __init__(self, config: LookAlikeConfig = LookAlikeConfig()) -> None:
        self.config = config

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        """Factorise the clicks."""
        self.target_ = target
        self.learnt_ = LearntALS.learn(clicks(seen, target=target), self.config.als, rng=rng, threads=budget.threads)

    def index(self, seen: Observation) -> None:
        """Average over the users of now; those who had no clicks at the fit are solved for."""
        self.folded_ = self.learnt_.folded(clicks(seen, target=self.target_))
        clicks_UT = self.folded_.clicks_UT
        users_UF = unit(users_of_now(self.learnt_, self.folded_))
        mean_TF = (clicks_UT.T @ users_UF) / np.maximum(n_users_of(clicks_UT), 1)[:, None]
        self.items_TF_ = mean_TF.astype(np.float32)

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        """Rank by likeness."""
        return rank(answers(requests, lambda ids_Q: unit(self.folded_.users(ids_Q)), self.items_TF_), requests, k=k)


def users_of_now(learnt: LearntALS, now: FoldedALS) -> NDArray[np.float32]:
    """Return a vector (U, F) for every user with clicks: as fitted, or solved for where the fit had none."""
    n_users = now.clicks_UT.shape[0]
    users_UF = grown(learnt.model.user_factors, n_users)
    n_before_U = np.pad(np.diff(learnt.clicks_UT.indptr), (0, n_users - learnt.clicks_UT.shape[0]))
    new_R = np.flatnonzero((n_before_U == 0) & (np.diff(now.clicks_UT.indptr) > 0)).astype(np.int32)
    if len(new_R):
        users_UF[new_R] = now.users(new_R)
    return users_UF
