"""A vector an id, and one learnt default for all ids that are new: what a system without content does with them.

The towers of `methods.two_tower` without features: while learning, a random share of the ids is taken for unknown and
served by the default, in histories and among targets. A target first clicked after the fit gets what a regression
makes of those who clicked it, see `methods.factors.folded`; one that nobody has clicked has the default.

Reference: the default embedding is the common practice that Volkovs et al. 2017 (DropoutNet) and Pan et al. 2019,
doi:10.1145/3331184.3331268, start from. Shapes: U users, T targets, Q requests, F factors.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from methods.base import Budget, Capabilities
from methods.factors import folded, unit
from methods.gradient import descend, plain, table, threads, torch_luck
from methods.ground import answers
from methods.histories import Histories
from methods.interactions import FROM_USERS, binary, clicks, n_users_of
from methods.ranking import rank
from methods.user_tower import LONG, MIDDLE, UserTower, UserTowerConfig, by_id, known_of, softmax
from simulator.schema import Kind, Observation, Requests, Slates


@dataclass(frozen=True, slots=True)
class DefaultIDConfig:
    """The towers, and the regression for ids first clicked after the fit."""

    tower: UserTowerConfig = field(default_factory=lambda: UserTowerConfig(default_share=0.3))
    fold_in_l2: float = 1.0


BASE = DefaultIDConfig()
_RARELY = DefaultIDConfig(tower=UserTowerConfig())
TRIALS = {
    "base": BASE,
    "rarely default": _RARELY,
    "hot": replace(_RARELY, tower=UserTowerConfig(temperature=0.12)),
    "longer": replace(_RARELY, tower=UserTowerConfig(schedule=MIDDLE)),
    "long": replace(_RARELY, tower=UserTowerConfig(schedule=LONG)),
}


class DefaultID:
    """Rank candidates by the user's tower and the vector of the id, or the default."""

    capabilities: ClassVar[Capabilities] = Capabilities(FROM_USERS, cold_targets=False)

    def __init__(self, config: DefaultIDConfig = DefaultIDConfig()) -> None:
        self.config = config

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        """Learn the tower, the vectors and the default."""
        self.target_, self.n_threads_ = target, budget.threads
        self.clicks_UT_ = binary(clicks(seen, target=target))
        n_targets, tower, luck = self.clicks_UT_.shape[1], self.config.tower, torch_luck(rng)
        histories = Histories.of(seen, target=target)
        self.users_ = UserTower(n_targets, 0, tower, luck=luck)
        self.ids_ = ids = table(n_targets + 1, tower.factors, luck=luck)
        loss_of = softmax(
            self.users_,
            lambda target_B, is_known_T: functional.normalize(by_id(ids, is_known_T)[target_B], dim=1),
            torch.empty(n_targets, 0),
            histories,
            luck,
        )
        with threads(budget.threads):
            descend(
                [*self.users_.parameters(), ids], loss_of, tower.schedule, n_rows=len(histories.target_E), luck=luck
            )
        items_TF = plain(functional.normalize(ids, dim=1))
        self.default_F_, is_known_T1 = items_TF[-1], (n_users_of(self.clicks_UT_) > 0)[:, None]
        self.items_TF_ = items_TF[:-1] * is_known_T1
        self.users_UF_ = self._all_users(seen, histories)

    def index(self, seen: Observation) -> None:
        """Fold in targets first clicked after the fit, and take the histories of now."""
        self.histories_ = Histories.of(seen, target=self.target_)
        now_UT = binary(clicks(seen, target=self.target_))
        fitted_TU, now_TU = self.clicks_UT_.T.tocsr(), now_UT[: len(self.users_UF_)].T.tocsr()
        items_TF = unit(folded(self.items_TF_, self.users_UF_, fitted_TU, now_TU, l2=self.config.fold_in_l2))
        self.now_TF_ = np.where(items_TF.any(axis=1, keepdims=True), items_TF, self.default_F_)
        self.clicks_TF_ = self._clicks(now_UT.shape[1])

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        """Rank by the vectors."""
        return rank(answers(requests, self._users, self.now_TF_), requests, k=k)

    def describe(self) -> NDArray[np.float32]:
        """Return the vectors of the ids, or the default."""
        return self.now_TF_

    def _users(self, ids_Q: NDArray[np.int32]) -> NDArray[np.float32]:
        return self._tower(self.histories_.latest(ids_Q, self.config.tower.history), self.clicks_TF_)

    def _all_users(self, seen: Observation, histories: Histories) -> NDArray[np.float32]:
        """Return the vectors of the users at the fit; zeros without clicks."""
        ids_U = np.arange(len(seen.catalog.users), dtype=np.int32)
        clicks_TF = self._clicks(self.clicks_UT_.shape[1])
        has_clicks_U1 = (np.diff(self.clicks_UT_.indptr) > 0)[:, None]
        return self._tower(histories.latest(ids_U, self.config.tower.history), clicks_TF) * has_clicks_U1

    def _tower(self, history_QL: NDArray[np.int64], clicks_TF: Tensor) -> NDArray[np.float32]:
        with threads(self.n_threads_), torch.no_grad():
            return plain(self.users_.users(torch.from_numpy(history_QL), clicks_TF))

    def _clicks(self, n_targets: int) -> Tensor:
        with torch.no_grad():
            return self.users_.clicks(known_of(n_users_of(self.clicks_UT_), n_targets), torch.empty(n_targets, 0))
