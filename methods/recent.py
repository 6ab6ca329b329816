"""The newest first: notes by the time they were born, authors by the time they joined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from methods.base import Budget, Capabilities
from methods.interactions import FROM_USERS_AND_AUTHORS
from methods.ranking import rank
from simulator.schema import Kind, Observation, Requests, Slates


@dataclass(frozen=True, slots=True)
class RecentConfig:
    """Nothing to choose."""


class Recent:
    """Rank candidates by arrival, the same for everybody; simultaneous arrivals tie."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        FROM_USERS_AND_AUTHORS, cold_targets=False, learns_from_interactions=False
    )

    def __init__(self, config: RecentConfig = RecentConfig()) -> None:
        self.config = config

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        """Remember which kind to rank."""
        self.target_ = target

    def index(self, seen: Observation) -> None:
        """Rank the times of arrival, because float32 would blur seconds."""
        catalog = seen.catalog
        time_T = catalog.notes.born_time_N if self.target_ == "note" else catalog.authors.joined_time_A
        self.recency_T_ = np.unique(time_T, return_inverse=True)[1].astype(np.float32)

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        """Rank by recency."""
        return rank(self.recency_T_[None], requests, k=k)
