"""The comparison on a terminal: one table a task, then what does not compare and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from bench.compare.differing import Change, Table
from bench.report.columns import MARKS, NOTHING, plus_minus
from bench.report.terminal import COLOURS

LEGEND = (
    "Δ: B less A, paired request by request (target by target, where a metric is by target) on the same cells, with "
    "half its 95 % interval: over seeds, or, where there is one world or log, over its requests, and then it holds for "
    "that data only. ▲ better, ▼ worse, after Holm's correction over the methods of a task; · no difference shown, "
    "which is not the same as none. detectable: the least true difference that such a comparison finds 8 times in 10, "
    "two-sided at 5 %, uncorrected."
)


def render(tables: Sequence[Table]) -> RenderableType:
    """Return the tables, what does not compare, a count, and the legend."""
    parts: list[RenderableType] = []
    for table in tables:
        parts += [_heading(table), *([_rows(table.changes)] if table.changes else []), *_refused(table), Text()]
    return Group(*parts, _count(tables), Text(LEGEND, style="dim"))


def _heading(table: Table) -> Text:
    text = Text(table.task, style="bold")
    text.append(f"  {table.metric}, {table.source}", style="not bold dim")
    if table.one_world:
        text.append(", one world or log", style="not bold dim")
    if table.shows_no_difference:
        text.append("\nNo difference shown.", style="yellow")
    return text


def _rows(changes: Sequence[Change]) -> Grid:
    out = Grid(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="underline")
    out.add_column("method", overflow="fold", min_width=12)
    for heading in ("A", "B", "Δ B - A", "detectable", "seeds"):
        out.add_column(heading, justify="right", no_wrap=True)
    out.add_column("changed", overflow="fold", style="dim")
    for change in sorted(changes, key=lambda change: -abs(change.difference.mean or 0.0)):
        out.add_row(
            change.method,
            _number(change.mean_a),
            _number(change.mean_b),
            _difference(change),
            _number(change.detectable),
            ",".join(map(str, change.seeds)),
            change.remark,
        )
    return out


def _number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.4f}"


def _difference(change: Change) -> Text:
    if change.difference.mean is None:
        return Text(NOTHING)
    text = Text(f"{change.difference.mean:+.4f}{plus_minus(change.difference)} ")
    return text.append(MARKS[change.label], style=COLOURS[change.label])


def _refused(table: Table) -> list[Text]:
    """Say what does not compare, methods with the same reason together."""
    together: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for method, why, seeds in table.refused:
        together.setdefault((why, seeds), []).append(method)
    return [
        Text(f"not compared: {', '.join(methods)}, seed {', '.join(map(str, seeds))}: ").append(why, style="yellow")
        for (why, seeds), methods in together.items()
    ]


def _count(tables: Sequence[Table]) -> Text:
    marks = Counter(change.label for table in tables for change in table.changes)
    n_refused = sum(len(seeds) for table in tables for _, _, seeds in table.refused)
    told = ", ".join(f"{marks[label]} {label}" for label in MARKS)
    return Text(f"{marks.total()} compared: {told}; {n_refused} cells not compared.", style="bold")
