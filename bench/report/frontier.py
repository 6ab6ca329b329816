"""What a method is worth for the time it takes: its primary metric against the median latency of one request.

On the Pareto front are the methods that no other beats in one without losing in the other, means against means;
the bounds (oracle, random) and what may not be ranked are not of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.metrics import METRICS
from bench.report.styles import BOUNDS
from bench.report.summary import TaskTable
from bench.stats import Interval


@dataclass(frozen=True, slots=True)
class Placed:
    """A method by its primary metric and its milliseconds; `faults` keep it from being ranked by them."""

    method: str
    value: Interval
    p50_ms: Interval
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Frontier:
    """The methods of a table with a time, and those on the front, quickest first.

    `is_timed`: times are the service view of `coldrecall latency`, and `untimed` have none; else they are the rough
    ones of the run.
    """

    points: tuple[Placed, ...]
    front: tuple[Placed, ...]
    is_timed: bool
    untimed: tuple[str, ...] = ()


def frontier_of(table: TaskTable) -> Frontier | None:
    """Place the methods of a table; None where fewer than two have a time."""
    values = {
        row.method: row.metrics[table.task.primary] for row in table.rows if row.mean(table.task.primary) is not None
    }
    timed = {row.method: row.timing for row in table.rows if row.timing is not None and row.method in values}
    rough = {row.method: row.latency_p50_ms for row in table.rows if row.latency_p50_ms and row.method in values}
    is_timed = len(timed) > 1
    if is_timed:
        points = [Placed(method, values[method], timing.p50_ms, timing.faults) for method, timing in timed.items()]
    else:
        points = [Placed(method, values[method], _rough(p50_ms)) for method, p50_ms in rough.items()]
    if len(points) < 2:
        return None
    sign = 1.0 if METRICS[table.task.primary.partition("@")[0]].direction == "higher" else -1.0
    able = [point for point in points if point.method not in BOUNDS and not point.faults]
    front = pareto([(_mean(point.p50_ms), sign * _mean(point.value)) for point in able])
    untimed = tuple(method for method in rough if method not in timed) if is_timed else ()
    return Frontier(tuple(points), tuple(able[i] for i in front), is_timed, untimed)


def pareto(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the places of the (cost, gain) that none has less cost than without less gain, least cost first."""
    front: list[int] = []
    for i in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):
        if not front or points[i][1] > points[front[-1]][1] or points[i] == points[front[-1]]:
            front.append(i)
    return front


def _rough(p50_ms: Interval) -> Interval:
    """Return a time of the run without bounds: what a few requests took beside other cells has none to trust."""
    return replace(p50_ms, low=None, high=None)


def _mean(interval: Interval) -> float:
    assert interval.mean is not None, "only what has a value is placed"
    return interval.mean
