"""The one table to read first: a row a method, a column a task family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from bench.report.few_shot import clicks_known
from bench.report.settings import area_over_settings, mean_over_settings
from bench.report.summary import TaskTable
from bench.stats import Interval


@dataclass(frozen=True, slots=True)
class Family:
    """A column: the primary metric of a family, averaged over its settings (j, or age), or the area under its curve."""

    name: str
    metric: str
    n_settings: int
    is_area: bool = False

    @property
    def heading(self) -> str:
        """What the column shows of the family."""
        return f"area of {self.metric}" if self.is_area else self.metric

    @property
    def meaning(self) -> str:
        """How the column is made."""
        settings = f"{self.n_settings} setting{'' if self.n_settings == 1 else 's'}"
        return f"area over log(1 + j), {settings}" if self.is_area else f"mean of {settings}"


@dataclass(frozen=True, slots=True)
class Overview:
    """Means by method and family, then areas; None where a setting or a seed is missing: no mean of what is left."""

    families: tuple[Family, ...]
    rows: tuple[tuple[str, tuple[Interval | None, ...]], ...]


def overview(tables: Sequence[TaskTable]) -> Overview:
    """Return the overview of the ranked tables, methods by their mean share of each mean's best."""
    groups: dict[tuple[str, str, str], list[TaskTable]] = {}
    for table in tables:
        if table.ranked:
            groups.setdefault((table.task.family, table.source, table.task.primary), []).append(table)
    families = [Family(name, metric, len(own)) for (name, _, metric), own in groups.items()]
    methods = list(dict.fromkeys(row.method for own in groups.values() for table in own for row in table.rows))
    curves = [own for own in groups.values() if len(own) > 1 and all(_has_j(table) for table in own)]
    areas = [Family(own[0].task.family, own[0].task.primary, len(own), True) for own in curves]
    rows = [(method, tuple(_mean(method, own) for own in groups.values())) for method in methods]
    best = [max((_number(cells[c]) for _, cells in rows), default=0.0) for c in range(len(families))]

    def share(row: tuple[str, tuple[Interval | None, ...]]) -> float:
        return fmean(_number(cell) / top if top else 0.0 for cell, top in zip(row[1], best, strict=True))

    ordered = sorted(rows, key=lambda row: (-share(row), row[0]))
    with_areas = [(method, (*cells, *(_area(method, own) for own in curves))) for method, cells in ordered]
    return Overview((*families, *areas), tuple(with_areas))


def _has_j(table: TaskTable) -> bool:
    return clicks_known(table.task.id) is not None


def _mean(method: str, tables: Sequence[TaskTable]) -> Interval | None:
    return mean_over_settings(method, tables, tables[0].task.primary)


def _area(method: str, tables: Sequence[TaskTable]) -> Interval | None:
    return area_over_settings(method, tables, tables[0].task.primary)


def _number(cell: Interval | None) -> float:
    return 0.0 if cell is None or cell.mean is None else cell.mean
