"""What contenders of a search cost, asked in turn. Shapes: F features, Q queries, K list length."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

BLOCK = 8  # queries in a row that one contender is asked

Ask = Callable[[NDArray[np.float32]], NDArray[np.integer]]


@dataclass(frozen=True)
class Cost:
    """Median CPU and wall milliseconds of one query alone, and queries a CPU and a wall second in a batch."""

    single_cpu_ms: float
    single_wall_ms: float
    batch_per_cpu_second: float
    batch_per_wall_second: float


def clock(call: Callable[[], object]) -> tuple[float, float]:
    """Return the CPU and wall seconds of a call."""
    start_cpu, start = time.process_time(), time.perf_counter()
    call()
    return time.process_time() - start_cpu, time.perf_counter() - start


def costs(contenders: Mapping[str, Ask], queries_QF: NDArray[np.float32], sizes: argparse.Namespace) -> dict[str, Cost]:
    """Ask all contenders in turn: single queries, then batches small enough for every score of them to be in memory."""
    singles: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    batches: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for first in range(-BLOCK, sizes.singles, BLOCK):  # the first block warms up
        for name, ask in contenders.items():
            for i in range(first, first + BLOCK):
                single_QF = queries_QF[i % len(queries_QF)][None]
                singles[name].append(clock(partial(ask, single_QF)))
    for _ in range(sizes.rounds):
        for name, ask in contenders.items():
            batches[name].append(clock(partial(ask, queries_QF[: sizes.batch])))
    out = {}
    for name in contenders:
        cpu, wall = (statistics.median(read[i] for read in singles[name][BLOCK:]) * 1e3 for i in (0, 1))
        batch_cpu, batch_wall = (sizes.batch / statistics.median(read[i] for read in batches[name]) for i in (0, 1))
        out[name] = Cost(cpu, wall, batch_cpu, batch_wall)
    return out


def shared(found_QK: NDArray[np.integer], true_QK: NDArray[np.integer]) -> float:
    """Return the mean share of the true list that was found."""
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found_QK, true_QK, strict=True)]))


def row(name: str, cost: Cost, last: str) -> str:
    """Return a line of the table, which ends in `last`."""
    return (
        f"{name:28}{cost.single_cpu_ms:10.3f}{cost.single_wall_ms:10.3f}"
        f"{cost.batch_per_cpu_second:12,.0f}{cost.batch_per_wall_second:12,.0f}{last}"
    )
