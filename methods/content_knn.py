"""Content neighbours: score(q, t) = sum over h in the history of q of cosine(text of h, text of t).

Reaches targets that nobody has clicked, and authors ask by their own text. Q requests, T targets, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from methods.base import Budget, Capabilities
from methods.fading import HALF_LIFE_DAYS, NOTE_HALF_LIFE_DAYS, faded, fading
from methods.interactions import FROM_USERS_AND_AUTHORS, Sparse, binary, clicks, profiles
from methods.ranking import rank
from methods.text import PerCatalog, TextConfig, TextSpace
from simulator.schema import Kind, Observation, Requests, Slates


@dataclass(frozen=True, slots=True)
class ContentKNNConfig:
    """How texts become vectors."""

    text: TextConfig = field(default_factory=TextConfig)
    author_half_life_days: float = 0.0  # since the newest note; 0 lets nobody fade
    note_half_life_days: float = 0.0  # since its birth; 0 lets none fade


# Authors by one note each: long texts hold more of any history's words, so twenty notes bury authors who have but one.
NEWEST_NOTE = ContentKNNConfig(TextConfig(notes_per_author=1))
FADING = replace(NEWEST_NOTE, author_half_life_days=HALF_LIFE_DAYS, note_half_life_days=NOTE_HALF_LIFE_DAYS)
TRIALS = {
    "base": ContentKNNConfig(),
    "newest note": NEWEST_NOTE,
    "five notes": ContentKNNConfig(TextConfig(notes_per_author=5)),
    "counts as they are": ContentKNNConfig(TextConfig(sublinear=False)),
    "no rare words": ContentKNNConfig(TextConfig(min_documents=10)),
}


class ContentKNN:
    """Rank candidates by the likeness of their text to the query's history."""

    capabilities: ClassVar[Capabilities] = Capabilities(FROM_USERS_AND_AUTHORS, cold_targets=True, cold_queries=True)

    def __init__(self, config: ContentKNNConfig = ContentKNNConfig()) -> None:
        self.config = config

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        """Fit the vocabulary."""
        self.target_, self.space_ = target, TextSpace.learn(seen, self.config.text, target=target)
        self.texts_: PerCatalog[tuple[Sparse, Sparse]] = PerCatalog()

    def index(self, seen: Observation) -> None:
        """Read the texts and take the histories of now."""
        self.vectors_TV_, self.vectors_VT_ = self.texts_.of(seen.catalog, lambda: self._read(seen))
        self.history_UT_ = binary(clicks(seen, target=self.target_))
        self.remains_T_ = fading(
            seen,
            target=self.target_,
            author_half_life_days=self.config.author_half_life_days,
            note_half_life_days=self.config.note_half_life_days,
        )

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        """Rank by summed cosine: vectors have length one, so it is one product with the sum of the history."""
        profile_QV = profiles(requests, self.history_UT_) @ self.vectors_TV_
        scores_QT = (profile_QV @ self.vectors_VT_).toarray()
        return rank(faded(scores_QT.astype(np.float32, copy=False), self.remains_T_), requests, k=k)

    def _read(self, seen: Observation) -> tuple[Sparse, Sparse]:
        vectors_TV = self.space_.vectors(seen)
        return vectors_TV, vectors_TV.T.tocsr()
