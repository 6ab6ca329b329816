"""DropoutNet: towers over factors and content that learn to do without the factors of a target.

Minimise the mean over (u, t), t clicked or not, of (f(x_u) g(y_t or 0, content_t) - x_u y_t)^2: for a share of the rows
the target's factors y are zeros, as they are for a target that nobody has clicked. Towers of batch-normalised tanh.

References: Volkovs, Yu, Poutanen 2017, NeurIPS, "DropoutNet: Addressing Cold Start in Recommender Systems"; defaults
as in github.com/YuanchenBei/ColdRec, but for the epochs, which it stops on validation.
Shapes: U users, T targets, B rows, F factors, X features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from methods.base import Budget, Capabilities
from methods.gradient import Dense, Schedule, descend, plain, some, tensor, threads, torch_luck
from methods.ground import WIDE, Ground, GroundConfig, answers
from methods.interactions import FROM_USERS_AND_AUTHORS
from methods.lesson import Lesson
from methods.ranking import rank
from simulator.schema import Kind, Observation, Requests, Slates

INITIAL_STD = 0.01


@dataclass(frozen=True, slots=True)
class DropoutNetConfig:
    """The towers and how they learn."""

    ground: GroundConfig = field(default_factory=GroundConfig)
    hidden: tuple[int, ...] = (200, 100)
    dropout: float = 0.5  # share of rows whose target has no factors
    # Chosen on world small, seed 5.
    schedule: Schedule = field(default_factory=lambda: Schedule(epochs=20, batch=2_048, most_steps=2_000))


BASE = DropoutNetConfig()
TRIALS = {
    "base": BASE,
    "rarely dropped": replace(BASE, dropout=0.25),
    "mostly dropped": replace(BASE, dropout=0.75),
    "wide": replace(BASE, ground=WIDE),
    "short": replace(BASE, schedule=Schedule(epochs=20, batch=2_048)),
}


class DropoutNet:
    """Rank candidates by the dot product of the towers."""

    capabilities: ClassVar[Capabilities] = Capabilities(FROM_USERS_AND_AUTHORS, cold_targets=True, cold_queries=True)

    def __init__(self, config: DropoutNetConfig = DropoutNetConfig()) -> None:
        self.config = config

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        """Factorise the clicks, then teach the towers to give the same scores."""
        self.n_threads_ = budget.threads
        self.ground_ = Ground.learn(seen, self.config.ground, target=target, rng=rng, threads=budget.threads)
        luck = torch_luck(rng)
        n_factors, n_features = self.ground_.items_TF.shape[1], self.ground_.fitted_TX.shape[1]
        self.towers_ = Towers(n_factors, n_features, self.config.hidden, luck=luck)
        lesson = Lesson.of(self.ground_)
        loss_of = reconstruction(self.towers_, lesson, self.config.dropout, luck)
        with threads(budget.threads):
            descend(self.towers_.parameters(), loss_of, self.config.schedule, n_rows=len(lesson.clicked), luck=luck)
        self.towers_.eval()

    def index(self, seen: Observation) -> None:
        """Send all targets of now through their tower."""
        self.now_ = self.ground_.now(seen)
        with threads(self.n_threads_), torch.no_grad():
            self.items_TF_ = plain(self.towers_.items(tensor(self.now_.items_TF), tensor(self.now_.features_TX)))

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        """Rank by the towers."""
        return rank(answers(requests, self._users, self.items_TF_), requests, k=k)

    def describe(self) -> NDArray[np.float32]:
        """Return the targets' vectors."""
        return self.items_TF_

    def _users(self, ids_Q: NDArray[np.int32]) -> NDArray[np.float32]:
        with threads(self.n_threads_), torch.no_grad():
            return plain(self.towers_.users(tensor(self.now_.folded.users(ids_Q))))


class Towers(nn.Module):
    """One tower for users, over their factors, and one for targets, over factors and features."""

    def __init__(self, n_factors: int, n_features: int, hidden: tuple[int, ...], *, luck: torch.Generator) -> None:
        super().__init__()
        self.of_users = tower(n_factors, hidden, n_factors, luck=luck)
        self.of_items = tower(n_factors + n_features, hidden, n_factors, luck=luck)

    def users(self, users_BF: Tensor) -> Tensor:
        """Return the vectors of users."""
        made: Tensor = self.of_users(users_BF)
        return made

    def items(self, items_BF: Tensor, features_BX: Tensor) -> Tensor:
        """Return the vectors of targets, of which those without clicks have zeros for factors."""
        made: Tensor = self.of_items(torch.cat([items_BF, features_BX], dim=1))
        return made


def tower(n_in: int, hidden: tuple[int, ...], n_out: int, *, luck: torch.Generator) -> nn.Sequential:
    """Return batch-normalised tanh layers and a linear one."""
    layers: list[nn.Module] = []
    for n in hidden:
        layers += [
            Dense(n_in, n, luck=luck, std=INITIAL_STD),
            nn.BatchNorm1d(n, momentum=0.01, eps=0.001),
            nn.Tanh(),
        ]
        n_in = n
    return nn.Sequential(*layers, Dense(n_in, n_out, luck=luck, std=INITIAL_STD))


def reconstruction(towers: Towers, lesson: Lesson, dropout: float, luck: torch.Generator) -> Callable[[Tensor], Tensor]:
    """Return the loss of rows: squared error to the factors' score, for clicked targets and as many others."""
    clicked = lesson.clicked

    def loss_of(rows_B: Tensor) -> Tensor:
        user_B, good_B = clicked.user_R[rows_B], clicked.target_R[rows_B]
        target_2B = torch.cat([good_B, clicked.negatives(user_B, luck=luck)])
        users_2BF, items_2BF = lesson.users_UF[user_B].repeat(2, 1), lesson.items_TF[target_2B]
        wanted_2B = (users_2BF * items_2BF).sum(dim=1)
        left_2BF = items_2BF.masked_fill(some(len(items_2BF), dropout, luck=luck)[:, None], 0)
        made_2B = (towers.users(users_2BF) * towers.items(left_2BF, lesson.features_TX[target_2B])).sum(dim=1)
        return functional.mse_loss(made_2B, wanted_2B)

    return loss_of
