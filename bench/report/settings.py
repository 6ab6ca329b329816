"""One number for a method over the settings of a family: the mean, or the area under its curve, with an interval.

Settings of a family share worlds, so each seed gives one such number, and the interval is over those.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

from bench.report.few_shot import area, clicks_known
from bench.report.summary import TaskTable
from bench.stats import Interval, over_seeds


def mean_over_settings(method: str, tables: Sequence[TaskTable], metric: str) -> Interval | None:
    """Return the mean of a metric over the settings."""
    return _over_settings(method, tables, metric, fmean)


def area_over_settings(method: str, tables: Sequence[TaskTable], metric: str) -> Interval | None:
    """Return the area under a metric against the clicks known; every setting must have its j."""
    known = [j for table in tables if (j := clicks_known(table.task.id)) is not None]
    return _over_settings(method, tables, metric, lambda values: area(dict(zip(known, values, strict=True))))


def _over_settings(
    method: str, tables: Sequence[TaskTable], metric: str, combine: Callable[[Sequence[float]], float]
) -> Interval | None:
    """Combine a method's values in each setting, None where one is missing or of fewer seeds than others have."""
    rows, means = [], []
    for table in tables:
        row = next((row for row in table.rows if row.method == method), None)
        mean = None if row is None or table.is_partial(row) else row.mean(metric)
        if row is None or mean is None:
            return None
        rows.append(row)
        means.append(mean)
    alone = Interval(combine(means), None, None, min(len(row.seeds) for row in rows))
    by_seed = [row.by_seed.get(metric, {}) for row in rows]
    seeds = by_seed[0].keys()
    if any(table.one_world for table in tables) or len(seeds) < 2 or any(own.keys() != seeds for own in by_seed):
        return alone
    return over_seeds([combine([own[seed] for own in by_seed]) for seed in sorted(seeds)])
