"""Matrix factors side by side, and how they answer.

Shapes: U users, T targets, F factors, Q requests; X features of a fold-in, R rows and O rows of the other side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from methods.interactions import Sparse
from simulator.schema import Requests


@dataclass(frozen=True, slots=True, eq=False)
class Factors:
    """A vector for each user and target, zeros where nothing is known, and what all users think of a target."""

    users_UF: NDArray[np.float32]
    items_TF: NDArray[np.float32]
    bias_T: NDArray[np.float32]

    def scores(self, requests: Requests) -> NDArray[np.float32]:
        """Return (Q, T): dot products and biases for users; cosines between targets for a target that asks."""
        if requests.query == "user":
            return self.users_UF[requests.ids_Q] @ self.items_TF.T + self.bias_T
        unit_TF = unit(self.items_TF)
        return unit_TF[requests.ids_Q] @ unit_TF.T


def unit(rows_TF: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return rows of length one; zeros stay zeros."""
    length_T1 = np.linalg.norm(rows_TF, axis=1, keepdims=True)
    return (rows_TF / np.where(length_T1 > 0, length_T1, 1)).astype(np.float32)


def grown(rows_TF: NDArray[np.float32], n_rows: int) -> NDArray[np.float32]:
    """Return a copy with rows of zeros up to `n_rows`."""
    return np.pad(rows_TF, ((0, n_rows - len(rows_TF)), (0, 0)))


def ridge(features_RX: NDArray[np.float32], wanted_RF: NDArray[np.float32], *, l2: float) -> NDArray[np.float32]:
    """Return W (X, F) that minimises |features W - wanted|^2 + l2 |W|^2."""
    gram_XX = features_RX.T @ features_RX + l2 * np.eye(features_RX.shape[1], dtype=np.float32)
    weights_XF: NDArray[np.float32] = np.linalg.solve(gram_XX, features_RX.T @ wanted_RF)
    return weights_XF


def folded(
    learnt_RF: NDArray[np.float32], others_OF: NDArray[np.float32], fitted_RO: Sparse, now_RO: Sparse, *, l2: float
) -> NDArray[np.float32]:
    """Return the learnt rows and, for rows whose first clicks came after the fit, what the regression makes of them."""
    rows_RF = grown(learnt_RF, now_RO.shape[0])
    n_before_R = np.pad(np.diff(fitted_RO.indptr), (0, now_RO.shape[0] - fitted_RO.shape[0]))
    new_R = np.flatnonzero((n_before_R == 0) & (np.diff(now_RO.indptr) > 0))
    if len(new_R):
        known_R = np.flatnonzero(n_before_R)
        fitted_OF = others_OF[: fitted_RO.shape[1]]
        weights_XF = ridge(_features(fitted_RO[known_R], fitted_OF), learnt_RF[known_R], l2=l2)
        rows_RF[new_R] = _features(now_RO[new_R], others_OF) @ weights_XF
    return rows_RF


def folded_sides(
    users_UF: NDArray[np.float32], items_TB: NDArray[np.float32], fitted_UT: Sparse, now_UT: Sparse, *, l2: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fold in targets first clicked after the fit by those who clicked at it, then users by all targets.

    Columns of targets beyond the users' own, such as a bias, are made too but make nothing.
    """
    now_TU: Sparse = now_UT[: fitted_UT.shape[0]].T.tocsr()
    items_TB = folded(items_TB, users_UF, fitted_UT.T.tocsr(), now_TU, l2=l2)
    return folded(users_UF, items_TB[:, : users_UF.shape[1]], fitted_UT, now_UT, l2=l2), items_TB


def _features(clicks_RO: Sparse, others_OF: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return [mean y, log(1 + n) mean y, log(1 + n), 1] of each row, y the other side's vectors that it clicked."""
    n_R1 = np.diff(clicks_RO.indptr)[:, None].astype(np.float32)
    mean_RF = (clicks_RO @ others_OF) / np.maximum(n_R1, 1)
    return np.hstack([mean_RF, mean_RF * np.log1p(n_R1), np.log1p(n_R1), np.ones_like(n_R1)]).astype(np.float32)
