"""The named configs of the author encoder: what is taken away or exchanged, one thing at a time."""

from __future__ import annotations

from dataclasses import replace

from methods.author_encoder.backbones import BackboneConfig
from methods.author_encoder.embedded import EmbeddedConfig
from methods.author_encoder.filters import FilterConfig
from methods.author_encoder.learning import Positives
from methods.author_encoder.method import AuthorEncoderConfig

BASE = AuthorEncoderConfig()
_LEARNING = BASE.learning
_CHAIN = _LEARNING.filters.chain


def _taught(positives: Positives) -> AuthorEncoderConfig:
    return replace(BASE, learning=replace(_LEARNING, positives=positives))


def _from(backbone: BackboneConfig) -> AuthorEncoderConfig:
    return replace(BASE, learning=replace(_LEARNING, backbone=backbone))


def _filtered(filters: FilterConfig) -> AuthorEncoderConfig:
    return replace(BASE, learning=replace(_LEARNING, filters=filters))


def _without(name: str) -> AuthorEncoderConfig:
    """Leave one filter of the chain out."""
    if name not in _CHAIN:
        raise ValueError(f"filter: expected one of {', '.join(_CHAIN)}, got {name!r}")
    return _filtered(replace(_LEARNING.filters, chain=tuple(kept for kept in _CHAIN if kept != name)))


def _of_pairs(most: int) -> AuthorEncoderConfig:
    return replace(BASE, learning=replace(_LEARNING, most_pairs=most))


def _in_batches(pairs: int) -> AuthorEncoderConfig:
    """Change the batch, at the same number of pairs seen."""
    training = _LEARNING.training
    steps = max(1, training.steps * training.batch // pairs)
    return replace(BASE, learning=replace(_LEARNING, training=replace(training, batch=pairs, steps=steps)))


ZERO_SHOT, TWO_VIEWS = _taught("none"), _taught("two-views")
LLAMA = _from(BackboneConfig(embedded=EmbeddedConfig(architecture="llama")))
SMOLLM2 = _from(BackboneConfig(name="smollm2-135m"))
LORA, FULL = _from(BackboneConfig(trained="lora")), _from(BackboneConfig(trained="full"))
NO_FILTER = _filtered(replace(_LEARNING.filters, chain=()))
NO_SUPPORT, NO_BOUNDS = _without("support"), _without("score-bounds")
NO_CATEGORY, NO_HHI = _without("category-soft"), _without("content-hhi")
NO_TOP, NO_HEAD_CAP = _without("top-per-author"), _without("head-cap")
PAIRS_1K, PAIRS_4K = _of_pairs(1_000), _of_pairs(4_000)
BATCH_32, BATCH_512 = _in_batches(32), _in_batches(512)
