"""The drawings of the card as plain plotly JSON, in the colour names that the report's page turns into its theme's."""

from __future__ import annotations

import math

from bench.realism.finding import Curve, Drawing
from bench.report.drawing import Figure

COLOURS = ("c0", "c1", "c2", "c3", "ink")
_DASHES = {"line": "solid", "dashed": "dash", "dotted": "dot"}


def figure_of(drawing: Drawing) -> Figure:
    """Return one figure; its curves have the colours of COLOURS in their order."""
    traces = [_trace(one, COLOURS[place % len(COLOURS)]) for place, one in enumerate(drawing.curves)]
    yaxis = _axis(drawing.y_title, drawing.log_y)
    if drawing.log_y:
        yaxis["range"] = _reach(drawing)
    layout = {
        "xaxis": _axis(drawing.x_title, drawing.log_x),
        "yaxis": yaxis,
        "margin": {"l": 10, "r": 16, "t": 12, "b": 10},
        "showlegend": False,  # the page writes its own, which wraps at any width
        "hovermode": "closest",
        "bargap": 0.3,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
    }
    return {"data": traces, "layout": layout}


def _reach(drawing: Drawing) -> list[float]:
    """Return the decades between the least of the first curve and the greatest of all: a law may fall without end."""
    least = min((y for y in drawing.curves[0].y if y > 0), default=0.1)
    most = max((y for one in drawing.curves for y in one.y), default=1.0)
    return [math.floor(4 * math.log10(least)) / 4, math.ceil(4 * math.log10(max(most, least)) + 0.1) / 4]


def _trace(one: Curve, colour: str) -> Figure:
    trace: Figure = {"name": one.name, "x": list(one.x), "y": list(one.y), "hovertemplate": "%{x:.4~g}: %{y:.4~g}"}
    if one.mark == "bars":
        return trace | {"type": "bar", "marker": {"color": colour}, "opacity": 0.45}
    if one.mark == "points":
        return trace | {"type": "scatter", "mode": "markers", "marker": {"color": colour, "size": 7}}
    line = {"color": colour, "dash": _DASHES[one.mark], "width": 2}
    return trace | {"type": "scatter", "mode": "lines", "line": line}


def _axis(title: str, is_log: bool) -> Figure:
    axis: Figure = {"title": {"text": title}, "automargin": True, "zeroline": False}
    return axis | {"type": "log", "dtick": 1, "exponentformat": "power"} if is_log else axis
