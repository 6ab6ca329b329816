"""What is found in a log: numbers under the ids of the table of targets, and the distributions behind them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Numbers: TypeAlias = NDArray[np.float64]
Whole: TypeAlias = NDArray[np.int64]

Mark = Literal["bars", "points", "line", "dashed", "dotted"]
MAX_POINTS = 200  # of a drawn curve


@dataclass(frozen=True, slots=True)
class Measured:
    """One number of the card. `value` None means that it cannot be measured here; `detail` then says why."""

    id: str
    value: float | None
    detail: str = ""

    def __post_init__(self) -> None:
        if self.value is not None and not np.isfinite(self.value):
            raise ValueError(f"Measured {self.id}: expected a finite value or None, got {self.value}")
        if self.value is None and not self.detail:
            raise ValueError(f"Measured {self.id}: expected the reason for no value, got none")


@dataclass(frozen=True, slots=True)
class Curve:
    """One named line, set of points or bars of a drawing."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    mark: Mark


@dataclass(frozen=True, slots=True)
class Drawing:
    """A distribution as it is drawn: axes by title, log where it says so."""

    anchor: str
    title: str
    x_title: str
    y_title: str
    curves: tuple[Curve, ...]
    log_x: bool = True
    log_y: bool = True


@dataclass(frozen=True, slots=True)
class Findings:
    """The numbers and drawings of one subject."""

    measured: tuple[Measured, ...]
    drawings: tuple[Drawing, ...] = ()


def missing(ids: Iterable[str], reason: str) -> tuple[Measured, ...]:
    """Return that none of `ids` can be measured, for one reason."""
    return tuple(Measured(id_, None, reason) for id_ in ids)


def curve(name: str, x: NDArray[np.generic], y: NDArray[np.generic], mark: Mark) -> Curve:
    """Return a curve of two arrays, thinned to MAX_POINTS places spread evenly on a log scale of the index."""
    at = np.arange(len(x))
    if len(x) > MAX_POINTS:
        at = np.unique(np.geomspace(1, len(x), MAX_POINTS).round().astype(np.int64)) - 1
    return Curve(name, _floats(x[at]), _floats(y[at]), mark)


def ccdf(name: str, values: NDArray[np.generic], mark: Mark) -> Curve:
    """Return the share of values at or above x, at the distinct positive values."""
    values = values[np.asarray(values) > 0]
    x, count = np.unique(values, return_counts=True)
    above = np.cumsum(count[::-1])[::-1] / max(1, len(values))
    return curve(name, x[::-1], above[::-1], mark)


def rank_size(name: str, sizes: NDArray[np.generic], mark: Mark) -> Curve:
    """Return the sizes from the greatest down against their rank, positive ones only."""
    ordered = np.sort(sizes[np.asarray(sizes) > 0])[::-1]
    return curve(name, np.arange(1, len(ordered) + 1), ordered, mark)


def _floats(values: NDArray[np.generic]) -> tuple[float, ...]:
    """Return plain numbers of six significant digits, which is more than a screen can show."""
    return tuple(float(f"{float(value):.6g}") for value in values)
