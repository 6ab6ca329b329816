"""Laws fitted to counts by maximum likelihood, and their distance from what was seen (Kolmogorov-Smirnov).

Discrete Weibull (type I, Nakagawa and Osaki 1975, doi:10.1109/TR.1975.5214915): P(K > k) = q^(k^b), k = 1, 2, ...;
b = 1 is the geometric law of a visit that forgets, b < 1 a visit that grows less likely the longer one is away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import ndtr, zeta

from bench.realism.finding import Numbers, Whole

_TINY = 1e-300


class Law(Protocol):
    """A distribution of positive numbers by its cumulative share."""

    def upto(self, x: NDArray[np.generic]) -> Numbers:
        """Return P(X <= x) at whole numbers x."""
        ...


@dataclass(frozen=True, slots=True)
class DiscreteWeibull:
    """P(K > k) = q^(k^b)."""

    q: float
    b: float

    def upto(self, x: NDArray[np.generic]) -> Numbers:
        """Return P(K <= x)."""
        return 1.0 - self.q ** (np.asarray(x, np.float64) ** self.b)


@dataclass(frozen=True, slots=True)
class Geometric:
    """P(K > k) = q^k."""

    q: float

    def upto(self, x: NDArray[np.generic]) -> Numbers:
        """Return P(K <= x)."""
        return 1.0 - self.q ** np.asarray(x, np.float64)


@dataclass(frozen=True, slots=True)
class Zeta:
    """P(K = k) ~ k^-a."""

    a: float

    def upto(self, x: NDArray[np.generic]) -> Numbers:
        """Return P(K <= x)."""
        return np.asarray(1.0 - zeta(self.a, np.asarray(x, np.float64) + 1.0) / zeta(self.a, 1.0))


@dataclass(frozen=True, slots=True)
class LogNormal:
    """A log-normal law rounded to whole numbers."""

    mean: float
    sd: float

    def __str__(self) -> str:
        return f"log mean {self.mean:.2f}, sd {self.sd:.2f}"

    def upto(self, x: NDArray[np.generic]) -> Numbers:
        """Return P(X < x + 1/2)."""
        return np.asarray(ndtr((np.log(np.asarray(x, np.float64) + 0.5) - self.mean) / max(self.sd, 1e-9)))


def mass(law: Law, k: Whole) -> Numbers:
    """Return P(K = k)."""
    return law.upto(k) - law.upto(k - 1)


def weibull(count_K: Whole) -> DiscreteWeibull:
    """Fit to the numbers of values 1, 2, ..., K; a value that never occurs has no weight."""
    k = np.flatnonzero(count_K) + 1
    weight = count_K[k - 1]

    def loss(parameters: Numbers) -> float:
        law = DiscreteWeibull(float(np.exp(-np.exp(parameters[0]))), float(np.exp(parameters[1])))
        return -float((weight * np.log(np.maximum(mass(law, k), _TINY))).sum()) / float(weight.sum())

    found = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-10, "maxiter": 2_000})
    return DiscreteWeibull(float(np.exp(-np.exp(found.x[0]))), float(np.exp(found.x[1])))


def geometric(count_K: Whole) -> Geometric:
    """Fit to the numbers of values 1, 2, ..., K."""
    mean = float(np.average(np.arange(1, len(count_K) + 1), weights=count_K))
    return Geometric(1.0 - 1.0 / mean)


def zeta_law(count_K: Whole) -> Zeta:
    """Fit to the numbers of values 1, 2, ..., K."""
    mean_log = float(np.average(np.log(np.arange(1, len(count_K) + 1)), weights=count_K))
    found = minimize_scalar(lambda a: np.log(zeta(a, 1.0)) + a * mean_log, bounds=(1.0001, 20.0), method="bounded")
    return Zeta(float(found.x))


def log_normal(values: NDArray[np.generic]) -> LogNormal:
    """Fit to positive values by the mean and standard deviation of their logarithms."""
    logs = np.log(np.asarray(values, np.float64))
    return LogNormal(float(logs.mean()), float(logs.std()))


def distance(values: NDArray[np.generic], law: Law) -> float:
    """Return the greatest gap between the cumulative shares of whole-numbered values and of a law."""
    x, n_x = np.unique(values, return_counts=True)
    return distance_of(x, np.cumsum(n_x) / n_x.sum(), law)


def distance_of(x: NDArray[np.generic], upto_x: Numbers, law: Law) -> float:
    """Return the greatest gap to a law of cumulative shares at whole numbers x, and just before each of them."""
    x = np.asarray(x, np.int64)
    before = np.concatenate([[0.0], upto_x[:-1]])
    return float(max(np.abs(upto_x - law.upto(x)).max(), np.abs(before - law.upto(x - 1)).max()))
