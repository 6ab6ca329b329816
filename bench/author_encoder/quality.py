"""How good a set of pairs is: against the truth of a world, against its next window, and in whom it reaches.

Shapes: P pairs, R random pairs, A authors, U users, F latent size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.stats import rankdata

from bench.author_encoder.affinity import cosines
from methods.author_encoder.facts import AuthorFacts
from methods.author_encoder.pairs import Pairs
from methods.author_encoder.readers import Readers

N_RANDOM = 100_000
NEAR = 0.9  # quantile of random pairs' true affinity above which a pair is called near
N_BEST = 5_000
TAIL = 0.5  # share of the authors with a reader who are called tail: those with the fewest
_BLOCK = 1 << 16  # pairs whose readers are compared at a time
NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Measure:
    """One number about a set of pairs."""

    name: str
    meaning: str


MEASURES: tuple[Measure, ...] = (
    Measure("n_pairs", "pairs kept"),
    Measure("affinity", "mean true affinity: correlation over users of how they like the two authors"),
    Measure("affinity_random", "the same of random pairs of authors who have readers"),
    Measure("auc_kept", "chance that a kept pair has a greater true affinity than a random one"),
    Measure("auc_score", "chance that the score puts a near pair before another one, among the kept; near: true "
            "affinity above that of 9 in 10 random pairs"),
    Measure("affinity_best", f"mean true affinity of the {N_BEST:,} best pairs by score, where there are so many"),
    Measure("lift", "P(reads b in the next window | reads a in this one) / P(reads b), over the users of this one"),
    Measure("lift_new", "the same over users who had not read b in this one"),
    Measure("cold_covered", "share of the authors who joined in the last 7 days that are in a pair"),
    Measure("tail_covered", "share of the half of read authors with the fewest readers that are in a pair"),
    Measure("gini", "Gini coefficient of how often each read author is in a pair"),
    Measure("same_category", "share of pairs whose main categories, by the platform's labels, are equal"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """What pairs are held against; `vectors_AF` is None where no truth is known."""

    this: Readers
    next: Readers
    facts: AuthorFacts
    is_cold_A: NDArray[np.bool_]
    vectors_AF: NDArray[np.float64] | None
    random_2R: NDArray[np.int64]


def random_pairs(readers: Readers, *, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw pairs of two different authors who have readers, (2, R); none where there are not two."""
    read_A = np.flatnonzero(readers.readers_A())
    if len(read_A) < 2:
        return np.empty((2, 0), np.int64)
    first_R = rng.integers(0, len(read_A), N_RANDOM)
    second_R = (first_R + rng.integers(1, len(read_A), N_RANDOM)) % len(read_A)
    return np.stack([read_A[first_R], read_A[second_R]])


def measured(pairs: Pairs, ground: Ground) -> dict[str, float]:
    """Return every measure by name, NaN where it is undefined."""
    values = {"n_pairs": float(len(pairs))}
    values |= dict.fromkeys((measure.name for measure in MEASURES[1:]), NAN)
    if len(pairs) == 0:
        return values
    if ground.vectors_AF is not None:
        values |= against_truth(pairs, ground.vectors_AF, ground.random_2R)
    values |= dict(zip(("lift", "lift_new"), lifts(pairs, ground.this, ground.next), strict=True))
    return values | _reach(pairs, ground)


def against_truth(pairs: Pairs, vectors_AF: NDArray[np.float64], random_2R: NDArray[np.int64]) -> dict[str, float]:
    """Return the measures that need the truth."""
    kept_P = cosines(vectors_AF, pairs.first_P, pairs.second_P)
    best_first_P = np.argsort(-pairs.score_P, kind="stable")
    random_R = cosines(vectors_AF, *random_2R)
    return {
        "affinity": float(kept_P.mean()),
        "affinity_random": float(random_R.mean()),
        "auc_kept": auc(kept_P, random_R),
        "affinity_best": float(kept_P[best_first_P[:N_BEST]].mean()) if len(pairs) >= N_BEST else NAN,
        "auc_score": _auc_of_score(pairs.score_P, kept_P > np.quantile(random_R, NEAR)),
    }


def _auc_of_score(score_P: NDArray[np.float32], near_P: NDArray[np.bool_]) -> float:
    return auc(score_P[near_P], score_P[~near_P])


