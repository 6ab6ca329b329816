"""Two towers: users by what they clicked last, targets by what was published; in-batch softmax with logQ.

score(u, t) = f(history of u) g(text and category of t), both of length one. The correction for how often a batch draws
each target makes the loss that of the softmax over all of them: see `methods.losses`.

References: Yi et al. 2019, doi:10.1145/3298689.3346996; averages of a history: Covington et al. 2016,
doi:10.1145/2959100.2959190. Shapes: U users, T targets, Q requests, F factors, X features.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from methods.base import Budget, Capabilities
from methods.features import FeatureConfig, Features
from methods.gradient import descend, plain, tensor, threads, torch_luck
from methods.ground import answers
from methods.histories import Histories
from methods.interactions import FROM_USERS_AND_AUTHORS
from methods.ranking import rank
from methods.user_tower import LONG, MIDDLE, UserTower, UserTowerConfig, known_of, softmax, two_layers
from simulator.schema import Kind, Observation, Requests, Slates


@dataclass(frozen=True, slots=True)
class TwoTowerConfig:
    """The features and the towers."""

    features: FeatureConfig = field(default_factory=lambda: FeatureConfig(n_dimensions=128))
    tower: UserTowerConfig = field(default_factory=UserTowerConfig)


BASE = TwoTowerConfig()
TRIALS = {
    "base": BASE,
    "hot": replace(BASE, tower=UserTowerConfig(temperature=0.12)),
    "rich": replace(BASE, features=FeatureConfig(n_dimensions=300)),
    "longer": replace(BASE, tower=UserTowerConfig(schedule=MIDDLE)),
    "long": replace(BASE, tower=UserTowerConfig(schedule=LONG)),
}


class TwoTower:
    """Rank candidates by the dot product of the towers."""

    capabilities: ClassVar[Capabilities] = Capabilities(FROM_USERS_AND_AUTHORS, cold_targets=True, cold_queries=True)

    def __init__(self, config: TwoTowerConfig = TwoTowerConfig()) -> None:
        self.config = config

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        """Learn both towers."""
        self.target_, self.n_threads_ = target, budget.threads
        self.features_ = Features.learn(seen, self.config.features, target=target, rng=rng)
        rows_TX, luck, tower = tensor(self.features_.of(seen)), torch_luck(rng), self.config.tower
        histories = Histories.of(seen, target=target)
        self.n_clicks_T_ = np.bincount(histories.target_E, minlength=len(rows_TX))
        self.users_ = UserTower(len(rows_TX), rows_TX.shape[1], tower, luck=luck)
        self.items_ = items = two_layers(rows_TX.shape[1], tower.hidden, tower.factors, luck=luck)
        loss_of = softmax(
            self.users_,
            lambda target_B, _: functional.normalize(items(rows_TX[target_B]), dim=1),
            rows_TX,
            histories,
            luck,
        )
        learnt = [*self.users_.parameters(), *self.items_.parameters()]
        with threads(budget.threads):
            descend(learnt, loss_of, tower.schedule, n_rows=len(histories.target_E), luck=luck)

    def index(self, seen: Observation) -> None:
        """Send the targets of now through their tower, and take the histories of now."""
        self.histories_ = Histories.of(seen, target=self.target_)
        features_TX = tensor(self.features_.of(seen))
        with threads(self.n_threads_), torch.no_grad():
            self.clicks_TF_ = self.users_.clicks(known_of(self.n_clicks_T_, len(features_TX)), features_TX)
            self.items_TF_ = plain(functional.normalize(self.items_(features_TX), dim=1))

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        """Rank by the towers."""
        return rank(answers(requests, self._users, self.items_TF_), requests, k=k)

    def describe(self) -> NDArray[np.float32]:
        """Return the targets' vectors."""
        return self.items_TF_

    def _users(self, ids_Q: NDArray[np.int32]) -> NDArray[np.float32]:
        history_QL = torch.from_numpy(self.histories_.latest(ids_Q, self.config.tower.history))
        with threads(self.n_threads_), torch.no_grad():
            return plain(self.users_.users(history_QL, self.clicks_TF_))
