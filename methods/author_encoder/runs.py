"""The named configs of the author encoder: what is taken away or exchanged, one thing at a time.

coldrecall run --tasks 'author-cold/*' --methods author-encoder,methods.author_encoder.runs:zero_shot,...
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from methods.author_encoder.backbones import BackboneConfig
from methods.author_encoder.contrast import ContrastConfig
from methods.author_encoder.filters import FilterConfig
from methods.author_encoder.learning import Positives
from methods.author_encoder.method import AuthorEncoder, AuthorEncoderConfig
from methods.author_encoder.pooling import Pooling

BASE = AuthorEncoderConfig()
_LEARNING = BASE.learning
_BACKBONE, _FILTERS = _LEARNING.backbone, _LEARNING.filters
STRICT = FilterConfig()  # the whole chain, as in production


def _taught(positives: Positives) -> AuthorEncoderConfig:
    return replace(BASE, learning=replace(_LEARNING, positives=positives))


def _from(backbone: BackboneConfig) -> AuthorEncoderConfig:
    return replace(BASE, learning=replace(_LEARNING, backbone=backbone))


def _made(**changes: Any) -> AuthorEncoderConfig:
    """Change how the backbone is made."""
    return _from(replace(_BACKBONE, embedded=replace(_BACKBONE.embedded, **changes)))


def _pooled(pooling: Pooling) -> AuthorEncoderConfig:
    return _from(replace(_BACKBONE, head=replace(_BACKBONE.head, pooling=pooling)))


def _trained(**changes: Any) -> AuthorEncoderConfig:
    return replace(BASE, learning=replace(_LEARNING, training=replace(_LEARNING.training, **changes)))


def _filtered(filters: FilterConfig) -> AuthorEncoderConfig:
    return replace(BASE, learning=replace(_LEARNING, filters=filters))


def _without(name: str) -> AuthorEncoderConfig:
    """Leave one filter of the whole chain out."""
    return _filtered(replace(STRICT, chain=tuple(kept for kept in STRICT.chain if kept != name)))


def _of_pairs(most: int) -> AuthorEncoderConfig:
    return replace(BASE, learning=replace(_LEARNING, most_pairs=most))


def _in_batches(pairs: int) -> AuthorEncoderConfig:
    """Change the batch, at the same number of pairs seen."""
    training = _LEARNING.training
    return _trained(batch=pairs, steps=max(1, training.steps * training.batch // pairs))


CONFIGS = {
    "base": BASE,
    "zero_shot": _taught("none"),
    "two_views": _taught("two-views"),
    "llama": _made(architecture="llama"),
    "random_start": _made(start="random"),
    "unpretrained": _made(tokens=0),
    "last_token": _pooled("last"),
    "mean": _pooled("mean"),
    "smollm2": _from(replace(_BACKBONE, name="smollm2-135m", trained="lora")),
    "lora": _from(replace(_BACKBONE, trained="lora")),
    "every_pair": _filtered(replace(_FILTERS, chain=())),
    "long": _trained(steps=200, batch=256),
    "drawn_pairs": _trained(contrast=ContrastConfig()),
    "every_token": _trained(token_drop=0.0),
    "titles": replace(BASE, learning=replace(_LEARNING, prompt=replace(_LEARNING.prompt, n_bodies=0))),
    "never_fading": replace(BASE, author_half_life_days=0.0),
    "no_co_readers": replace(BASE, co_readers=replace(BASE.co_readers, n_neighbours=0)),
    "popular_alike": replace(BASE, rarity=0.0),
    "strict": _filtered(STRICT),
    **{f"strict_without_{name.replace('-', '_')}": _without(name) for name in STRICT.chain},
    "pairs_1000": _of_pairs(1_000),
    "pairs_4000": _of_pairs(4_000),
    "pairs_16000": _of_pairs(16_000),
    "batch_32": _in_batches(32),
    "batch_512": _in_batches(512),
}


def __getattr__(name: str) -> Callable[[], AuthorEncoder]:
    """Return what makes the method of a named config, so that "methods.author_encoder.runs:zero_shot" is one."""
    if name not in CONFIGS:
        raise AttributeError(f"{__name__}: expected one of {', '.join(CONFIGS)}, got {name!r}")
    return partial(AuthorEncoder, CONFIGS[name])
