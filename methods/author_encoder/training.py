"""Training of an author encoder by pairs: so many steps, each one global batch or several, resumed where killed.

Shapes: S steps.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods.author_encoder import checkpoints
from methods.author_encoder.checkpoints import Stamp
from methods.author_encoder.contrast import ContrastConfig, Known
from methods.author_encoder.engines import Engine, OptimizerConfig
from methods.author_encoder.gather import mean_over_ranks
from methods.author_encoder.sampling import Sampler
from methods.author_encoder.step import Asked, Lesson, Material, learn


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """How much is learnt, and how. The learning rate rises in a line, then falls by half a cosine."""

    steps: int = 1_000
    batch: int = 256  # pairs over all ranks; each contrasts with all others of its batch
    accumulate: int = 1  # batches whose gradients one step averages
    chunk_tokens: int = 0  # padded tokens encoded at once; 0 encodes a rank's whole batch
    token_drop: float = 0.0  # share of each prompt's tokens that a step leaves out, others each time
    warm_up: float = 0.05  # share of the steps
    floor: float = 0.0  # of the learning rate, as a share of its peak
    save_every: int = 200  # steps
    contrast: ContrastConfig = field(default_factory=ContrastConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("batch", 1), ("accumulate", 1), ("chunk_tokens", 0), ("save_every", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"TrainingConfig.{name}: expected at least {least}, got {getattr(self, name)}")
        for name in ("token_drop", "warm_up", "floor"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"TrainingConfig.{name}: expected 0 to 1, got {getattr(self, name)}")

    def learning_rate(self, step: int) -> float:
        """Return the rate of a step, counted from 0."""
        n_warm = round(self.warm_up * self.steps)
        peak = self.optimizer.learning_rate
        if step < n_warm:
            return peak * (step + 1) / n_warm
        done = (step - n_warm) / max(1, self.steps - n_warm)
        return peak * (self.floor + (1 - self.floor) * (1 + math.cos(math.pi * done)) / 2)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one step showed. Seconds are of the wall; pairs and tokens of all ranks, tokens as this rank's times W.

    Of dropped tokens the expected number is taken away.
    """

    step: int  # done so far
    steps: int
    loss: float  # of the global batch, before the update
    norm: float  # of the gradient, before clipping; NaN where an engine does not tell
    learning_rate: float
    pairs_per_second: float
    tokens_per_second: float


Watch = Callable[[Reading], None]


def unwatched(reading: Reading) -> None:
    """Look away."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a config: its luck, who watches, the folder that it can be taken up from, if any, and of what."""

    seed: int
    watch: Watch = unwatched
    folder: Path | None = None  # without one, nothing is saved
    encoder: str = ""  # what made it: a checkpoint is taken up by its like alone


@dataclass(frozen=True, slots=True, eq=False)
class TrainingReport:
    """What training did since it was last taken up."""

    first_step: int
    loss_S: NDArray[np.float32]
    seconds: float
    n_pairs: int  # seen, over all ranks, counted each time


def train(engine: Engine, material: Material, config: TrainingConfig, run: Run) -> TrainingReport:
    """Train what `engine` holds to the end of `config.steps`; all ranks call it together.

    Raises ValueError for a batch that pairs or ranks do not fit, a checkpoint of another run, and a loss that is not
    finite.
    """
    sampler = Sampler(len(material.pairs.first_P), config.batch, run.seed, engine.n_ranks, engine.rank)
    known = Known.of(material.pairs, engine.device)
    lesson = Lesson(material, known, config.contrast, config.chunk_tokens, config.token_drop)
    hashed = checkpoints.digest(material) if run.folder is not None else ""
    stamp = Stamp(0, engine.n_ranks, engine.name, run.seed, _described(config), run.encoder, hashed)
    first = checkpoints.resume(engine, run.folder, stamp) if run.folder is not None else 0
    losses, began = [], time.perf_counter()
    for step in range(first, config.steps):
        at, rate = time.perf_counter(), config.learning_rate(step)
        loss, n_tokens = _gradient(engine, lesson, sampler, config, key=(run.seed, step))
        norm = engine.step(rate)
        losses.append(float(loss))
        seconds, n_pairs = time.perf_counter() - at, config.batch * config.accumulate
        speeds = n_pairs / seconds, n_tokens * engine.n_ranks / seconds
        run.watch(Reading(step + 1, config.steps, losses[-1], norm, rate, *speeds))
        if run.folder is not None and ((step + 1) % config.save_every == 0 or step + 1 == config.steps):
            checkpoints.save(engine, run.folder, replace(stamp, step=step + 1))
    n_seen = len(losses) * config.batch * config.accumulate
    return TrainingReport(first, np.array(losses, np.float32), time.perf_counter() - began, n_seen)


def _gradient(
    engine: Engine, lesson: Lesson, sampler: Sampler, config: TrainingConfig, *, key: tuple[int, int]
) -> tuple[Tensor, int]:
    """Leave the gradient of one step in the engine; return the mean loss of its batches and this rank's tokens."""
    losses, n_tokens = [], 0
    with engine.one_reduction():
        for part in range(config.accumulate):
            own = sampler.at(key[1] * config.accumulate + part)
            losses.append(learn(engine, lesson, own, key=(*key, part), weight=1 / config.accumulate))
            asked = Asked.of(lesson.material, own)
            n_tokens += round((1 - config.token_drop) * int(lesson.material.tokens.lengths_R[asked.authors_M].sum()))
    loss = mean_over_ranks(torch.stack(losses).mean())
    if not torch.isfinite(loss):
        raise ValueError(f"loss at step {key[1]}: expected a finite number, got {float(loss)}")
    return loss, n_tokens


def _described(config: TrainingConfig) -> str:
    """Return all of a config that changes what is learnt."""
    return ", ".join(f"{name}={value}" for name, value in asdict(config).items() if name != "save_every")
