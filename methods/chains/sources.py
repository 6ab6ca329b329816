"""Sources of similar authors that need nothing but the log and the texts: Swing, co-clicks, ALS, TF-IDF, a blend.

Each is a frozen config that learns; see `methods.chains.similar`. Shapes: U users, A authors, D dimensions.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from methods.als import ALS, ALSConfig
from methods.als_content import NEIGHBOURS, ALSContent, ALSContentConfig
from methods.base import Budget
from methods.chains.similar import BlendedSimilar, LearntSimilar, SimilarAuthors, TableSimilar, VectorSimilar
from methods.features import FeatureConfig, Features
from methods.interactions import Sparse, binary, clicks, n_users_of
from methods.item_cf import ItemCFConfig, cosine_rows
from methods.neighbours import Neighbourhood, RowsOf
from methods.retrieval import IndexConfig
from methods.swing import NORMALISED, SwingConfig, swing_rows
from simulator.schema import Observation


@dataclass(frozen=True, slots=True)
class SwingAuthors:
    """Author-level Swing; by default divided by the root of both authors' readers, lest heads be like everybody."""

    swing: SwingConfig = NORMALISED

    def learn(self, seen: Observation, *, rng: np.random.Generator, budget: Budget) -> LearntSimilar:
        """Learn the neighbours of every clicked author."""
        del budget
        sampling_seed = int(rng.integers(2**31))

        def rows(clicks_UA: Sparse, ids_R: NDArray[np.int64]) -> Sparse:
            return swing_rows(clicks_UA, ids_R, self.swing, rng=np.random.default_rng(sampling_seed))

        return _LearntTable.learn(seen, rows)


@dataclass(frozen=True, slots=True)
class CoClickedAuthors:
    """Author-level item-CF: the cosine of shared readers."""

    cosine: ItemCFConfig = field(default_factory=ItemCFConfig)

    def learn(self, seen: Observation, *, rng: np.random.Generator, budget: Budget) -> LearntSimilar:
        """Learn the neighbours of every clicked author."""
        del rng, budget
        return _LearntTable.learn(seen, lambda clicks_UA, ids_R: cosine_rows(clicks_UA, ids_R, self.cosine))


@dataclass(frozen=True, slots=True)
class FactorAuthors:
    """Cosines of authors' ALS factors; who has no clicks has no similar authors."""

    als: ALSConfig = field(default_factory=ALSConfig)
    index: IndexConfig = field(default_factory=IndexConfig)

    def learn(self, seen: Observation, *, rng: np.random.Generator, budget: Budget) -> LearntSimilar:
        """Factorise the clicks on authors."""
        method = ALS(self.als)
        method.fit(seen, target="author", rng=rng, budget=budget)
        return _LearntFactors(method, self.index)


@dataclass(frozen=True, slots=True)
class FactorAndTextAuthors:
    """Cosines of factors that clicks or, where these are few, texts have made: reaches new authors."""

    als: ALSContentConfig = NEIGHBOURS
    index: IndexConfig = field(default_factory=IndexConfig)

    def learn(self, seen: Observation, *, rng: np.random.Generator, budget: Budget) -> LearntSimilar:
        """Factorise the clicks on authors and learn to make factors from text."""
        method = ALSContent(self.als)
        method.fit(seen, target="author", rng=rng, budget=budget)
        return _LearntFactors(method, self.index)


@dataclass(frozen=True, slots=True)
class TextAuthors:
    """Cosines of authors' texts in leading singular vectors of TF-IDF."""

    features: FeatureConfig = field(default_factory=lambda: FeatureConfig(category=False))
    index: IndexConfig = field(default_factory=IndexConfig)

    def learn(self, seen: Observation, *, rng: np.random.Generator, budget: Budget) -> LearntSimilar:
        """Fit the vocabulary and the singular vectors."""
        del budget
        return _LearntText(Features.learn(seen, self.features, target="author", rng=rng), self.index)


@dataclass(frozen=True, slots=True)
class BlendedAuthors:
    """Swing for authors with readers, vectors for those with fewer than `min_readers`."""

    warm: SwingAuthors = field(default_factory=SwingAuthors)
    vectors: FactorAndTextAuthors = field(default_factory=FactorAndTextAuthors)
    min_readers: int = 10
    cold_share: float = 0.2
    cold_weight: float = 1.0

    def learn(self, seen: Observation, *, rng: np.random.Generator, budget: Budget) -> LearntSimilar:
        """Learn both."""
        warm = self.warm.learn(seen, rng=rng, budget=budget)
        return _LearntBlend(self, warm, self.vectors.learn(seen, rng=rng, budget=budget))


@dataclass(frozen=True, slots=True, eq=False)
class _LearntTable:
    learnt: Neighbourhood

    @classmethod
    def learn(cls, seen: Observation, rows: RowsOf) -> _LearntTable:
        return cls(Neighbourhood.learn(clicks(seen, target="author"), rows))

    def now(self, seen: Observation) -> SimilarAuthors:
        return TableSimilar(self.learnt.grown(binary(clicks(seen, target="author"))))


@dataclass(frozen=True, slots=True, eq=False)
class _LearntFactors:
    method: ALS | ALSContent
    index: IndexConfig

    def now(self, seen: Observation) -> VectorSimilar:
        method = copy.copy(self.method)  # indexing replaces its attributes and changes none
        method.index(seen)
        vectors_AD = method.items_TF_ if isinstance(method, ALSContent) else method.folded_.model.item_factors
        return VectorSimilar.of(np.asarray(vectors_AD, np.float32), index=self.index)


@dataclass(frozen=True, slots=True, eq=False)
class _LearntText:
    features: Features
    index: IndexConfig

    def now(self, seen: Observation) -> SimilarAuthors:
        rows_AD = self.features.of(seen)
        # Without a word that was frequent enough there are no columns: then nobody is similar.
        vectors_AD = rows_AD if rows_AD.shape[1] else np.zeros((len(rows_AD), 1), np.float32)
        return VectorSimilar.of(vectors_AD, index=self.index)


@dataclass(frozen=True, slots=True, eq=False)
class _LearntBlend:
    config: BlendedAuthors
    warm: LearntSimilar
    vectors: LearntSimilar

    def now(self, seen: Observation) -> SimilarAuthors:
        vectors = self.vectors.now(seen)
        assert isinstance(vectors, VectorSimilar)
        is_cold_A = n_users_of(binary(clicks(seen, target="author"))) < self.config.min_readers
        config = self.config
        return BlendedSimilar(self.warm.now(seen), vectors, is_cold_A, config.cold_share, config.cold_weight)
