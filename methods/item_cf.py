"""Item-based collaborative filtering: similarity(t, h) = |U_t and U_h| / sqrt(|U_t| |U_h|), U_t being who clicked t.

Reference: Deshpande and Karypis 2004, doi:10.1145/963770.963776. U users, T targets, R rows asked for, B of a block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from methods.base import Budget, Capabilities
from methods.interactions import FROM_USERS_AND_AUTHORS, Sparse, binary, clicks, n_users_of
from methods.neighbours import Neighbourhood, keep_top, scores
from methods.ranking import rank
from simulator.schema import Kind, Observation, Requests, Slates

BLOCK = 1_024  # rows of the dense-ish product held at once


@dataclass(frozen=True, slots=True)
class ItemCFConfig:
    """How many neighbours a target listens to."""

    n_neighbours: int = 100


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
        return cosine_rows(clicks_UT, ids_R, n_neighbours=self.config.n_neighbours)


def cosine_rows(clicks_UT: Sparse, ids_R: NDArray[np.int64], *, n_neighbours: int) -> Sparse:
    """Return the nearest other targets by cosine of binary columns, (R, T)."""
    scale_T = sp.diags_array((1.0 / np.sqrt(np.maximum(n_users_of(clicks_UT), 1))).astype(np.float32))
    unit_UT = (clicks_UT @ scale_T).tocsr()
    unit_TU = unit_UT.T.tocsr()
    blocks = []
    for first in range(0, len(ids_R), BLOCK):
        ids_B = ids_R[first : first + BLOCK]
        cosine_BT = unit_TU[ids_B] @ unit_UT
        cosine_BT.data[cosine_BT.indices == np.repeat(ids_B, np.diff(cosine_BT.indptr))] = 0.0  # not its own neighbour
        blocks.append(keep_top(cosine_BT, n_neighbours))
    return sp.vstack(blocks, format="csr") if blocks else sp.csr_matrix((0, clicks_UT.shape[1]), dtype=np.float32)
