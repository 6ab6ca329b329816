"""Content for what collaborative filtering cannot reach: targets with few clicks get ALS factors made from their text.

"ridge": a linear map from the text (TF-IDF, then its leading singular vectors) to factors, fitted on targets clicked
by at least `min_users`. "neighbours": the mean factor of the nearest such targets by text, weighted by cosine.
A target clicked by n users holds (n own + shrinkage made) / (n + shrinkage): one never clicked holds the made factor
alone, and from `few_users` on the made one is left out.

References: Gantner et al. 2010 (maps), doi:10.1109/ICDM.2010.129. U users, T targets, F factors, V vocabulary, D text
dimensions, L targets learnt from, R rows to be made.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import TruncatedSVD

from methods.als import ALSConfig, LearntALS
from methods.base import Budget, Capabilities
from methods.factors import ridge, unit
from methods.fading import HALF_LIFE_DAYS, NOTE_HALF_LIFE_DAYS, faded, fading
from methods.interactions import FROM_USERS_AND_AUTHORS, Sparse, clicks, n_users_of
from methods.neighbours import keep_top
from methods.ranking import rank
from methods.text import PerCatalog, TextConfig, TextSpace
from simulator.schema import Kind, Observation, Requests, Slates

BLOCK = 1_024  # rows of text similarities held at once


# Weaker regularisation than for clicks alone: on CiteULike, factors that text can follow and that reach full lists.
TEXT_LIKE = ALSConfig(factors=128, regularization=10.0, alpha=10.0, iterations=10)


@dataclass(frozen=True, slots=True)
class ALSContentConfig:
    """The factors, the text, and how one is made from the other."""

    maker: Literal["ridge", "neighbours"] = "ridge"
    als: ALSConfig = TEXT_LIKE
    text: TextConfig = field(default_factory=TextConfig)
    min_users: int = 5  # of a target whose factors are trusted as examples
    few_users: int = 100  # targets clicked by fewer get a share of the made factor; chosen on world small, seed 5
    shrinkage: float = 30.0  # clicks that the made factor is worth; chosen on world small, seed 5
    n_dimensions: int = 256  # ridge: singular vectors of the text
    l2: float = 1.0  # ridge
    n_neighbours: int = 20  # neighbours
    match_length: bool = True  # scale made factors to the mean length of the examples', lest no list has room for them
    author_half_life_days: float = 0.0  # since the newest note; 0 lets nobody fade
    note_half_life_days: float = 0.0  # since its birth; 0 lets none fade


RIDGE = ALSContentConfig(maker="ridge")
NEIGHBOURS = ALSContentConfig(maker="neighbours")
FADING_RIDGE = replace(RIDGE, author_half_life_days=HALF_LIFE_DAYS, note_half_life_days=NOTE_HALF_LIFE_DAYS)
FADING_NEIGHBOURS = replace(NEIGHBOURS, author_half_life_days=HALF_LIFE_DAYS, note_half_life_days=NOTE_HALF_LIFE_DAYS)


def _trials(base: ALSContentConfig) -> dict[str, ALSContentConfig]:
    """Return the trials that both makers have."""
    return {
        "base": base,
        "own sooner": replace(base, few_users=20),
        "heavy factors": replace(base, als=ALSConfig()),
    }


RIDGE_TRIALS = {
    **_trials(RIDGE),
    "held": replace(RIDGE, l2=10.0),
    "rich": replace(RIDGE, n_dimensions=400),
}
NEIGHBOURS_TRIALS = {
    **_trials(NEIGHBOURS),
    "few": replace(NEIGHBOURS, n_neighbours=5),
    "many": replace(NEIGHBOURS, n_neighbours=50),
}


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
        self.made_: PerCatalog[NDArray[np.float32]] = PerCatalog()
        n_users_T = self.n_fitted_users_T_ = n_users_of(counts_UT)
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
        self.folded_ = self.learnt_.folded(counts_UT)
        n_users_T = n_users_of(counts_UT)
        made_TF = self.made_.of(seen.catalog, lambda: self._make(seen))
        n_T1 = n_users_T[:, None]
        share_T1 = np.where(n_T1 > 0, self.config.shrinkage / np.maximum(n_T1 + self.config.shrinkage, 1), 1)
        share_T1 = np.where(n_T1 < self.config.few_users, share_T1, 0).astype(np.float32)
        own_TF = self.folded_.model.item_factors
        self.items_TF_: NDArray[np.float32] = own_TF + share_T1 * (made_TF - own_TF)
        self.remains_T_ = fading(
            seen,
            target=self.target_,
            author_half_life_days=self.config.author_half_life_days,
            note_half_life_days=self.config.note_half_life_days,
        )

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        """Rank by factors."""
        return rank(faded(self.folded_.scores(requests, self.items_TF_), self.remains_T_), requests, k=k)

    def describe(self) -> NDArray[np.float32]:
        """Return the factors of the targets, made from text where clicks are few."""
        return self.items_TF_

    def _make(self, seen: Observation) -> NDArray[np.float32]:
        """Return the factors (T, F) that text makes; zeros for targets that have clicks enough already."""
        text_TV = self.space_.vectors(seen)
        n_fitted = len(self.n_fitted_users_T_)
        few_R = np.flatnonzero(np.pad(self.n_fitted_users_T_, (0, text_TV.shape[0] - n_fitted)) < self.config.few_users)
        made_TF = np.zeros((text_TV.shape[0], self.factors_LF_.shape[1]), np.float32)
        if len(few_R) == 0:
            return made_TF
        made_RF = self.maker_.make(text_TV[few_R])
        if self.config.match_length:
            lengths_L = np.linalg.norm(self.factors_LF_, axis=1)
            made_RF = unit(made_RF) * np.float32(lengths_L.sum() / max(1, len(lengths_L)))
        made_TF[few_R] = made_RF
        return made_TF


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
