"""Places within groups of a sorted column. Shapes: V values, in groups of equal neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def place_in_group(group_V: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return 0, 1, 2, ... within each run of equal values of an ascending column."""
    return np.arange(len(group_V)) - np.searchsorted(group_V, group_V)
