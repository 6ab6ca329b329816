"""Matrix factors side by side, and how they answer. Shapes: U users, T targets, F factors, Q requests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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


def unit(rows_TF: NDArray[np.float32]) -> NDArray[np.float32]:
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
