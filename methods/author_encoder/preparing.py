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
from methods.author_encoder.contrast import NOBODY, PairColumns
from methods.author_encoder.encoder import Encoder
from methods.author_encoder.filters import Step
from methods.author_encoder.learning import (
    LearningConfig,
    Mined,
    kept,
    mined_of,
    read_by,
    sharing_any,
    tokens_of_all,
    with_hard,
)
from methods.author_encoder.pairs import Pairs
from methods.author_encoder.prepared import write_prepared
from methods.author_encoder.prompt_files import write_config
from methods.author_encoder.prompts import corpus, language_of
from methods.author_encoder.readers import Readers
from methods.author_encoder.scores import checked
from methods.author_encoder.step import Material
from methods.author_encoder.tokens import TokenTable
from simulator.schema import Observation, SchemaError


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What is known of authors besides their texts.

    Pairs are mined from `readers` and filtered, or, where there are any, `pairs` are taken as they are. Hard negatives
    need `readers` too, to know who shares one; near is told by `vectors_AD`, of length one, without them by the encoder
    before it has learnt.
    """

    readers: Readers | None = None
    pairs: Pairs | None = None
    vectors_AD: NDArray[np.float32] | None = None

    def check(self, n_authors: int, config: LearningConfig) -> None:
        """Raise SchemaError where something is missing, or of other authors."""
        if self.readers is None and (self.pairs is None or config.hard.n):
            raise SchemaError("readers", "who reads whom, for pairs or for hard negatives", None)
        if self.pairs is not None and self.pairs.n_authors > n_authors:
            expected, got = f"of at most the {n_authors} authors of the dataset", f"of {self.pairs.n_authors}"
            raise SchemaError("pairs", expected, got)
        if self.pairs is not None and len(self.pairs) == 0:
            raise SchemaError("pairs", "at least one", 0)
        if self.vectors_AD is not None and (self.vectors_AD.ndim != 2 or len(self.vectors_AD) != n_authors):
            raise SchemaError("vectors", f"one of each of {n_authors} authors", self.vectors_AD.shape)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a folder holds: authors, pairs, hard negatives of all of them together, and what each filter dropped."""

    n_authors: int
    n_pairs: int
    n_hard: int
    steps: tuple[Step, ...]


def prepare(seen: Observation, found: Found, config: LearningConfig, folder: Path, *, seed: int) -> Prepared:
    """Write pairs, prompts and backbone, whole or not at all.

    Of `seen` the events are not looked at. Raises ValueError for a folder that is there already, and where no pair is
    left or no hard negative is found; SchemaError for pairs or vectors of authors who are not in `seen`.
    """
    if folder.exists():
        raise ValueError(f"out: expected a folder that does not exist yet, got {folder}")
    found.check(len(seen.catalog.authors), config)
    half = folder.with_name(f".{folder.name}.half")
    shutil.rmtree(half, ignore_errors=True)
    with kept(config.cache) as cache:
        source = folder_of(config.backbone, texts=corpus(seen, config.prompt), cache=cache, seed=seed)
        material, steps = _material(seen, found, config, source, seed=seed)
        half.mkdir(parents=True)
        shutil.copytree(source, half / "backbone")
    (half / "backbone").chmod(half.stat().st_mode)  # what a cache keeps to its owner, all nodes must read
    pairs_P2 = np.column_stack([material.pairs.first_P, material.pairs.second_P])
    write_config(replace(config.prompt, language=language_of(seen, config.prompt)), half)
    write_prepared(half, pairs_P2, material.tokens, material.hard_PN)
    half.rename(folder)
    return Prepared(len(material.tokens), len(pairs_P2), int((material.hard_PN != NOBODY).sum()), steps)


def _material(
    seen: Observation, found: Found, config: LearningConfig, source: Path, *, seed: int
) -> tuple[Material, tuple[Step, ...]]:
    tokens = tokens_of_all(seen, config.prompt, AutoTokenizer.from_pretrained(source, local_files_only=True))
    if found.pairs is None:
        assert found.readers is not None
        mined = mined_of(seen.catalog, found.readers, tokens, config, seed=seed)
    else:
        mined = _as_given(found.pairs, found.readers, config, len(tokens))
    if len(mined.pairs.first_P) == 0:
        raise ValueError(f"pairs: expected some that pass the filters, got none: {mined.steps}")

    def read(tokens: TokenTable) -> NDArray[np.float32]:
        if found.vectors_AD is not None:
            return found.vectors_AD
        return read_by(_read(config.backbone, source, seed))(tokens)

    material = with_hard(mined, tokens, config.hard, seed=seed, read=read)
    if config.hard.n and not (material.hard_PN != NOBODY).any():
        raise ValueError(f"hard: expected negatives that {config.hard} lets through, got none")
    return material, mined.steps


def _as_given(pairs: Pairs, readers: Readers | None, config: LearningConfig, n_authors: int) -> Mined:
    """Take pairs as they are; of authors who joined since, who come after the others, they know nothing."""
    columns = PairColumns(pairs.first_P, pairs.second_P, n_authors)
    sharing = columns if readers is None or not config.hard.n else sharing_any(readers, config.pairs)
    return Mined(columns, sharing, ())


def config_of(
    backbone: str,
    cache: str,
    max_tokens: int,
    pairs: tuple[str, float],
    filters: tuple[tuple[str, ...], int, float],
) -> LearningConfig:
    """Return a config: pairs by score and days, filters by chain, top and head share."""
    base = LearningConfig()
    (score, window_days), (chain, top, head_share) = pairs, filters
    return replace(
        base,
        backbone=backbone_of(backbone),
        cache=cache,
        prompt=replace(base.prompt, max_tokens=max_tokens),
        pairs=replace(base.pairs, score=checked(score), window_days=window_days),
        filters=replace(base.filters, chain=chain, top=top, head_share=head_share),
    )


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
