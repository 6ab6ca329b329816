"""The figures of one task: its metric by K, recall by what is known of the targets, and worth against time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bench.report.drawing import Axis, Figure, Plot, bars, figure, line, reading
from bench.report.frontier import Frontier, Placed, frontier_of
from bench.report.styles import BOUNDS, Style, named
from bench.report.summary import TaskTable
from bench.stats import Interval

_KNOWN = {"recall_known_0": "0", "recall_known_1": "1-4", "recall_known_5": "5-19", "recall_known_20": "20 or more"}


def plots_of(table: TaskTable, styles: Mapping[str, Style]) -> tuple[Plot, ...]:
    """Return all figures that a table has the numbers for."""
    return tuple(plot for draw in (by_k, by_known, against_latency) if (plot := draw(table, styles)) is not None)


def by_k(table: TaskTable, styles: Mapping[str, Style]) -> Plot | None:
    """Draw the primary metric at every K that is recorded, K on a log scale."""
    base = table.task.primary.partition("@")[0]
    names = {name for row in table.rows for name in row.metrics if name.startswith(f"{base}@")}
    ks = sorted(int(name.partition("@")[2]) for name in names)
    if len(ks) < 2:
        return None
    ticks = {"tickvals": ks, "ticktext": [str(k) for k in ks]}
    axis = Axis(ks, [f"K {k}" for k in ks], {"title": {"text": "K"}, "type": "log"} | ticks)
    return Plot("k", f"{base} by K", figure(_lines(table, [f"{base}@{k}" for k in ks], axis, styles), axis.settings))


def by_known(table: TaskTable, styles: Mapping[str, Style]) -> Plot | None:
    """Draw recall where only targets count on which the method was shown so many clicks, by how many."""
    at = "@" + table.task.primary.partition("@")[2]
    names = [name + at for name in _KNOWN if any(row.mean(name + at) is not None for row in table.rows)]
    if len(names) < 2:
        return None
    places = [_KNOWN[name.removesuffix(at)] for name in names]
    settings = {"title": {"text": "clicks on the target that the method was shown"}, "type": "category"}
    axis = Axis(places, [f"clicks known {place}" for place in places], settings)
    return Plot("known", f"recall{at} by clicks known", figure(_lines(table, names, axis, styles), axis.settings))


def _lines(table: TaskTable, metrics: Sequence[str], axis: Axis, styles: Mapping[str, Style]) -> list[Figure]:
    shown = named(table)
    return [
        line(
            row.method,
            [row.metrics.get(metric) for metric in metrics],
            axis,
            styles[row.method],
            shown=row.method in shown,
        )
        for row in table.rows
    ]


def against_latency(table: TaskTable, styles: Mapping[str, Style]) -> Plot | None:
    """Draw the primary metric against the median latency, the Pareto front, and the oracle's level as a line."""
    found = frontier_of(table)
    if found is None:
        return None
    shown = named(table) | {placed.method for placed in found.front}
    traces = [_front(found)] if len(found.front) > 1 else []
    labelled = [placed for placed in found.points if placed.method in shown]
    traces += [
        _point(placed, styles[placed.method], _beside(placed, labelled) if placed in labelled else None)
        for placed in found.points
    ]
    times = [placed.p50_ms.mean for placed in found.points if placed.p50_ms.mean is not None]
    level = next((row.metrics.get(table.task.primary) for row in table.rows if row.method == "oracle"), None)
    if level is not None and all(placed.method != "oracle" for placed in found.points):
        ends = Axis([min(times), max(times)], ["at any time"] * 2, {})
        traces.append(line("oracle", [level, level], ends, styles["oracle"], shown=True) | {"showlegend": False})
    title = f"{table.task.primary} against latency"
    return Plot("latency", title, figure(traces, _milliseconds(times)), remark=_remark(found))


def _milliseconds(times: Sequence[float]) -> Figure:
    spread = [math.log10(min(times)) - 0.1, math.log10(max(times)) + 0.5]  # room for the last label
    powers = range(math.floor(spread[0]), math.ceil(spread[1]))
    digits = (1, 2, 5) if len(powers) < 4 else (1,)
    ticks = [digit * 10.0**power for power in powers for digit in digits]
    axis = {"title": {"text": "latency p50, ms"}, "type": "log", "range": spread}
    return axis | {"tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}


def _remark(found: Frontier) -> str:
    """Say who is on the front, where the times are from, and what is missing."""
    said = ["Pareto front, quickest first: " + (", ".join(placed.method for placed in found.front) or "nobody") + "."]
    if not found.is_timed:
        said.append("Times are the rough ones of the run; coldrecall latency takes better ones, with intervals.")
    else:
        said.append("Times are the service view of coldrecall latency.")
    faulty = [f"{placed.method} ({', '.join(placed.faults)})" for placed in found.points if placed.faults]
    if faulty:
        said.append(f"Hollow, not ranked: {', '.join(faulty)}.")
    if found.untimed:
        said.append(f"Not timed: {', '.join(found.untimed)}.")
    return " ".join(said)


def _front(found: Frontier) -> Figure:
    """Return the steps between the members: the best value for at most so much time."""
    return {
        "type": "scatter",
        "name": "Pareto front",
        "meta": "front",  # a filter of methods does not hide it
        "x": [placed.p50_ms.mean for placed in found.front],
        "y": [placed.value.mean for placed in found.front],
        "mode": "lines",
        "line": {"color": "quiet", "shape": "hv", "width": 1.5},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _beside(placed: Placed, others: Sequence[Placed]) -> str:
    """Say where the label goes: beside the point, or out of the way of a neighbour's."""
    highest = max(other.value.mean or 0.0 for other in others) or 1.0
    for other in others:
        decades = math.log10((other.p50_ms.mean or 1.0) / (placed.p50_ms.mean or 1.0))
        height = ((other.value.mean or 0.0) - (placed.value.mean or 0.0)) / highest
        if other is not placed and -0.1 < decades < 0.5 and abs(height) < 0.06:
            return "top right" if height < 0 or (height == 0 and placed.method < other.method) else "bottom right"
    return "middle right"


def _point(placed: Placed, style: Style, label: str | None) -> Figure:
    shown = label is not None
    symbol = "circle" if placed.method in BOUNDS else style.symbol
    is_hollow = placed.method in BOUNDS or placed.faults
    return {
        "type": "scatter",
        "name": placed.method,
        "x": [placed.p50_ms.mean],
        "y": [placed.value.mean],
        "mode": "markers+text" if shown else "markers",
        "text": [f" {placed.method}"],
        "textposition": label or "middle right",
        "textfont": {"color": "ink", "size": 11},
        "cliponaxis": False,
        "marker": {
            "color": style.colour,
            "symbol": symbol + ("-open" if is_hollow else ""),
            "size": 10 if shown else 7,
        },
        "opacity": 1 if shown else 0.5,
        "showlegend": False,
        "customdata": [reading(placed.method, _time(placed.p50_ms), placed.value) + _faults(placed)],
        "error_y": bars([placed.value], style) | {"visible": shown},
        "error_x": bars([placed.p50_ms], style) | {"visible": shown},
    }


def _time(p50_ms: Interval) -> str:
    bounds = "" if p50_ms.low is None or p50_ms.high is None else f" ({p50_ms.low:.3g} to {p50_ms.high:.3g})"
    return f"{p50_ms.mean:.3g} ms{bounds}"


def _faults(placed: Placed) -> str:
    return f"; not ranked: {', '.join(placed.faults)}" if placed.faults else ""
