"""Neighbourhoods of targets: the best few similar targets of each, learnt once, grown by what gets clicked later.

score(q, t) = sum over h in the history of q of similarity(h, t), for t among the neighbours of h.
Shapes: T targets, R rows asked for, Q requests, K neighbours, U users, V values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from methods.interactions import Sparse, binary, n_users_of, profiles
from methods.kernel import compiled
from simulator.schema import Requests

RowsOf = Callable[[Sparse, NDArray[np.int64]], Sparse]  # (clicks_UT, ids_R) -> similar targets (R, T)


@dataclass(frozen=True, slots=True, eq=False)
class Neighbourhood:
    """Learnt neighbours, which targets were clicked when they were learnt, and how rows are made."""

    similar_TT: Sparse
    is_learnt_T: NDArray[np.bool_]
    rows_of: RowsOf

    @classmethod
    def learn(cls, counts_UT: Sparse, rows_of: RowsOf) -> Neighbourhood:
        """Make the rows of all targets that have been clicked."""
        is_learnt_T = n_users_of(counts_UT) > 0
        learnt_R = np.flatnonzero(is_learnt_T)
        n_targets = counts_UT.shape[1]
        return cls(_placed(rows_of(binary(counts_UT), learnt_R), learnt_R, n_targets), is_learnt_T, rows_of)

    def grown(self, counts_UT: Sparse) -> Sparse:
        """Return the neighbours (T, T) of now: targets that nobody had clicked get rows, and enter those of others."""
        n_targets = counts_UT.shape[1]
        is_learnt_T = np.pad(self.is_learnt_T, (0, n_targets - len(self.is_learnt_T)))
        fresh_R = np.flatnonzero((n_users_of(counts_UT) > 0) & ~is_learnt_T)
        learnt_TT = _grown(self.similar_TT, n_targets)
        if len(fresh_R) == 0:
            return learnt_TT
        fresh_TT = _placed(self.rows_of(binary(counts_UT), fresh_R), fresh_R, n_targets)
        return (learnt_TT + mutual(fresh_TT)).tocsr()


def mutual(similar_TT: Sparse) -> Sparse:
    """Return the neighbours of either direction, at the greater similarity."""
    return similar_TT.maximum(similar_TT.T.tocsr())


def scores(requests: Requests, history_UT: Sparse, similar_TT: Sparse) -> NDArray[np.float32]:
    """Sum the similarities to the query's history, (Q, T); an author is asked for its neighbours of both directions."""
    profile_QT = profiles(requests, history_UT)
    if requests.query == requests.target:
        lists_QT, is_listed_by_QT = profile_QT @ similar_TT, (similar_TT @ profile_QT.T.tocsr()).T.tocsr()
        return lists_QT.maximum(is_listed_by_QT).toarray()
    return (profile_QT @ similar_TT).toarray()


def keep_top(values_RT: Sparse, k: int) -> Sparse:
    """Keep the `k` greatest positive entries of each row; equal ones in order of id."""
    values_RT.sort_indices()
    n_rows = values_RT.shape[0]
    ids_RK, best_RK = np.zeros((n_rows, k), np.int32), np.zeros((n_rows, k), np.float32)
    _keep_top(values_RT.indptr, values_RT.indices, values_RT.data, ids_RK, best_RK)
    return pack(ids_RK, best_RK, values_RT.shape[1])


def pack(ids_RK: NDArray[np.int32], values_RK: NDArray[np.float32], n_targets: int) -> Sparse:
    """Return the sparse (R, T) of ids and their positive values; a zero is padding."""
    is_there_RK = values_RK > 0
    start_R1 = np.concatenate([[0], np.cumsum(is_there_RK.sum(axis=1))])
    packed: Sparse = sp.csr_matrix(
        (values_RK[is_there_RK], ids_RK[is_there_RK], start_R1), shape=(len(ids_RK), n_targets)
    )
    packed.sort_indices()
    return packed


def _grown(square_TT: Sparse, n_targets: int) -> Sparse:
    """Return the same entries in a greater matrix."""
    start_T1 = np.pad(square_TT.indptr, (0, n_targets - square_TT.shape[0]), mode="edge")
    return sp.csr_matrix((square_TT.data, square_TT.indices, start_T1), shape=(n_targets, n_targets))


def _placed(rows_RT: Sparse, ids_R: NDArray[np.int64], n_targets: int) -> Sparse:
    """Return (T, T) with the given rows at their ids and nothing elsewhere."""
    length_T = np.zeros(n_targets, np.int64)
    length_T[ids_R] = np.diff(rows_RT.indptr)
    start_T1 = np.concatenate([[0], np.cumsum(length_T)])
    return sp.csr_matrix((rows_RT.data, rows_RT.indices, start_T1), shape=(n_targets, n_targets))


@compiled
def _keep_top(
    start_R1: NDArray[np.int32],
    id_V: NDArray[np.int32],
    value_V: NDArray[np.float32],
    ids_RK: NDArray[np.int32],
    best_RK: NDArray[np.float32],
) -> None:
    for r in range(len(start_R1) - 1):
        take_best(id_V[start_R1[r] : start_R1[r + 1]], value_V[start_R1[r] : start_R1[r + 1]], ids_RK[r], best_RK[r])


@compiled
def take_best(
    id_V: NDArray[np.int32], value_V: NDArray[np.float32], ids_K: NDArray[np.int32], best_K: NDArray[np.float32]
) -> None:
    """Write the greatest values, best first, with their ids; the earlier of equals first."""
    n_best = min(len(ids_K), len(value_V))
    if n_best == 0:
        return
    least = np.partition(value_V, len(value_V) - n_best)[len(value_V) - n_best]
    hopeful = np.flatnonzero(value_V >= least)  # more than asked for only where some equal the last
    order = hopeful[np.argsort(-value_V[hopeful], kind="mergesort")]
    for k in range(n_best):
        ids_K[k], best_K[k] = id_V[order[k]], value_V[order[k]]
