"""The report on pairs: one row a variant, means over seeds with intervals; as a table and as JSON lines."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.author_encoder.making import Found
from bench.author_encoder.quality import MEASURES
from bench.stats import Interval, over_seeds

BySeed = Mapping[int, Sequence[Found]]  # the same variants for every seed; one seed, 0, for a dataset


def intervals(found: BySeed) -> dict[str, dict[str, Interval]]:
    """Return each variant's measures over the seeds where they are defined."""
    rows = list(zip(*found.values(), strict=True))
    return {row[0].variant.name: {m.name: _over([one.values[m.name] for one in row]) for m in MEASURES} for row in rows}


def _over(values: Sequence[float]) -> Interval:
    return over_seeds([value for value in values if not math.isnan(value)])


def json_lines(source: str, found: BySeed) -> Iterator[str]:
    """Yield a line for each seed and variant, then a summary line for each variant; null where undefined."""
    for seed, rows in found.items():
        for one in rows:
            values = {name: None if math.isnan(value) else value for name, value in one.values.items()}
            line = {"kind": "seed", "source": source, "seed": seed, **asdict(one.variant), "values": values}
            steps = [asdict(step) | {"bounds": dict(step.bounds)} for step in one.steps]
            yield json.dumps(line | {"steps": steps}, allow_nan=False)
    for name, row in intervals(found).items():
        summary = {key: asdict(interval) for key, interval in row.items()}
        yield json.dumps({"kind": "summary", "source": source, "name": name, "values": summary}, allow_nan=False)


def render(source: str, found: BySeed) -> RenderableType:
    """Return the table of measures, what each filter of the first seed dropped, and the meaning of the columns."""
    rows = intervals(found)
    known = [m.name for m in MEASURES if any(row[m.name].mean is not None for row in rows.values())]
    title = Text("author pairs", style="bold").append(f"  {source}, {len(found)} seeds", "not bold dim")
    half = (len(known) + 1) // 2
    tables = [_measures(rows, names) for names in (known[:half], known[half:]) if names]
    first = next(iter(found.values()))
    legend = Text("\n".join(f"{m.name}: {m.meaning}" for m in MEASURES if m.name in known), style="dim")
    legend.append("\n± half the 95 % t-interval over seeds; none for one seed", "dim")
    return Group(title, *tables, Text("\nwhat the filters dropped, first seed", style="bold"), _steps(first), legend)


def _measures(rows: Mapping[str, Mapping[str, Interval]], names: Sequence[str]) -> Table:
    out = _table("pairs", *names)
    for name, row in rows.items():
        out.add_row(name, *(_cell(row[column]) for column in names))
    return out


def _cell(interval: Interval) -> str:
    if interval.mean is None:
        return "-"
    text = _number(interval.mean)
    return text if interval.high is None else f"{text} ±{_number(interval.high - interval.mean)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def _steps(found: Sequence[Found]) -> Table:
    out = _table("pairs", "filter", "in", "dropped", "why")
    for one in found:
        for step in one.steps:
            out.add_row(one.variant.name, step.name, f"{step.n_in:,}", f"{step.n_dropped:,}", step.why)
    return out


def _table(*columns: str) -> Table:
    out = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="underline")
    for column in columns:
        is_text = column in ("pairs", "filter", "why")
        out.add_column(column, justify="left" if is_text else "right", overflow="fold")
    return out