def auc(high_X: NDArray[np.floating], low_Y: NDArray[np.floating]) -> float:
    """Return the chance that one of the first exceeds one of the second, half of it for equal ones; NaN without both.

    Mann-Whitney's U over the number of combinations (doi:10.1214/aoms/1177730491).
    """
    n_high, n_low = len(high_X), len(low_Y)
    if not n_high or not n_low:
        return NAN
    rank_X = rankdata(np.concatenate([high_X, low_Y]))[:n_high]
    return float((rank_X.sum() - n_high * (n_high + 1) / 2) / (n_high * n_low))


def lifts(pairs: Pairs, this: Readers, following: Readers) -> tuple[float, float]:
    """Return the next window's lift of all pairs in both directions, and that of those who had not read b before.

    Observed are users who read a in this window and b in the next; expected are as many of a's readers as chance would
    give, n_a n_b' / N over the N users who read anybody in this window. Both are summed over pairs before they are
    divided, so that a pair counts by what it says. New: who read b in this window is left out on both sides, of a's
    readers n_a - c_ab remain, and chance is the rate among those who had not read b.
    """
    n_users = this.n_users
    now_AU, then_AU = (_by_author(readers, this.n_read_U > 0, this.n_authors) for readers in (this, following))
    n_now_A, n_then_A = (np.diff(matrix.indptr).astype(np.float64) for matrix in (now_AU, then_AU))
    n_kept_A = np.diff((now_AU.multiply(then_AU)).tocsr().indptr)  # read in both windows
    n_new_A, n_rest_A = n_then_A - n_kept_A, n_users - n_now_A
    rate_A, new_rate_A = n_then_A / n_users, n_new_A / np.maximum(n_rest_A, 1.0)
    totals_4 = np.zeros(4)
    for first_B, second_B in _both_ways(pairs):
        a_BU, b_BU, b_then_BU = now_AU[first_B], now_AU[second_B], then_AU[second_B]
        after_BU = a_BU.multiply(b_then_BU)
        seen = after_BU.sum()
        new = seen - after_BU.multiply(b_BU).sum()
        remaining_B = n_now_A[first_B] - np.asarray(a_BU.multiply(b_BU).sum(axis=1)).ravel()
        totals_4 += (seen, n_now_A[first_B] @ rate_A[second_B], new, remaining_B @ new_rate_A[second_B])
    seen, expected, new, expected_new = totals_4.tolist()
    return seen / expected if expected else NAN, new / expected_new if expected_new else NAN


def _by_author(readers: Readers, is_counted_U: NDArray[np.bool_], n_authors: int) -> sp.csr_matrix:
    """Return who of the counted users reads each of the first authors, (A, U)."""
    read_UA = readers.matrix(np.ones(len(readers.author_X), np.int32))[: len(is_counted_U), :n_authors]
    read_UA.data *= np.repeat(is_counted_U, np.diff(read_UA.indptr))
    read_UA.eliminate_zeros()
    by_author_AU: sp.csr_matrix = read_UA.T.tocsr()
    return by_author_AU


def _both_ways(pairs: Pairs) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    for a_P, b_P in ((pairs.first_P, pairs.second_P), (pairs.second_P, pairs.first_P)):
        for first in range(0, len(pairs), _BLOCK):
            yield a_P[first : first + _BLOCK], b_P[first : first + _BLOCK]


def gini(count_A: NDArray[np.integer]) -> float:
    """Return (2 sum i x_(i)) / (n sum x) - (n + 1) / n over x ascending; NaN where all are 0."""
    n, total = len(count_A), int(count_A.sum())
    if not total:
        return NAN
    return float(2.0 * (np.arange(1, n + 1) @ np.sort(count_A)) / (n * total) - (n + 1) / n)


def _reach(pairs: Pairs, ground: Ground) -> dict[str, float]:
    degree_A, readers_A = pairs.degree_A(), ground.this.readers_A()
    read_A = readers_A > 0
    tail_A = read_A & (readers_A <= np.quantile(readers_A[read_A], TAIL, method="lower"))
    content_AC = ground.facts.content_AC
    main_A = np.where(content_AC.any(axis=1), content_AC.argmax(axis=1), -1)
    same_P = (main_A[pairs.first_P] == main_A[pairs.second_P]) & (main_A[pairs.first_P] >= 0)
    return {
        "cold_covered": _share(degree_A[ground.is_cold_A] > 0),
        "tail_covered": _share(degree_A[tail_A] > 0),
        "gini": gini(degree_A[read_A]),
        "same_category": _share(same_P),
    }


def _share(mask_X: NDArray[np.bool_]) -> float:
    return float(mask_X.mean()) if len(mask_X) else NAN
