"""Content for what collaborative filtering cannot reach: targets with few clicks get ALS factors made from their text.

"ridge": a linear map from the text (TF-IDF, then its leading singular vectors) to factors, fitted on targets clicked
by at least `min_users`. "neighbours": the mean factor of the nearest such targets by text, weighted by cosine.
A target clicked by n users holds (n own + shrinkage made) / (n + shrinkage): one never clicked holds the made factor
alone, and from `few_users` on the made one is left out.

References: Gantner et al. 2010 (maps), doi:10.1109/ICDM.2010.129. U users, T targets, F factors, V vocabulary, D text
dimensions, L targets learnt from, R rows to be made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import TruncatedSVD

from methods.als import ALSConfig, LearntALS
from methods.base import Budget, Capabilities
from methods.factors import Factors, ridge, unit
from methods.interactions import FROM_USERS_AND_AUTHORS, Sparse, clicks, n_users_of
from methods.neighbours import keep_top
from methods.ranking import rank
from methods.text import TextConfig, TextSpace
from simulator.schema import Kind, Observation, Requests, Slates

BLOCK = 1_024  # rows of text similarities held at once


@dataclass(frozen=True, slots=True)
class ALSContentConfig:
    """The factors, the text, and how one is made from the other."""

    maker: Literal["ridge", "neighbours"] = "ridge"
    als: ALSConfig = field(default_factory=ALSConfig)
    text: TextConfig = field(default_factory=TextConfig)
    min_users: int = 5  # of a target whose factors are trusted as examples
    few_users: int = 20  # targets clicked by fewer get a share of the made factor
    shrinkage: float = 2.0  # clicks that the made factor is worth
    n_dimensions: int = 256  # ridge: singular vectors of the text
    l2: float = 1.0  # ridge
    n_neighbours: int = 20  # neighbours
    match_length: bool = False  # scale made factors to the mean length of the examples'


RIDGE = ALSContentConfig(maker="ridge")
NEIGHBOURS = ALSContentConfig(maker="neighbours")


class ALSContent:
    """Rank candidates by factors that clicks or, where they are few, text has made."""

    capabilities: ClassVar[Capabilities] = Capabilities(FROM_USERS_AND_AUTHORS, cold_targets=True, cold_queries=True)

    def __init__(self, config: ALSContentConfig = ALSContentConfig()) -> None:
        self.config = config

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        """Factorise the clicks, fit the vocabulary and, for the ridge, the map."""
        self.target_, counts_UT = target, clicks(seen, target=target)
        self.learnt_ = LearntALS.learn(counts_UT, self.config.als, rng=rng, threads=budget.threads)
        self.space_ = TextSpace.learn(seen, self.config.text, target=target)
        n_users_T = n_users_of(counts_UT)
        # In a world too young for that, whatever has been clicked is an example.
        self.example_L_ = np.flatnonzero(n_users_T >= min(self.config.min_users, max(1, n_users_T.max(initial=0))))
        self.factors_LF_ = self.learnt_.model.item_factors[self.example_L_]
        text_LV = self.space_.fitted_TV[self.example_L_]
        if self.config.maker == "ridge" and text_LV.nnz:
            self.maker_: RidgeMaker | NeighbourMaker = RidgeMaker.learn(text_LV, self.factors_LF_, self.config, rng=rng)
        else:
            self.maker_ = NeighbourMaker(text_LV, self.factors_LF_, self.config.n_neighbours)

    def index(self, seen: Observation) -> None:
        """Fold in new clicks, then blend in made factors where clicks are few."""
        counts_UT = clicks(seen, target=self.target_)
        folded = self.learnt_.folded(counts_UT)
        n_users_T = n_users_of(counts_UT)
        few_R = np.flatnonzero(n_users_T < self.config.few_users)
        made_RF = self.maker_.make(self.space_.vectors(seen)[few_R])
        if self.config.match_length:
            made_RF = unit(made_RF) * np.linalg.norm(self.factors_LF_, axis=1).mean()
        n_R1 = n_users_T[few_R, None]
        share_R1 = np.where(n_R1 > 0, self.config.shrinkage / np.maximum(n_R1 + self.config.shrinkage, 1), 1)
        items_TF = folded.items_TF.copy()
        items_TF[few_R] += share_R1 * (made_RF - items_TF[few_R])
        self.factors_ = Factors(folded.users_UF, items_TF)

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        """Rank by factors."""
        return rank(self.factors_.scores(requests), requests, k=k)


@dataclass(frozen=True, slots=True, eq=False)
class RidgeMaker:
    """Text to factors by a linear map through the text's singular vectors."""

    svd: TruncatedSVD
    weights_DF: NDArray[np.float32]

    @classmethod
    def learn(
        cls, text_LV: Sparse, factors_LF: NDArray[np.float32], config: ALSContentConfig, *, rng: np.random.Generator
    ) -> RidgeMaker:
        """Fit the singular vectors and the map on the examples."""
        n_dimensions = max(1, min(config.n_dimensions, min(text_LV.shape) - 1))
        svd = TruncatedSVD(n_dimensions, random_state=int(rng.integers(2**31)))
        return cls(svd, ridge(svd.fit_transform(text_LV), factors_LF, l2=config.l2))

    def make(self, text_RV: Sparse) -> NDArray[np.float32]:
        """Return factors for texts."""
        made_RF: NDArray[np.float32] = (self.svd.transform(text_RV) @ self.weights_DF).astype(np.float32)
        return made_RF


@dataclass(frozen=True, slots=True, eq=False)
class NeighbourMaker:
    """Text to factors by the mean of the nearest examples, weighted by cosine; zeros without any."""

    text_LV: Sparse
    factors_LF: NDArray[np.float32]
    n_neighbours: int

    def make(self, text_RV: Sparse) -> NDArray[np.float32]:
        """Return factors for texts."""
        made_RF = np.zeros((text_RV.shape[0], self.factors_LF.shape[1]), np.float32)
        text_VL = self.text_LV.T.tocsr()
        for first in range(0, len(made_RF), BLOCK):
            near_BL = keep_top(text_RV[first : first + BLOCK] @ text_VL, self.n_neighbours)
            total_B1 = np.asarray(near_BL.sum(axis=1)).reshape(-1, 1)
            made_RF[first : first + BLOCK] = (near_BL @ self.factors_LF) / np.where(total_B1 > 0, total_B1, 1)
        return made_RF
