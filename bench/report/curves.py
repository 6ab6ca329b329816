"""The figures of a family: its metrics against what is known of the cold, first interactions or age.

A few-shot curve lies on log(1 + j); its area, the mean height, stands beside the method (`bench.report.few_shot`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from bench.report.columns import plus_minus
from bench.report.drawing import Axis, Plot, figure, line
from bench.report.few_shot import clicks_known
from bench.report.settings import area_over_settings
from bench.report.styles import Style, named
from bench.report.summary import TaskTable

_AGES = {"0h": "new", "1h": "< 1 h", "6h": "1-6 h", "24h": "6-24 h"}
_AGE = re.compile(r"/age-(?P<age>\d+h)@v\d+$")


def curves_of(tables: Sequence[TaskTable], styles: Mapping[str, Style]) -> tuple[Plot, ...]:
    """Return the curves of a family: few-shot where its settings are j, by age where they are ages."""
    for draw in (_few_shot, _by_age):
        plots = draw(tables, styles)
        if plots:
            return plots
    return ()


def _few_shot(tables: Sequence[TaskTable], styles: Mapping[str, Style]) -> tuple[Plot, ...]:
    known = {j: table for table in tables if (j := clicks_known(table.task.id)) is not None}
    if len(known) < 2:
        return ()
    places = [math.log1p(j) for j in known]
    ticks = {"tickvals": places, "ticktext": [str(j) for j in known]}
    axis = Axis(
        places, [f"j {j}" for j in known], {"title": {"text": "first interactions known, j, on log(1 + j)"}} | ticks
    )
    plots = []
    for metric in _present(tables, (tables[0].task.primary, _cold_only(tables[0].task.primary))):
        drawn = _draw(list(known.values()), metric, axis, styles)
        areas = {name: area_over_settings(name, list(known.values()), metric) for name in styles}
        notes = {name: f"{area.mean:.4f}{plus_minus(area)}" for name, area in areas.items() if area is not None}
        remark = "Beside each name: the area under its curve over its span, which is its mean height."
        plots.append(Plot(f"{metric}-few-shot", f"{metric} by interactions known", drawn, notes, remark))
    return tuple(plots)


def _by_age(tables: Sequence[TaskTable], styles: Mapping[str, Style]) -> tuple[Plot, ...]:
    aged = {age: table for table in tables if (age := _age(table.task.id)) is not None}
    if len(aged) < 2:
        return ()
    axis = Axis(list(aged), [f"age {age}" for age in aged], {"title": {"text": "age of the notes"}, "type": "category"})
    primary = tables[0].task.primary
    shares = (primary.replace("cold_recall", "cold_share"), primary.replace("cold_recall", "share_known_0"))
    return tuple(
        Plot(f"{metric}-age", f"{metric} by age", _draw(list(aged.values()), metric, axis, styles))
        for metric in _present(tables, (primary, _cold_only(primary), *shares))
    )


def _draw(tables: Sequence[TaskTable], metric: str, axis: Axis, styles: Mapping[str, Style]) -> dict[str, object]:
    rows = [{row.method: row for row in table.rows} for table in tables]
    shown = set.union(*(named(table) for table in tables))
    methods = dict.fromkeys(method for own in rows for method in own)
    traces = []
    for method in methods:
        values = [own[method].metrics.get(metric) if method in own else None for own in rows]
        traces.append(line(method, values, axis, styles[method], shown=method in shown))
    return figure(traces, axis.settings)


def _present(tables: Sequence[TaskTable], metrics: Sequence[str]) -> list[str]:
    """Return the metrics that some row of some table has, each once."""
    has = {name for table in tables for row in table.rows for name in row.metrics if row.mean(name) is not None}
    return [metric for metric in dict.fromkeys(metrics) if metric in has]


def _cold_only(primary: str) -> str:
    return primary.replace("cold_", "cold_only_") if primary.startswith("cold_") else primary


def _age(task: str) -> str | None:
    found = _AGE.search(task)
    return None if found is None else _AGES.get(found["age"], found["age"])
