"""Item-based collaborative filtering: cosine of the columns of the click matrix, users weighted, pairs shrunk.

similarity(t, h) = sum over u who clicked both of w_u^2 / (|t| |h| + shrinkage), w_u = |I_u| ** -user_power, I_u being
what u clicked, and |t|^2 = sum over u who clicked t of w_u^2. With power and shrinkage 0 it is the plain cosine.

Reference: Deshpande and Karypis 2004, doi:10.1145/963770.963776. U users, T targets, R rows asked for, B of a block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from methods.base import Budget, Capabilities
from methods.interactions import FROM_USERS_AND_AUTHORS, Sparse, binary, clicks, nothing
from methods.neighbours import Neighbourhood, keep_top, scores
from methods.ranking import rank
from simulator.schema import Kind, Observation, Requests, Slates

BLOCK = 1_024  # rows of the dense-ish product held at once


@dataclass(frozen=True, slots=True)
class ItemCFConfig:
    """The weights of users and pairs, chosen among nine on a tenth of Gowalla's training pairs: docs/experiments.md."""

    n_neighbours: int = 100
    user_power: float = 0.5
    shrinkage: float = 1.0


TRIALS = {
    "cosine": ItemCFConfig(user_power=0.0, shrinkage=0.0),
    "shrunk": ItemCFConfig(user_power=0.0, shrinkage=5.0),
    "quarter": ItemCFConfig(user_power=0.25, shrinkage=1.0),
    "half": ItemCFConfig(),
    "half and wide": ItemCFConfig(n_neighbours=300),
}


class ItemCF:
    """Rank candidates by their co-clicks with the query's history."""

    capabilities: ClassVar[Capabilities] = Capabilities(FROM_USERS_AND_AUTHORS, cold_targets=False)

    def __init__(self, config: ItemCFConfig = ItemCFConfig()) -> None:
        self.config = config

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        """Learn the neighbours of every clicked target."""
        self.target_ = target
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
        return cosine_rows(clicks_UT, ids_R, self.config)


def cosine_rows(clicks_UT: Sparse, ids_R: NDArray[np.int64], config: ItemCFConfig) -> Sparse:
    """Return the nearest other targets of a binary matrix, (R, T)."""
    n_items_U = np.diff(clicks_UT.indptr)
    weight_U = (np.maximum(n_items_U, 1) ** -config.user_power).astype(np.float32)
    weighted_UT = sp.csr_matrix((np.repeat(weight_U, n_items_U), clicks_UT.indices, clicks_UT.indptr), clicks_UT.shape)
    length_T = np.sqrt(np.bincount(weighted_UT.indices, weighted_UT.data**2, minlength=clicks_UT.shape[1]))
    weighted_TU = weighted_UT.T.tocsr()
    blocks = [nothing(0, clicks_UT.shape[1])]
    for first in range(0, len(ids_R), BLOCK):
        ids_B = ids_R[first : first + BLOCK]
        cosine_BT = weighted_TU[ids_B] @ weighted_UT
        row_V = np.repeat(ids_B, np.diff(cosine_BT.indptr))
        lengths_V = length_T[row_V] * length_T[cosine_BT.indices]
        cosine_BT.data = (cosine_BT.data / (lengths_V + config.shrinkage)).astype(np.float32)
        cosine_BT.data[cosine_BT.indices == row_V] = 0.0  # not its own neighbour
        blocks.append(keep_top(cosine_BT, config.n_neighbours))
    rows_RT: Sparse = sp.vstack(blocks, format="csr")
    return rows_RT
