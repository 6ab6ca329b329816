"""A tower over what a user clicked last, and the softmax over a batch that teaches it.

Each click has a vector: that of its id, where ids that were not clicked before the fit share a learnt default, plus a
map of its features where there are any. The user is two layers over the mean of them, of length one.
Shapes: U users, T targets, B rows, L history, F factors, X features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from methods.gradient import Dense, Schedule, some, table
from methods.histories import Histories
from methods.losses import in_batch_softmax


@dataclass(frozen=True, slots=True)
class UserTowerConfig:
    """The tower and how it learns."""

    factors: int = 64
    hidden: int = 128
    history: int = 50  # latest clicks
    temperature: float = 0.07
    default_share: float = 0.1  # of ids that are taken for unknown while learning
    # Chosen for two towers on world small, seed 5: every further epoch made them worse.
    schedule: Schedule = field(
        default_factory=lambda: Schedule(epochs=1, batch=2_048, learning_rate=3e-3, least_steps=160)
    )


MIDDLE = Schedule(epochs=10, batch=2_048, learning_rate=3e-3)
LONG = Schedule(epochs=10, batch=2_048, learning_rate=3e-3, most_steps=2_000)


class UserTower(nn.Module):
    """The vectors of clicks and the layers above them. Row T of the ids is the default."""

    def __init__(self, n_targets: int, n_features: int, config: UserTowerConfig, *, luck: torch.Generator) -> None:
        super().__init__()
        self.config = config
        self.ids = table(n_targets + 1, config.factors, luck=luck)
        self.content = Dense(n_features, config.factors, luck=luck)  # no features: its bias, the same for all
        self.layers = two_layers(config.factors, config.hidden, config.factors, luck=luck)

    def clicks(self, is_known_T: Tensor, features_TX: Tensor) -> Tensor:
        """Return the vectors (T, F) of clicks on targets that may be more than at the fit."""
        made: Tensor = by_id(self.ids, is_known_T) + self.content(features_TX)
        return made

    def users(self, ids_BL: Tensor, clicks_TF: Tensor) -> Tensor:
        """Return unit vectors (B, F) of users with these clicks; -1 is none, and without any the mean is zeros."""
        n_targets = len(clicks_TF)
        padded = functional.pad(clicks_TF, (0, 0, 0, 1))
        mean_BF = functional.embedding_bag(
            torch.where(ids_BL < 0, n_targets, ids_BL), padded, mode="mean", padding_idx=n_targets
        )
        return functional.normalize(self.layers(mean_BF), dim=1)


def by_id(ids: Tensor, is_known_T: Tensor) -> Tensor:
    """Return the row of each known id, and the last row, the default, for all others."""
    default = len(ids) - 1
    row_T = torch.where(is_known_T, torch.arange(len(is_known_T)).clamp(max=default), default)
    return ids[row_T]


def two_layers(n_in: int, hidden: int, n_out: int, *, luck: torch.Generator) -> nn.Sequential:
    """Return a rectified layer and a linear one."""
    return nn.Sequential(Dense(n_in, hidden, luck=luck), nn.ReLU(), Dense(hidden, n_out, luck=luck))


def softmax(
    tower: UserTower,
    items_of: Callable[[Tensor, Tensor], Tensor],
    features_TX: Tensor,
    histories: Histories,
    luck: torch.Generator,
) -> Callable[[Tensor], Tensor]:
    """Return the loss of rows: each click against those of the batch, by what its user had clicked before.

    `items_of(targets, known)` gives unit vectors of targets, of which some are taken for unknown.
    """
    config = tower.config
    n_clicks_T = np.bincount(histories.target_E, minlength=len(features_TX))
    log_q_T = torch.from_numpy(np.log(np.maximum(n_clicks_T, 1) / max(1, n_clicks_T.sum()))).float()
    is_clicked_T = torch.from_numpy(n_clicks_T > 0)

    def loss_of(rows_B: Tensor) -> Tensor:
        rows = rows_B.numpy()
        is_known_T = is_clicked_T & ~some(len(is_clicked_T), config.default_share, luck=luck)
        clicks_TF = tower.clicks(is_known_T, features_TX)
        users_BF = tower.users(torch.from_numpy(histories.before(rows, config.history)), clicks_TF)
        target_B = torch.from_numpy(histories.target_E[rows].astype(np.int64))
        items_BF = items_of(target_B, is_known_T)
        score_BB = users_BF @ items_BF.T / config.temperature
        return in_batch_softmax(score_BB, log_q_T[target_B], target_B[:, None] == target_B)

    return loss_of


def known_of(n_users_T: NDArray[np.int64], n_targets: int) -> Tensor:
    """Mark, among the `n_targets` of now, those that had clicks at the fit."""
    return torch.from_numpy(np.pad(n_users_T > 0, (0, n_targets - len(n_users_T))))
