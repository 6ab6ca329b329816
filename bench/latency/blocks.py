"""A method and the baseline take turns, ABBA, so that what drifts on a machine hits both alike. P pairs of blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.latency.clock import Ask, Trace, trace

PAIRS = 20
_RESAMPLES = 2_000


@dataclass(frozen=True, slots=True, eq=False)
class Turns:
    """The blocks of both, in the order of their pairs."""

    method: tuple[Trace, ...]
    baseline: tuple[Trace, ...]


def take_turns(
    asks: tuple[Ask, Ask],
    orders: tuple[Sequence[int], Sequence[int]],
    *,
    keep: Callable[[int, object], None],
    tell: Callable[[int], None],
) -> Turns:
    """Ask the method (first) and the baseline in blocks; within every other pair the baseline goes first.

    `keep` is shown the method's answers by their place in its whole order; `tell` hears how many pairs are done.
    """
    turns: tuple[list[Trace], list[Trace]] = ([], [])
    starts = [np.linspace(0, len(order), PAIRS + 1).astype(int) for order in orders]
    for pair in range(PAIRS):
        for side in (0, 1) if pair % 2 == 0 else (1, 0):
            first, last = starts[side][pair : pair + 2]
            block = orders[side][first:last]
            if side == 0:
                turns[0].append(trace(asks[0], block, keep=lambda at, answer, first=first: keep(first + at, answer)))  # type: ignore[misc]
            else:
                turns[1].append(trace(asks[1], block))
        tell(pair + 1)
    return Turns(tuple(turns[0]), tuple(turns[1]))


def median_ratio(
    method_P: NDArray[np.float64], baseline_P: NDArray[np.float64], *, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Return the ratio of the medians of block medians, with its 95 % bootstrap interval over pairs of blocks."""
    picked_BP = rng.integers(0, len(method_P), (_RESAMPLES, len(method_P)))
    drawn_B = np.median(method_P[picked_BP], axis=1) / np.median(baseline_P[picked_BP], axis=1)
    low, high = np.quantile(drawn_B, [0.025, 0.975])
    return float(np.median(method_P) / np.median(baseline_P)), float(low), float(high)


def block_medians(blocks: Sequence[Trace], field: str) -> NDArray[np.float64]:
    """Return the median of a clock in each block."""
    return np.array([np.median(getattr(block, field)) for block in blocks])
