"""ComiRec-SA: several interests a user, by self-attention over the last clicks; a target is served by the nearest one.

H (L, F) holds the vectors of the clicks plus those of their places; A = softmax over L of W2 tanh(W1 H); the interests
are V = A^T H. While learning, the interest that is nearest to the next click answers for it, by the softmax against
random others; when serving, score(u, t) = max over interests v of v y_t. A target first clicked after the fit gets
what a regression makes of those who clicked it, see `methods.factors.folded`.

Reference: Cen et al. 2020, doi:10.1145/3394486.3403344; defaults as in github.com/THUDM/ComiRec, but for the batch (128
there, with ten others a row) and the epochs.
Shapes: U users, T targets, Q requests, B rows, L history, K interests, F factors, N others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from methods.base import Budget, Capabilities
from methods.factors import folded, unit
from methods.gradient import Clicked, Dense, Schedule, descend, plain, table, tensor, threads, torch_luck
from methods.histories import Histories
from methods.interactions import FROM_USERS_AND_AUTHORS, binary, clicks, n_users_of
from methods.losses import contrast
from methods.ranking import rank
from simulator.schema import Kind, Observation, Requests, Slates


@dataclass(frozen=True, slots=True)
class ComiRecConfig:
    """The interests and how they learn."""

    factors: int = 64
    interests: int = 4
    history: int = 20  # latest clicks
    n_negatives: int = 2_048  # drawn once a batch, uniformly among clicked targets
    fold_in_l2: float = 1.0
    schedule: Schedule = field(default_factory=lambda: Schedule(epochs=8, batch=2_048))


BASE = ComiRecConfig()
TRIALS = {
    "base": BASE,
    "two interests": replace(BASE, interests=2),
    "eight interests": replace(BASE, interests=8),
    "long memory": replace(BASE, history=50),
    "long": replace(BASE, schedule=Schedule(epochs=8, batch=2_048, most_steps=2_000)),
}


class ComiRec:
    """Rank candidates by the nearest of the user's interests."""

    capabilities: ClassVar[Capabilities] = Capabilities(FROM_USERS_AND_AUTHORS, cold_targets=False)

    def __init__(self, config: ComiRecConfig = ComiRecConfig()) -> None:
        self.config = config

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        """Learn the vectors and the attention; a first click has no interest to answer for it and teaches nothing."""
        self.target_, self.n_threads_ = target, budget.threads
        self.clicks_UT_ = binary(clicks(seen, target=target))
        n_users_T, histories, luck = n_users_of(self.clicks_UT_), Histories.of(seen, target=target), torch_luck(rng)
        self.net_ = Attention(len(n_users_T), self.config, luck=luck)
        loss_of = next_click(self.net_, histories, Clicked.of(self.clicks_UT_), self.config, luck)
        with threads(budget.threads):
            descend(self.net_.parameters(), loss_of, self.config.schedule, n_rows=len(histories.target_E), luck=luck)
        self.items_TF_ = plain(self.net_.items_TF) * (n_users_T > 0)[:, None]
        all_U = np.arange(len(seen.catalog.users), dtype=np.int32)
        self.users_UF_ = self._interests(histories, self.items_TF_, all_U).mean(axis=1)

    def index(self, seen: Observation) -> None:
        """Fold in targets first clicked after the fit, and take the histories of now."""
        self.histories_ = Histories.of(seen, target=self.target_)
        now_TU = binary(clicks(seen, target=self.target_))[: len(self.users_UF_)].T.tocsr()
        fitted_TU = self.clicks_UT_.T.tocsr()
        self.now_TF_ = folded(self.items_TF_, self.users_UF_, fitted_TU, now_TU, l2=self.config.fold_in_l2)

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        """Rank by the nearest interest; between targets, by cosine."""
        if requests.query != "user":
            unit_TF = unit(self.now_TF_)
            return rank(unit_TF[requests.ids_Q] @ unit_TF.T, requests, k=k)
        interests_QKF = self._interests(self.histories_, self.now_TF_, requests.ids_Q)
        scores_QT = interests_QKF[:, 0] @ self.now_TF_.T
        for interest in range(1, self.config.interests):
            np.maximum(scores_QT, interests_QKF[:, interest] @ self.now_TF_.T, out=scores_QT)
        return rank(scores_QT, requests, k=k)

    def describe(self) -> NDArray[np.float32]:
        """Return the targets' vectors."""
        return self.now_TF_

    def _interests(
        self, histories: Histories, items_TF: NDArray[np.float32], ids_Q: NDArray[np.int32]
    ) -> NDArray[np.float32]:
        history_QL = torch.from_numpy(histories.latest(ids_Q, self.config.history))
        with threads(self.n_threads_), torch.no_grad():
            return plain(self.net_.interests(history_QL, tensor(items_TF)))


class Attention(nn.Module):
    """A vector a target, a vector a place in the history, and the two maps of the attention."""

    def __init__(self, n_targets: int, config: ComiRecConfig, *, luck: torch.Generator) -> None:
        super().__init__()
        self.items_TF = table(n_targets, config.factors, luck=luck)
        self.places_LF = table(config.history, config.factors, luck=luck)
        self.first = Dense(config.factors, 4 * config.factors, luck=luck)
        self.second = Dense(4 * config.factors, config.interests, luck=luck)

    def interests(self, ids_BL: Tensor, items_TF: Tensor) -> Tensor:
        """Return (B, K, F); -1 is no click, and a user without any has zeros."""
        is_there_BL1 = (ids_BL >= 0)[:, :, None]
        clicks_BLF = items_TF[ids_BL.clamp(min=0)] * is_there_BL1
        logits_BLK = self.second(torch.tanh(self.first(clicks_BLF + self.places_LF)))
        weights_BLK = torch.softmax(logits_BLK.masked_fill(~is_there_BL1, -1e9), dim=1)
        return weights_BLK.transpose(1, 2) @ clicks_BLF


def next_click(
    net: Attention,
    histories: Histories,
    clicked: Clicked,
    config: ComiRecConfig,
    luck: torch.Generator,
) -> Callable[[Tensor], Tensor]:
    """Return the loss of rows: the nearest interest against others; a row's own target is hidden among them."""

    def loss_of(rows_B: Tensor) -> Tensor:
        rows = rows_B.numpy()
        target_B = torch.from_numpy(histories.target_E[rows].astype(np.int64))
        bad_N = clicked.others(config.n_negatives, luck=luck)
        interests_BKF = net.interests(torch.from_numpy(histories.before(rows, config.history)), net.items_TF)
        good_BF = net.items_TF[target_B]
        score_BK = torch.einsum("bkf,bf->bk", interests_BKF, good_BF)
        nearest_B = score_BK.argmax(dim=1)
        each_B = torch.arange(len(nearest_B))
        bad_BN = interests_BKF[each_B, nearest_B] @ net.items_TF[bad_N].T
        return contrast(score_BK[each_B, nearest_B], bad_BN, target_B[:, None] == bad_N)

    return loss_of
