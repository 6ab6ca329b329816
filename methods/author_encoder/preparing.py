"""From an observation to the folder that training reads on any number of ranks, and from its backbone to an encoder."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
from transformers import AutoTokenizer

from methods.author_encoder.backbones import BackboneConfig, Name, folder_of, load
from methods.author_encoder.encoder import Encoder
from methods.author_encoder.filters import Step
from methods.author_encoder.learning import LearningConfig, kept, lesson
from methods.author_encoder.prepared import write_prepared
from methods.author_encoder.prompt_files import write_config
from methods.author_encoder.prompts import corpus, language_of
from simulator.schema import Observation


def prepare(
    seen: Observation, config: LearningConfig, folder: Path, *, seed: int, n_threads: int = 1
) -> tuple[int, tuple[Step, ...]]:
    """Write pairs, prompts and backbone; return how many pairs there are, and what each filter dropped.

    Raises ValueError for a folder that is there already, and where no pair is left.
    """
    if folder.exists():
        raise ValueError(f"out: expected a folder that does not exist yet, got {folder}")
    with kept(config.cache) as cache:
        texts = corpus(seen, config.prompt)
        source = folder_of(config.backbone, texts=texts, cache=cache, seed=seed, n_threads=n_threads)
        tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=True)
        material, steps = lesson(seen, config, tokenizer, seed=seed)
        pairs = material.pairs
        if len(pairs.first_P) == 0:
            raise ValueError(f"pairs: expected some that pass the filters, got none: {steps}")
        shutil.copytree(source, folder / "backbone")
    write_config(replace(config.prompt, language=language_of(seen, config.prompt)), folder)
    write_prepared(folder, np.column_stack([pairs.first_P, pairs.second_P]), material.tokens, material.hard_PN)
    return len(pairs.first_P), steps


def config_of(backbone: str, max_tokens: int) -> LearningConfig:
    """Return the config of a backbone's name, embedded or smollm2-135m, or of the folder that it lies in."""
    named = backbone in ("embedded", "smollm2-135m")
    chosen = BackboneConfig(name=cast(Name, backbone)) if named else BackboneConfig(name="folder", folder=backbone)
    return LearningConfig(backbone=chosen, prompt=replace(LearningConfig().prompt, max_tokens=max_tokens))


def with_adapters(backbone: Path, seed: int) -> Encoder:
    """Make the encoder of a prepared folder's backbone, of which adapters, projection and scale are trained."""
    return _read(BackboneConfig(trained="lora"), backbone, seed)


def whole(backbone: Path, seed: int) -> Encoder:
    """Make the encoder of a prepared folder's backbone, of which every weight is trained."""
    return _read(BackboneConfig(trained="full"), backbone, seed)


def like_the_method(backbone: Path, seed: int) -> Encoder:
    """Make the encoder as the method does: every weight is trained, rare tokens count more."""
    return _read(LearningConfig().backbone, backbone, seed)


def _read(config: BackboneConfig, backbone: Path, seed: int) -> Encoder:
    found = replace(config, name="folder", folder=str(backbone))
    return load(found, texts=(), cache=backbone.parent, seed=seed)[0]
