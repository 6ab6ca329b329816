"""How alike the task families order the methods: Kendall's tau-b for every two of them.

1 is the same order, 0 none in common, -1 the reverse. The bounds (oracle, true-affinity, random) are left out: any two
tasks agree on them. The interval is a percentile bootstrap over the methods, and says how far the number hangs on which
methods are here. Shapes: B resamples, M methods.
Reference: Kendall 1945, doi:10.1093/biomet/33.3.239.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from bench.metrics import METRICS
from bench.report.overview import Family, Overview
from bench.report.styles import BOUNDS

FEWEST = 5  # methods in common, below which an order says nothing
_RESAMPLES = 2_000
_TAILS = (0.025, 0.975)


@dataclass(frozen=True, slots=True)
class Agreement:
    """Tau-b of two families over the `n_methods` that both have; None where too few, or all are equal in one."""

    first: Family
    second: Family
    n_methods: int
    tau: float | None
    low: float | None
    high: float | None


def agreements(seen: Overview) -> tuple[Agreement, ...]:
    """Return the agreement of every two families of an overview, areas aside, in its order."""
    methods = [method for method, _ in seen.rows if method not in BOUNDS]
    cells = dict(seen.rows)
    columns = [
        (
            family,
            {
                method: cell.mean
                for method in methods
                if (cell := cells[method][c]) is not None and cell.mean is not None
            },
        )
        for c, family in enumerate(seen.families)
        if not family.is_area
    ]
    return tuple(_agreement(*one, *other) for one, other in combinations(columns, 2))


def _agreement(first: Family, of_first: dict[str, float], second: Family, of_second: dict[str, float]) -> Agreement:
    common = sorted(of_first.keys() & of_second.keys())
    x_M = _sign(first) * np.array([of_first[method] for method in common])
    y_M = _sign(second) * np.array([of_second[method] for method in common])
    if len(common) < FEWEST or len(set(x_M)) == 1 or len(set(y_M)) == 1:
        return Agreement(first, second, len(common), None, None, None)
    rng = np.random.default_rng(zlib.crc32(f"{first.name} {second.name}".encode()))
    taus_B = resampled_taus(x_M, y_M, _resamples(len(common), rng))
    low, high = np.nanquantile(taus_B, _TAILS)
    return Agreement(first, second, len(common), float(stats.kendalltau(x_M, y_M).statistic), float(low), float(high))


def _sign(family: Family) -> float:
    return 1.0 if METRICS[family.metric.partition("@")[0]].direction == "higher" else -1.0


def _resamples(n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return how often each method is drawn, (B, M)."""
    return rng.multinomial(n, np.full(n, 1 / n), size=_RESAMPLES)


def resampled_taus(
    x_M: NDArray[np.float64], y_M: NDArray[np.float64], times_BM: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return tau-b of each resample, in which a method stands as often as `times_BM` says; NaN where one is all ties.

    A method is tied with its own copies, and tau-b leaves ties out.
    """
    x_MM, y_MM = (np.sign(values_M[:, None] - values_M[None, :]) for values_M in (x_M, y_M))
    concordance_B, pairs_x_B, pairs_y_B = (
        np.einsum("bi,ij,bj->b", times_BM, sign_MM, times_BM, optimize=True)
        for sign_MM in (x_MM * y_MM, np.abs(x_MM), np.abs(y_MM))
    )
    untied_B = np.sqrt(pairs_x_B * pairs_y_B)
    taus_B = np.full(len(times_BM), np.nan)
    np.divide(concordance_B, untied_B, out=taus_B, where=untied_B > 0)
    return taus_B
