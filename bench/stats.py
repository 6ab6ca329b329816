"""Means with intervals, and methods compared by paired difference.

Requests of one world are no independent draws of worlds: where there are several seeds, the seed is the unit, and what
requests alone can tell holds only "given this world". Shapes: B resamples, Q requests, P requests defined for both.
References: Holm 1979, jstor.org/stable/4615733; Poisson bootstrap: Chamandy et al. 2012, research.google/pubs/pub43157.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from bench.record import MetricValue

CONFIDENCE = 0.95
_TAIL = (1 + CONFIDENCE) / 2
_RESAMPLES = 2_000
_BLOCK = 1 << 22  # Poisson weights in memory at once

Label = Literal["better", "worse", "no difference shown"]


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


def paired_difference(
    values_by_seed_a: Mapping[int, NDArray[np.floating]],
    values_by_seed_b: Mapping[int, NDArray[np.floating]],
    *,
    rng: np.random.Generator,
) -> Interval:
    """Return the mean of a - b over the same requests of the seeds that both have, with interval and p-value.

    Several seeds: a t-interval over the seeds' mean differences. One: a Poisson bootstrap of its requests, drawn
    from `rng`. A request counts where both are defined.
    """
    differences = []
    for seed in sorted(values_by_seed_a.keys() & values_by_seed_b.keys()):
        difference_P = _difference(values_by_seed_a[seed], values_by_seed_b[seed], seed)
        if len(difference_P):
            differences.append(difference_P)
    if not differences:
        return Interval(None, None, None, 0)
    if len(differences) == 1:
        return _bootstrapped(differences[0], rng)
    means = [float(difference_P.mean()) for difference_P in differences]
    return replace(over_seeds(means), p=_t_test(np.array(means)))


def _difference(a_Q: NDArray[np.floating], b_Q: NDArray[np.floating], seed: int) -> NDArray[np.float64]:
    if a_Q.shape != b_Q.shape:
        raise ValueError(f"values of seed {seed}: expected the same requests, got {a_Q.shape} and {b_Q.shape}")
    difference_Q = a_Q.astype(np.float64) - b_Q
    return difference_Q[~np.isnan(difference_Q)]


def _t_test(means: NDArray[np.float64]) -> float:
    """Return the two-sided p-value of a zero mean; without any spread it is 0, or 1 at zero itself."""
    error = means.std(ddof=1) / np.sqrt(len(means))
    if error == 0:
        return float(means[0] == 0)
    return float(2 * stats.t.sf(abs(means.mean()) / error, len(means) - 1))


def _bootstrapped(difference_P: NDArray[np.float64], rng: np.random.Generator) -> Interval:
    mean = float(difference_P.mean())
    if len(difference_P) < 2:
        return Interval(mean, None, None, 1)
    means_B = _resampled_means(difference_P, rng)
    low, high = np.quantile(means_B, [1 - _TAIL, _TAIL])
    # The resample that was observed counts as one, so that no p-value is 0.
    below, above = (means_B <= 0).sum(), (means_B >= 0).sum()
    p = min(1.0, 2 * (1 + int(min(below, above))) / (1 + len(means_B)))
    return Interval(mean, float(low), float(high), 1, p)


def _resampled_means(values_P: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the means of resamples in which each value counts Poisson(1) times."""
    rows = max(1, _BLOCK // len(values_P))
    means = []
    for first in range(0, _RESAMPLES, rows):
        shape = (min(rows, _RESAMPLES - first), len(values_P))
        weight_BP = _POISSON[rng.integers(0, 1 << 16, shape, dtype=np.uint16)]
        total_B = weight_BP.sum(axis=1, dtype=np.float64)
        means.append((weight_BP @ values_P.astype(np.float32)) / np.maximum(total_B, 1))
    return np.concatenate(means)


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
