"""From a chain's candidates to slates in the order of the contract.

A request for which the chain found enough is sorted as it is; one for which it did not gets a row over all targets, in
which the others stand below: without a score, or by what the caller fills in. Q requests, K places, T targets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from methods.kernel import compiled
from methods.ranking import rank, tie_hash
from simulator.schema import Requests, Slates

BATCH = 64  # requests whose paths are in memory at once


class Listed(Protocol):
    """Candidates (Q, K) with -1 pads, scores above 0."""

    @property
    def ids_QK(self) -> NDArray[np.int32]:
        """The ids."""
        ...

    @property
    def scores_QK(self) -> NDArray[np.float32]:
        """The scores."""
        ...


Fill = Callable[[NDArray[np.float32]], NDArray[np.float32]]  # scores (Q, T), 0 where not reached -> all scores


def unfilled(scores_QT: NDArray[np.float32]) -> NDArray[np.float32]:
    """Leave who is not reached at 0, in the order of the tie hash."""
    return scores_QT


def ranked(
    requests: Requests, n_targets: int, candidates_of: Callable[[Requests], Listed], *, k: int, fill: Fill = unfilled
) -> Slates:
    """Answer in batches: candidates by (score descending, tie hash), then whom the chain did not reach."""
    ids_QK = np.full((len(requests), k), -1, np.int32)
    scores_QK = np.full((len(requests), k), -np.inf, np.float32)
    for first in range(0, len(requests), BATCH):
        part = requests.between(first, min(first + BATCH, len(requests)))
        found = candidates_of(part)
        if ((found.ids_QK >= 0).sum(axis=1) >= k).all():
            made = ordered(found, part, k)
        else:
            made = rank(fill(_dense(found, n_targets)), part, k=k)
        ids_QK[first : first + BATCH], scores_QK[first : first + BATCH] = made.ids_QK, made.scores_QK
    return Slates(ids_QK, scores_QK)


def ordered(found: Listed, requests: Requests, k: int) -> Slates:
    """Return the first `k` by (score descending, tie hash); every request must have as many."""
    tie_QK = np.empty(found.ids_QK.shape, np.uint64)
    _ties(found.ids_QK, requests.ids_Q, np.uint64(requests.tie_seed), tie_QK)
    scores_QK = np.where(found.ids_QK >= 0, found.scores_QK, np.float32(-np.inf))
    order_QK = np.lexsort((tie_QK, -scores_QK), axis=1)[:, :k]
    return Slates(np.take_along_axis(found.ids_QK, order_QK, 1), np.take_along_axis(scores_QK, order_QK, 1))


def _dense(found: Listed, n_targets: int) -> NDArray[np.float32]:
    scores_QT = np.zeros((len(found.ids_QK), n_targets), np.float32)
    q, place = np.nonzero(found.ids_QK >= 0)
    scores_QT[q, found.ids_QK[q, place]] = found.scores_QK[q, place]
    return scores_QT


@compiled
def _ties(ids_QK: NDArray[np.int32], query_Q: NDArray[np.int32], seed: np.uint64, tie_QK: NDArray[np.uint64]) -> None:
    for q in range(len(query_Q)):
        for k in range(ids_QK.shape[1]):
            tie_QK[q, k] = tie_hash(seed, np.uint64(query_Q[q]), np.uint64(ids_QK[q, k]))
