"""Ratios that know when they are undefined, and ratios of sums as one value a unit. Shapes: X units."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def ratios(part_X: NDArray[Any], whole_X: NDArray[Any]) -> NDArray[np.float64]:
    """Return part / whole of each, NaN where there is no whole."""
    out_X = np.full(len(whole_X), np.nan)
    np.divide(part_X, whole_X, out=out_X, where=whole_X > 0)
    return out_X


def linearised(value_X: NDArray[np.float64], weight_X: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return one value a unit whose plain mean is M, the weighted mean: M + w (value - M) / mean w.

    Their spread is that of M as an estimate, to first order, so that intervals and paired differences of weighted means
    are those of means; a value alone may lie outside the metric's range. NaN where `value_X` is. Reference: the ratio
    estimator, Cochran 1977, Sampling Techniques, chapter 6.
    """
    defined_X = ~np.isnan(value_X) & (weight_X > 0)
    out_X = np.full(len(value_X), np.nan)
    value_D, weight_D = value_X[defined_X], weight_X[defined_X].astype(np.float64)
    if len(value_D):
        mean = (weight_D @ value_D) / weight_D.sum()
        out_X[defined_X] = mean + weight_D * (value_D - mean) / weight_D.mean()
    return out_X
