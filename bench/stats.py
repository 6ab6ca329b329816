"""Means with intervals, and methods compared by paired difference.

Requests of one world are no independent draws of worlds: where there are several seeds, the seed is the unit, and what
requests alone can tell holds only "given these worlds". What a comparison could have found stands beside what it found:
the minimum detectable difference. Shapes: B resamples, Q requests, P those that any method defines, M methods, S seeds.
References: Holm 1979, jstor.org/stable/4615733; Poisson bootstrap: Chamandy et al. 2012, research.google/pubs/pub43157;
power of the t-test: Cohen 1988, Statistical Power Analysis, chapter 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from bench.record import MetricValue

CONFIDENCE = 0.95
POWER = 0.8
_TAIL = (1 + CONFIDENCE) / 2
_RESAMPLES = 2_000
_BLOCK = 1 << 22  # Poisson weights in memory at once

Label = Literal["better", "worse", "no difference shown"]
BySeed = Mapping[int, NDArray[np.floating]]


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % interval; `n_seeds` of them are behind it, and for 1 the interval is given its world.

    `low` and `high` are None where nothing tells the spread, `mean` where nothing is defined. `p` is the two-sided
    p-value of "no difference", for differences only.
    """

    mean: float | None
    low: float | None
    high: float | None
    n_seeds: int
    p: float | None = None

    @property
    def ranked(self) -> Interval:
        """What rests on one world, where others rest on several, keeps its mean only."""
        return self if self.n_seeds > 1 else Interval(self.mean, None, None, self.n_seeds)


def mean_interval(values: NDArray[np.floating]) -> MetricValue:
    """Return the mean of the defined values of one cell with the normal interval of that mean."""
    defined = values[~np.isnan(values)].astype(np.float64)
    n, n_undefined = len(defined), len(values) - len(defined)
    if n == 0:
        return MetricValue(mean=None, low=None, high=None, n=0, n_undefined=n_undefined)
    mean = float(defined.mean())
    if n == 1:
        return MetricValue(mean=mean, low=None, high=None, n=1, n_undefined=n_undefined)
    half = float(stats.norm.ppf(_TAIL) * defined.std(ddof=1) / np.sqrt(n))
    return MetricValue(mean=mean, low=mean - half, high=mean + half, n=n, n_undefined=n_undefined)


def over_seeds(means: Sequence[float]) -> Interval:
    """Return the mean over seeds with its t-interval, the seed being the unit; one seed has no bounds."""
    values = np.asarray(means, np.float64)
    if np.isnan(values).any():
        raise ValueError(f"means: expected no NaN, got {list(means)}")
    n = len(values)
    if n < 2:
        return Interval(float(values[0]) if n else None, None, None, n)
    mean, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(n))
    half = float(stats.t.ppf(_TAIL, n - 1)) * error
    return Interval(mean, mean - half, mean + half, n)


def paired_difference(values_a: BySeed, values_b: BySeed, *, rng: np.random.Generator) -> Interval:
    """Return the mean of a - b; see `paired_differences`."""
    return paired_differences({"a": values_a}, values_b, rng=rng)["a"]


def paired_differences(values: Mapping[str, BySeed], base: BySeed, *, rng: np.random.Generator) -> dict[str, Interval]:
    """Return each method's mean difference to `base` over the same requests of the seeds that both have.

    Several seeds: a t-interval and p-value over the seeds' mean differences. One: a Poisson bootstrap of its requests,
    drawn from `rng`, all methods meeting the same resamples. A request counts where both are defined.
    """
    differences = list(_differences(values, base))
    means_SM = _means(differences, len(values))
    n_seeds_M = (~np.isnan(means_SM)).sum(axis=0)
    given = _given_worlds(differences, means_SM, rng) if (n_seeds_M == 1).any() else []
    out = {}
    for m, method in enumerate(values):
        means = means_SM[~np.isnan(means_SM[:, m]), m]
        out[method] = given[m] if len(means) == 1 else over_seeds(means.tolist())
        if len(means) > 1:
            out[method] = replace(out[method], p=_t_test(means))
    return out


def given_worlds(values: Mapping[str, BySeed], base: BySeed, *, rng: np.random.Generator) -> dict[str, Interval]:
    """Return the same mean differences with what requests alone tell: these worlds, other requests.

    Requests are resampled within each seed (Poisson bootstrap, percentile interval), all methods meeting the same
    resamples; every seed counts the same. It says nothing about other worlds: rank by `paired_differences`.
    """
    differences = list(_differences(values, base))
    found = _given_worlds(differences, _means(differences, len(values)), rng)
    return dict(zip(values, found, strict=True))


def _differences(values: Mapping[str, BySeed], base: BySeed) -> Iterator[NDArray[np.float64]]:
    """Yield method less base, a (P, M) array a seed; NaN where either is undefined or the method lacks the seed."""
    for seed in sorted(base) if values else ():
        undefined_Q = np.full(len(base[seed]), np.nan)
        columns = [by_seed.get(seed, undefined_Q) for by_seed in values.values()]
        for a_Q in columns:
            if a_Q.shape != undefined_Q.shape:
                raise ValueError(
                    f"values of seed {seed}: expected the same requests, got {len(a_Q)} and {len(base[seed])}"
                )
        difference_QM = np.stack(columns, axis=1).astype(np.float64) - base[seed][:, None]
        yield difference_QM[~np.isnan(difference_QM).all(axis=1)]


