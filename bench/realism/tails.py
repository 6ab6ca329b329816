"""Tails and concentration: Hill's estimator, Clauset's power-law fit, Gini, top share, Herfindahl index.

Every exponent is that of the density, p(x) ~ x^-alpha: one more than the exponent of the share above x.
References: Hill 1975, doi:10.1214/aos/1176343247; Clauset, Shalizi and Newman 2009, doi:10.1137/070710111.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import zeta

from bench.realism.finding import Curve, Numbers, Whole, ccdf, curve

MIN_TAIL = 50  # values in a tail: fewer say nothing (Clauset et al. section 3.3)
MIN_TAIL_SHARE = 0.05  # of the sample: else what fits best is a handful at its end, with an error as wide as a band
N_THRESHOLDS = 40  # starts of the tail that are tried
MAX_ALPHA = 8.0
HILL_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Tail:
    """A fitted power law: exponent and its standard error, where the tail begins, its size, its misfit (KS)."""

    alpha: float
    error: float
    start: float
    n: int
    ks: float

    def __str__(self) -> str:
        return f"{self.alpha:.2f} ± {self.error:.2f} from {self.start:g} up, n = {self.n:,}, KS {self.ks:.3f}"


def hill(values: NDArray[np.generic], *, top_share: float = HILL_SHARE, whole: bool = False) -> Tail | None:
    """Return Hill's estimate over the greatest `top_share` of the positive values; None where that is too few.

    `whole` numbers stand for the interval around them, so the threshold is half a unit lower.
    """
    ordered = np.sort(np.asarray(values, np.float64)[np.asarray(values) > 0])[::-1]
    n = int(top_share * len(ordered))
    if n < MIN_TAIL or ordered[n - 1] == ordered[0]:
        return None
    start = float(ordered[n - 1])
    tail = ordered[ordered >= start]  # with all its ties
    index = 1.0 / float(np.log(tail / (start - 0.5 * whole)).mean())
    empirical = 1.0 - np.arange(len(tail)) / len(tail)
    fitted = 1.0 - (tail / start) ** -index
    ks = float(np.abs(empirical - fitted).max())
    return Tail(1.0 + index, index / np.sqrt(len(tail)), start, len(tail), ks)


def power_law(counts: NDArray[np.generic]) -> Tail | None:
    """Return the discrete power law whose tail fits best in KS distance; None where no tail is long enough."""
    x, n_x = np.unique(np.asarray(counts, np.int64)[np.asarray(counts) > 0], return_counts=True)
    above = np.cumsum(n_x[::-1])[::-1]
    starts = np.flatnonzero(above >= max(MIN_TAIL, MIN_TAIL_SHARE * int(n_x.sum())))
    starts = starts[starts < len(x) - 1]  # one distinct value has no exponent
    if not len(starts):
        return None
    tried = np.unique(np.geomspace(1, len(starts), N_THRESHOLDS).round().astype(np.int64)) - 1
    return min((_tail_from(x[at:], n_x[at:]) for at in starts[tried]), key=lambda tail: tail.ks)


def power_law_from(counts: NDArray[np.generic], start: int) -> Tail | None:
    """Return the discrete power law of all counts from `start` up."""
    x, n_x = np.unique(np.asarray(counts, np.int64)[np.asarray(counts) >= start], return_counts=True)
    return _tail_from(x, n_x) if len(x) > 1 and int(n_x.sum()) >= MIN_TAIL else None


def _tail_from(x: Whole, n_x: Whole) -> Tail:
    """Fit the exponent by maximum likelihood; the error is the inverse root of the observed information."""
    start, n, mean_log = float(x[0]), int(n_x.sum()), float(np.average(np.log(x), weights=n_x))

    def loss(alpha: float) -> float:
        return float(np.log(zeta(alpha, start)) + alpha * mean_log)

    alpha = float(minimize_scalar(loss, bounds=(1.0001, MAX_ALPHA), method="bounded").x)
    step = min(1e-3, (alpha - 1.0) / 4.0)
    curvature = (loss(alpha + step) - 2.0 * loss(alpha) + loss(alpha - step)) / step**2
    error = 1.0 / np.sqrt(max(n * curvature, 1e-12))
    fitted = 1.0 - zeta(alpha, x + 1.0) / zeta(alpha, start)
    ks = float(np.abs(np.cumsum(n_x) / n - fitted).max())
    return Tail(alpha, float(error), start, n, ks)


def gini(values: NDArray[np.generic]) -> float:
    """Return the Gini coefficient: 0 where all are equal, 1 - 1/n where one has everything."""
    ordered = np.sort(np.asarray(values, np.float64))
    n, total = len(ordered), float(ordered.sum())
    rank = np.arange(1, n + 1)
    return float(((2 * rank - n - 1) * ordered).sum() / (n * total)) if total > 0 else 0.0


def top_share(values: NDArray[np.generic], share: float) -> float:
    """Return what the greatest `share` of the values holds of their sum, the last one in part."""
    ordered = np.sort(np.asarray(values, np.float64))[::-1]
    held: Numbers = np.concatenate([[0.0], np.cumsum(ordered)])
    return float(np.interp(share * len(ordered), np.arange(len(held)), held) / held[-1])


def herfindahl(counts: NDArray[np.generic]) -> float:
    """Return the sum of squared shares; its inverse is the effective number."""
    share = np.asarray(counts, np.float64) / float(np.asarray(counts).sum())
    return float((share**2).sum())


def rank_slope(values: NDArray[np.generic], *, top: float = HILL_SHARE) -> float | None:
    """Return the slope of log size against log rank among the greatest `top` of the positive values."""
    ordered = np.sort(np.asarray(values, np.float64)[np.asarray(values) > 0])[::-1]
    n = int(top * len(ordered))
    if n < MIN_TAIL:
        return None
    return float(np.polyfit(np.log(np.arange(1, n + 1)), np.log(ordered[:n]), 1)[0])


def with_tail(values: NDArray[np.generic], tail: Tail | None) -> tuple[Curve, ...]:
    """Return the share of the positive values at or above x, and the tail fitted to it if there is one."""
    own = ccdf("this log", values, "line")
    if tail is None:
        return (own,)
    positive = np.asarray(values, np.float64)[np.asarray(values) > 0]
    x = np.geomspace(tail.start, positive.max(), 20)
    share = float((positive >= tail.start).mean()) * (x / tail.start) ** (1.0 - tail.alpha)
    return own, curve(f"power law, exponent {tail.alpha:.2f}", x, share, "dashed")
