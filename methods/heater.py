"""Heater: content becomes factors by a mixture of experts; in half the rows these stand in for the factors.

A target's input v is its factors y or, in a random share of rows and wherever nobody has clicked it, what content
makes of them: m = tanh(sum over experts e of tanh(gate_e) expert_e(content)). Minimise, over clicked pairs (r = 1) and
`n_negatives` others a pair (r = 0), the mean of (f(x_u) g(v_t) - r)^2, plus alpha |m_t - y_t|^2 summed over rows.

Reference: Zhu et al. 2020, doi:10.1145/3397271.3401178; defaults as in
github.com/Zziwei/Heater--Cold-Start-Recommendation, but for Adam in the place of momentum, the epochs, no weight decay,
and targets of few clicks, which count as new here. The factors are scaled to a mean square of one, as there.
Shapes: U users, T targets, B rows, F factors, X features, E experts.
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
from methods.dropoutnet import tower
from methods.gradient import Dense, Schedule, descend, plain, some, tensor, threads, torch_luck
from methods.ground import Ground, GroundConfig, answers
from methods.interactions import FROM_USERS_AND_AUTHORS
from methods.lesson import Lesson
from methods.ranking import rank
from simulator.schema import Kind, Observation, Requests, Slates


@dataclass(frozen=True, slots=True)
class HeaterConfig:
    """The experts and how they learn."""

    ground: GroundConfig = field(default_factory=GroundConfig)
    n_experts: int = 5
    hidden: int = 200  # of each expert
    replaced: float = 0.5  # share of rows in which content stands in for the factors
    n_negatives: int = 5
    min_users: int = 10  # clicked by fewer, a target is new: content stands in for its factors
    alpha: float = 1e-4  # weight of |made - learnt|^2, summed over the rows of a batch
    schedule: Schedule = field(
        default_factory=lambda: Schedule(epochs=5, batch=1_024, least_steps=160, most_steps=2_000)
    )


BASE = HeaterConfig()
HELD = replace(BASE, schedule=Schedule(epochs=5, batch=1_024, weight_decay=2e-4, least_steps=160))
TRIALS = {
    "base": BASE,
    "held and clicked once": replace(HELD, min_users=1),  # nearest to print
    "held": HELD,
    "held close to the factors": replace(HELD, alpha=1e-3),
    "held and long": replace(HELD, schedule=replace(HELD.schedule, most_steps=2_000)),
}


class Heater:
    """Rank candidates by the dot product of the towers."""

    capabilities: ClassVar[Capabilities] = Capabilities(FROM_USERS_AND_AUTHORS, cold_targets=True, cold_queries=True)

    def __init__(self, config: HeaterConfig = HeaterConfig()) -> None:
        self.config = config

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        """Factorise the clicks, then learn experts and towers."""
        self.n_threads_ = budget.threads
        self.ground_ = Ground.learn(seen, self.config.ground, target=target, rng=rng, threads=budget.threads)
        luck = torch_luck(rng)
        self.user_scale_ = _scale(self.ground_.users_UF)
        self.item_scale_ = _scale(self.ground_.items_TF)
        n_factors, n_features = self.ground_.items_TF.shape[1], self.ground_.fitted_TX.shape[1]
        self.mixture_ = Mixture(n_factors, n_features, self.config, luck=luck)
        lesson = Lesson.of(self.ground_, user_scale=float(self.user_scale_), item_scale=float(self.item_scale_))
        loss_of = heating(self.mixture_, lesson, self.config, luck)
        with threads(budget.threads):
            descend(self.mixture_.parameters(), loss_of, self.config.schedule, n_rows=len(lesson.clicked), luck=luck)
        self.mixture_.eval()

    def index(self, seen: Observation) -> None:
        """Send all targets of now through their tower, those with too few clicks by their content."""
        self.now_ = self.ground_.now(seen)
        is_cold_T = torch.from_numpy(self.now_.n_users_T < self.config.min_users)
        own_TF = tensor(self.now_.items_TF * self.item_scale_)
        with threads(self.n_threads_), torch.no_grad():
            made_TF = self.mixture_.made(tensor(self.now_.features_TX))
            self.items_TF_ = plain(self.mixture_.items(torch.where(is_cold_T[:, None], made_TF, own_TF)))

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        """Rank by the towers."""
        return rank(answers(requests, self._users, self.items_TF_), requests, k=k)

    def describe(self) -> NDArray[np.float32]:
        """Return the targets' vectors."""
        return self.items_TF_

    def _users(self, ids_Q: NDArray[np.int32]) -> NDArray[np.float32]:
        with threads(self.n_threads_), torch.no_grad():
            return plain(self.mixture_.users(tensor(self.now_.folded.users(ids_Q) * self.user_scale_)))


