"""How methods look, the same in all figures and tables of a page.

A colour is a name ("c0", "grey", "ink") that the page turns into that of its light or dark theme. Few methods are drawn
in full and named in a figure's legend: the best of a task, the reference, and the bounds; the rest is faint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.report.summary import TaskTable

N_COLOURS = 7
N_BEST = 5
BOUNDS = {"oracle": "dash", "true-affinity": "dashdot", "random": "dot"}  # drawn in grey
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x")


@dataclass(frozen=True, slots=True)
class Style:
    """How a method looks in every figure."""

    colour: str
    symbol: str
    dash: str


def styles_of(tables: Sequence[TaskTable]) -> dict[str, Style]:
    """Give every method its look: the reference that of the text, and the best on average the unshared colours."""
    places: dict[str, list[int]] = {}
    for table in tables:
        for place, row in enumerate(table.rows):
            places.setdefault(row.method, []).append(place)
    names = sorted(places, key=lambda name: (sum(places[name]) / len(places[name]), name))
    styles = {name: Style("grey", "line-ew", BOUNDS[name]) for name in names if name in BOUNDS}
    styles |= {table.reference: Style("ink", "diamond", "solid") for table in tables if table.reference}
    for i, name in enumerate(name for name in names if name not in styles):
        styles[name] = Style(f"c{i % N_COLOURS}", _SYMBOLS[i // N_COLOURS % len(_SYMBOLS)], "solid")
    return styles


def named(table: TaskTable) -> set[str]:
    """Return the methods that a figure of this table draws in full."""
    best = [row.method for row in table.rows if row.method not in BOUNDS][:N_BEST]
    return {*best, *BOUNDS, *([table.reference] if table.reference else [])}
