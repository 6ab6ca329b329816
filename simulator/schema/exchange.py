"""What the harness asks and what a method answers: requests and slates.

Shapes: Q requests, C candidates, K slate length, S seen entries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from simulator.schema.catalog import Kind
from simulator.schema.checks import SchemaError, check_column, check_range


@dataclass(frozen=True, slots=True, eq=False)
class Requests:
    """Q queries of one kind at one moment, the candidates they share, and what each has already seen.

    `candidates_C` are ascending target ids. Request q must not be answered with
    `seen_S[seen_start_Q1[q]:seen_start_Q1[q + 1]]`, which ascend too. `tie_seed` breaks ties: equal scores go in
    order of a hash of (tie_seed, query id, target id).
    """

    query: Kind
    target: Kind
    ids_Q: NDArray[np.int32]
    time: int
    candidates_C: NDArray[np.int32]
    seen_start_Q1: NDArray[np.int64]
    seen_S: NDArray[np.int32]
    tie_seed: int

    def __post_init__(self) -> None:
        for name, kind in (("query", self.query), ("target", self.target)):
            if kind not in get_args(Kind):
                raise SchemaError(f"Requests.{name}", f"one of {', '.join(get_args(Kind))}", repr(kind))
        check_column("Requests.ids", self.ids_Q, "int32")
        check_column("Requests.candidates", self.candidates_C, "int32")
        check_range("Requests.ids", self.ids_Q, 0, np.inf)
        check_range("Requests.candidates", self.candidates_C, 0, np.inf)
        check_column("Requests.seen_start", self.seen_start_Q1, "int64", len(self) + 1)
        check_column("Requests.seen", self.seen_S, "int32", int(self.seen_start_Q1[-1]))
        if bool((np.diff(self.candidates_C) <= 0).any()):
            raise SchemaError("Requests.candidates", "strictly ascending ids", "another order")
        if self.seen_start_Q1[0] != 0 or bool((np.diff(self.seen_start_Q1) < 0).any()):
            raise SchemaError("Requests.seen_start", "non-decreasing offsets from 0", self.seen_start_Q1)
        descents = np.flatnonzero(np.diff(self.seen_S) <= 0) + 1
        if not bool(np.isin(descents, self.seen_start_Q1).all()):
            raise SchemaError("Requests.seen", "strictly ascending ids within a request", "another order")

    def __len__(self) -> int:
        return len(self.ids_Q)

    def between(self, first: int, last: int) -> Requests:
        """Return requests first <= q < last."""
        start_Q1 = self.seen_start_Q1[first : last + 1]
        seen_S = self.seen_S[start_Q1[0] : start_Q1[-1]]
        ids_Q, candidates_C = self.ids_Q[first:last], self.candidates_C
        start_Q1 = start_Q1 - start_Q1[0]
        return Requests(self.query, self.target, ids_Q, self.time, candidates_C, start_Q1, seen_S, self.tie_seed)


@dataclass(frozen=True, slots=True, eq=False)
class Slates:
    """Ranked answers: target ids with -1 pads on the right, and their scores (ignored where the id is -1)."""

    ids_QK: NDArray[np.int32]
    scores_QK: NDArray[np.float32]

    def __post_init__(self) -> None:
        for name, array, dtype in (("ids", self.ids_QK, "int32"), ("scores", self.scores_QK, "float32")):
            if not isinstance(array, np.ndarray):
                raise SchemaError(f"Slates.{name}", f"{dtype}(Q, K) array", type(array).__name__)
            if array.dtype != np.dtype(dtype) or array.ndim != 2:
                raise SchemaError(f"Slates.{name}", f"{dtype}(Q, K)", f"{array.dtype}{array.shape}")
            array.flags.writeable = False
        if self.ids_QK.shape != self.scores_QK.shape:
            raise SchemaError("Slates.scores", f"shape {self.ids_QK.shape}", self.scores_QK.shape)
        if bool(np.isnan(self.scores_QK[self.ids_QK >= 0]).any()):
            raise SchemaError("Slates.scores", "no NaN", "NaN")
        if bool((self.ids_QK < -1).any()):
            raise SchemaError("Slates.ids", "ids >= -1", int(self.ids_QK.min()))
        if bool(((self.ids_QK[:, 1:] >= 0) & (self.ids_QK[:, :-1] < 0)).any()):
            raise SchemaError("Slates.ids", "-1 pads on the right only", "an id after a pad")

    def __len__(self) -> int:
        return len(self.ids_QK)