def _means(differences: Sequence[NDArray[np.float64]], n_methods: int) -> NDArray[np.float64]:
    """Return the mean of each seed and method, NaN where no request is defined."""
    means_SM = np.full((len(differences), n_methods), np.nan)
    for s, difference_PM in enumerate(differences):
        for m, difference_P in enumerate(difference_PM.T):
            defined_P = difference_P[~np.isnan(difference_P)]
            if len(defined_P):
                means_SM[s, m] = defined_P.mean()
    return means_SM


def _t_test(means: NDArray[np.float64]) -> float:
    """Return the two-sided p-value of a zero mean; without any spread it is 0, or 1 at zero itself."""
    error = means.std(ddof=1) / np.sqrt(len(means))
    if error == 0:
        return float(means[0] == 0)
    return float(2 * stats.t.sf(abs(means.mean()) / error, len(means) - 1))


def _given_worlds(
    differences: Sequence[NDArray[np.float64]], means_SM: NDArray[np.float64], rng: np.random.Generator
) -> list[Interval]:
    n_M = sum((~np.isnan(difference_PM)).sum(axis=0) for difference_PM in differences) + np.zeros(means_SM.shape[1])
    total_BM = np.zeros((_RESAMPLES, means_SM.shape[1]))
    for s, difference_PM in enumerate(differences):
        if len(difference_PM):
            total_BM += np.where(np.isnan(means_SM[s]), 0.0, resampled_means(difference_PM, rng))
    n_seeds_M = (~np.isnan(means_SM)).sum(axis=0)
    found = []
    for m, n_seeds in enumerate(n_seeds_M.tolist()):
        mean = float(np.nanmean(means_SM[:, m])) if n_seeds else None
        whole = mean is not None and n_M[m] > 1
        found.append(
            _percentiles(mean, total_BM[:, m] / n_seeds, n_seeds) if whole else Interval(mean, None, None, n_seeds)
        )
    return found


def _percentiles(mean: float | None, means_B: NDArray[np.float64], n_seeds: int) -> Interval:
    low, high = np.quantile(means_B, [1 - _TAIL, _TAIL])
    # The resample that was observed counts as one, so that no p-value is 0.
    below, above = (means_B <= 0).sum(), (means_B >= 0).sum()
    p = min(1.0, 2 * (1 + int(min(below, above))) / (1 + len(means_B)))
    return Interval(mean, float(low), float(high), n_seeds, p)


def resampled_means(
    values_PM: NDArray[np.float64], rng: np.random.Generator, *, n_resamples: int = _RESAMPLES
) -> NDArray[np.float64]:
    """Return the means of resamples in which each row counts Poisson(1) times, over the defined values of a column.

    Weights times values, and weights times "is defined": one product of matrices for all columns.
    """
    defined_PM = ~np.isnan(values_PM)
    summed_P2M = np.hstack([np.where(defined_PM, values_PM, 0.0), defined_PM]).astype(np.float32)
    rows = max(1, _BLOCK // len(values_PM))
    sums = []
    for first in range(0, n_resamples, rows):
        shape = (min(rows, n_resamples - first), len(values_PM))
        sums.append(_POISSON[rng.integers(0, 1 << 16, shape, dtype=np.uint16)] @ summed_P2M)
    total_BM, weight_BM = np.hsplit(np.concatenate(sums).astype(np.float64), 2)
    return np.asarray(total_BM / np.maximum(weight_BM, 1))


# Poisson(1) by inversion: a 16-bit uniform looks its count up, ten times faster than drawing it.
_POISSON = stats.poisson.ppf((np.arange(1 << 16) + 0.5) / (1 << 16), 1).astype(np.float32)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return p-values corrected for their number (Holm's step-down)."""
    corrected: dict[str, float] = {}
    largest = 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda name: (p_values[name], name))):
        largest = max(largest, min(1.0, p_values[name] * (len(p_values) - rank)))
        corrected[name] = largest
    return corrected


def labels(differences: Mapping[str, Interval], *, direction: Literal["higher", "lower"]) -> dict[str, Label]:
    """Say of each method whether its difference to the reference holds after Holm's correction over all of them."""
    corrected = holm({name: d.p for name, d in differences.items() if d.p is not None})
    out: dict[str, Label] = {}
    for name, difference in differences.items():
        if difference.mean is None or corrected.get(name, 1.0) > 1 - CONFIDENCE:
            out[name] = "no difference shown"
        else:
            out[name] = "better" if (difference.mean > 0) == (direction == "higher") else "worse"
    return out


def detectable(differences: NDArray[np.floating]) -> float | None:
    """Return the least true mean difference that a two-sided 5 % t-test of such differences finds 8 times in 10.

    `differences` are those of the units, seeds or requests, and tell the spread; None where fewer than two are defined.
    """
    defined = differences[~np.isnan(differences)].astype(np.float64)
    if len(defined) < 2:
        return None
    return float(_standard_errors(len(defined) - 1) * defined.std(ddof=1) / np.sqrt(len(defined)))


@lru_cache(maxsize=1_024)
def _standard_errors(freedom: int) -> float:
    """Return how many standard errors a difference must be for POWER; 2.80 for many units.

    Given the estimate s of the spread, power is normal; s follows chi, and its quantiles are averaged over.
    """
    share_J, weight_J = np.polynomial.legendre.leggauss(200)
    scale_J = np.sqrt(stats.chi2.ppf((share_J + 1) / 2, freedom) / freedom)
    bound_J = stats.t.ppf(_TAIL, freedom) * scale_J

    def shortfall(shift: float) -> float:
        power_J = stats.norm.sf(bound_J - shift) + stats.norm.cdf(-bound_J - shift)
        return float(weight_J @ power_J / 2 - POWER)

    return float(optimize.brentq(shortfall, 0.0, 100.0))