def _scale(factors_RF: NDArray[np.float32]) -> np.float32:
    """Return the factor that gives the rows that are not zero a mean square of one."""
    mean_square = np.mean(np.square(factors_RF[factors_RF.any(axis=1)])) if factors_RF.any() else 1.0
    return np.float32(1 / np.sqrt(mean_square))


class Mixture(nn.Module):
    """Experts over content, mixed by gates, and the towers above."""

    def __init__(self, n_factors: int, n_features: int, config: HeaterConfig, *, luck: torch.Generator) -> None:
        super().__init__()
        self.gate = Dense(n_features, config.n_experts, luck=luck)
        self.experts = nn.ModuleList(
            nn.Sequential(
                Dense(n_features, config.hidden, luck=luck),
                nn.Tanh(),
                Dense(config.hidden, n_factors, luck=luck),
                nn.Tanh(),
            )
            for _ in range(config.n_experts)
        )
        self.of_users = tower(n_factors, (n_factors,), n_factors, luck=luck)
        self.of_items = tower(n_factors, (n_factors,), n_factors, luck=luck)

    def made(self, features_BX: Tensor) -> Tensor:
        """Return the factors that content makes."""
        gates_BE = torch.tanh(self.gate(features_BX))
        experts_BEF = torch.stack([expert(features_BX) for expert in self.experts], dim=1)
        return torch.tanh(torch.einsum("be,bef->bf", gates_BE, experts_BEF))

    def users(self, users_BF: Tensor) -> Tensor:
        """Return the vectors of users."""
        made: Tensor = self.of_users(users_BF)
        return made

    def items(self, items_BF: Tensor) -> Tensor:
        """Return the vectors of targets."""
        made: Tensor = self.of_items(items_BF)
        return made


def heating(
    mixture: Mixture, lesson: Lesson, config: HeaterConfig, luck: torch.Generator
) -> Callable[[Tensor], Tensor]:
    """Return the loss of rows: squared error to 1 where clicked and 0 elsewhere, and the distance to the factors."""
    clicked, users_UF, items_TF, features_TX = lesson.clicked, lesson.users_UF, lesson.items_TF, lesson.features_TX

    def loss_of(rows_B: Tensor) -> Tensor:
        user_B = clicked.user_R[rows_B]
        user_M = user_B.repeat(1 + config.n_negatives)
        others = clicked.negatives(user_B.repeat(config.n_negatives), luck=luck)
        target_M = torch.cat([clicked.target_R[rows_B], others])
        is_clicked_M = (torch.arange(len(target_M)) < len(user_B)).float()
        distinct_D, place_M = torch.unique(target_M, return_inverse=True)
        own_MF, made_MF = items_TF[target_M], mixture.made(features_TX[distinct_D])[place_M]
        is_replaced_M1 = some(len(target_M), config.replaced, luck=luck)[:, None]
        items_MF = mixture.items(torch.where(is_replaced_M1, made_MF, own_MF))
        score_M = (mixture.users(users_UF[user_M]) * items_MF).sum(dim=1)
        return functional.mse_loss(score_M, is_clicked_M) + config.alpha * ((made_MF - own_MF) ** 2).sum()

    return loss_of
