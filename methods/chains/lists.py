"""Short weighted lists side by side, one a row: what every hop of a chain reads and writes.

Row r holds the ids `ids_P[start_R1[r]:start_R1[r + 1]]`, best first, with positive weights. Shapes: R rows, P entries
of all rows, K places of a padded list, Q rows asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from methods.groups import place_in_group
from methods.interactions import Sparse
from simulator.schema import SchemaError


@dataclass(frozen=True, slots=True, eq=False)
class Lists:
    """Rows of ids with weights, each row in order of falling weight."""

    start_R1: NDArray[np.int64]
    ids_P: NDArray[np.int32]
    weights_P: NDArray[np.float32]

    def __post_init__(self) -> None:
        for name, dtype in (("start_R1", np.int64), ("ids_P", np.int32), ("weights_P", np.float32)):
            column = getattr(self, name)
            if column.dtype != dtype or column.ndim != 1:
                raise SchemaError(f"Lists.{name}", f"one column of {np.dtype(dtype)}", f"{column.dtype}{column.shape}")
        if len(self.start_R1) == 0 or self.start_R1[0] != 0 or bool((np.diff(self.start_R1) < 0).any()):
            raise SchemaError("Lists.start_R1", "non-decreasing offsets from 0", self.start_R1[:4])
        if not len(self.ids_P) == len(self.weights_P) == self.start_R1[-1]:
            raise SchemaError("Lists.ids_P", f"{self.start_R1[-1]} ids and weights", len(self.ids_P))
        if len(self.ids_P) and not (self.ids_P.min() >= 0 and self.weights_P.min() > 0):
            raise SchemaError("Lists.weights_P", "ids from 0 and positive weights", "a negative id or no weight")

    def __len__(self) -> int:
        return len(self.start_R1) - 1

    @property
    def row_P(self) -> NDArray[np.int64]:
        """The row of each entry."""
        return np.repeat(np.arange(len(self)), np.diff(self.start_R1))

    @classmethod
    def padded(cls, ids_RK: NDArray[np.int32], weights_RK: NDArray[np.float32]) -> Lists:
        """Take rectangular rows; an id of -1 or a weight that is not positive is no entry."""
        is_there_RK = (ids_RK >= 0) & (weights_RK > 0)
        start_R1 = np.concatenate([[0], np.cumsum(is_there_RK.sum(axis=1))]).astype(np.int64)
        return cls(start_R1, ids_RK[is_there_RK].astype(np.int32), weights_RK[is_there_RK].astype(np.float32))

    @classmethod
    def best_of(cls, values_RT: Sparse, k: int) -> Lists:
        """Take the `k` greatest positive entries of each row of a matrix; equal ones in order of id."""
        row_V = np.repeat(np.arange(values_RT.shape[0]), np.diff(values_RT.indptr))
        return cls.sorted(values_RT.shape[0], row_V, values_RT.indices, values_RT.data, k)

    @classmethod
    def sorted(
        cls, n_rows: int, row_V: NDArray[np.int64], id_V: NDArray[np.int32], weight_V: NDArray[np.float32], k: int
    ) -> Lists:
        """Take entries in any order; keep the `k` greatest positive ones of each row, equal ones in order of id."""
        kept = np.flatnonzero(weight_V > 0)
        order = kept[np.lexsort((id_V[kept], -weight_V[kept], row_V[kept]))]
        order = order[place_in_group(row_V[order]) < k]
        start_R1 = np.searchsorted(row_V[order], np.arange(n_rows + 1)).astype(np.int64)
        return cls(start_R1, id_V[order].astype(np.int32), weight_V[order].astype(np.float32))

    def take(self, rows_Q: NDArray[np.integer]) -> Lists:
        """Return some rows, in the order asked for; a row of -1 is empty."""
        rows_Q = np.asarray(rows_Q, np.int64)
        length_Q = np.where(rows_Q >= 0, self.start_R1[rows_Q + 1] - self.start_R1[np.maximum(rows_Q, 0)], 0)
        start_Q1 = np.concatenate([[0], np.cumsum(length_Q)]).astype(np.int64)
        shift_Q = self.start_R1[np.maximum(rows_Q, 0)] - start_Q1[:-1]
        at_P = np.arange(start_Q1[-1]) + np.repeat(shift_Q, length_Q)
        return Lists(start_Q1, self.ids_P[at_P], self.weights_P[at_P])

    def scaled(self, *, gamma: float = 1.0, by_best: bool = False) -> Lists:
        """Return weights to the power `gamma`, first divided by the row's greatest where `by_best`."""
        weights_P = self.weights_P.astype(np.float64)
        if by_best and len(weights_P):
            weights_P /= weights_P[self.start_R1[:-1][self.row_P]]
        weights_P = np.maximum(weights_P**gamma, np.finfo(np.float32).tiny)
        return Lists(self.start_R1, self.ids_P, weights_P.astype(np.float32))

    def led_by(self, ids_R: NDArray[np.integer], weight: float) -> Lists:
        """Return the rows with `ids_R` put before them at `weight`; a weight of 0 puts nothing."""
        if weight == 0:
            return self
        start_R1 = self.start_R1 + np.arange(len(self) + 1)
        ids_P = np.insert(self.ids_P, self.start_R1[:-1], np.asarray(ids_R, np.int32))
        return Lists(start_R1, ids_P, np.insert(self.weights_P, self.start_R1[:-1], np.float32(weight)))
