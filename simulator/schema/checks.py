"""Column checks: refuse, never cast; every message names field, expected and got."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class SchemaError(ValueError):
    """Data that breaks the schema; the message names the field, what was expected and what came."""

    def __init__(self, field: str, expected: str, got: object) -> None:
        super().__init__(f"{field}: expected {expected}, got {got}")
        self.field = field


def check_column(field: str, column: object, dtype: str, length: int | None = None) -> None:
    """Refuse a column that is not a one-dimensional `dtype` array of `length`, then make it read-only.

    Without `length` any will do: the column that gives a table its length is checked so, before the others.
    """
    if not isinstance(column, np.ndarray):
        raise SchemaError(field, f"{dtype} array", type(column).__name__)
    is_as_long = column.ndim == 1 and (length is None or len(column) == length)
    if column.dtype != np.dtype(dtype) or not is_as_long:
        raise SchemaError(field, f"{dtype}({'any' if length is None else length},)", f"{column.dtype}{column.shape}")
    column.flags.writeable = False


def check_range(field: str, column: NDArray[Any], low: float, high: float) -> None:
    """Refuse values outside the half-open [low, high)."""
    if column.size and not (column.min() >= low and column.max() < high):
        raise SchemaError(field, f"values in [{low}, {high})", f"[{column.min()}, {column.max()}]")


def check_sorted(field: str, column: NDArray[Any]) -> None:
    """Refuse a column that ever decreases."""
    if column.size > 1 and bool((column[1:] < column[:-1]).any()):
        at = int(np.argmax(column[1:] < column[:-1])) + 1
        raise SchemaError(field, "non-decreasing order", f"{column[at]} after {column[at - 1]} at row {at}")
