"""Quantiles of a sample with distribution-free bounds, and nothing where the sample is too small to say.

X_(r) is the r-th smallest of n. With B binomial(n, p), X_(l) <= the p-quantile < X_(u) with chance P(l <= B < u).
References: David and Nagaraja 2003, doi:10.1002/0471722162, section 7.1; the least n and the pessimistic estimate are
those of MLPerf LoadGen (Reddi et al. 2020, doi:10.1109/ISCA45697.2020.00045).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from bench.latency.record import Quantile

LEVELS = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
_CONFIDENCE, _PESSIMISM = 0.95, 0.01


def order_bounds(n: int, p: float) -> tuple[int, int] | None:
    """Return ranks (l, u), from 1, that hold the p-quantile with at least 95 %; None where no two of `n` do."""
    tail = (1 - _CONFIDENCE) / 2
    low, high = int(binom.ppf(tail, n, p)), int(binom.ppf(1 - tail, n, p)) + 1
    return (low, high) if low >= 1 and high <= n else None


def pessimistic_rank(n: int, p: float) -> int | None:
    """Return t such that the t-th largest of `n` lies above the p-quantile with 99 %; None where not even two do.

    It is the greatest t with P(at most t above) <= 1 %.
    """
    t = int(binom.ppf(_PESSIMISM, n, 1 - p))
    t = t if binom.cdf(t, n, 1 - p) <= _PESSIMISM else t - 1
    return t if t >= 1 else None


def quantile(values_N: NDArray[np.floating], p: float) -> Quantile | None:
    """Return the p-quantile with its bounds; None, not reported, where `pessimistic_rank` is."""
    n = len(values_N)
    worst, bounds = pessimistic_rank(n, p), order_bounds(n, p)
    if worst is None or bounds is None:
        return None
    sorted_N = np.sort(values_N)
    ranks = (int(np.ceil(n * p)), *bounds, n + 1 - worst)
    value, low, high, pessimistic = (float(sorted_N[rank - 1]) for rank in ranks)
    return Quantile(value=value, low=low, high=high, pessimistic=pessimistic)


def quantiles(values_N: NDArray[np.floating]) -> dict[str, Quantile | None]:
    """Return every level by name."""
    return {name: quantile(values_N, p) for name, p in LEVELS.items()}
