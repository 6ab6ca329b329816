"""Keep any author from being in too many pairs, and the promise once the dropped ones are gone.

Dropping pairs makes the share of every pair that stays greater, so a cap on what came in does not hold for what goes
out. Pairs are taken best first while both authors have room for `most` of them; `most` falls until it is no more than
the share of the pairs taken. Shapes: P pairs, A authors.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from methods.author_encoder.pairs import Pairs
from methods.kernel import compiled


def capped(pairs: Pairs, share: float) -> tuple[NDArray[np.bool_], int]:
    """Return which pairs stay, and in how many of them an author may be: at most `share` of those that stay.

    Raises ValueError where no pair could stay: with fewer than 2 / share authors there is no such set.
    """
    if len(pairs) == 0:
        return np.ones(0, np.bool_), 0
    best_first_P = np.lexsort((np.arange(len(pairs)), -pairs.count_P, -pairs.score_P))
    keep_P, most = np.ones(len(pairs), np.bool_), int(pairs.degree_A().max())
    while most > (allowed := math.floor(share * int(keep_P.sum()) + 1e-9)):
        if allowed == 0:
            got = f"{share:g} over {len(pairs)} pairs of {int((pairs.degree_A() > 0).sum())} authors"
            raise ValueError(f"head_share: expected a share that some of the pairs can keep, got {got}")
        degree_A = np.zeros(pairs.n_authors, np.int64)
        keep_P = _take(best_first_P, pairs.first_P, pairs.second_P, degree_A, allowed)
        most = int(degree_A.max())
    return keep_P, most


@compiled
def _take(
    order_P: NDArray[np.int64],
    first_P: NDArray[np.int32],
    second_P: NDArray[np.int32],
    degree_A: NDArray[np.int64],
    most: int,
) -> NDArray[np.bool_]:
    keep_P = np.zeros(len(order_P), np.bool_)
    for p in order_P:
        a, b = first_P[p], second_P[p]
        if degree_A[a] < most and degree_A[b] < most:
            keep_P[p] = True
            degree_A[a] += 1
            degree_A[b] += 1
    return keep_P
