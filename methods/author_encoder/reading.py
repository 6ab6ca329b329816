"""The vectors of all authors of a moment: only prompts that are new are read, and what text says is remembered.

Shapes: A authors, M prompts, D dimensions.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from methods.author_encoder.learning import Learnt
from methods.author_encoder.prompts import PromptConfig, prompts
from methods.author_encoder.tokens import TokenTable, measure
from simulator.schema import Observation


@dataclass(slots=True, eq=False)
class Reader:
    """An encoder that learns no more, and what it has read; copies share it, since a prompt's vector never changes."""

    learnt: Learnt
    config: PromptConfig
    n_threads: int
    known: dict[bytes, NDArray[np.float32]] = field(default_factory=dict)

    def __deepcopy__(self, memo: dict[int, object]) -> Reader:
        return self

    def vectors(self, seen: Observation) -> NDArray[np.float32]:
        """Return the unit vectors (A, D) of the authors of now."""
        tokenizer, n_authors = self.learnt.tokenizer, len(seen.catalog.authors)
        ids_M = np.arange(n_authors, dtype=np.int32)
        texts = prompts(seen, ids_M, self.config, measure=measure(tokenizer))
        keys = [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in self.known}
        if missing:
            tokens = TokenTable.of(list(missing.values()), tokenizer, max_tokens=self.config.max_tokens)
            fresh_MD = self.learnt.encoder.encode(tokens, np.arange(len(tokens)), n_threads=self.n_threads)
            self.known.update(zip(missing, fresh_MD, strict=True))
        dimensions = len(next(iter(self.known.values()))) if self.known else 0
        return np.stack([self.known[key] for key in keys]) if keys else np.empty((0, dimensions), np.float32)
