"""What an approximate index finds of the true nearest authors: against all vectors, shard by shard.

An answer counts as found when its exact score is at least that of the true K-th, so that authors with equal vectors
stand for each other (Aumüller et al. 2020, doi:10.1016/j.is.2019.02.006). The query's own author is left out on both
sides. Shapes: Q queries, K places, B authors of a shard.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from methods.author_encoder.daily.index import AnnIndex, encoded_blocks, n_encoded
from methods.author_encoder.daily.manifest import Version
from simulator.schema import SchemaError

TOLERANCE = 1e-5  # float32 sums in another order


def sampled(
    version: Version, n_queries: int, *, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Draw distinct authors with a text; return their ids (Q,), ascending, and vectors (Q, D)."""
    n_authors = n_encoded(version)
    drawn = np.sort(rng.choice(n_authors, size=min(n_queries, n_authors), replace=False))
    ids, rows, before = [], [], 0
    for ids_B, rows_BD in encoded_blocks(version):
        here = drawn[(drawn >= before) & (drawn < before + len(ids_B))] - before
        ids.append(ids_B[here])
        rows.append(rows_BD[here])
        before += len(ids_B)
    return np.concatenate(ids), np.concatenate(rows)


def recalls(
    version: Version, index: AnnIndex, queries: tuple[NDArray[np.int64], NDArray[np.float32]], *, k: int
) -> NDArray[np.float64]:
    """Return the recall of each query (Q,): the share of its true K nearest, or of all there are, that is found."""
    if k < 1:
        raise SchemaError("k", "at least 1", k)
    own_Q, queries_QD = queries
    k = min(k, n_encoded(version) - 1)
    if k < 1:
        return np.ones(len(own_Q))
    found_QK = _without_own(index.search(queries_QD, k=k + 1)[0], own_Q)[:, :k]
    best_QK = np.full((len(own_Q), k), -np.inf, np.float32)
    exact_QK = np.full((len(own_Q), k), -np.inf, np.float32)
    for ids_B, rows_BD in encoded_blocks(version):
        if not len(ids_B):
            continue
        scores_QB = queries_QD @ rows_BD.T
        place_QK = np.minimum(np.searchsorted(ids_B, found_QK), len(ids_B) - 1)
        is_here_QK = ids_B[place_QK] == found_QK
        exact_QK = np.where(is_here_QK, np.take_along_axis(scores_QB, place_QK, 1), exact_QK)
        scores_QB[ids_B[None] == own_Q[:, None]] = -np.inf
        best_QK = _best(np.concatenate([best_QK, scores_QB], axis=1), k)
    worst_Q1 = best_QK.min(axis=1, keepdims=True)
    recall_Q: NDArray[np.float64] = (exact_QK >= worst_Q1 - TOLERANCE).mean(axis=1)
    return recall_Q


def _without_own(ids_QW: NDArray[np.int64], own_Q: NDArray[np.int64]) -> NDArray[np.int64]:
    """Move the query's own author to the end of each answer, or drop the last where it is not there."""
    order_QW = np.argsort(ids_QW == own_Q[:, None], axis=1, kind="stable")
    moved_QW: NDArray[np.int64] = np.take_along_axis(ids_QW, order_QW, 1)
    return moved_QW


def _best(scores_QW: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    best_QK: NDArray[np.float32] = np.partition(scores_QW, -k, axis=1)[:, -k:]
    return best_QK
