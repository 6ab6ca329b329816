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
    "cold_share": "cold",
    "coverage": "cov",
    "regret": "reg",
}
ABBREVIATIONS = "R recall, N NDCG, coR cold-only recall, cold share of cold places, cov coverage, reg regret"


@dataclass(frozen=True, slots=True)
class Cell:
    """What a cell shows, the number it sorts by, its label, and a remark for who points at it."""

    text: str
    number: float | None
    label: Label | None = None
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
    for name, heading in names.items():
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
        mean = row.mean(name)
        return Cell(NOTHING if mean is None else f"{mean:.3f}", mean)

    return Column(heading, METRICS[name.partition("@")[0]].meaning, cell, True, detectable)


def half_width(interval: Interval) -> float | None:
    """Return half the width of an interval, None where it has no bounds."""
    return None if interval.low is None or interval.high is None else (interval.high - interval.low) / 2


def _with_interval(interval: Interval | None) -> Cell:
    if interval is None or interval.mean is None:
        return Cell(NOTHING, None)
    return Cell(f"{interval.mean:.4f}{_plus_minus(interval)}", interval.mean)


def _difference(row: Row) -> Cell:
    difference = row.difference
    if difference is None or difference.mean is None or row.label is None:
        return Cell(NOTHING, None)
    text = f"{difference.mean:+.4f}{_plus_minus(difference)} {MARKS[row.label]}"
    given = row.given_worlds
    remark = "" if given is None or given.low is None else f"; given these worlds alone{_plus_minus(given)}"
    return Cell(text, difference.mean, row.label, remark)


def _plus_minus(interval: Interval) -> str:
    half = half_width(interval)
    return "" if half is None else f" ±{half:.4f}"


def _amount(value: float | None) -> Cell:
    """Show seconds or milliseconds with three digits that matter."""
    if value is None:
        return Cell(NOTHING, None)
    return Cell(f"{value:,.0f}" if value >= 100 else f"{value:.3g}", value)


_MEASURED = (
    Column("fit s", "Seconds of wall time to fit, mean over seeds.", lambda row: _amount(row.fit_seconds)),
    Column(
        "p50 ms", "Median milliseconds to answer one request, mean over seeds.", lambda row: _amount(row.latency_p50_ms)
    ),
)
