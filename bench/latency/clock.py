"""The closed loop: ask one request after another and keep every reading. N queries, in the order they were asked.

The clocks are bound when this module is imported, before any method is: a method that replaces `time`'s functions
later does not reach them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from resource import RUSAGE_THREAD, getrusage
from time import perf_counter_ns, process_time_ns

import numpy as np
from numpy.typing import NDArray

Ask = Callable[[int], object]  # request number -> its answer
WINDOW, _TOLERANCE, _MOST_WINDOWS = 50, 0.03, 100


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Nanoseconds of each query by the wall and by the CPU, and whether something preempted it."""

    request_N: NDArray[np.int32]
    wall_ns_N: NDArray[np.int64]
    cpu_ns_N: NDArray[np.int64]
    preempted_N: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.request_N)

    @classmethod
    def joined(cls, parts: Sequence[Trace]) -> Trace:
        """Put traces one after another."""
        names = ("request_N", "wall_ns_N", "cpu_ns_N", "preempted_N")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def trace(ask: Ask, order: Sequence[int], *, keep: Callable[[int, object], None] = lambda at, answer: None) -> Trace:
    """Ask in order; `keep(place, answer)` is shown every answer once its clocks have stopped."""
    wall_ns_N, cpu_ns_N = np.zeros(len(order), np.int64), np.zeros(len(order), np.int64)
    preempted_N = np.zeros(len(order), np.bool_)
    for at, request in enumerate(order):
        cpu, switches, wall = process_time_ns(), getrusage(RUSAGE_THREAD).ru_nivcsw, perf_counter_ns()
        answer = ask(request)
        wall_ns_N[at] = perf_counter_ns() - wall
        preempted_N[at] = getrusage(RUSAGE_THREAD).ru_nivcsw > switches
        cpu_ns_N[at] = process_time_ns() - cpu
        keep(at, answer)
    return Trace(np.array(order, np.int32), wall_ns_N, cpu_ns_N, preempted_N)


@dataclass(frozen=True, slots=True, eq=False)
class WarmUp:
    """The queries asked before timing, and whether they had become stable."""

    trace: Trace
    stable: bool

    @property
    def median_ns(self) -> float:
        """The median of the last window: what a query is expected to take."""
        return float(np.median(self.trace.wall_ns_N[-WINDOW:]))


def warm_up(ask: Ask, order: Sequence[int], *, seconds: float) -> WarmUp:
    """Ask windows of queries, in turn from `order`, until the medians of two in a row differ by less than 3 %.

    Two windows, 100 queries, are asked in any case; after 100 windows or `seconds` it is left at that.
    """
    windows: list[Trace] = []
    spent = 0.0
    for number in range(_MOST_WINDOWS):
        first = number * WINDOW
        windows.append(trace(ask, [order[i % len(order)] for i in range(first, first + WINDOW)]))
        spent += float(windows[-1].wall_ns_N.sum()) / 1e9
        before, now = (float(np.median(window.wall_ns_N)) for window in (windows[-2:] * 2)[-2:])
        if number and abs(now - before) < _TOLERANCE * before:
            return WarmUp(Trace.joined(windows), True)
        if number and spent > seconds:
            break
    return WarmUp(Trace.joined(windows), False)


def overhead_ns() -> int:
    """Return the CPU time that reading the clocks adds to a query, outside of what they read."""
    n = 1_000
    start = process_time_ns()
    inside = trace(lambda request: None, range(n), keep=lambda at, answer: None).cpu_ns_N.sum()
    return int((process_time_ns() - start - inside) // n)
