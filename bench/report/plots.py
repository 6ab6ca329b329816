"""The figures of the page, as plain plotly JSON: recall by K, cold curve, recall against latency.

A colour is a name ("c0", "grey", "ink") that the page turns into that of its light or dark theme. Traces of few
methods are drawn in full and named in the legend: the best of a task, the reference, and the bounds; the rest is faint.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.report.summary import Row, TaskTable
from bench.stats import Interval

Figure = dict[str, Any]  # plotly's own JSON: a parsing edge
N_COLOURS = 7
N_BEST = 5
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x")
BOUNDS = {"oracle": "dash", "true-affinity": "dashdot", "random": "dot"}  # drawn in grey
_AGES = {"0h": "new", "1h": "< 1 h", "6h": "1-6 h", "24h": "6-24 h"}
_SETTING = re.compile(r"/(?:j(?P<first>\d+)|age-(?P<age>\d+h))@v\d+$")


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


def by_k(table: TaskTable, styles: Mapping[str, Style]) -> Figure | None:
    """Draw the primary metric against K, K on a log scale."""
    base = table.task.primary.partition("@")[0]
    ks = list(table.task.ks)
    traces = [
        _line(
            row.method, ks, [row.metrics.get(f"{base}@{k}") for k in ks], styles[row.method], row.method in named(table)
        )
        for row in table.rows
    ]
    axis = {"title": {"text": "K"}, "type": "log", "tickvals": ks, "ticktext": [str(k) for k in ks]}
    return _figure(traces, axis) if len(ks) > 1 else None


def cold_curve(tables: Sequence[TaskTable], styles: Mapping[str, Style], metric: str | None = None) -> Figure | None:
    """Draw a metric (the primary one) of a family against what is known of the cold: j interactions, or an age."""
    points = {setting: table for table in tables if (setting := _setting(table.task.id)) is not None}
    if len(points) < 2:
        return None
    rows = {setting: {row.method: row for row in table.rows} for setting, table in points.items()}
    methods = dict.fromkeys(method for own in rows.values() for method in own)
    shown = set.union(*(named(table) for table in points.values()))
    name = metric or next(iter(points.values())).task.primary
    if not any(name in row.metrics for own in rows.values() for row in own.values()):
        return None
    traces = []
    for method in methods:
        values = [own[method].metrics.get(name) if method in own else None for own in rows.values()]
        traces.append(_line(method, list(points), values, styles[method], method in shown))
    known = "age of the notes" if any(word in _AGES.values() for word in points) else "first interactions known (j)"
    return _figure(traces, {"title": {"text": known}, "type": "category"})


def against_latency(table: TaskTable, styles: Mapping[str, Style]) -> Figure | None:
    """Draw the primary metric against the median latency, with the oracle's level as a line."""
    primary, shown = table.task.primary, named(table)
    timed = [(row, row.latency_p50_ms) for row in table.rows if row.latency_p50_ms and row.mean(primary) is not None]
    if len(timed) < 2:
        return None
    traces = [_point(row, primary, styles[row.method], row.method in shown) for row, _ in timed]
    ends = [min(ms for _, ms in timed), max(ms for _, ms in timed)]
    for row in table.rows:
        if row.method == "oracle" and row.latency_p50_ms is None:
            level = row.metrics.get(primary)
            traces.append(_line("oracle", ends, [level, level], styles["oracle"], True))
            traces[-1].pop("error_y", None)
    spread = [math.log10(ends[0]) - 0.1, math.log10(ends[1]) + 0.5]  # room for the last label
    ticks = [digit * 10.0**power for power in range(math.floor(spread[0]), math.ceil(spread[1])) for digit in (1, 2, 5)]
    axis = {"title": {"text": "latency p50, ms"}, "type": "log", "range": spread}
    axis |= {"tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}
    return _figure(traces, axis)


def _setting(task: str) -> str | None:
    found = _SETTING.search(task)
    if found is None:
        return None
    return found["first"] or _AGES.get(found["age"], found["age"])


def _line(name: str, x: Sequence[Any], values: Sequence[Interval | None], style: Style, shown: bool) -> Figure:
    trace: Figure = {
        "type": "scatter",
        "name": name,
        "x": list(x),
        "y": [None if value is None else value.mean for value in values],
        "mode": "lines" if name in BOUNDS else "lines+markers",
        "line": {"color": style.colour, "dash": style.dash, "width": 2 if shown else 1.5},
        "marker": {"color": style.colour, "symbol": style.symbol, "size": 8 if shown else 6},
        "opacity": 1 if shown else 0.35,
        "showlegend": shown,
        "hovertemplate": "%{y:.4f}",
    }
    if shown and name not in BOUNDS:
        trace["error_y"] = _bars(values, style)
    return trace


def _point(row: Row, primary: str, style: Style, shown: bool) -> Figure:
    symbol = "circle-open" if row.method in BOUNDS else style.symbol
    return {
        "type": "scatter",
        "name": row.method,
        "x": [row.latency_p50_ms],
        "y": [row.mean(primary)],
        "mode": "markers+text" if shown else "markers",
        "text": [f" {row.method}"],
        "textposition": "middle right",
        "textfont": {"color": "ink", "size": 11},
        "cliponaxis": False,
        "marker": {"color": style.colour, "symbol": symbol, "size": 10 if shown else 7},
        "opacity": 1 if shown else 0.5,
        "showlegend": False,
        "error_y": _bars([row.metrics[primary]], style) if shown else {"visible": False},
        "hovertemplate": "%{x:.3g} ms, %{y:.4f}",
    }


def _bars(values: Sequence[Interval | None], style: Style) -> Figure:
    """Return the interval bars of a trace: 0 where an interval has no bounds."""
    up, down = [], []
    for value in values:
        if value is None or value.mean is None or value.low is None or value.high is None:
            up.append(0.0)
            down.append(0.0)
        else:
            up.append(value.high - value.mean)
            down.append(value.mean - value.low)
    return {"type": "data", "symmetric": False, "array": up, "arrayminus": down, "color": style.colour, "thickness": 1}


def _figure(traces: list[Figure], xaxis: Figure) -> Figure:
    layout = {
        "xaxis": {"automargin": True, "zeroline": False} | xaxis,
        "yaxis": {"automargin": True, "rangemode": "tozero", "zeroline": False},
        "margin": {"l": 10, "r": 16, "t": 12, "b": 10},
        "showlegend": False,  # the page writes its own, which wraps at any width
        "hovermode": "closest",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
    }
    return {"data": traces, "layout": layout}
