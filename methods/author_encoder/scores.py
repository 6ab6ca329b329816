"""What a pair's shared readers are worth: eight scores, as numbers that scipy's sparse product can give, or Swing.

With x_ua the weight of reader u of author a, n_u the authors that u read (before the cap), d_a the readers of a,
q_a = sum_u x_ua ** 2, c_ab the readers of both, N the users who read anybody:

    count        sum_u x_ua x_ub
    notellm      sum_u x_ua x_ub / n_u                            Zhang et al. 2024, arXiv:2403.01744
    cosine       sum_u x_ua x_ub / sqrt(q_a q_b)
    iuf-cosine   sum_u x_ua x_ub / log(1 + n_u) / sqrt(q_a q_b)   Breese et al. 1998, arXiv:1301.7363
    jaccard      c_ab / (d_a + d_b - c_ab)
    npmi         log(c_ab N / (d_a d_b)) / -log(c_ab / N)         Bouma 2009; 1 where everybody reads both
    swing, swing-weighted                                         see `swings`

The last four are about sets: they look at who reads whom, not at x, so decay does not touch them.
Shapes: P pairs, U users, A authors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from methods.author_encoder.readers import Readers

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """What has been added up for pairs: shared readers, and the weighted sum over them that the score asked for."""

    first_P: NDArray[np.int32]
    second_P: NDArray[np.int32]
    count_P: NDArray[np.int32]
    sum_P: Numbers


@dataclass(frozen=True, slots=True)
class Score:
    """`weight` of each user in the sum, None where the number of shared readers is enough; `finish` makes the score."""

    weight: Callable[[Readers], Numbers] | None
    finish: Callable[[Sums, Readers], Numbers]


def _one(readers: Readers) -> Numbers:
    return np.ones(len(readers.n_read_U))


def _inverse_length(readers: Readers) -> Numbers:
    return np.asarray(1.0 / np.maximum(readers.n_read_U, 1))


def _inverse_log(readers: Readers) -> Numbers:
    return np.asarray(1.0 / np.log1p(np.maximum(readers.n_read_U, 1)))


def _as_it_is(sums: Sums, readers: Readers) -> Numbers:
    del readers
    return sums.sum_P


def _over_lengths(sums: Sums, readers: Readers) -> Numbers:
    length_A = np.sqrt(readers.squares_A())
    return np.asarray(sums.sum_P / (length_A[sums.first_P] * length_A[sums.second_P]))


def _jaccard(sums: Sums, readers: Readers) -> Numbers:
    readers_A = readers.readers_A()
    return np.asarray(sums.count_P / (readers_A[sums.first_P] + readers_A[sums.second_P] - sums.count_P))


def _npmi(sums: Sums, readers: Readers) -> Numbers:
    rate_A = readers.readers_A() / max(readers.n_users, 1)
    both_P = sums.count_P / max(readers.n_users, 1)
    expected_P = rate_A[sums.first_P] * rate_A[sums.second_P]
    everybody_P = both_P >= 1.0
    surprise_P = -np.log(np.where(everybody_P, 0.5, both_P))
    return np.where(everybody_P, 1.0, np.log(both_P / expected_P) / surprise_P)


SUMS: dict[str, Score] = {
    "count": Score(_one, _as_it_is),
    "notellm": Score(_inverse_length, _as_it_is),
    "cosine": Score(_one, _over_lengths),
    "iuf-cosine": Score(_inverse_log, _over_lengths),
    "jaccard": Score(None, _jaccard),
    "npmi": Score(None, _npmi),
}
SWINGS: dict[str, bool] = {"swing": False, "swing-weighted": True}  # whether readers are weighted
SCORES: tuple[str, ...] = (*SUMS, *SWINGS)


def checked(name: str, field: str = "score") -> str:
    """Return the name of a score; raises ValueError with the field's name where it is none."""
    if name not in SCORES:
        raise ValueError(f"{field}: expected one of {', '.join(SCORES)}, got {name!r}")
    return name
