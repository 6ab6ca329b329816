"""The report on a terminal: one table a task; plain text where it is piped."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.report.agreement import Agreement, agreements
from bench.report.columns import ABBREVIATIONS, Cell, Column, columns_of, requests_of, seeds_of
from bench.report.overview import Overview, overview
from bench.report.summary import Failure, Row, TaskTable

WIDTH = 120
_FAMILIES = 4  # columns of families that stand beside each other
COLOURS = {"better": "green", "worse": "red", "no difference shown": "dim"}


def console() -> Console:
    """Return a console on standard output, wide enough for the tables where that is no terminal."""
    return Console(width=None if sys.stdout.isatty() else WIDTH)


def render(tables: Sequence[TaskTable], *, width: int = WIDTH) -> RenderableType:
    """Return the tables and a legend; below 120 columns only what matters most."""
    parts: list[RenderableType] = []
    for table in tables:
        parts += [_heading(table), _rows(table, width), *map(_failure, table.failures), Text()]
    seen = overview(tables)
    found = agreements(seen)
    if any(one.tau is not None for one in found):
        parts += [*_agreement(found), Text()]
    if len(seen.families) > 1:
        parts += [*_overview(seen), Text()]
    return Group(*parts, _legend(tables))


def _agreement(found: Sequence[Agreement]) -> list[RenderableType]:
    """Return a line for every two families, those that disagree most first."""
    title = Text("agreement of families", style="bold")
    title.append(
        "  Kendall's tau-b of the methods' order, its 95 % interval by bootstrap over the methods:", "not bold"
    )
    title.append("\n1 the same order, 0 nothing in common, -1 reversed; bounds such as the oracle left out", "not bold")
    out = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="underline")
    for heading in ("family", "and", "tau-b", "95 %", "methods"):
        out.add_column(heading, justify="left" if heading in ("family", "and") else "right", overflow="fold")
    for one in sorted(found, key=lambda one: (one.tau is None, one.tau or 0.0)):
        known = one.tau is not None
        cells = (f"{one.tau:.2f}", f"{one.low:.2f} to {one.high:.2f}") if known else ("-", "-")
        out.add_row(one.first.name, one.second.name, *cells, str(one.n_methods))
    return [title, out]


def _overview(seen: Overview) -> list[RenderableType]:
    """Return the table to read first; it comes last, where a terminal stops."""
    title = Text("all families", style="bold")
    title.append("  the primary metric of each, averaged over its settings, and the area under its curve", "not bold")
    title.append("\nover log(1 + j), j clicks known, divided by its span; - where something is missing", "not bold")
    parts: list[RenderableType] = [title]
    for first in range(0, len(seen.families), _FAMILIES):
        these = slice(first, first + _FAMILIES)
        out = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="underline")
        out.add_column("method", overflow="fold", min_width=12)
        for family in seen.families[these]:
            out.add_column(f"{family.name}\n{family.heading}", justify="right", overflow="fold")
        for method, cells in seen.rows:
            numbers = (None if cell is None else cell.mean for cell in cells[these])
            out.add_row(method, *("-" if number is None else f"{number:.4f}" for number in numbers))
        parts.append(out)
    return parts


def _heading(table: TaskTable) -> Text:
    text = Text(table.task.id, style="bold")
    text.append(f"  {table.task.title}", style="not bold")
    text.append(f"\n{table.source}, {seeds_of(table)}, {requests_of(table)}", style="not bold dim")
    if table.shows_no_difference:
        text.append(f"\nNo difference to {table.reference} shown.", style="yellow")
    if not table.ranked:
        text.append("\nNot ranked: this task repeats a published mistake.", style="yellow")
    return text


def _rows(table: TaskTable, width: int) -> Table:
    out = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="underline")
    out.add_column("method", overflow="fold", min_width=12)
    columns = [column for column in columns_of(table) if width >= WIDTH or not column.secondary]
    for column in columns:
        out.add_column(column.heading, justify="right", no_wrap=True)
    for row in table.rows:
        out.add_row(_name(table, row), *(_cell(column, row) for column in columns))
    if table.detectable:
        out.add_row("detectable Δ", *(column.detectable for column in columns), style="dim")
    return out


def _name(table: TaskTable, row: Row) -> Text:
    text = Text(row.method, style="bold" if row.method == table.reference else "")
    if table.is_partial(row):
        text.append(f" ({len(row.seeds)}/{len(table.seeds)} seeds)", style="yellow")
    return text


def _cell(column: Column, row: Row) -> Text:
    cell: Cell = column.cell(row)
    text = Text(cell.text)
    if cell.label is not None:
        text.stylize(COLOURS[cell.label], len(cell.text) - 1)
    return text


def _failure(failure: Failure) -> Text:
    text = Text(f"{failure.method}, seed {failure.seed}: ", no_wrap=True, overflow="ellipsis")
    return text.append(f"{failure.status}: {failure.error}", style="red")


def _legend(tables: Sequence[TaskTable]) -> Text:
    one_world = any(table.one_world for table in tables)
    over = "seeds (over requests, given this data, where it is one world or log)" if one_world else "seeds"
    return Text(
        f"± half the 95 % interval over {over}. Δ paired difference to the reference on the same requests: ▲ better, "
        "▼ worse, after Holm's correction over the methods; · no difference shown. detectable Δ: the least true "
        "difference that such a comparison finds 8 times in 10, two-sided at 5 %, uncorrected; the median over the "
        f"methods. {ABBREVIATIONS}. fit s and p50 ms: wall seconds to fit, median milliseconds to answer one request.",
        style="dim",
    )
