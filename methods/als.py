"""Implicit alternating least squares, by the library `implicit`.

Minimise sum over (u, t) of c_ut (p_ut - x_u y_t)^2 + regularization (|x|^2 + |y|^2), where p = 1 and c = alpha if u
clicked t, else p = 0 and c = 1. Who is new is solved for against the other side, which stays.

Reference: Hu, Koren, Volinsky 2008, doi:10.1109/ICDM.2008.22. U users, T targets.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from methods.base import Budget, Capabilities
from methods.factors import grown, unit
from methods.interactions import FROM_USERS_AND_AUTHORS, Sparse, binary, clicks, n_users_of
from methods.ranking import rank
from simulator.schema import Kind, Observation, Requests, Slates


@dataclass(frozen=True, slots=True)
class ALSConfig:
    """The loss and how long it is minimised; defaults were chosen on world small, seed 5."""

    factors: int = 128
    regularization: float = 300.0
    alpha: float = 40.0  # weight of a click against a pair without one
    iterations: int = 10


# Chosen among seven on a tenth of Gowalla's training pairs: docs/experiments.md.
WIDE = ALSConfig(factors=192, regularization=30.0, alpha=20.0, iterations=8)
MIDDLE = ALSConfig(regularization=100.0, alpha=20.0)
TRIALS = {
    "base": ALSConfig(),
    "light": ALSConfig(regularization=10.0, alpha=10.0),
    "middle": MIDDLE,
    "narrow": ALSConfig(factors=64),
    "wide": WIDE,
}


class ALS:
    """Rank candidates by the dot product of the user's and the target's factors."""

    capabilities: ClassVar[Capabilities] = Capabilities(FROM_USERS_AND_AUTHORS, cold_targets=False)

    def __init__(self, config: ALSConfig = ALSConfig()) -> None:
        self.config = config

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        """Factorise the clicks."""
        self.target_ = target
        self.learnt_ = LearntALS.learn(clicks(seen, target=target), self.config, rng=rng, threads=budget.threads)

    def index(self, seen: Observation) -> None:
        """Solve for targets first clicked after the fit."""
        self.folded_ = self.learnt_.folded(clicks(seen, target=self.target_))

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        """Rank by factors."""
        return rank(self.folded_.scores(requests, self.folded_.model.item_factors), requests, k=k)

    def describe(self) -> NDArray[np.float32]:
        """Return the factors of the targets."""
        return np.asarray(self.folded_.model.item_factors, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class LearntALS:
    """A fitted model of the library and the clicks it was fitted to."""

    model: AlternatingLeastSquares
    clicks_UT: Sparse

    @classmethod
    def learn(cls, counts_UT: Sparse, config: ALSConfig, *, rng: np.random.Generator, threads: int) -> LearntALS:
        """Factorise the pairs of `counts_UT`."""
        clicks_UT = binary(counts_UT)
        # The library runs its own threads, warns of a BLAS that does too, and checks that only here.
        with threadpool_limits(1, "blas"):
            model = AlternatingLeastSquares(
                factors=config.factors,
                regularization=config.regularization,
                alpha=config.alpha,
                iterations=config.iterations,
                num_threads=threads,
                random_state=int(rng.integers(2**31)),
            )
            model.fit(clicks_UT, show_progress=False)
        return cls(model, clicks_UT)

    def folded(self, counts_UT: Sparse) -> FoldedALS:
        """Solve for targets first clicked after the fit; the fitted model stays as it is."""
        clicks_UT = binary(counts_UT)
        n_fitted_users, n_fitted_targets = self.clicks_UT.shape
        n_before_T = np.pad(n_users_of(self.clicks_UT), (0, clicks_UT.shape[1] - n_fitted_targets))
        n_before_U = np.pad(np.diff(self.clicks_UT.indptr), (0, clicks_UT.shape[0] - n_fitted_users))
        new_R = np.flatnonzero((n_before_T == 0) & (n_users_of(clicks_UT) > 0))
        model = copy.copy(self.model)  # its Gram matrices are cached on first use, so the original must not fold in
        items_TF = grown(model.item_factors, clicks_UT.shape[1])
        if len(new_R):
            with threadpool_limits(1, "blas"):
                items_TF[new_R] = model.recalculate_item(new_R, clicks_UT[:n_fitted_users, new_R].T.tocsr())
        model.item_factors, model.user_factors = items_TF, grown(model.user_factors, clicks_UT.shape[0])
        return FoldedALS(model, clicks_UT, n_before_U != np.diff(clicks_UT.indptr))


@dataclass(frozen=True, slots=True, eq=False)
class FoldedALS:
    """The item factors of now; a user with new clicks is solved for when it asks, since few of them do."""

    model: AlternatingLeastSquares
    clicks_UT: Sparse
    has_new_clicks_U: NDArray[np.bool_]

    def scores(self, requests: Requests, items_TF: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (Q, T) against `items_TF`; users are solved for against the model's own items."""
        if requests.query != "user":
            return unit(items_TF[requests.ids_Q]) @ unit(items_TF).T
        return self.users(requests.ids_Q) @ items_TF.T

    def users(self, ids_Q: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the factors (Q, F) of users, solved for where there are new clicks."""
        users_QF: NDArray[np.float32] = self.model.user_factors[ids_Q]
        is_new_Q = self.has_new_clicks_U[ids_Q]
        if is_new_Q.any():
            with threadpool_limits(1, "blas"):
                users_QF[is_new_Q] = self.model.recalculate_user(ids_Q[is_new_Q], self.clicks_UT[ids_Q[is_new_Q]])
        return users_QF
