"""CLCRec: contrastive learning ties a target's vector to its content, and users to either.

With vectors x_u, y_t and c_t = encoder(content_t), and random others s, minimise over clicked (u, t)
    lambda contrast(cos(y_t, c_t), cos(y_t, c_s)) + (1 - lambda) contrast(x_u z_t, x_u z_s) + l2 (|x_u| + |y_t|) / 2
where z is y, or c in a random share of the places, and contrast(a, b) = -log(e^a/tau / (e^a/tau + sum of e^b/tau)).
A target that was clicked before the fit is scored by y, any other by c.

Reference: Wei et al. 2021, doi:10.1145/3474085.3475665; defaults as in github.com/YuanchenBei/ColdRec, except that the
negatives are drawn once a batch and shared by its rows (there 128 a row, which a CPU takes seconds a step for), and
for the epochs, which it stops on validation.
Shapes: U users, T targets, B rows, N negatives, F factors, X features.
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
from methods.factors import folded
from methods.features import FeatureConfig, Features
from methods.gradient import Clicked, Dense, Schedule, descend, plain, some, table, tensor, threads, torch_luck
from methods.ground import answers
from methods.interactions import FROM_USERS_AND_AUTHORS, binary, clicks, n_users_of
from methods.losses import contrast
from methods.ranking import rank
from simulator.schema import Kind, Observation, Requests, Slates


@dataclass(frozen=True, slots=True)
class CLCRecConfig:
    """The vectors and the two contrasts."""

    features: FeatureConfig = field(default_factory=FeatureConfig)
    factors: int = 64
    hidden: int = 256
    n_negatives: int = 512
    temperature: float = 2.0
    content_weight: float = 0.5  # lambda
    mixed: float = 0.5  # share of places where content stands in for the vector
    l2: float = 1e-4
    fold_in_l2: float = 1.0  # of the regression that gives a vector to users who were not there at the fit
    # Chosen on world small, seed 5; a log as small as CiteULike wants it slow and long.
    schedule: Schedule = field(default_factory=lambda: Schedule(epochs=30, batch=2_048, learning_rate=5e-3))


BASE = CLCRecConfig()
TRIALS = {
    "base": BASE,
    "cold": replace(BASE, temperature=0.5),
    "content first": replace(BASE, content_weight=0.9),
    "slow": replace(BASE, schedule=Schedule(epochs=30, batch=2_048)),
    "slow and long": replace(BASE, schedule=Schedule(epochs=30, batch=2_048, most_steps=2_000)),
}


class CLCRec:
    """Rank candidates by the dot product of the user's vector and the target's, or its content's."""

    capabilities: ClassVar[Capabilities] = Capabilities(FROM_USERS_AND_AUTHORS, cold_targets=True, cold_queries=True)

    def __init__(self, config: CLCRecConfig = CLCRecConfig()) -> None:
        self.config = config

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        """Learn the vectors and the encoder together."""
        self.target_, self.n_threads_ = target, budget.threads
        self.clicks_UT_ = binary(clicks(seen, target=target))
        self.features_ = Features.learn(seen, self.config.features, target=target, rng=rng)
        features_TX, luck = self.features_.of(seen), torch_luck(rng)
        self.net_ = Vectors(self.clicks_UT_.shape, features_TX.shape[1], self.config, luck=luck)
        clicked = Clicked.of(self.clicks_UT_)
        loss_of = contrasts(self.net_, tensor(features_TX), clicked, self.config, luck)
        with threads(budget.threads):
            descend(self.net_.parameters(), loss_of, self.config.schedule, n_rows=len(clicked), luck=luck)
        self.has_vector_T_ = n_users_of(self.clicks_UT_) > 0
        has_vector_U1 = (np.diff(self.clicks_UT_.indptr) > 0)[:, None]
        self.users_UF_ = plain(self.net_.users_UF) * has_vector_U1

    def index(self, seen: Observation) -> None:
        """Encode the content of now, and give new users a vector from what they clicked."""
        with threads(self.n_threads_), torch.no_grad():
            items_TF = plain(self.net_.encoder(tensor(self.features_.of(seen))))
        n_fitted = len(self.has_vector_T_)
        items_TF[:n_fitted][self.has_vector_T_] = plain(self.net_.items_TF)[self.has_vector_T_]
        now_UT = binary(clicks(seen, target=self.target_))
        self.items_TF_ = items_TF
        self.now_UF_ = folded(self.users_UF_, items_TF, self.clicks_UT_, now_UT, l2=self.config.fold_in_l2)

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        """Rank by the vectors."""
        return rank(answers(requests, self._users, self.items_TF_), requests, k=k)

    def describe(self) -> NDArray[np.float32]:
        """Return the targets' vectors, or their contents'."""
        return self.items_TF_

    def _users(self, ids_Q: NDArray[np.int32]) -> NDArray[np.float32]:
        users_QF: NDArray[np.float32] = self.now_UF_[ids_Q]
        return users_QF


class Vectors(nn.Module):
    """A vector a user and a target, and the encoder of content."""

    def __init__(self, shape: tuple[int, int], n_features: int, config: CLCRecConfig, *, luck: torch.Generator) -> None:
        super().__init__()
        self.users_UF = table(shape[0], config.factors, luck=luck)
        self.items_TF = table(shape[1], config.factors, luck=luck)
        self.encoder = nn.Sequential(
            Dense(n_features, config.hidden, luck=luck), nn.LeakyReLU(), Dense(config.hidden, config.factors, luck=luck)
        )


def contrasts(
    net: Vectors, features_TX: Tensor, clicked: Clicked, config: CLCRecConfig, luck: torch.Generator
) -> Callable[[Tensor], Tensor]:
    """Return the loss of rows; a row's own target is hidden where it was drawn as a negative."""

    def loss_of(rows_B: Tensor) -> Tensor:
        user_B, good_B = clicked.user_R[rows_B], clicked.target_R[rows_B]
        bad_N = clicked.others(config.n_negatives, luck=luck)
        hidden_BN = good_B[:, None] == bad_N
        users_BF, good_BF, bad_NF = net.users_UF[user_B], net.items_TF[good_B], net.items_TF[bad_N]
        good_made_BF, bad_made_NF = net.encoder(features_TX[good_B]), net.encoder(features_TX[bad_N])
        unit_BF, unit_made_BF, unit_made_NF = map(functional.normalize, (good_BF, good_made_BF, bad_made_NF))
        content = _contrast(unit_BF, unit_made_BF, unit_made_NF, hidden_BN, config.temperature)
        mixed_BF = torch.where(some(len(good_B), config.mixed, luck=luck)[:, None], good_made_BF, good_BF)
        mixed_NF = torch.where(some(len(bad_N), config.mixed, luck=luck)[:, None], bad_made_NF, bad_NF)
        tastes = _contrast(users_BF, mixed_BF, mixed_NF, hidden_BN, config.temperature)
        lengths = (users_BF.norm(dim=1).mean() + good_BF.norm(dim=1).mean()) / 2
        loss: Tensor = config.content_weight * content + (1 - config.content_weight) * tastes + config.l2 * lengths
        return loss

    return loss_of


def _contrast(query_BF: Tensor, good_BF: Tensor, bad_NF: Tensor, hidden_BN: Tensor, temperature: float) -> Tensor:
    return contrast((query_BF * good_BF).sum(dim=1) / temperature, query_BF @ bad_NF.T / temperature, hidden_BN)
