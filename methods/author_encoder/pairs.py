"""Pairs of authors who share readers: what is mined, and the table that it becomes.

Shapes: P pairs, A authors. A pair is undirected: first < second; pairs are distinct and sorted by (first, second).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from simulator.schema import RESPONSES, Response, SchemaError

Repeats = Literal["once", "sum"]
_AT_LEAST: dict[str, float] = {
    "cap": 1,
    "min_count": 1,
    "swing_users": 2,
    "block_pairs": 1,
    "swing_alpha": 0.0,
    "swing_weight_alpha": 0.0,
    "swing_beta": 0.0,
}


@dataclass(frozen=True, slots=True)
class PairConfig:
    """Which events make two authors a pair, and how the pair is scored.

    x_ua is what user u's positives on author a within [now - window, now) weigh: the sum of exp(-(now - time) / tau)
    over them, or that of the newest alone. Of a user's authors only the `cap` newest stay.
    """

    window_days: float = 28.0
    responses: tuple[Response, ...] = ("click",)  # any of them makes an event a positive
    tau_days: float = math.inf  # of the decay; inf is none
    repeats: Repeats = "once"  # "once": the newest positive counts alone; "sum": all do
    cap: int = 50  # newest distinct authors of a user
    min_count: int = 3  # readers that a pair must share
    score: str = "npmi"  # a key of `scores.SCORES`
    swing_alpha: float = 1.0  # added to what two readers share; 1 in plain Swing
    swing_weight_alpha: float = 15.0  # weighted Swing: a reader of n authors weighs (n + this) ** -beta
    swing_beta: float = 0.3
    swing_users: int = 1_000  # newest readers of an author that Swing looks at
    block_pairs: int = 4_000_000  # co-occurrences multiplied at a time: about 24 bytes each

    def __post_init__(self) -> None:
        for name in ("window_days", "tau_days"):
            if not getattr(self, name) > 0:
                raise ValueError(f"PairConfig.{name}: expected more than 0 days, got {getattr(self, name)}")
        if not math.isfinite(self.window_days):
            raise ValueError(f"PairConfig.window_days: expected a finite number, got {self.window_days}")
        for name, least in _AT_LEAST.items():
            if not getattr(self, name) >= least:
                raise ValueError(f"PairConfig.{name}: expected at least {least}, got {getattr(self, name)}")
        if not self.responses or not set(self.responses) <= set(RESPONSES):
            raise ValueError(f"PairConfig.responses: expected some of {', '.join(RESPONSES)}, got {self.responses}")
        if self.repeats not in get_args(Repeats):
            raise ValueError(f"PairConfig.repeats: expected one of {', '.join(get_args(Repeats))}, got {self.repeats}")


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Undirected pairs, sorted by (first, second); `count_P` readers are shared, `score_P` says how much that is."""

    first_P: NDArray[np.int32]
    second_P: NDArray[np.int32]
    score_P: NDArray[np.float32]
    count_P: NDArray[np.int32]
    n_authors: int

    def __post_init__(self) -> None:
        columns = {"first": "int32", "second": "int32", "score": "float32", "count": "int32"}
        shape = np.shape(self.first_P)
        for name, dtype in columns.items():
            column: Any = getattr(self, f"{name}_P")
            if not isinstance(column, np.ndarray) or column.dtype != np.dtype(dtype) or column.ndim != 1:
                got = f"{column.dtype}{column.shape}" if isinstance(column, np.ndarray) else type(column).__name__
                raise SchemaError(f"Pairs.{name}", f"{dtype}(P,)", got)
            if column.shape != shape:
                raise SchemaError(f"Pairs.{name}", f"shape {shape}", column.shape)
            column.flags.writeable = False
        if len(self):
            self._check_values()

    def _check_values(self) -> None:
        if self.first_P.min() < 0 or self.second_P.max() >= self.n_authors:
            got = f"[{self.first_P.min()}, {self.second_P.max()}]"
            raise SchemaError("Pairs.first, Pairs.second", f"authors in [0, {self.n_authors})", got)
        wrong_P = self.first_P >= self.second_P
        if wrong_P.any():
            p = int(np.argmax(wrong_P))
            raise SchemaError("Pairs", "first < second", f"({self.first_P[p]}, {self.second_P[p]}) at row {p}")
        step_P = np.diff(self.first_P.astype(np.int64) * self.n_authors + self.second_P)
        if (step_P <= 0).any():
            p = int(np.argmax(step_P <= 0)) + 1
            got = f"({self.first_P[p]}, {self.second_P[p]}) at row {p}"
            raise SchemaError("Pairs", "distinct pairs, sorted by (first, second)", got)
        if not np.isfinite(self.score_P).all():
            raise SchemaError("Pairs.score", "finite values", "NaN or infinite")
        if self.count_P.min() < 1:
            raise SchemaError("Pairs.count", "at least 1", int(self.count_P.min()))

    def __len__(self) -> int:
        return len(self.first_P)

    def take(self, keep_P: NDArray[np.bool_] | NDArray[np.int64]) -> Pairs:
        """Return some pairs, by mask or by ascending indices."""
        columns = (self.first_P[keep_P], self.second_P[keep_P], self.score_P[keep_P], self.count_P[keep_P])
        return Pairs(*columns, self.n_authors)

    def degree_A(self) -> NDArray[np.int64]:
        """Return in how many pairs each author is."""
        ends_2P = np.concatenate([self.first_P, self.second_P])
        return np.bincount(ends_2P, minlength=self.n_authors)
