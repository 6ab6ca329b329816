"""How unevenly impressions fall: Gini, and what pure chance would show."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from bench.readings.result import NAN

_NO_ROOM = 1e-9
_SPREAD = 12.0  # standard deviations of a binomial beyond which its mass is nothing


def gini(count_X: NDArray[np.int64]) -> float:
    """Return G = 2 sum_i i e_(i) / (n sum e) - (n + 1) / n over ascending e_(1..n); NaN where nothing was counted."""
    n, total = len(count_X), int(count_X.sum())
    if total == 0:
        return NAN
    ranked = int(np.sort(count_X).astype(np.int64) @ np.arange(1, n + 1))
    return (2 * ranked - (n + 1) * total) / (n * total)


def random_gini(n: int, total: int) -> float:
    """Return the expected Gini of `total` impressions thrown on `n` by even chance."""
    return _walk_gini(n, total, total, 2 / n) if n > 0 else NAN


def random_list_gini(n: int, places_Q: NDArray[np.int64]) -> float:
    """Return the expected Gini over `n` of random lists of distinct ids, `places_Q` long.

    A list of m holds one of two given ids and not the other with chance 2 m (n - m) / (n (n - 1)); where lists differ
    in length, the mean of these stands for each.
    """
    if n < 2 or len(places_Q) == 0:
        return 0.0 if n == 1 else NAN
    one_of_two_Q = 2 * places_Q * (n - places_Q) / (n * (n - 1))
    return _walk_gini(n, int(places_Q.sum()), len(places_Q), float(one_of_two_Q.mean()))


def _walk_gini(n: int, total: int, n_throws: int, p: float) -> float:
    """Return E[G] where each of `n_throws` hits one of two given receivers, and not the other, with chance `p`.

    E[G] = (n - 1) E|X1 - X2| / (2 total). The throws s that tell the two apart are binomial of `n_throws` and p, and
    |X1 - X2| is the distance of a symmetric walk of s steps from its start, 2k C(2k, k) / 4^k on average with 2k the
    even one of s and s + 1.
    """
    if total < 1:
        return NAN
    if n == 1 or p == 0.0:
        return 0.0
    mean, deviation = n_throws * p, np.sqrt(n_throws * p * max(1 - p, 0.0))
    low = max(0, int(mean - _SPREAD * (deviation + 1)))
    steps_S = np.arange(low, min(n_throws, int(mean + _SPREAD * (deviation + 1)) + 8) + 1)
    mass_S = _binomial(steps_S, n_throws, p)
    half_S = (steps_S + 1) // 2
    log_return_S = gammaln(2 * half_S + 1) - 2 * gammaln(half_S + 1) - half_S * np.log(4.0)
    return float((n - 1) * (mass_S * 2 * half_S * np.exp(log_return_S)).sum() / (2 * total))


def _binomial(steps_S: NDArray[np.int64], total: int, p: float) -> NDArray[np.float64]:
    """Return the mass of each number of successes, scaled to add up to one against rounding of large factorials."""
    if p >= 1.0:
        return np.asarray(steps_S == total, np.float64)
    log_choose_S = gammaln(total + 1) - gammaln(steps_S + 1) - gammaln(total - steps_S + 1)
    mass_S = np.exp(log_choose_S + steps_S * np.log(p) + (total - steps_S) * np.log1p(-p))
    return np.asarray(mass_S / mass_S.sum(), np.float64)


def excess(observed: float, by_chance: float, n: int) -> float:
    """Return where a Gini lies between chance (0) and all on one (1): (G - E[G]) / ((n - 1) / n - E[G]).

    NaN where there is no room between them, as with one impression or one receiver.
    """
    room = (n - 1) / n - by_chance if n else 0.0
    return (observed - by_chance) / room if room > _NO_ROOM else NAN
