"""What was read: numbers that say what they mean, tables by bucket, curves; and the difference of two arms.

A value is NaN where it is undefined; `n` counts what it was taken over. Shapes: B buckets, T hours of a curve's grid.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Reading:
    """One number: its value, the unit, how many it was taken over, and its definition."""

    name: str
    value: float
    unit: str
    n: int
    meaning: str


@dataclass(frozen=True, slots=True, eq=False)
class Buckets:
    """Readings by bucket: `columns` maps a reading to a value a bucket, `count_B` is the impressions in each."""

    name: str
    labels: tuple[str, ...]
    count_B: NDArray[np.int64]
    columns: Mapping[str, NDArray[np.float64]]
    meaning: str

    def cells(self) -> Iterator[Reading]:
        """Yield every cell as a reading of its own, named table/column/bucket."""
        for column, value_B in self.columns.items():
            for label, value, n in zip(self.labels, value_B, self.count_B, strict=True):
                yield Reading(f"{self.name}/{column}/{label}", float(value), "", int(n), self.meaning)


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """The share still waiting `hours_T` after the start of the wait, NaN beyond the last that was observed."""

    name: str
    hours_T: NDArray[np.int64]
    waiting_T: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """All readings of [start, end), with daily counts by name."""

    start: int
    end: int
    scalars: tuple[Reading, ...]
    tables: tuple[Buckets, ...]
    curves: tuple[Curve, ...]
    daily: Mapping[str, NDArray[np.float64]]

    def flat(self) -> dict[str, Reading]:
        """Return scalars and the cells of tables by name."""
        cells = (cell for table in self.tables for cell in table.cells())
        return {reading.name: reading for reading in (*self.scalars, *cells)}

    def value(self, name: str) -> float:
        """Return one value by name."""
        return self.flat()[name].value

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values for JSON: None where a value is undefined."""
        return {
            "start": self.start,
            "end": self.end,
            "readings": {
                name: {"value": _plain(reading.value), "unit": reading.unit, "n": reading.n, "meaning": reading.meaning}
                for name, reading in self.flat().items()
            },
            "curves": {
                curve.name: {"hours": curve.hours_T.tolist(), "waiting": [_plain(v) for v in curve.waiting_T.tolist()]}
                for curve in self.curves
            },
            "daily": {name: [_plain(value) for value in value_D.tolist()] for name, value_D in self.daily.items()},
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """One reading of two arms: absolute is b - a; relative is that over a, NaN where a is 0."""

    name: str
    a: float
    b: float
    absolute: float
    relative: float


def difference(a: Readings, b: Readings) -> tuple[Difference, ...]:
    """Compare two arms reading by reading; they must have been read over the same window with the same config."""
    ours, theirs = a.flat(), b.flat()
    if (a.start, a.end) != (b.start, b.end):
        raise ValueError(f"difference: expected the window [{a.start}, {a.end}), got [{b.start}, {b.end})")
    for name in ours.keys() | theirs.keys():
        mine, other = ours.get(name), theirs.get(name)
        if mine is None or other is None or mine.meaning != other.meaning:
            raise ValueError(f"difference: expected the same readings in both arms, got another {name!r} in one")
    return tuple(_difference(name, ours[name].value, theirs[name].value) for name in ours)


def _difference(name: str, a: float, b: float) -> Difference:
    return Difference(name, a, b, b - a, ratio(b - a, a))


def ratio(part: float, whole: float) -> float:
    """Return part / whole, NaN where there is no whole."""
    return part / whole if whole else NAN


def share(is_so_X: NDArray[np.bool_]) -> float:
    """Return the share that is so, NaN of none."""
    return ratio(int(is_so_X.sum()), len(is_so_X))


def mean(value_X: NDArray[Any]) -> float:
    """Return the mean, NaN of none."""
    return float(value_X.mean()) if len(value_X) else NAN


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value
