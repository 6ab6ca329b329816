"""What is relevant to each request, and where in its list it stands: found once, read by every metric.

A byte a target marks what is relevant to the request in hand, so that a listed id costs one look-up whatever the number
of relevant ones; only the marks that were set are cleared. Hits are few among many places: their ranks are kept alone.
Shapes: Q requests, K list length, R relevant entries, H hits, T targets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from simulator.schema.checks import SchemaError, check_column


@dataclass(frozen=True, slots=True, eq=False)
class Relevant:
    """The targets relevant to request q: `ids_R[start_Q1[q]:start_Q1[q + 1]]`, strictly ascending."""

    start_Q1: NDArray[np.int64]
    ids_R: NDArray[np.int32]

    def __post_init__(self) -> None:
        check_column("Relevant.start", self.start_Q1, "int64", max(len(self.start_Q1), 1))
        if self.start_Q1[0] != 0 or bool((np.diff(self.start_Q1) < 0).any()):
            raise SchemaError("Relevant.start", "non-decreasing offsets from 0", self.start_Q1)
        check_column("Relevant.ids", self.ids_R, "int32", int(self.start_Q1[-1]))
        if bool((self.ids_R < 0).any()):
            raise SchemaError("Relevant.ids", "ids >= 0", int(self.ids_R.min()))
        descents = np.flatnonzero(np.diff(self.ids_R) <= 0) + 1
        if not bool(np.isin(descents, self.start_Q1).all()):
            raise SchemaError("Relevant.ids", "strictly ascending ids within a request", "another order")

    def __len__(self) -> int:
        return len(self.start_Q1) - 1

    @property
    def count_Q(self) -> NDArray[np.int64]:
        """How many targets are relevant to each request."""
        return np.diff(self.start_Q1)


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """The ranks, from 0 and ascending, of what is relevant in list q: `rank_H[start_Q1[q]:start_Q1[q + 1]]`.

    `count_Q` is how much is relevant to each request, listed or not.
    """

    start_Q1: NDArray[np.int64]
    rank_H: NDArray[np.int32]
    count_Q: NDArray[np.int64]

    def sum_of(self, weight_K: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum over the hits of each list of the weight of their rank, 0 beyond the last, best rank first."""
        return np.asarray(_sum_of(self.start_Q1, self.rank_H, weight_K))


def find_hits(ids_QK: NDArray[np.int32], relevant: Relevant) -> Hits:
    """Find the places of the lists that hold something relevant; of an id listed twice the first place counts."""
    _check_length(ids_QK, relevant)
    start_Q1 = np.zeros(len(relevant) + 1, np.int64)
    rank_H = np.empty(len(relevant.ids_R), np.int32)
    _find(ids_QK, relevant.start_Q1, relevant.ids_R, _marks(relevant), (start_Q1, rank_H))
    return Hits(start_Q1, rank_H[: start_Q1[-1]].copy(), relevant.count_Q)


def contains(ids_QK: NDArray[np.int32], sets: Relevant) -> NDArray[np.bool_]:
    """Mark the listed ids that are in their request's set; pads never are."""
    _check_length(ids_QK, sets)
    found_QK = np.empty(ids_QK.shape, np.bool_)
    _contains(ids_QK, sets.start_Q1, sets.ids_R, _marks(sets), found_QK)
    return found_QK


def _check_length(ids_QK: NDArray[np.int32], sets: Relevant) -> None:
    if len(ids_QK) != len(sets):
        raise ValueError(f"ids: expected {len(sets)} requests, got {len(ids_QK)}")


def _marks(sets: Relevant) -> NDArray[np.bool_]:
    return np.zeros(1 + int(sets.ids_R.max(initial=-1)), np.bool_)


# A pad, -1, is beyond every table once it is read without its sign.


@numba.njit(cache=True)
def _find(
    ids_QK: NDArray[np.int32],
    start_Q1: NDArray[np.int64],
    ids_R: NDArray[np.int32],
    is_in_T: NDArray[np.bool_],
    out: tuple[NDArray[np.int64], NDArray[np.int32]],
) -> None:
    hit_start_Q1, rank_H = out
    n_hits, n_targets = 0, np.uint32(len(is_in_T))
    for q in range(len(ids_QK)):
        for r in range(start_Q1[q], start_Q1[q + 1]):
            is_in_T[ids_R[r]] = True
        for k in range(ids_QK.shape[1]):
            i = np.uint32(ids_QK[q, k])
            if i < n_targets and is_in_T[i]:
                is_in_T[i] = False
                rank_H[n_hits] = k
                n_hits += 1
        for r in range(start_Q1[q], start_Q1[q + 1]):
            is_in_T[ids_R[r]] = False
        hit_start_Q1[q + 1] = n_hits


@numba.njit(cache=True)
def _contains(
    ids_QK: NDArray[np.int32],
    start_Q1: NDArray[np.int64],
    ids_R: NDArray[np.int32],
    is_in_T: NDArray[np.bool_],
    found_QK: NDArray[np.bool_],
) -> None:
    n_targets = np.uint32(len(is_in_T))
    for q in range(len(ids_QK)):
        for r in range(start_Q1[q], start_Q1[q + 1]):
            is_in_T[ids_R[r]] = True
        for k in range(ids_QK.shape[1]):
            i = np.uint32(ids_QK[q, k])
            found_QK[q, k] = i < n_targets and is_in_T[i]
        for r in range(start_Q1[q], start_Q1[q + 1]):
            is_in_T[ids_R[r]] = False


@numba.njit(cache=True)
def _sum_of(
    start_Q1: NDArray[np.int64], rank_H: NDArray[np.int32], weight_K: NDArray[np.float64]
) -> NDArray[np.float64]:
    total_Q = np.zeros(len(start_Q1) - 1)
    for q in range(len(total_Q)):
        for h in range(start_Q1[q], start_Q1[q + 1]):
            if rank_H[h] >= len(weight_K):
                break
            total_Q[q] += weight_K[rank_H[h]]
    return total_Q
