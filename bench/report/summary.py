"""From records to the rows of a table: one table a task and source, one row a method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from bench.metrics import METRICS
from bench.record import MetricValue, ResultRecord, Status
from bench.report.comparing import NOTHING, Comparison, compare
from bench.report.loading import Run
from bench.report.timing import Timing, timing_of
from bench.stats import Interval, Label, over_seeds
from bench.task import Task

UNRANKED = "leaky"  # the tag of tasks that repeat a published mistake: shown, never ranked
NO_DIFFERENCE: Label = "no difference shown"


@dataclass(frozen=True, slots=True)
class Failure:
    """A cell without a result: whether it failed, took too long ("timeout") or too much ("oom"), and a line of why."""

    task: str
    source: str
    method: str
    seed: int
    status: Status
    error: str


@dataclass(frozen=True, slots=True)
class Row:
    """A method on a task: means over its seeds, and how it differs from the reference on the same requests.

    `given_worlds` is the same difference with what other requests of the same worlds would tell, and never ranked by.
    `by_seed` has the mean of each metric in each seed. `latency_p50_ms` is the rough time of the run, `timing` what
    `coldrecall latency` found, if it was asked.
    """

    method: str
    seeds: tuple[int, ...]
    metrics: Mapping[str, Interval]
    difference: Interval | None
    label: Label | None
    fit_seconds: Interval | None
    latency_p50_ms: Interval | None
    given_worlds: Interval | None = None
    by_seed: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    timing: Timing | None = None

    def mean(self, metric: str) -> float | None:
        """Return the mean of a metric, None where it has none."""
        return self.metrics[metric].mean if metric in self.metrics else None


@dataclass(frozen=True, slots=True)
class TaskTable:
    """The rows of one task on one source, best first; `reference` is None where it has no result here.

    `detectable` is, for a metric, the least true difference to the reference that a comparison like these would find;
    the median over the methods, None where nothing tells.

    The primary metric is defined for `n` requests, all data together, and undefined for `n_undefined` more. Where
    `one_world`, all seeds met the same data: they are no draws of it, and intervals are over its requests.
    """

    task: Task
    source: str
    seeds: tuple[int, ...]
    one_world: bool
    n: int
    n_undefined: int
    rows: tuple[Row, ...]
    failures: tuple[Failure, ...]
    reference: str | None
    detectable: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def shows_no_difference(self) -> bool:
        """Whether there are methods to tell from the reference, and none is."""
        marks = [row.label for row in self.rows if row.label is not None]
        return bool(marks) and all(mark == NO_DIFFERENCE for mark in marks)

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
    one_world = len({record.fingerprint for record in records}) == 1
    comparison = compare(run, task, by_method, found, one_world=one_world) if found else NOTHING
    rows = [_row(run, own, one_world, comparison) for own in by_method.values()]
    n, n_undefined = _requests(task, by_method)
    return TaskTable(
        task=task,
        source=records[0].source,
        seeds=tuple(sorted({record.seed for record in records})),
        one_world=one_world,
        n=n,
        n_undefined=n_undefined,
        rows=_sorted(rows, task),
        failures=_failures(records),
        reference=found,
        detectable=comparison.detectable,
    )


def _requests(task: Task, by_method: Mapping[str, Sequence[ResultRecord]]) -> tuple[int, int]:
    """Count the requests behind the primary metric, those of each world once: all methods answer the same."""
    records = [record for own in by_method.values() for record in own if task.primary in record.metrics]
    by_world = {record.fingerprint: record.metrics[task.primary] for record in records}
    return sum(value.n for value in by_world.values()), sum(value.n_undefined for value in by_world.values())


def _sorted(rows: Sequence[Row], task: Task) -> tuple[Row, ...]:
    """Order rows by the primary metric, undefined last; by name where nothing may be ranked."""
    if UNRANKED in task.tags:
        return tuple(sorted(rows, key=lambda row: row.method))
    sign = -1 if METRICS[task.primary.partition("@")[0]].direction == "higher" else 1

    def place(row: Row) -> tuple[float, str]:
        mean = row.mean(task.primary)
        return (float("inf") if mean is None else sign * mean), row.method

    return tuple(sorted(rows, key=place))


def _row(run: Run, records: Sequence[ResultRecord], one_world: bool, comparison: Comparison) -> Row:
    method = records[0].method
    names = dict.fromkeys(name for record in records for name in record.metrics)
    values = {name: [record.metrics[name] for record in records if name in record.metrics] for name in names}
    metrics = {name: (_over_requests if one_world else _over_worlds)(own) for name, own in values.items()}
    measured = [record.measured for record in records if record.measured is not None]
    return Row(
        method,
        tuple(record.seed for record in records),
        metrics,
        comparison.differences.get(method),
        comparison.labels.get(method),
        over_seeds([m.fit_seconds for m in measured]) if measured else None,
        over_seeds([m.latency_p50_ms for m in measured]) if measured else None,
        comparison.given_worlds.get(method),
        {name: _by_seed(records, name) for name in names},
        timing_of([record.cell for record in records], run.timings),
    )


def _by_seed(records: Sequence[ResultRecord], metric: str) -> dict[int, float]:
    means = ((record.seed, record.metrics[metric].mean) for record in records if metric in record.metrics)
    return {seed: mean for seed, mean in means if mean is not None}


def _over_worlds(values: Sequence[MetricValue]) -> Interval:
    """Return the interval over seeds. A method that failed on all but one has no bounds, not the narrow ones of one."""
    return over_seeds([value.mean for value in values if value.mean is not None])


def _over_requests(values: Sequence[MetricValue]) -> Interval:
    """Return the mean over runs on the same requests; averaging their intervals errs on the wide side."""
    defined = [value for value in values if value.mean is not None]
    lows = [value.low for value in defined if value.low is not None]
    highs = [value.high for value in defined if value.high is not None]
    return Interval(
        fmean(value.mean for value in defined if value.mean is not None) if defined else None,
        fmean(lows) if lows else None,
        fmean(highs) if highs else None,
        n_seeds=min(1, len(defined)),
    )


def _failures(records: Sequence[ResultRecord]) -> tuple[Failure, ...]:
    failed = sorted((r for r in records if r.status != "ok"), key=lambda record: (record.method, record.seed))
    return tuple(Failure(r.task, r.source, r.method, r.seed, r.status, _first_line(r.error)) for r in failed)


def _first_line(error: str | None) -> str:
    lines = (error or "").strip().splitlines()
    return lines[0] if lines else "no reason given"
