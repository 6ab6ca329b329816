"""Readings on a terminal: one row a reading with its definition, one a wait, one a bucket, or one a difference."""

from __future__ import annotations

import math
from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.readings.result import Buckets, Reading, Readings
from simulator.schema import DAY_SECONDS

_WAIT = "time_to_"


def render(read: Readings) -> RenderableType:
    """Return the tables of all readings; - where a value is undefined."""
    waits = [reading for reading in read.scalars if reading.name.startswith(_WAIT)]
    others = [reading for reading in read.scalars if not reading.name.startswith(_WAIT)]
    days = f"days [{read.start / DAY_SECONDS:g}, {read.end / DAY_SECONDS:g})"
    parts: list[RenderableType] = [_title("readings", days), _scalars(others), Text()]
    parts += [_title("waits", "hours, Kaplan-Meier; censored: share still waiting at the end"), _waits(waits)]
    for table in read.tables:
        parts += [Text(), _title(table.name.replace("_", " "), table.meaning), _buckets(table)]
    return Group(*parts)


def number(value: float) -> str:
    """Return four significant digits, whole numbers in full, - where undefined."""
    if math.isnan(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"


def _title(name: str, says: str) -> Text:
    return Text(name, style="bold").append(f"  {says}", "not bold dim")


def _scalars(rows: Iterable[Reading]) -> Table:
    out = _table("reading", "value", "unit", "n", "meaning")
    for row in rows:
        out.add_row(row.name, number(row.value), row.unit, f"{row.n:,}", row.meaning)
    return out


def _waits(rows: Iterable[Reading]) -> Table:
    """Lay the readings of each wait in one row."""
    waits: dict[str, dict[str, Reading]] = {}
    for row in rows:
        name, _, column = row.name.removeprefix(_WAIT).partition("/")
        waits.setdefault(name, {})[column] = row
    columns = dict.fromkeys(column for wait in waits.values() for column in wait)
    out = _table("time to", *columns, "n", "from")
    for name, wait in waits.items():
        first = next(iter(wait.values()))
        meaning = first.meaning.partition(": ")[2]
        out.add_row(name, *(number(wait[column].value) for column in columns), f"{first.n:,}", meaning)
    return out


def _buckets(table: Buckets) -> Table:
    out = _table("bucket", *table.columns, "n")
    for b, label in enumerate(table.labels):
        values = (number(float(value_B[b])) for value_B in table.columns.values())
        out.add_row(label, *values, f"{int(table.count_B[b]):,}")
    return out


def _table(*columns: str) -> Table:
    """Return a table with words on the left and numbers on the right of their columns."""
    words = {"reading", "time to", "bucket", "unit", "meaning", "from"}
    out = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="underline")
    for column in columns:
        is_text = column in words
        folds = column in ("meaning", "from")
        out.add_column(column, justify="left" if is_text else "right", no_wrap=not folds, overflow="fold")
    return out
