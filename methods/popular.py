"""The most clicked, or the users who clicked most, first: in the last days before now, or in all that the fit saw.

The published protocols' popularity never forgets and never learns after the fit: `ALL_TIME`. T targets, E events.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from methods.base import Budget, Capabilities
from methods.interactions import FROM_NOTES, FROM_USERS_AND_AUTHORS, targets_of_events
from methods.ranking import rank
from simulator.schema import DAY_SECONDS, Kind, Observation, Requests, Slates


@dataclass(frozen=True, slots=True)
class PopularConfig:
    """How far back clicks count."""

    window_days: float = 7.0  # days before now, counted anew by each index; inf: all that fit saw, never refreshed


ALL_TIME = PopularConfig(window_days=math.inf)
TRIALS = {
    "base": PopularConfig(),
    "day": PopularConfig(window_days=1.0),
    "three days": PopularConfig(window_days=3.0),
    "month": PopularConfig(window_days=28.0),
    "all time": ALL_TIME,
}


class Popular:
    """Rank candidates by clicks, the same for everybody."""

    capabilities: ClassVar[Capabilities] = Capabilities(FROM_USERS_AND_AUTHORS | FROM_NOTES, cold_targets=False)

    def __init__(self, config: PopularConfig = PopularConfig()) -> None:
        self.config = config

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        """Count clicks up to now."""
        self.target_ = target
        self.fitted_T_ = clicks_since(seen, target=target, window_days=self.config.window_days)

    def index(self, seen: Observation) -> None:
        """Count clicks anew in the window before the new now; without a window what is new counts nothing."""
        if math.isinf(self.config.window_days):
            n_new = seen.catalog.count(self.target_) - len(self.fitted_T_)
            self.clicks_T_ = np.pad(self.fitted_T_, (0, n_new))
        else:
            self.clicks_T_ = clicks_since(seen, target=self.target_, window_days=self.config.window_days)

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        """Rank by clicks."""
        return rank(self.clicks_T_[None], requests, k=k)


def clicks_since(seen: Observation, *, target: Kind, window_days: float) -> NDArray[np.float32]:
    """Return the clicks on each target, or of each user, in [now - window, now)."""
    target_E = targets_of_events(seen, target=target)
    rows = seen.events.click_E & (target_E >= 0)
    if math.isfinite(window_days):
        rows &= seen.events.time_E >= seen.now - window_days * DAY_SECONDS
    return np.bincount(target_E[rows], minlength=seen.catalog.count(target)).astype(np.float32)
