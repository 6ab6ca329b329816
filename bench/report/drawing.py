"""Lines and points with their intervals, and the frame around them, as plain plotly JSON.

`customdata` of a point is what the page says of it to who points at it or walks to it by keyboard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.report.styles import BOUNDS, Style
from bench.stats import Interval

Figure = dict[str, Any]  # plotly's own JSON: a parsing edge


@dataclass(frozen=True, slots=True)
class Plot:
    """A figure, and what the page writes beside it: a note on a method in its legend, and a remark below."""

    key: str
    title: str
    figure: Figure
    notes: Mapping[str, str] = field(default_factory=dict)
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Axis:
    """The places of the points of all lines, what to call each, and plotly's own settings of the axis."""

    places: Sequence[float | str]
    names: Sequence[str]
    settings: Figure


def reading(method: str, where: str, value: Interval, *, n_digits: int = 4) -> str:
    """Say what a point stands for: method, place, value and interval."""
    assert value.mean is not None, "only what has a value is drawn"
    bounds = (
        "" if value.low is None or value.high is None else f" ({value.low:.{n_digits}f} to {value.high:.{n_digits}f})"
    )
    return f"{method}, {where}: {value.mean:.{n_digits}f}{bounds}"


def line(name: str, values: Sequence[Interval | None], axis: Axis, style: Style, *, shown: bool) -> Figure:
    """Return the trace of a method; None is a gap."""
    known = [None if value is None or value.mean is None else value for value in values]
    return {
        "type": "scatter",
        "name": name,
        "x": list(axis.places),
        "y": [None if value is None else value.mean for value in known],
        "mode": "lines" if name in BOUNDS else "lines+markers",
        "line": {"color": style.colour, "dash": style.dash, "width": 2 if shown else 1.5},
        "marker": {"color": style.colour, "symbol": style.symbol, "size": 8 if shown else 6},
        "opacity": 1 if shown else 0.35,
        "showlegend": shown,
        "customdata": [
            "" if value is None else reading(name, where, value) for value, where in zip(known, axis.names, strict=True)
        ],
        "error_y": bars(known, style) | {"visible": shown and name not in BOUNDS},
    }


def bars(values: Sequence[Interval | None], style: Style) -> Figure:
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


def figure(traces: Sequence[Figure], xaxis: Figure) -> Figure:
    """Put traces into the frame that all figures have."""
    layout = {
        "xaxis": {"automargin": True, "zeroline": False} | xaxis,
        "yaxis": {"automargin": True, "range": _range(traces), "zeroline": False},
        "margin": {"l": 10, "r": 16, "t": 12, "b": 10},
        "showlegend": False,  # the page writes its own, which wraps at any width
        "hovermode": "closest",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
    }
    return {"data": [_rounded(trace) for trace in traces], "layout": layout}


def _rounded(value: Any) -> Any:
    """Return plotly's JSON with six digits a number, more than a screen can show."""
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _range(traces: Sequence[Figure]) -> list[float]:
    """Return the frame: from zero to above all points and bars, but a bar without measure goes through it."""
    values = [y for trace in traces for y in trace["y"] if y is not None]
    drawn = [trace for trace in traces if trace.get("error_y", {}).get("visible")]
    ends = [y + up for one in drawn for y, up in zip(one["y"], one["error_y"]["array"], strict=True) if y is not None]
    highest = max(values, default=0.0)
    top = min(max([highest, *ends]), 1.5 * highest) or 1.0
    return [-0.02 * top, 1.05 * top]
