"""EASE: the linear item-item model with an empty diagonal, in closed form.

Minimise |X - X B|^2 + l2 |B|^2 with diag(B) = 0: with P = (X'X + l2 I)^-1, B = I - P diag(1 / P_tt).
The regressors R are the most clicked targets, as many as memory allows. Any other target t, one first clicked after the
fit too, gets the ridge column P X_R' x_t, which is what EASE gives a target that predicts nobody. Who asks is x: what a
user clicked of R; an author of R alone; any other author as the mix of R that predicts it.

Reference: Steck 2019, doi:10.1145/3308558.3313710. U users, T targets, R regressors, Q requests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import lapack
from threadpoolctl import threadpool_limits

from methods.base import Budget, Capabilities
from methods.interactions import FROM_USERS_AND_AUTHORS, Sparse, binary, clicks, n_users_of, profiles
from methods.ranking import rank
from simulator.schema import Kind, Observation, Requests, Slates

_BLOCK = 1_024  # columns that are mirrored at a time


@dataclass(frozen=True, slots=True)
class EASEConfig:
    """The ridge, in clicks, and how many targets predict others: memory goes with its square, time with its cube."""

    l2: float = 80.0
    max_regressors: int = 8_192


WHOLE = EASEConfig(max_regressors=45_000)  # all of Gowalla; 7 GB

TRIALS = {f"l2={l2:g}": EASEConfig(l2=l2) for l2 in (20.0, 80.0, 200.0, 400.0, 800.0)}


class EASE:
    """Rank candidates by a linear model of the history, one column a target, in closed form."""

    capabilities: ClassVar[Capabilities] = Capabilities(FROM_USERS_AND_AUTHORS, cold_targets=False)

    def __init__(self, config: EASEConfig = EASEConfig()) -> None:
        self.config = config

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        """Invert the Gram matrix of the regressors."""
        self.target_ = target
        with threadpool_limits(budget.threads, "blas"):
            self.learnt_ = LearntEASE.learn(binary(clicks(seen, target=target)), self.config)

    def index(self, seen: Observation) -> None:
        """Take in the histories of now, and columns of targets that are no regressors."""
        self.history_UT_ = binary(clicks(seen, target=self.target_))
        self.gram_RT_ = self.learnt_.gram(self.history_UT_)

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        """Rank by the model."""
        profile_QT = profiles(requests, self.history_UT_)
        return rank(self.learnt_.scores(profile_QT, self.gram_RT_, requests.query), requests, k=k)


@dataclass(frozen=True, slots=True, eq=False)
class LearntEASE:
    """The regressors and the inverse of their Gram matrix; read-only, so that copies share it."""

    regressor_R: NDArray[np.int64]
    inverse_RR: NDArray[np.float32]

    def __deepcopy__(self, memo: dict[int, object]) -> LearntEASE:
        return self

    @classmethod
    def learn(cls, clicks_UT: Sparse, config: EASEConfig) -> LearntEASE:
        """Invert X_R'X_R + l2 I over the most clicked targets R; equally clicked ones in order of id."""
        n_clicks_T = n_users_of(clicks_UT)
        most_T = np.argsort(-n_clicks_T, kind="stable")[: config.max_regressors]
        regressor_R = np.sort(most_T[n_clicks_T[most_T] > 0])
        x_UR = clicks_UT[:, regressor_R]
        gram_RR = np.zeros((len(regressor_R), len(regressor_R)), np.float32, order="F")
        (x_UR.T @ x_UR).toarray(out=gram_RR)
        gram_RR[np.diag_indices_from(gram_RR)] += np.float32(config.l2)
        inverse_RR = inverted(gram_RR)
        inverse_RR.flags.writeable = False
        return cls(regressor_R, inverse_RR)

    def gram(self, history_UT: Sparse) -> Sparse:
        """Return X_R'X (R, T) for targets that are no regressors; their own columns are empty."""
        is_other_T = np.ones(history_UT.shape[1], np.float32)
        is_other_T[self.regressor_R] = 0
        others_UT = history_UT @ sp.diags(is_other_T, format="csr", dtype=np.float32)
        others_UT.eliminate_zeros()
        gram_RT: Sparse = (history_UT[:, self.regressor_R].T.tocsr() @ others_UT).tocsr()
        return gram_RT

    def scores(self, profile_QT: Sparse, gram_RT: Sparse, query: Kind) -> NDArray[np.float32]:
        """Return (Q, T): x B for regressors, x P X_R'X for the others."""
        x_QR = profile_QT[:, self.regressor_R]
        if query != "user":
            asking_Q = profile_QT.indices  # an author's profile is that author
            is_other_Q = np.diff(x_QR.indptr) == 0
            mixed_QR = sp.csr_matrix(gram_RT[:, asking_Q].T @ self.inverse_RR)
            x_QR = (x_QR + sp.diags(is_other_Q.astype(np.float32)) @ mixed_QR).tocsr()
        z_QR = x_QR @ self.inverse_RR
        scores_QT = np.ascontiguousarray((gram_RT.T @ z_QR.T).T, np.float32)
        scores_QT[:, self.regressor_R] = x_QR.toarray() - z_QR / np.diag(self.inverse_RR)
        return scores_QT


def inverted(gram_RR: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the inverse of a positive definite matrix in Fortran order, in its own memory."""
    if len(gram_RR) == 0:
        return gram_RR
    factor_RR, failed = lapack.spotrf(gram_RR, overwrite_a=1, lower=1, clean=0)
    if not failed:
        factor_RR, failed = lapack.spotri(factor_RR, overwrite_c=1, lower=1)
    if failed:
        raise ValueError(f"l2: expected a ridge that makes the Gram matrix positive definite, got info {failed}")
    for first in range(0, len(factor_RR), _BLOCK):  # LAPACK leaves the upper triangle as it was
        below_RB = factor_RR[first:, first : first + _BLOCK]
        upper_BR = factor_RR[first : first + _BLOCK, first:]
        upper_BR[:, _BLOCK:] = below_RB[_BLOCK:].T
        corner_BB = below_RB[:_BLOCK]
        corner_BB[:] = np.tril(corner_BB) + np.tril(corner_BB, -1).T
    inverse_RR: NDArray[np.float32] = factor_RR.T  # rows lie together, as products with sparse rows want them
    return inverse_RR
