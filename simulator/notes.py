"""What a note is: its topics, quality, format and style, all functions of (seed, author, day, turn).

The turn is the note's number among those that its author bears that day. Ids depend on what everybody else publishes;
this key does not, so two arms of an experiment give the same note the same luck, and the oracle can work a note out
from the catalog alone. Shapes: N notes, S style size, M topics of an author.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from simulator.luck import keys, stream, uniforms
from simulator.population import STYLE, Creators
from simulator.schema import DAY_SECONDS
from simulator.sizes import N_CATEGORIES, TOPICS_PER_CATEGORY
from simulator.spec import Affinity

_AUTHORS_QUALITY = 0.4  # share of the variance of a note's quality that is its author's


@dataclass(frozen=True, slots=True, eq=False)
class NoteTruth:
    """The true attributes of some notes, row by row."""

    key_N: NDArray[np.uint64]
    author_N: NDArray[np.int32]
    topic_N: NDArray[np.int16]
    second_N: NDArray[np.int16]
    quality_N: NDArray[np.float32]
    is_video_N: NDArray[np.bool_]
    style_NS: NDArray[np.float32]
    label_N: NDArray[np.int16]  # the platform's own category, wrong for one note in ten

    def then(self, later: NoteTruth) -> NoteTruth:
        """Return these notes followed by `later` ones."""
        return NoteTruth(*(np.concatenate([getattr(self, f.name), getattr(later, f.name)]) for f in fields(self)))

    def since(self, first: int) -> NoteTruth:
        """Return the notes from `first` on."""
        return NoteTruth(*(getattr(self, f.name)[first:] for f in fields(self)))


def note_keys(seed: int, author_N: NDArray[np.int32], born_time_N: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return the key of each note; whole days of notes, in order of birth."""
    day_N = born_time_N // DAY_SECONDS
    order = np.lexsort((np.arange(len(author_N)), author_N, day_N))
    is_first_N = np.ones(len(order), np.bool_)
    is_first_N[1:] = (np.diff(author_N[order]) != 0) | (np.diff(day_N[order]) != 0)
    place_N = np.arange(len(order))
    turn_N = np.empty(len(order), np.int64)
    turn_N[order] = place_N - np.maximum.accumulate(np.where(is_first_N, place_N, 0))
    return keys(stream(seed, "note"), author_N, day_N, turn_N)


def note_truth(
    spec: Affinity, creators: Creators, seed: int, author_N: NDArray[np.int32], born_time_N: NDArray[np.int64]
) -> NoteTruth:
    """Work out the attributes of whole days of notes, in order of birth."""
    key_N = note_keys(seed, author_N, born_time_N)

    def luck(name: str) -> NDArray[np.float64]:
        return uniforms(keys(stream(seed, f"note/{name}"), key_N))

    topic_N = _pick_topic(creators, author_N, luck("topic"))
    second_N = np.where(luck("mixes") < 0.5, _pick_topic(creators, author_N, luck("second")), topic_N)
    jitter_NS = np.stack([_normal(luck(f"style/{s}")) for s in range(STYLE)], axis=1)
    style_NS = np.sqrt(1.0 - spec.note_jitter) * creators.style_AS[author_N] + np.sqrt(spec.note_jitter) * jitter_NS
    quality_N = np.sqrt(_AUTHORS_QUALITY) * creators.quality_A[author_N] + np.sqrt(1.0 - _AUTHORS_QUALITY) * _normal(
        luck("quality")
    )
    label_N = topic_N // TOPICS_PER_CATEGORY
    label_N = np.where(luck("label") < 0.1, luck("wrong-label") * N_CATEGORIES, label_N)
    return NoteTruth(
        key_N=key_N,
        author_N=author_N,
        topic_N=topic_N,
        second_N=second_N.astype(np.int16),
        quality_N=quality_N.astype(np.float32),
        is_video_N=luck("video") < creators.video_share_A[author_N],
        style_NS=style_NS.astype(np.float32),
        label_N=label_N.astype(np.int16),
    )


def _pick_topic(creators: Creators, author_N: NDArray[np.int32], luck_N: NDArray[np.float64]) -> NDArray[np.int16]:
    """Pick one of the author's topics by its share."""
    upto_NM = np.cumsum(creators.topic_share_AM[author_N], axis=1)
    last_N = (creators.topics_AM[author_N] >= 0).sum(axis=1) - 1
    column_N = np.minimum((luck_N[:, None] >= upto_NM).sum(axis=1), last_N)
    topic_N: NDArray[np.int16] = creators.topics_AM[author_N, column_N]
    return topic_N


def _normal(luck_N: NDArray[np.float64]) -> NDArray[np.float64]:
    normal: NDArray[np.float64] = ndtri(luck_N)
    return normal
