"""Authors with texts of one's choice, and backbones small enough to be made in a test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from methods.author_encoder.embedded import EmbeddedConfig, trained_tokenizer, untrained
from methods.author_encoder.encoder import Encoder, HeadConfig
from methods.author_encoder.pooling import Pooling
from methods.author_encoder.tokens import TokenTable
from simulator.schema import Authors, Catalog, EventLog, Follows, Notes, Observation, Texts, Users
from tests.schema_examples import an_observation

WORDS = ("bread", "flour", "oven", "trail", "summit", "boots", "camera", "lens", "portrait", "budget", "index", "bond")
SMALL = EmbeddedConfig(
    vocabulary=400,
    hidden=32,
    layers=2,
    heads=4,
    feed_forward=48,
    context=16,
    tokens=20_000,
    batch=8,
    learning_rate=1e-2,
)


@dataclass(frozen=True, slots=True)
class HeldTexts:
    """Texts of any kind, also those that Arrow refuses."""

    texts: Sequence[str]

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, ids: np.ndarray[tuple[int], np.dtype[np.int32]]) -> list[str]:
        return [self.texts[i] for i in ids.tolist()]

    def head(self, n: int) -> Texts:
        return HeldTexts(self.texts[:n])


@dataclass(frozen=True, slots=True)
class Written:
    """One author: profile, category (-1 unknown) and the titles and bodies of its notes, oldest first."""

    profile: str = ""
    category: int = 0
    titles: tuple[str, ...] = ()
    bodies: tuple[str, ...] = ()


def observed(*written: Written, categories: tuple[str, ...] = ("food", "travel")) -> Observation:
    """The authors as they are seen; their notes were born in turns."""
    n_turns = max((len(one.titles) for one in written), default=0)
    notes = [(a, t) for t in range(n_turns) for a, one in enumerate(written) if t < len(one.titles)]
    born = np.arange(1, len(notes) + 1)
    catalog = Catalog(
        Users(np.zeros(0, np.int64), np.zeros(0, np.int32)),
        Authors(
            np.zeros(len(written), np.int64),
            np.array([one.category for one in written], np.int16),
            HeldTexts([one.profile for one in written]),
        ),
        Notes(
            np.array([a for a, _ in notes], np.int32),
            born.astype(np.int64),
            np.zeros(len(notes), bool),
            np.full(len(notes), -1, np.int16),
            HeldTexts([written[a].titles[t] for a, t in notes]),
            HeldTexts([written[a].bodies[t] if t < len(written[a].bodies) else "" for a, t in notes]),
        ),
        categories,
    )
    nobody = an_observation()
    none = np.zeros(len(nobody.events), bool)
    events: EventLog = nobody.events.take(none)
    follows: Follows = nobody.follows.take(slice(0, 0))
    return Observation(len(notes) + 1, catalog, events, follows)


def all_of(seen: Observation) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.arange(len(seen.catalog.authors), dtype=np.int32)


@cache
def sentences(n: int = 120) -> tuple[str, ...]:
    """Texts of 1 to 40 words, each theme in words of its own."""
    rng = np.random.default_rng(5)
    found = []
    for i in range(n):
        theme = 3 * (i % 4)
        found.append(" ".join(WORDS[theme + w] for w in rng.integers(0, 3, int(rng.integers(1, 40)))))
    return tuple(found)


@cache
def small_tokenizer() -> PreTrainedTokenizerFast:
    return trained_tokenizer(sentences(), SMALL.vocabulary)


@cache
def small_table(max_tokens: int = 64) -> TokenTable:
    return TokenTable.of(sentences(), small_tokenizer(), max_tokens=max_tokens)


def small_encoder(architecture: str = "qwen3", *, pooling: Pooling = "last", dimensions: int = 16) -> Encoder:
    """An encoder that never learned, so large weights tell rows apart."""
    config = replace(SMALL, architecture=architecture)  # type: ignore[arg-type]
    luck = torch.Generator().manual_seed(3)
    model = untrained(config, small_tokenizer(), luck=luck)
    with torch.no_grad():
        for weights in model.parameters():
            if weights.dim() > 1:
                weights.mul_(10)
    return Encoder(model.base_model, SMALL.hidden, HeadConfig(dimensions, pooling), luck=luck)
