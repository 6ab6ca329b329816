"""From an observation to an encoder that has learnt from it: backbone, prompts, positives, training.

Positives are pairs of authors who share readers ("co-readers"), two views of one author, every other title each
("two-views"), or none, which leaves the backbone and its random projection as they are. Shapes: A authors, P pairs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from methods.author_encoder.backbones import BackboneConfig, load
from methods.author_encoder.contrast import ContrastConfig, PairColumns, PairTable
from methods.author_encoder.encoder import Encoder, FrozenEncoder, HeadConfig
from methods.author_encoder.engines import OptimizerConfig, PlainEngine
from methods.author_encoder.facts import facts_of
from methods.author_encoder.filters import FilterConfig, Step, filtered
from methods.author_encoder.hard import HardConfig, hard_negatives
from methods.author_encoder.mining import mine
from methods.author_encoder.pairs import PairConfig
from methods.author_encoder.prompts import PromptConfig, corpus, prompts
from methods.author_encoder.readers import Readers, readers_of
from methods.author_encoder.step import Material
from methods.author_encoder.tokens import TokenTable, measure
from methods.author_encoder.training import Run, TrainingConfig, train
from methods.author_encoder.views import two_views
from methods.gradient import threads
from simulator.schema import Catalog, Observation

Positives = Literal["co-readers", "two-views", "none"]
Read = Callable[[TokenTable], NDArray[np.float32]]  # unit vectors (A, D) of all prompts
# Chosen on world small, seed 5: pairs across categories are what text alone does not tell.
MANY = FilterConfig(chain=("support", "top-per-author"), top=50)
# Made here, small enough to train whole; pooling and first scale chosen on world small, seed 5.
SMALL = BackboneConfig(trained="full", head=HeadConfig(pooling="sif", log_scale=2.3))
# Minutes on one core of a world such as small, where the backbone is made here.
SHORT = TrainingConfig(
    steps=100,
    batch=128,
    chunk_tokens=4_096,
    token_drop=0.5,  # docs/author-encoder/method.md
    contrast=ContrastConfig(every_known=True),
    optimizer=OptimizerConfig(learning_rate=1e-3),
)


@dataclass(frozen=True, slots=True)
class LearningConfig:
    """Where the encoder starts, what it reads, and what it is taught."""

    backbone: BackboneConfig = field(default_factory=lambda: SMALL)
    # One note, chosen on world small, seed 5: who has written much then reads like who has just begun.
    prompt: PromptConfig = field(default_factory=lambda: PromptConfig(max_tokens=192, n_titles=1, n_bodies=1))
    view_titles: int = 20  # that two views of one author share out
    positives: Positives = "co-readers"
    pairs: PairConfig = field(default_factory=lambda: PairConfig(score="npmi"))
    filters: FilterConfig = field(default_factory=lambda: MANY)
    most_pairs: int = 0  # drawn at random from those that pass the filters; 0 takes all
    hard: HardConfig = field(default_factory=HardConfig)  # by the encoder as it starts; of co-readers only
    training: TrainingConfig = field(default_factory=lambda: SHORT)
    cache: str = ""  # folder in which backbones made here are kept; without one, each fit makes its own

    def __post_init__(self) -> None:
        if self.positives not in get_args(Positives):
            expected = ", ".join(get_args(Positives))
            raise ValueError(f"LearningConfig.positives: expected one of {expected}, got {self.positives!r}")
        if self.most_pairs < 0:
            raise ValueError(f"LearningConfig.most_pairs: expected at least 0, got {self.most_pairs}")


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """What reads prompts, and how it came to be; `scale` is what InfoNCE multiplied cosines with in the end."""

    encoder: FrozenEncoder
    tokenizer: PreTrainedTokenizerBase
    scale: float
    n_pairs: int
    filters: tuple[Step, ...]
    loss_S: NDArray[np.float32]

    def __deepcopy__(self, memo: dict[int, object]) -> Learnt:
        return self  # nothing in it can change


def learn(seen: Observation, config: LearningConfig, *, seed: int, n_threads: int) -> Learnt:
    """Teach an encoder what `seen` tells of its authors.

    A batch is never larger than the pairs there are; with less than two pairs the encoder stays as it was loaded.
    """
    with kept(config.cache) as cache:
        encoder, tokenizer = load(
            config.backbone, texts=corpus(seen, config.prompt), cache=cache, seed=seed, n_threads=n_threads
        )
    material, steps = lesson(seen, config, tokenizer, seed=seed, read=read_by(encoder, n_threads=n_threads))
    encoder.weigh(material.tokens)
    n_pairs, loss_S = len(material.pairs.first_P), np.empty(0, np.float32)
    if n_pairs > 1:
        fitting = replace(config.training, batch=min(config.training.batch, n_pairs))
        with threads(n_threads):
            engine = PlainEngine(encoder, fitting.optimizer, torch.device("cpu"))
            loss_S = train(engine, material, fitting, Run(seed)).loss_S
    scale = float(encoder.scale().detach())
    return Learnt(FrozenEncoder(encoder), tokenizer, scale, n_pairs, steps, loss_S)


def tokens_of(
    seen: Observation, config: PromptConfig, tokenizer: PreTrainedTokenizerBase, *, ids_M: NDArray[np.int32]
) -> TokenTable:
    """Return the prompts of some authors as token ids."""
    texts = prompts(seen, ids_M, config, measure=measure(tokenizer))
    return TokenTable.of(texts, tokenizer, max_tokens=config.max_tokens)


def tokens_of_all(seen: Observation, config: PromptConfig, tokenizer: PreTrainedTokenizerBase) -> TokenTable:
    """Return the prompts of all authors."""
    return tokens_of(seen, config, tokenizer, ids_M=np.arange(len(seen.catalog.authors), dtype=np.int32))


def lesson(
    seen: Observation, config: LearningConfig, tokenizer: PreTrainedTokenizerBase, *, seed: int, read: Read
) -> tuple[Material, tuple[Step, ...]]:
    """Return prompts, positives and hard negatives, and what each filter dropped.

    `read` is asked for vectors only where hard negatives are.
    """
    if config.positives == "two-views":
        views = two_views(seen, replace(config.prompt, n_titles=config.view_titles), tokenizer)
        return Material.without_hard(views.tokens, _drawn(views.pairs, config.most_pairs, seed=seed)), ()
    tokens = tokens_of_all(seen, config.prompt, tokenizer)
    if config.positives == "none":
        nobody = np.empty(0, np.int32)
        return Material.without_hard(tokens, PairColumns(nobody, nobody, len(tokens))), ()
    mined = mined_of(seen.catalog, readers_of(seen, config.pairs), tokens, config, seed=seed)
    return with_hard(mined, tokens, config.hard, seed=seed, read=read), mined.steps


@dataclass(frozen=True, slots=True, eq=False)
class Mined:
    """Pairs to learn from, all pairs that share a reader, of which none is a negative, and what each filter dropped."""

    pairs: PairTable
    sharing: PairTable
    steps: tuple[Step, ...]


def mined_of(catalog: Catalog, readers: Readers, tokens: TokenTable, config: LearningConfig, *, seed: int) -> Mined:
    """Mine and filter the pairs that readers make, and draw as many as are wanted; `tokens` are of all authors."""
    facts = facts_of(catalog, readers, n_tokens_A=tokens.lengths_R.astype(np.int32))
    passed, steps = filtered(mine(readers, config.pairs), facts, config.filters)
    drawn = _drawn(passed, config.most_pairs, seed=seed)
    return Mined(drawn, sharing_any(readers, config.pairs) if config.hard.n else drawn, steps)


def sharing_any(readers: Readers, config: PairConfig) -> PairTable:
    """Return all pairs that share a reader."""
    return mine(readers, replace(config, score="count", min_count=1))


def with_hard(mined: Mined, tokens: TokenTable, config: HardConfig, *, seed: int, read: Read) -> Material:
    """Return prompts and pairs, with the hard negatives that are asked for."""
    if config.n == 0:
        return Material.without_hard(tokens, mined.pairs)
    return Material(tokens, mined.pairs, hard_negatives(read(tokens), mined.pairs, mined.sharing, config, seed=seed))


def read_by(encoder: Encoder, *, n_threads: int = 1) -> Read:
    """Return what reads prompts by the encoder as it is at that moment."""

    def read(tokens: TokenTable) -> NDArray[np.float32]:
        encoder.weigh(tokens)
        return encoder.encode(tokens, np.arange(len(tokens)), n_threads=n_threads)

    return read


def _drawn(pairs: PairTable, most: int, *, seed: int) -> PairTable:
    """Return `most` of the pairs, drawn at random, or all of them."""
    n_pairs = len(pairs.first_P)
    if not 0 < most < n_pairs:
        return pairs
    luck = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, most))))
    kept_P = np.sort(luck.choice(n_pairs, most, replace=False))
    return PairColumns(pairs.first_P[kept_P], pairs.second_P[kept_P], pairs.n_authors)


@contextmanager
def kept(folder: str) -> Iterator[Path]:
    """Hand out the folder, or one that is gone afterwards."""
    if folder:
        yield Path(folder)
        return
    with tempfile.TemporaryDirectory(prefix="coldrecall-") as scratch:
        yield Path(scratch)
