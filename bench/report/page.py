"""The report as one self-contained page: tables, plots, how to read them, failures. Same records, same bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.metrics import METRICS, MetricRow
from bench.report.agreement import FEWEST, Agreement, agreements
from bench.report.columns import Cell, bounds_of, columns_of, requests_of, seeds_of
from bench.report.curves import curves_of
from bench.report.drawing import Plot
from bench.report.loading import Run
from bench.report.overview import Family, overview
from bench.report.plots import plots_of
from bench.report.self_contained import fill, write_whole
from bench.report.styles import Style, styles_of
from bench.report.summary import TaskTable, summarise
from bench.task import Task

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Section:
    """The tables of one family on one source, and their plots."""

    anchor: str
    family: str
    source: str
    curves: tuple[Plot, ...]
    tables: tuple[TaskTable, ...]
    plots: Mapping[str, tuple[Plot, ...]]


def write_report(run: Run, tasks: Mapping[str, Task], out: Path, *, reference: str) -> Path:
    """Write the page in one piece and return its path; `reference` is the method that differences are paired with."""
    return write_whole(out, page(run, summarise(run, tasks, reference=reference), reference=reference))


def page(run: Run, tables: Sequence[TaskTable], *, reference: str) -> str:
    """Return the page as text."""
    styles, seen = styles_of(tables), overview(tables)
    return fill(
        _HERE / "report.html",
        facts=_facts(run),
        sections=_sections(tables, styles),
        overview=seen,
        agreement=_matrix(agreements(seen)),
        fewest=FEWEST,
        failures=[failure for table in tables for failure in table.failures],
        metrics=_metrics(tables),
        reference=reference,
        styles=styles,
        anchor_of=_anchor,
        bounds_of=bounds_of,
        columns_of=columns_of,
        requests_of=requests_of,
        seeds_of=seeds_of,
        bar_of=_bar,
        chance_of=_chance,
    )


def _facts(run: Run) -> dict[str, str]:
    """Return what the head of the page says of where the numbers come from."""
    records = run.records
    seeds = ", ".join(str(seed) for seed in sorted({record.seed for record in records}))
    machines = sorted({f"{r.machine.cpu}, {r.machine.cores} cores, Python {r.machine.python}" for r in records})
    packages = sorted({f"{name} {version}" for r in records for name, version in r.machine.packages.items()})
    n_failed = sum(record.status != "ok" for record in records)
    cells = f"{len(records):,} (task, method, seed)" + (f", {n_failed} of them failed" if n_failed else "")
    if run.n_superseded:
        cells += f"; {run.n_superseded} older records left out"
    return {
        "Data": ", ".join(sorted({record.source for record in records})),
        "Seeds": seeds,
        "Cells": cells,
        "Commit": ", ".join(sorted({record.commit for record in records})),
        "Machine": "; ".join(machines),
        "Packages": ", ".join(packages),
    }


def _sections(tables: Sequence[TaskTable], styles: Mapping[str, Style]) -> list[Section]:
    families: dict[tuple[str, str], list[TaskTable]] = {}
    for table in tables:
        families.setdefault((table.task.family, table.source), []).append(table)
    return [
        Section(
            _anchor(family, source),
            family,
            source,
            curves_of(own, styles),
            tuple(own),
            {table.task.id: plots_of(table, styles) for table in own},
        )
        for (family, source), own in families.items()
    ]


@dataclass(frozen=True, slots=True)
class Matrix:
    """The agreement of every two families, row by row; None on the diagonal."""

    families: tuple[Family, ...]
    rows: tuple[tuple[Agreement | None, ...], ...]


def _matrix(found: Sequence[Agreement]) -> Matrix:
    families = tuple(dict.fromkeys(family for one in found for family in (one.first, one.second)))
    at = {pair: one for one in found for pair in ((one.first, one.second), (one.second, one.first))}
    return Matrix(families, tuple(tuple(at.get((row, column)) for column in families) for row in families))


def _metrics(tables: Sequence[TaskTable]) -> dict[str, MetricRow]:
    """Return the metrics that the report speaks of."""
    present = {name.partition("@")[0] for table in tables for row in table.rows for name in row.metrics}
    return {name: row for name, row in METRICS.items() if name in present}


def _chance(table: TaskTable) -> float | None:
    """Return what a random list would expect of the primary metric."""
    if "recall" not in table.task.primary:
        return None
    name = table.task.primary.replace("recall", "chance")
    return next((row.mean(name) for row in table.rows if name in row.metrics), None)


def _bar(table: TaskTable, cell: Cell) -> int:
    """Return the length of the bar behind a primary value, in percent of the best row's."""
    means = [mean for row in table.rows if (mean := row.mean(table.task.primary)) is not None]
    best = max(means, default=0.0)
    return round(100 * max(0.0, cell.number) / best) if cell.number is not None and best > 0 else 0


def _anchor(*words: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", "-".join(words).lower()).strip("-")
