"""The floor: every candidate scores the same, so the seeded tie-break alone decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from methods.base import Budget, Capabilities
from methods.interactions import FROM_NOTES, FROM_USERS_AND_AUTHORS
from methods.ranking import rank
from simulator.schema import Kind, Observation, Requests, Slates


@dataclass(frozen=True, slots=True)
class RandomOrderConfig:
    """Nothing to choose: the order comes from the tie seed of the requests."""


class RandomOrder:
    """Rank candidates at random."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        FROM_USERS_AND_AUTHORS | FROM_NOTES, cold_targets=False, learns_from_interactions=False
    )

    def __init__(self, config: RandomOrderConfig = RandomOrderConfig()) -> None:
        self.config = config

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        """Remember which kind to rank."""
        self.target_ = target

    def index(self, seen: Observation) -> None:
        """Count what there is to rank."""
        self.n_targets_ = seen.catalog.count(self.target_)

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        """Rank by the tie hash."""
        return rank(np.zeros((1, self.n_targets_), np.float32), requests, k=k)
