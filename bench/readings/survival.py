"""Kaplan-Meier: how long things wait, when some still waited at the end of the window.

S(t) is the product over event times t_i <= t of 1 - d_i / n_i, with d_i events among the n_i still at risk; at equal
times events come before censorings. Kaplan & Meier 1958, doi:10.1080/01621459.1958.10501452. The restricted mean is
the area under S up to a horizon: Royston & Parmar 2013, doi:10.1186/1471-2288-13-152.
Shapes: X subjects, S distinct event times, T grid points. Times are whole seconds since the start of the wait.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEVER = -1
_ROUNDING = 1e-9  # a product of ratios may miss the 1/2 it stands for


@dataclass(frozen=True, slots=True, eq=False)
class Survival:
    """A survival curve: 1 before `time_S[0]`, `waiting_S[i]` from `time_S[i]` on, known up to `last_time`."""

    time_S: NDArray[np.int64]
    waiting_S: NDArray[np.float64]
    last_time: int
    n: int
    n_censored: int

    def at(self, time_T: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the share still waiting at each time, NaN beyond the last that was observed unless all had ended."""
        if self.n == 0:
            return np.full(len(time_T), np.nan)
        steps = np.concatenate([[1.0], self.waiting_S])
        waiting_T = steps[np.searchsorted(self.time_S, time_T, side="right")]
        return np.where((time_T > self.last_time) & (steps[-1] > 0), np.nan, waiting_T)

    def quantile(self, share: float) -> float:
        """Return the first time by which at least `share` no longer wait, NaN where that was never seen."""
        is_reached_S = self.waiting_S <= 1.0 - share + _ROUNDING
        return float(self.time_S[np.argmax(is_reached_S)]) if is_reached_S.any() else float("nan")

    def restricted_mean(self, horizon: int) -> float:
        """Return the mean of min(wait, horizon), NaN where the curve is not known up to the horizon."""
        if self.n == 0 or np.isnan(self.at(np.array([horizon]))[0]):
            return float("nan")
        inner_S = self.time_S < horizon
        edges = np.concatenate([[0], self.time_S[inner_S], [horizon]])
        return float((np.diff(edges) * np.concatenate([[1.0], self.waiting_S[inner_S]])).sum())


def kaplan_meier(wait_X: NDArray[np.int64], observed_X: NDArray[np.int64]) -> Survival:
    """Estimate the curve from waits (NEVER where the event was not seen) and how long each was observed."""
    has_ended_X = wait_X != NEVER
    spell_X = np.where(has_ended_X, wait_X, observed_X)
    time_S, ended_S = np.unique(spell_X[has_ended_X], return_counts=True)
    at_risk_S = len(spell_X) - np.searchsorted(np.sort(spell_X), time_S)
    waiting_S = np.cumprod((at_risk_S - ended_S) / at_risk_S, dtype=np.float64)
    last = int(spell_X.max()) if len(spell_X) else 0
    return Survival(time_S, waiting_S, last, len(spell_X), int((~has_ended_X).sum()))
