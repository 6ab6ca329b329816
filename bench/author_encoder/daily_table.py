"""A daily run's figures as a table: each with what it must be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from methods.author_encoder.daily.publish import Report


def render(report: Report) -> Table:
    """Return the table of a run: figures with their bounds, then counts, then seconds."""
    state = "live" if report.switched else "blocked"
    table = Table(title=f"version {report.version}, {report.model}: {state}")
    for column in ("figure", "value", "bound"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    breached = {breach.figure for breach in report.breaches}
    for name, value in report.as_dict()["health"].items():
        bound = " .. ".join(f"{limit:g}" for limit in report.bounds.get(name, ()))
        table.add_row(name, _number(value), bound, style="red" if name in breached else None)
    table.add_section()
    for name, count in report.counts.model_dump().items():
        table.add_row(name, f"{count:,}", "")
    table.add_section()
    for kind, recall in report.recall_of.items():
        table.add_row(f"recall of {kind}", f"{recall:.4f}", "")
    for phase, seconds in report.seconds.items():
        table.add_row(f"{phase}, s", f"{seconds:,.1f}", "")
    return table


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
