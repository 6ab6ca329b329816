"""The named configs of the author encoder: what is taken away or exchanged, one thing at a time.

coldrecall run --tasks 'author-cold/*' --methods author-encoder,methods.author_encoder.runs:zero_shot,...

What changes pairs, batches or filters alone is there on the bag too, as bag_strict and so on: it trains five times as
fast as the default backbone, and came out level with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from methods.author_encoder.backbones import BackboneConfig
from methods.author_encoder.contrast import ContrastConfig
from methods.author_encoder.embedded import EmbeddedConfig
from methods.author_encoder.filters import FilterConfig
from methods.author_encoder.hard import HardConfig
from methods.author_encoder.learning import LearningConfig
from methods.author_encoder.method import AuthorEncoder, AuthorEncoderConfig
from methods.author_encoder.pooling import Pooling
from methods.author_encoder.training import TrainingConfig

BASE = AuthorEncoderConfig()
LEARNING = BASE.learning
BACKBONE, TRAINING = LEARNING.backbone, LEARNING.training
EMBEDDED = BACKBONE.embedded
STRICT = FilterConfig()  # score bounds, category, HHI and caps, all at once
ADDED = ("audience-hhi", "prompt-length", "category-hard")
BAG = replace(EMBEDDED, layers=0, tokens=0)  # a vector a token, and nothing that reads them


def _learning(learning: LearningConfig) -> AuthorEncoderConfig:
    return replace(BASE, learning=learning)


def _backbone(backbone: BackboneConfig) -> AuthorEncoderConfig:
    return _learning(replace(LEARNING, backbone=backbone))


def _embedded(embedded: EmbeddedConfig) -> AuthorEncoderConfig:
    return _backbone(replace(BACKBONE, embedded=embedded))


def _pooled(pooling: Pooling) -> AuthorEncoderConfig:
    return _backbone(replace(BACKBONE, head=replace(BACKBONE.head, pooling=pooling)))


def _training(training: TrainingConfig) -> AuthorEncoderConfig:
    return _learning(replace(LEARNING, training=training))


def _in_batches(pairs: int) -> AuthorEncoderConfig:
    """Change the batch, at the same number of pairs seen."""
    return _training(replace(TRAINING, batch=pairs, steps=max(1, TRAINING.steps * TRAINING.batch // pairs)))


def _filters(filters: FilterConfig) -> AuthorEncoderConfig:
    return _learning(replace(LEARNING, filters=filters))


def _strict_without(name: str) -> AuthorEncoderConfig:
    """Leave one filter of the strict chain out."""
    return _filters(replace(STRICT, chain=tuple(kept for kept in STRICT.chain if kept != name)))


def _strict_with(name: str) -> AuthorEncoderConfig:
    """Add one filter to the strict chain."""
    return _filters(replace(STRICT, chain=(*STRICT.chain, name)))


def _on_bag(config: AuthorEncoderConfig) -> AuthorEncoderConfig:
    learning = config.learning
    return replace(config, learning=replace(learning, backbone=replace(learning.backbone, embedded=BAG)))


PAIRS = {
    "every_pair": _filters(replace(LEARNING.filters, chain=())),
    "strict": _filters(STRICT),
    **{f"strict_without_{name.replace('-', '_')}": _strict_without(name) for name in STRICT.chain},
    **{f"strict_with_{name.replace('-', '_')}": _strict_with(name) for name in ADDED},
    **{f"pairs_{most}": _learning(replace(LEARNING, most_pairs=most)) for most in (1_000, 4_000, 16_000)},
    **{f"batch_{pairs}": _in_batches(pairs) for pairs in (32, 512)},
    **{f"hard_{n}": _learning(replace(LEARNING, hard=HardConfig(n))) for n in (1, 4)},
}
CONFIGS = {
    "base": BASE,
    "zero_shot": _learning(replace(LEARNING, positives="none")),
    "two_views": _learning(replace(LEARNING, positives="two-views")),
    "llama": _embedded(replace(EMBEDDED, architecture="llama")),
    "random_start": _embedded(replace(EMBEDDED, start="random")),
    "unpretrained": _embedded(replace(EMBEDDED, tokens=0)),
    "bag": _embedded(BAG),
    "last_token": _pooled("last"),
    "mean": _pooled("mean"),
    "smollm2": _backbone(replace(BACKBONE, name="smollm2-135m", trained="lora")),
    "lora": _backbone(replace(BACKBONE, trained="lora")),
    "long": _training(replace(TRAINING, steps=200, batch=256)),
    "drawn_pairs": _training(replace(TRAINING, contrast=ContrastConfig())),
    "every_token": _training(replace(TRAINING, token_drop=0.0)),
    "titles": _learning(replace(LEARNING, prompt=replace(LEARNING.prompt, n_bodies=0))),
    "never_fading": replace(BASE, author_half_life_days=0.0),
    "no_co_readers": replace(BASE, co_readers=replace(BASE.co_readers, n_neighbours=0)),
    "popular_alike": replace(BASE, rarity=0.0),
    **PAIRS,
    **{f"bag_{name}": _on_bag(config) for name, config in PAIRS.items()},
}


def __getattr__(name: str) -> Callable[[], AuthorEncoder]:
    """Return what makes the method of a named config, so that "methods.author_encoder.runs:zero_shot" is one."""
    if name not in CONFIGS:
        raise AttributeError(f"{__name__}: expected one of {', '.join(CONFIGS)}, got {name!r}")
    return partial(AuthorEncoder, CONFIGS[name])
