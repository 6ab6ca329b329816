"""From an observation to the folder that training reads on any number of ranks, and from its backbone to an encoder."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray
from transformers import AutoTokenizer

from methods.author_encoder.backbones import BackboneConfig, Name, folder_of, load
from methods.author_encoder.contrast import PairColumns
from methods.author_encoder.encoder import Encoder
from methods.author_encoder.filters import Step
from methods.author_encoder.learning import LearningConfig, Mined, kept, mined_of, read_by, tokens_of_all, with_hard
from methods.author_encoder.pairs import Pairs
from methods.author_encoder.prepared import write_prepared
from methods.author_encoder.prompt_files import write_config
from methods.author_encoder.prompts import corpus, language_of
from methods.author_encoder.readers import Readers
from methods.author_encoder.step import Material
from methods.author_encoder.tokens import TokenTable
from simulator.schema import Observation, SchemaError


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What is known of authors besides their texts.

    `co_readers` is who reads whom, to mine pairs from and to filter them; or pairs that are taken as they are. Hard
    negatives are the nearest by `vectors_AD`, of length one; without them by the encoder before it has learnt.
    """

    co_readers: Readers | Pairs
    vectors_AD: NDArray[np.float32] | None = None


def prepare(
    seen: Observation, found: Found, config: LearningConfig, folder: Path, *, seed: int
) -> tuple[int, tuple[Step, ...]]:
    """Write pairs, prompts and backbone; return how many pairs there are, and what each filter dropped.

    Of `seen` the events are not looked at. Raises ValueError for a folder that is there already, and where no pair is
    left; SchemaError for pairs or vectors of authors who are not in `seen`.
    """
    if folder.exists():
        raise ValueError(f"out: expected a folder that does not exist yet, got {folder}")
    with kept(config.cache) as cache:
        source = folder_of(config.backbone, texts=corpus(seen, config.prompt), cache=cache, seed=seed)
        material, steps = _material(seen, found, config, source, seed=seed)
        if len(material.pairs.first_P) == 0:
            raise ValueError(f"pairs: expected some that pass the filters, got none: {steps}")
        shutil.copytree(source, folder / "backbone")
    pairs_P2 = np.column_stack([material.pairs.first_P, material.pairs.second_P])
    write_config(replace(config.prompt, language=language_of(seen, config.prompt)), folder)
    write_prepared(folder, pairs_P2, material.tokens, material.hard_PN)
    return len(pairs_P2), steps


def _material(
    seen: Observation, found: Found, config: LearningConfig, source: Path, *, seed: int
) -> tuple[Material, tuple[Step, ...]]:
    tokens = tokens_of_all(seen, config.prompt, AutoTokenizer.from_pretrained(source, local_files_only=True))
    if isinstance(found.co_readers, Readers):
        mined = mined_of(seen.catalog, found.co_readers, tokens, config, seed=seed)
    else:
        mined = _as_given(found.co_readers, len(tokens))

    def read(tokens: TokenTable) -> NDArray[np.float32]:
        if found.vectors_AD is not None:
            return found.vectors_AD
        return read_by(_read(config.backbone, source, seed))(tokens)

    return with_hard(mined, tokens, config.hard, seed=seed, read=read), mined.steps


def _as_given(pairs: Pairs, n_authors: int) -> Mined:
    """Take pairs as they are; of authors who joined since, who come after the others, they know nothing."""
    if pairs.n_authors > n_authors:
        raise SchemaError("pairs", f"of at most the {n_authors} authors of the dataset", f"of {pairs.n_authors}")
    columns = PairColumns(pairs.first_P, pairs.second_P, n_authors)
    return Mined(columns, columns, ())


def backbone_of(name: str) -> BackboneConfig:
    """Return the backbone of a name, embedded or smollm2-135m, or that which lies in a folder."""
    if name in ("embedded", "smollm2-135m"):
        return BackboneConfig(name=cast(Name, name))
    return BackboneConfig(name="folder", folder=name)


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
