"""The columns of a task's table, the same on the terminal and on the page: heading, meaning, cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.metrics import METRICS
from bench.report.summary import Row, TaskTable
from bench.stats import Interval, Label

MARKS: dict[Label, str] = {"better": "▲", "worse": "▼", "no difference shown": "·"}
NOTHING = "-"
_SECONDARY = {  # metric -> short heading, all at the primary metric's K
    "recall": "R",
    "ndcg": "N",
    "cold_only_recall": "coR",
    "cold_recall_by_target": "tgt",
    "cold_share": "cold",
    "coverage": "cov",
    "regret": "reg",
}
_OF_IMPRESSIONS = {
    "gauc_unaided": "unaided",
    "gauc_alone": "alone",
    "gauc_described": "described",
    "cold_gauc": "cold",
    "cold_gauc_unaided": "cold unaided",
    "cold_gauc_described": "cold described",
}
ABBREVIATIONS = (
    "R recall, N NDCG, coR cold-only recall, tgt cold recall by target, cold share of cold places, cov coverage, "
    "reg regret"
)


@dataclass(frozen=True, slots=True)
class Cell:
    """What a cell shows, the number it sorts by, its label, its bounds, and a remark for who points at it."""

    text: str
    number: float | None
    label: Label | None = None
    bounds: str = ""
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of numbers; `secondary` ones go first where room is short.

    `detectable` is the least true difference to the reference, in this column's metric, that would be found.
    """

    heading: str
    meaning: str
    cell: Callable[[Row], Cell]
    secondary: bool = False
    detectable: str = ""


def columns_of(table: TaskTable) -> tuple[Column, ...]:
    """Return the columns that any row of a table can fill, the method's name not among them."""
    primary = table.task.primary
    base, _, k = primary.partition("@")
    least = _least(table, primary, 4)
    columns = [
        Column(primary, METRICS[base].meaning, lambda row: _with_interval(row.metrics.get(primary)), False, least)
    ]
    if table.reference is not None:
        meaning = f"Mean difference to {table.reference} in {primary} over the same requests."
        columns.append(Column(f"Δ {table.reference}", meaning, _difference, False, least))
    names = {"recall@10": "R@10"} | {f"{name}@{k}": f"{short}@{k}" for name, short in _SECONDARY.items()}
    for name, heading in (names | _OF_IMPRESSIONS).items():
        if name != primary and any(row.mean(name) is not None for row in table.rows):
            columns.append(_mean_column(name, heading, _least(table, name, 3)))
    return (*columns, *_MEASURED)


def seeds_of(table: TaskTable) -> str:
    """Say how many seeds are behind a table."""
    n = len(table.seeds)
    return f"{n} seed{'' if n == 1 else 's'}" + (" on the same data" if table.one_world and n > 1 else "")


def requests_of(table: TaskTable) -> str:
    """Say how many requests are behind the primary metric."""
    return f"{table.n:,} requests scored, {table.n_undefined:,} with nothing relevant"


def _least(table: TaskTable, metric: str, n_digits: int) -> str:
    least = table.detectable.get(metric)
    return NOTHING if least is None else f"{least:.{n_digits}f}"


def _mean_column(name: str, heading: str, detectable: str) -> Column:
    def cell(row: Row) -> Cell:
        interval = row.metrics.get(name)
        if interval is None or interval.mean is None:
            return Cell(NOTHING, None)
        return Cell(f"{interval.mean:.3f}", interval.mean, None, bounds_of(interval, 3), _alone(interval))

    return Column(heading, METRICS[name.partition("@")[0]].meaning, cell, True, detectable)


def half_width(interval: Interval) -> float | None:
    """Return half the width of an interval, None where it has no bounds."""
    return None if interval.low is None or interval.high is None else (interval.high - interval.low) / 2


def _with_interval(interval: Interval | None) -> Cell:
    if interval is None or interval.mean is None:
        return Cell(NOTHING, None)
    return Cell(
        f"{interval.mean:.4f}{plus_minus(interval)}", interval.mean, None, bounds_of(interval), _remark(interval)
    )


def _difference(row: Row) -> Cell:
    difference = row.difference
    if difference is None or difference.mean is None or row.label is None:
        return Cell(NOTHING, None)
    text = f"{difference.mean:+.4f}{plus_minus(difference)} {MARKS[row.label]}"
    given = row.given_worlds
    remark = f"{row.label}; {_remark(difference)}"
    remark += "" if given is None or given.low is None else f"; given these worlds alone{plus_minus(given)}"
    return Cell(text, difference.mean, row.label, bounds_of(difference), remark)


def plus_minus(interval: Interval) -> str:
    """Write half the width of an interval, nothing where it has no bounds."""
    half = half_width(interval)
    return "" if half is None else f" ±{half:.4f}"


def bounds_of(interval: Interval, n_digits: int = 4) -> str:
    """Write the bounds of an interval, nothing where it has none."""
    if interval.low is None or interval.high is None:
        return ""
    return f"{interval.low:.{n_digits}f} to {interval.high:.{n_digits}f}"


def _alone(interval: Interval) -> str:
    """Say that a number has no interval; the page says the others' bounds."""
    return "" if bounds_of(interval) else _remark(interval)


def _remark(interval: Interval) -> str:
    """Say how sure a number is, and of what."""
    bounds = bounds_of(interval)
    if not bounds:
        return "one number, no interval"
    over = f"over {interval.n_seeds} seeds" if interval.n_seeds > 1 else "given this data"
    return f"95 % interval {bounds}, {over}"


def _amount(interval: Interval | None) -> Cell:
    """Show seconds or milliseconds with three digits that matter."""
    if interval is None or interval.mean is None:
        return Cell(NOTHING, None)
    known = interval.low is not None and interval.high is not None
    bounds = f"{_three(interval.low)} to {_three(interval.high)}" if known else ""
    return Cell(_three(interval.mean), interval.mean, None, bounds, _alone(interval))


def _three(value: float | None) -> str:
    if value is None:
        return NOTHING
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


_MEASURED = (
    Column("fit s", "Seconds of wall time to fit, mean over seeds.", lambda row: _amount(row.fit_seconds)),
    Column(
        "p50 ms", "Median milliseconds to answer one request, mean over seeds.", lambda row: _amount(row.latency_p50_ms)
    ),
)
