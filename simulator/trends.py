"""Trends: topics that rise and fade, at change points that are known.

A trend lifts the click logit of its topic's notes along a trapezium: from `start` up to its height at `peak`, level
until `turn`, down to nothing at `end`. It is a function of time alone, so the truth knows it too. Shapes: R trends.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.luck import generator
from simulator.schema import DAY_SECONDS
from simulator.sizes import N_TOPICS
from simulator.spec import WorldSpec


@dataclass(frozen=True, slots=True, eq=False)
class TrendTable:
    """The trends of a world, with their change points in seconds."""

    topic_R: NDArray[np.int16]
    height_R: NDArray[np.float64]  # logits
    change_R4: NDArray[np.int64]  # start, peak, turn, end

    def __len__(self) -> int:
        return len(self.topic_R)

    def lift(self, now: int) -> NDArray[np.float32]:
        """Return what trends add to the click logit of each topic at `now`."""
        start_R, peak_R, turn_R, end_R = self.change_R4.T
        up_R, down_R = (now - start_R) / (peak_R - start_R), (end_R - now) / (end_R - turn_R)
        share_R = np.clip(np.minimum(up_R, down_R), 0.0, 1.0)
        return np.bincount(self.topic_R, self.height_R * share_R, N_TOPICS).astype(np.float32)


def draw_trends(spec: WorldSpec, seed: int) -> TrendTable:
    """Draw the trends of a world: their number is Poisson, their times uniform."""
    rng, t = generator(seed, "trends"), spec.trends
    n = int(rng.poisson(t.per_week * spec.days / 7.0))
    start_R = np.sort(rng.uniform(0.0, spec.days * DAY_SECONDS, n))
    rise_R = t.rise_hours * 3_600.0 * rng.uniform(0.5, 1.5, n)
    hold_R, fade_R = (days * DAY_SECONDS * rng.uniform(0.5, 1.5, n) for days in (t.hold_days, t.fade_days))
    change_R4 = np.cumsum(np.stack([start_R, rise_R, hold_R, fade_R], axis=1), axis=1).astype(np.int64)
    height_R = t.height * rng.uniform(0.5, 1.5, n)
    return TrendTable(rng.integers(0, N_TOPICS, n).astype(np.int16), height_R, change_R4)
