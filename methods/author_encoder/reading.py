"""The vectors of all authors of a moment: only prompts that are new are read, and what text says is remembered.

Shapes: A authors, M prompts, D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from methods.author_encoder.learning import Learnt
from methods.author_encoder.prompts import PromptConfig, prompts
from methods.author_encoder.tokens import TokenTable, measure
from methods.memory import Memory
from simulator.schema import Observation

_REMEMBERED = 10_000_000  # prompts, as many as a platform has authors


class Reader:
    """An encoder that learns no more, and what it has read; copies share it, since a prompt's vector never changes."""

    def __init__(self, learnt: Learnt, config: PromptConfig, n_threads: int) -> None:
        self.learnt, self.config, self._n_threads = learnt, config, n_threads
        self._memory = Memory(self._encode, _REMEMBERED, learnt.encoder.dimensions)

    def __deepcopy__(self, memo: dict[int, object]) -> Reader:
        return self

    def vectors(self, seen: Observation) -> NDArray[np.float32]:
        """Return the unit vectors (A, D) of the authors of now."""
        ids_A = np.arange(len(seen.catalog.authors), dtype=np.int32)
        return self._memory.vectors(prompts(seen, ids_A, self.config, measure=measure(self.learnt.tokenizer)))

    def _encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        tokens = TokenTable.of(texts, self.learnt.tokenizer, max_tokens=self.config.max_tokens)
        return self.learnt.encoder.encode(tokens, np.arange(len(tokens)), n_threads=self._n_threads)
