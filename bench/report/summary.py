"""From records to the rows of a table: one table a task and source, one row a method."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from bench.metrics import METRICS
from bench.record import MetricValue, ResultRecord
from bench.report.loading import Run
from bench.stats import Interval, Label, labels, over_seeds, paired_difference
from bench.task import Task

UNRANKED = "leaky"  # the tag of tasks that repeat a published mistake: shown, never ranked


@dataclass(frozen=True, slots=True)
class Failure:
    """A cell without a result, and the first line of why."""

    task: str
    source: str
    method: str
    seed: int
    error: str


@dataclass(frozen=True, slots=True)
class Row:
    """A method on a task: means over its seeds, and how it differs from the reference on the same requests."""

    method: str
    seeds: tuple[int, ...]
    metrics: Mapping[str, Interval]
    difference: Interval | None
    label: Label | None
    fit_seconds: float | None
    latency_p50_ms: float | None

    def mean(self, metric: str) -> float | None:
        """Return the mean of a metric, None where it has none."""
        return self.metrics[metric].mean if metric in self.metrics else None


@dataclass(frozen=True, slots=True)
class TaskTable:
    """The rows of one task on one source, best first; `reference` is None where it has no result here."""

    task: Task
    source: str
    seeds: tuple[int, ...]
    rows: tuple[Row, ...]
    failures: tuple[Failure, ...]
    reference: str | None

    @property
    def ranked(self) -> bool:
        """Whether methods may be ranked by this task."""
        return UNRANKED not in self.task.tags

    def is_partial(self, row: Row) -> bool:
        """Whether a row lacks a seed that another has, so that its means are not of the same worlds."""
        return len(row.seeds) < len(self.seeds)


def summarise(run: Run, tasks: Mapping[str, Task], *, reference: str) -> tuple[TaskTable, ...]:
    """Return the tables of a run in the order of `tasks`, then by source."""
    groups: dict[tuple[str, str], list[ResultRecord]] = {}
    for record in run.records:
        if record.task not in tasks:
            raise ValueError(f"records: expected a known task, got {record.task!r}")
        groups.setdefault((record.task, record.source), []).append(record)
    order = {name: place for place, name in enumerate(tasks)}
    keys = sorted(groups, key=lambda key: (order[key[0]], key[1]))
    return tuple(_table(run, tasks[task], groups[task, source], reference) for task, source in keys)


def _table(run: Run, task: Task, records: Sequence[ResultRecord], reference: str) -> TaskTable:
    by_method: dict[str, list[ResultRecord]] = {}
    for record in sorted(records, key=lambda record: (record.method, record.seed)):
        if record.status == "ok":
            by_method.setdefault(record.method, []).append(record)
    found = reference if reference in by_method and UNRANKED not in task.tags else None
    differences = _differences(run, task, by_method, found) if found else {}
    marks = labels(differences, direction=METRICS[task.primary.partition("@")[0]].direction)
    rows = [_row(method, own, differences.get(method), marks.get(method)) for method, own in by_method.items()]
    seeds = tuple(sorted({record.seed for record in records}))
    return TaskTable(task, records[0].source, seeds, _sorted(rows, task), _failures(records), found)


def _sorted(rows: Sequence[Row], task: Task) -> tuple[Row, ...]:
    """Order rows by the primary metric, undefined last; by name where nothing may be ranked."""
    if UNRANKED in task.tags:
        return tuple(sorted(rows, key=lambda row: row.method))
    sign = -1 if METRICS[task.primary.partition("@")[0]].direction == "higher" else 1

    def place(row: Row) -> tuple[float, str]:
        mean = row.mean(task.primary)
        return (float("inf") if mean is None else sign * mean), row.method

    return tuple(sorted(rows, key=place))


def _differences(
    run: Run, task: Task, by_method: Mapping[str, Sequence[ResultRecord]], reference: str
) -> dict[str, Interval]:
    """Return each other method's paired difference to the reference in the primary metric."""

    def by_seed(method: str) -> dict[int, NDArray[np.float64]]:
        found = {record.seed: run.values(record, task.primary) for record in by_method[method]}
        return {seed: values for seed, values in found.items() if values is not None}

    base = by_seed(reference)
    return {
        # Every method meets the same resamples.
        method: paired_difference(by_seed(method), base, rng=np.random.default_rng(zlib.crc32(task.id.encode())))
        for method in by_method
        if method != reference
    }


def _row(method: str, records: Sequence[ResultRecord], difference: Interval | None, label: Label | None) -> Row:
    names = dict.fromkeys(name for record in records for name in record.metrics)
    metrics = {name: interval_of([r.metrics[name] for r in records if name in r.metrics]) for name in names}
    measured = [record.measured for record in records if record.measured is not None]
    return Row(
        method,
        tuple(record.seed for record in records),
        metrics,
        difference,
        label,
        fmean(m.fit_seconds for m in measured) if measured else None,
        fmean(m.latency_p50_ms for m in measured) if measured else None,
    )


def interval_of(values: Sequence[MetricValue]) -> Interval:
    """Return the interval over seeds; for one seed the interval over its requests."""
    defined = [value for value in values if value.mean is not None]
    if len(defined) == 1:
        return Interval(defined[0].mean, defined[0].low, defined[0].high, 1)
    return over_seeds([value.mean for value in defined if value.mean is not None])


def _failures(records: Sequence[ResultRecord]) -> tuple[Failure, ...]:
    failed = sorted((r for r in records if r.status == "failed"), key=lambda record: (record.method, record.seed))
    return tuple(Failure(r.task, r.source, r.method, r.seed, _first_line(r.error)) for r in failed)


def _first_line(error: str | None) -> str:
    lines = (error or "").strip().splitlines()
    return lines[0] if lines else "no reason given"
