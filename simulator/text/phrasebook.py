"""A pack cut into fragments, so that a text is a row of integers and rendering is one join.

A line (a template, or a sentence without slots) alternates literals and slots: literal, slot, literal, slot, literal,
slot, literal. Fragment 0 is the empty text and fills what a line does not use.

Shapes: R lines, L slots of a line, K kinds of slot, T topics, V voices, P phrases of a voice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from simulator.sizes import TOPICS_PER_CATEGORY
from simulator.text.pack import MAX_SLOTS, N_ACTIONS, N_COMMON, N_THINGS, SLOT, SLOTS, Pack, Topic

WORDS_OF_KIND = np.array([1, 1, N_THINGS, N_ACTIONS, N_ACTIONS, N_COMMON])


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Lines as fragments; `slot_RL` is an index into SLOTS, -1 where the line has no more slots."""

    literal_RL: NDArray[np.int32]
    slot_RL: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.slot_RL)


@dataclass(frozen=True, slots=True, eq=False)
class Phrasebook:
    """All fragments of a language, and where they are. Sentences end with the joiner.

    `bodies` holds the `n_bodies` sentences with slots, then the noise, then one empty line. The words of kind k and
    topic t are the `WORDS_OF_KIND[k]` fragments from `word_KT[k, t]` on.
    """

    fragments: NDArray[np.object_]
    word_KT: NDArray[np.int32]
    titles: Lines
    bodies: Lines
    profiles: Lines
    n_bodies: int
    ending_V: NDArray[np.int32]
    opener_VP: NDArray[np.int32]
    filler_VP: NDArray[np.int32]
    closer_VP: NDArray[np.int32]
    tag_P: NDArray[np.int32]


@lru_cache(maxsize=4)
def compile_pack(pack: Pack) -> Phrasebook:
    """Cut `pack` into a phrasebook."""
    fragments = [""]

    def add(text: str) -> int:
        fragments.append(text)
        return len(fragments) - 1

    def add_all(texts: Iterable[str]) -> NDArray[np.int32]:
        return np.array([add(text) for text in texts], np.int32)

    def sentences(rows: Sequence[Sequence[str]]) -> NDArray[np.int32]:
        return np.stack([add_all(text + pack.joiner for text in row) for row in rows])

    word_KT = _add_words(pack, add_all)
    return Phrasebook(
        word_KT=word_KT,
        titles=_cut(pack.titles, add),
        bodies=_cut([*(text + pack.joiner for text in (*pack.bodies, *pack.noise)), ""], add),
        profiles=_cut([text + pack.joiner for text in pack.profiles], add),
        n_bodies=len(pack.bodies),
        ending_V=add_all(voice.title_ending for voice in pack.voices),
        opener_VP=sentences([voice.openers for voice in pack.voices]),
        filler_VP=sentences([voice.fillers for voice in pack.voices]),
        closer_VP=sentences([voice.closers for voice in pack.voices]),
        tag_P=add_all(pack.tags),
        fragments=np.array(fragments, object),  # last: the lines above have filled it
    )


def _add_words(pack: Pack, add_all: Callable[[Iterable[str]], NDArray[np.int32]]) -> NDArray[np.int32]:
    """Add the words of every kind and topic, and return where each run of them starts."""
    topics = pack.topics
    word_KT = np.empty((len(SLOTS), len(topics)), np.int32)
    for k, kind in enumerate(SLOTS[:-1]):
        for t, topic in enumerate(topics):
            word_KT[k, t] = add_all(_words(topic, kind))[0]
    common_C = [add_all(category.words)[0] for category in pack.categories]
    word_KT[-1] = np.repeat(common_C, TOPICS_PER_CATEGORY)
    return word_KT


def _words(topic: Topic, kind: str) -> Sequence[str]:
    words = {"name": (topic.name,), "thing": topic.things, "action": topic.actions}[kind.lower()]
    return words if kind.islower() else [word[:1].upper() + word[1:] for word in words]


def _cut(texts: Sequence[str], add: Callable[[str], int]) -> Lines:
    """Cut texts at their slots."""
    literal_RL = np.zeros((len(texts), MAX_SLOTS + 1), np.int32)
    slot_RL = np.full((len(texts), MAX_SLOTS), -1, np.int8)
    for r, text in enumerate(texts):
        pieces = SLOT.split(text)
        for place, literal in enumerate(pieces[0::2]):
            literal_RL[r, place] = add(literal) if literal else 0
        for place, slot in enumerate(pieces[1::2]):
            slot_RL[r, place] = SLOTS.index(slot)
    return Lines(literal_RL, slot_RL)
