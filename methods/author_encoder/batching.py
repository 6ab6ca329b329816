"""Which rows go through a backbone together: a budget of tokens a batch, neighbours in length side by side.

For inference, and within one rank's part of a training batch. Never draw training batches by length: length goes with
activity and category, and would choose the in-batch negatives. Shapes: R rows, B rows of a batch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulator.schema.checks import SchemaError

BUDGET = 4096  # tokens; the fastest of those measured on a CPU


def batches(lengths_R: NDArray[np.int64], *, budget: int = BUDGET) -> list[NDArray[np.int64]]:
    """Split all rows into batches, longest rows first, each rows x longest <= `budget`; a longer row goes alone.

    Rows of equal length keep their order, so that the split is a function of the lengths.
    """
    _check(budget)
    order_R = np.argsort(-lengths_R, kind="stable")
    found, start = [], 0
    while start < len(order_R):
        n_rows = max(1, budget // int(lengths_R[order_R[start]]))
        found.append(order_R[start : start + n_rows])
        start += n_rows
    return found


def packs(lengths_R: NDArray[np.int64], *, budget: int) -> list[NDArray[np.int64]]:
    """Split all rows, in their order, into runs of at most `budget` tokens in all; a longer row goes alone."""
    _check(budget)
    found: list[NDArray[np.int64]] = []
    start, ends_R = 0, np.cumsum(lengths_R)
    while start < len(lengths_R):
        before = int(ends_R[start - 1]) if start else 0
        end = max(start + 1, int(np.searchsorted(ends_R, before + budget, side="right")))
        found.append(np.arange(start, end))
        start = end
    return found


def _check(budget: int) -> None:
    if budget < 1:
        raise SchemaError("budget", "at least one token", budget)
