"""The most clicked within the categories a query cares for: p(target | query) = sum_g p(g | query) p(target | g).

p(g | user) is the user's share of clicks per category, with `prior_clicks` of everybody's shares mixed in; an author
asks with the author's own category. p(target | g) is the share of the category's clicks in the window. Without a
history, or with a category that nobody knows, this is plain popularity. Q requests, T targets, G categories (the
last one is "unknown"), U users.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from methods.base import Budget, Capabilities
from methods.interactions import FROM_USERS_AND_AUTHORS, Sparse, clicks
from methods.popular import clicks_since
from methods.ranking import rank
from simulator.schema import Kind, Observation, Requests, Slates


@dataclass(frozen=True, slots=True)
class PopularInCategoryConfig:
    """How far back clicks on targets count, and how much of a user's shares is everybody's."""

    window_days: float = 7.0
    prior_clicks: float = 1.0


TRIALS = {
    "base": PopularInCategoryConfig(),
    "day": PopularInCategoryConfig(window_days=1.0),
    "month": PopularInCategoryConfig(window_days=28.0),
    "own taste": PopularInCategoryConfig(prior_clicks=0.1),
    "all tastes": PopularInCategoryConfig(prior_clicks=10.0),
}


class PopularInCategory:
    """Rank candidates by popularity within the query's categories."""

    capabilities: ClassVar[Capabilities] = Capabilities(FROM_USERS_AND_AUTHORS, cold_targets=False)

    def __init__(self, config: PopularInCategoryConfig = PopularInCategoryConfig()) -> None:
        self.config = config

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        """Remember which kind to rank: all that is counted is counted anew by each index."""
        self.target_ = target

    def index(self, seen: Observation) -> None:
        """Count clicks per target in the window, and per user and category in all."""
        n_categories = len(seen.catalog.categories) + 1
        catalog, self.n_categories_ = seen.catalog, n_categories
        label_T = catalog.notes.category_N if self.target_ == "note" else catalog.authors.category_A
        self.category_T_ = np.where(label_T >= 0, label_T, n_categories - 1).astype(np.int64)
        clicks_T = clicks_since(seen, target=self.target_, window_days=self.config.window_days)
        clicks_G = np.bincount(self.category_T_, weights=clicks_T, minlength=n_categories)
        self.share_T_ = (clicks_T / np.maximum(clicks_G, 1.0)[self.category_T_]).astype(np.float32)
        self.prior_G_ = clicks_G / max(1.0, clicks_G.sum())
        self.clicks_UG_ = clicks(seen, target=self.target_) @ one_hot(self.category_T_, n_categories)

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        """Rank by the mixture."""
        is_user = requests.query == "user"
        interest_QG = self._of_users(requests.ids_Q) if is_user else self._of_authors(requests.ids_Q)
        return rank(interest_QG[:, self.category_T_] * self.share_T_, requests, k=k)

    def _of_users(self, ids_Q: NDArray[np.int32]) -> NDArray[np.float32]:
        clicks_QG = self.clicks_UG_[ids_Q].toarray() + self.config.prior_clicks * self.prior_G_
        total_Q1 = clicks_QG.sum(axis=1, keepdims=True)
        interest_QG: NDArray[np.float32] = (clicks_QG / np.maximum(total_Q1, 1e-12)).astype(np.float32)
        return interest_QG

    def _of_authors(self, ids_Q: NDArray[np.int32]) -> NDArray[np.float32]:
        category_Q = self.category_T_[ids_Q]
        own_QG = np.eye(self.n_categories_)[category_Q]
        is_known_Q1 = (category_Q < self.n_categories_ - 1)[:, None]
        interest_QG: NDArray[np.float32] = np.where(is_known_Q1, own_QG, self.prior_G_).astype(np.float32)
        return interest_QG


def one_hot(category_T: NDArray[np.int64], n_categories: int) -> Sparse:
    """Return the indicator matrix (T, G)."""
    ones = np.ones(len(category_T), np.float32)
    return sp.csr_matrix((ones, category_T, np.arange(len(category_T) + 1)), shape=(len(category_T), n_categories))
