"""The one table to read first: a row a method, a column a task family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from bench.report.summary import TaskTable


@dataclass(frozen=True, slots=True)
class Family:
    """A column: the primary metric of a family, averaged over its settings (j, or age)."""

    name: str
    metric: str
    n_settings: int


@dataclass(frozen=True, slots=True)
class Overview:
    """Means by method and family; None where a method lacks a setting or a seed, never a mean of what is there."""

    families: tuple[Family, ...]
    rows: tuple[tuple[str, tuple[float | None, ...]], ...]


def overview(tables: Sequence[TaskTable]) -> Overview:
    """Return the overview of the ranked tables, methods by their mean share of each column's best."""
    groups: dict[tuple[str, str], list[TaskTable]] = {}
    for table in tables:
        if table.ranked:
            groups.setdefault((table.task.family, table.source), []).append(table)
    families = [Family(name, own[0].task.primary, len(own)) for (name, _), own in groups.items()]
    methods = list(dict.fromkeys(row.method for own in groups.values() for table in own for row in table.rows))
    rows = [(method, tuple(_mean(method, own) for own in groups.values())) for method in methods]
    best = [max((cells[c] or 0.0 for _, cells in rows), default=0.0) for c in range(len(families))]

    def share(row: tuple[str, tuple[float | None, ...]]) -> float:
        return fmean((cell or 0.0) / top if top else 0.0 for cell, top in zip(row[1], best, strict=True))

    return Overview(tuple(families), tuple(sorted(rows, key=lambda row: (-share(row), row[0]))))


def _mean(method: str, tables: Sequence[TaskTable]) -> float | None:
    values = []
    for table in tables:
        row = next((row for row in table.rows if row.method == method), None)
        value = None if row is None or table.is_partial(row) else row.mean(table.task.primary)
        if value is None:
            return None
        values.append(value)
    return fmean(values)
