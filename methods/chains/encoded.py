"""A source of similar authors that has read them: the vectors of the author encoder, for chains over them.

Apart from the other sources because it loads torch and transformers. Shapes: A authors, D dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from methods.author_encoder.learning import LearningConfig, learn
from methods.author_encoder.reading import Reader
from methods.base import Budget
from methods.chains.i2a2a2u import I2A2A2UConfig
from methods.chains.similar import VectorSimilar
from methods.chains.u2a2a2i import U2A2A2IConfig
from methods.retrieval import IndexConfig
from simulator.schema import Observation


@dataclass(frozen=True, slots=True)
class EncodedAuthors:
    """Cosines of what the encoder makes of authors' prompts: reaches new authors."""

    learning: LearningConfig = field(default_factory=LearningConfig)
    index: IndexConfig = field(default_factory=IndexConfig)

    def learn(self, seen: Observation, *, rng: np.random.Generator, budget: Budget) -> _LearntEncoder:
        """Train the encoder."""
        learnt = learn(seen, self.learning, seed=int(rng.integers(2**31)), n_threads=budget.threads)
        return _LearntEncoder(Reader(learnt, self.learning.prompt, budget.threads), self.index)


@dataclass(frozen=True, slots=True, eq=False)
class _LearntEncoder:
    reader: Reader
    index: IndexConfig

    def now(self, seen: Observation) -> VectorSimilar:
        return VectorSimilar.of(self.reader.vectors(seen), index=self.index)


U2A2A2I = U2A2A2IConfig(source=EncodedAuthors())
I2A2A2U = I2A2A2UConfig(source=EncodedAuthors())
