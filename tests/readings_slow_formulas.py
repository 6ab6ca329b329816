"""The formulas of the readings, exact or by brute force."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from statistics import fmean

NAN = math.nan


def still_waiting(waits: list[tuple[int | None, int]], time: int) -> Fraction:
    """Kaplan-Meier at a time, exactly."""
    left = Fraction(1)
    for event in sorted({wait for wait, _ in waits if wait is not None and wait <= time}):
        at_risk = sum((observed if wait is None else wait) >= event for wait, observed in waits)
        left *= 1 - Fraction(sum(wait == event for wait, _ in waits), at_risk)
    return left


def known_until(waits: list[tuple[int | None, int]], time: int) -> bool:
    spells = [observed if wait is None else wait for wait, observed in waits]
    return bool(spells) and (time <= max(spells) or still_waiting(waits, max(spells)) == 0)


def restricted_mean(waits: list[tuple[int | None, int]], horizon: int) -> float:
    if not known_until(waits, horizon):
        return NAN
    cuts = [0, *sorted({wait for wait, _ in waits if wait is not None and 0 < wait < horizon}), horizon]
    return float(sum((b - a) * still_waiting(waits, a) for a, b in pairwise(cuts)))


def pairwise_gini(counts: list[int]) -> float:
    n, total = len(counts), sum(counts)
    return sum(abs(a - b) for a in counts for b in counts) / (2 * n * total) if total else NAN


def chance_gini(n: int, total: int) -> float:
    """Expected Gini of a multinomial, summed over all that two of its cells can hold."""
    if not n or not total:
        return NAN
    if n == 1:
        return 0.0
    p, rest, apart = 1 / n, 1 - 2 / n, 0.0
    for a in range(total + 1):
        for b in range(total + 1 - a):
            ways = math.comb(total, a) * math.comb(total - a, b)
            apart += ways * p ** (a + b) * rest ** (total - a - b) * abs(a - b)
    return (n - 1) * apart / (2 * total)


def over(part: float, whole: float) -> float:
    return part / whole if whole else NAN


def share(so: list[bool]) -> float:
    return over(sum(so), len(so))


def average(values: list[float] | list[int]) -> float:
    return fmean(values) if values else NAN
