"""Texts of notes and authors, rendered when asked for, each a function of (key, id) and nothing else.

The words tell the topic. The voice is a hash of the author and tells nothing else of them: style and quality are not
in the text. One body sentence in five is off the topic, and a few bodies are off it altogether.

Shapes: N notes, A authors, M topics of an author, n texts asked for, S lines of a text, L slots of a line, F fragments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.luck import keys, uniforms
from simulator.schema.checks import SchemaError, check_column, check_range
from simulator.sizes import N_TOPICS
from simulator.text.pack import MAX_SLOTS, Pack
from simulator.text.phrasebook import WORDS_OF_KIND, Lines, Phrasebook, compile_pack

VOICE, TITLE, BODY, LINES, SECOND, PROFILE = range(6)  # what a draw is for
TOPICS_OF_AUTHOR = 3

SECOND_SHARE = 1 / 3  # of the words of a note with two topics
NOISE_SHARE = 0.2  # of body sentences
PLAIN_SHARE = 0.04  # of notes, whose body says almost nothing of the topic
PLAIN_NOISE_SHARE = 0.95  # of their sentences
OPENER_SHARE = 0.7
FILLER_SHARE = 0.5
CLOSER_SHARE = 0.7
TAG_SHARE = 0.3
LONG_SHARE = 0.4  # of bodies, with one line more
BODY_LINES = 4
PROFILE_LINES = 2
STEPS = np.array([1, 3, 7, 9])  # coprime to 4, 8 and 10, so a walk over a topic's words sees all before one again
CHUNK = 2048  # texts a pass, so that the fragments stay in cache


@dataclass(frozen=True, slots=True, eq=False)
class NoteTitles:
    """Titles of notes, `topic_N` and now and then `second_N` in the voice of `author_N`."""

    pack: Pack
    key: np.uint64
    topic_N: NDArray[np.int16]
    second_N: NDArray[np.int16]
    author_N: NDArray[np.int32]

    def __post_init__(self) -> None:
        _check_notes("NoteTitles", self.topic_N, self.second_N, self.author_N)

    def __len__(self) -> int:
        return len(self.topic_N)

    def take(self, ids: NDArray[np.int32]) -> list[str]:
        """Return the titles of `ids`, in that order."""
        check_range("NoteTitles.ids", ids, 0, len(self))
        return _render(compile_pack(self.pack), self._fragments, ids)

    def head(self, n: int) -> NoteTitles:
        """Return the titles of the first `n` notes."""
        return NoteTitles(self.pack, self.key, self.topic_N[:n], self.second_N[:n], self.author_N[:n])

    def _fragments(self, book: Phrasebook, ids: NDArray[np.int32]) -> NDArray[np.int32]:
        line_n, walk_n, *second_Ln = _luck(self.key, TITLE, ids, 2 + MAX_SLOTS)
        pick_nS = _distinct(line_n, len(book.titles), 1)
        topic_nSL = _mix_topics(self.topic_N[ids], self.second_N[ids], np.stack(second_Ln, axis=1)[:, None])
        title_nSF = _fill(book, book.titles, pick_nS, topic_nSL, walk_n)
        return np.column_stack([title_nSF[:, 0], book.ending_V[_voices(book, self.key, self.author_N[ids])]])


@dataclass(frozen=True, slots=True, eq=False)
class NoteBodies:
    """Bodies of notes: an opener, three or four lines, a filler, a closer and a tag, some of them left out."""

    pack: Pack
    key: np.uint64
    topic_N: NDArray[np.int16]
    second_N: NDArray[np.int16]
    author_N: NDArray[np.int32]

    def __post_init__(self) -> None:
        _check_notes("NoteBodies", self.topic_N, self.second_N, self.author_N)

    def __len__(self) -> int:
        return len(self.topic_N)

    def take(self, ids: NDArray[np.int32]) -> list[str]:
        """Return the bodies of `ids`, in that order."""
        check_range("NoteBodies.ids", ids, 0, len(self))
        return _render(compile_pack(self.pack), self._fragments, ids)

    def head(self, n: int) -> NoteBodies:
        """Return the bodies of the first `n` notes."""
        return NoteBodies(self.pack, self.key, self.topic_N[:n], self.second_N[:n], self.author_N[:n])

    def _fragments(self, book: Phrasebook, ids: NDArray[np.int32]) -> NDArray[np.int32]:
        opener_n, filler_n, closer_n, tag_n, walk_n = _luck(self.key, BODY, ids, 5)
        pick_nS = _pick_lines(book, self.key, ids)
        second_nSL = _luck(self.key, SECOND, ids, BODY_LINES * MAX_SLOTS).T.reshape(-1, BODY_LINES, MAX_SLOTS)
        topic_nSL = _mix_topics(self.topic_N[ids], self.second_N[ids], second_nSL)
        line_nSF = _fill(book, book.bodies, pick_nS, topic_nSL, walk_n)
        voice_n = _voices(book, self.key, self.author_N[ids])
        return np.column_stack(
            [
                _maybe(opener_n, OPENER_SHARE, book.opener_VP[voice_n]),
                *(line_nSF[:, s] for s in range(BODY_LINES // 2)),
                _maybe(filler_n, FILLER_SHARE, book.filler_VP[voice_n]),
                *(line_nSF[:, s] for s in range(BODY_LINES // 2, BODY_LINES)),
                _maybe(closer_n, CLOSER_SHARE, book.closer_VP[voice_n]),
                _maybe(tag_n, TAG_SHARE, np.broadcast_to(book.tag_P, (len(ids), len(book.tag_P)))),
            ]
        )


@dataclass(frozen=True, slots=True, eq=False)
class AuthorProfiles:
    """Profiles of authors: two lines that speak of every topic of the author; -1 pads `topics_AM` on the right."""

    pack: Pack
    key: np.uint64
    topics_AM: NDArray[np.int16]

    def __post_init__(self) -> None:
        topics_AM = self.topics_AM
        if topics_AM.dtype != np.int16 or topics_AM.shape != (len(topics_AM), TOPICS_OF_AUTHOR):
            expected = f"int16({len(topics_AM)}, {TOPICS_OF_AUTHOR})"
            raise SchemaError("AuthorProfiles.topics", expected, f"{topics_AM.dtype}{topics_AM.shape}")
        check_range("AuthorProfiles.topics", topics_AM, -1, N_TOPICS)
        if bool((topics_AM[:, 0] < 0).any()):
            row = int(np.argmax(topics_AM[:, 0] < 0))
            raise SchemaError("AuthorProfiles.topics", "a first topic of every author", f"none in row {row}")
        if bool(((topics_AM[:, 1:] >= 0) & (topics_AM[:, :-1] < 0)).any()):
            raise SchemaError("AuthorProfiles.topics", "-1 on the right only", "a topic after -1")
        topics_AM.flags.writeable = False

    def __len__(self) -> int:
        return len(self.topics_AM)

    def take(self, ids: NDArray[np.int32]) -> list[str]:
        """Return the profiles of `ids`, in that order."""
        check_range("AuthorProfiles.ids", ids, 0, len(self))
        return _render(compile_pack(self.pack), self._fragments, ids)

    def head(self, n: int) -> AuthorProfiles:
        """Return the profiles of the first `n` authors."""
        return AuthorProfiles(self.pack, self.key, self.topics_AM[:n])

    def _fragments(self, book: Phrasebook, ids: NDArray[np.int32]) -> NDArray[np.int32]:
        line_n, walk_n, filler_n = _luck(self.key, PROFILE, ids, 3)
        pick_nS = _distinct(line_n, len(book.profiles), PROFILE_LINES)
        topics_nM = self.topics_AM[ids]
        count_n11 = (topics_nM >= 0).sum(axis=1)[:, None, None]
        # Slots take the topics in turn, so that each is spoken of.
        turn_nSL = _ordinals(book.profiles.slot_RL[pick_nS]) % count_n11
        topic_nSL = topics_nM[np.arange(len(ids))[:, None, None], turn_nSL]
        line_nSF = _fill(book, book.profiles, pick_nS, topic_nSL, walk_n)
        filler_nP = book.filler_VP[_voices(book, self.key, ids)]
        return np.column_stack(
            [*(line_nSF[:, s] for s in range(PROFILE_LINES)), _maybe(filler_n, FILLER_SHARE, filler_nP)]
        )


def _check_notes(
    name: str, topic_N: NDArray[np.int16], second_N: NDArray[np.int16], author_N: NDArray[np.int32]
) -> None:
    check_column(f"{name}.topic", topic_N, "int16", len(topic_N))
    check_column(f"{name}.second", second_N, "int16", len(topic_N))
    check_column(f"{name}.author", author_N, "int32", len(topic_N))
    check_range(f"{name}.topic", topic_N, 0, N_TOPICS)
    check_range(f"{name}.second", second_N, 0, N_TOPICS)
    check_range(f"{name}.author", author_N, 0, np.inf)


def _render(
    book: Phrasebook,
    fragments_of: Callable[[Phrasebook, NDArray[np.int32]], NDArray[np.int32]],
    ids: NDArray[np.int32],
) -> list[str]:
    """Join the fragments of every text, a chunk of texts at a time."""
    texts: list[str] = []
    for start in range(0, len(ids), CHUNK):
        rows = book.fragments[fragments_of(book, ids[start : start + CHUNK])].tolist()
        texts.extend("".join(row).rstrip() for row in rows)
    return texts


def _luck(key: np.uint64, purpose: int, ids: NDArray[np.int32], n_draws: int) -> NDArray[np.float64]:
    """Return `n_draws` rows of uniforms, a column for each of `ids`."""
    draw = np.repeat(np.arange(n_draws), len(ids))
    return uniforms(keys(key, purpose, np.tile(ids, n_draws), draw)).reshape(n_draws, len(ids))


def _voices(book: Phrasebook, key: np.uint64, author_n: NDArray[np.int32]) -> NDArray[np.int64]:
    return _below(_luck(key, VOICE, author_n, 1)[0], len(book.ending_V))


def _below(luck_n: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    """Map uniforms to integers in [0, n)."""
    return (luck_n * n).astype(np.int64)


def _maybe(luck_n: NDArray[np.float64], share: float, choice_nP: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return one of each row's choices for `share` of the rows, the empty fragment for the others."""
    place_n = _below(np.minimum(luck_n / share, 1.0 - 2.0**-52), choice_nP.shape[1])
    return np.where(luck_n < share, choice_nP[np.arange(len(luck_n)), place_n], 0)


def _distinct(luck_n: NDArray[np.float64], n_lines: int, n_picks: int) -> NDArray[np.int64]:
    """Return `n_picks` different lines per row: a first one, then equal strides that do not come round."""
    n_strides = (n_lines - 1) // max(n_picks - 1, 1)
    first_n, stride_n = np.divmod(_below(luck_n, n_lines * n_strides), n_strides)
    picks: NDArray[np.int64] = (first_n[:, None] + (1 + stride_n[:, None]) * np.arange(n_picks)) % n_lines
    return picks


def _pick_lines(book: Phrasebook, key: np.uint64, ids: NDArray[np.int32]) -> NDArray[np.int64]:
    """Pick the lines of bodies: on the topic, off it, or the empty one."""
    body_n, noise_n, plain_n, long_n, *off_Sn = _luck(key, LINES, ids, 4 + BODY_LINES)
    n_noise = len(book.bodies) - 1 - book.n_bodies
    on_nS = _distinct(body_n, book.n_bodies, BODY_LINES)
    off_nS = book.n_bodies + _distinct(noise_n, n_noise, BODY_LINES)
    noise_share_n1 = np.where(plain_n < PLAIN_SHARE, PLAIN_NOISE_SHARE, NOISE_SHARE)[:, None]
    pick_nS = np.where(np.stack(off_Sn, axis=1) < noise_share_n1, off_nS, on_nS)
    pick_nS[long_n >= LONG_SHARE, -1] = len(book.bodies) - 1
    return pick_nS


def _mix_topics(
    topic_n: NDArray[np.int16], second_n: NDArray[np.int16], luck_nSL: NDArray[np.float64]
) -> NDArray[np.int16]:
    """Return the topic that each slot speaks of."""
    return np.where(luck_nSL < SECOND_SHARE, second_n[:, None, None], topic_n[:, None, None])


def _ordinals(slot_nSL: NDArray[np.int8]) -> NDArray[np.int64]:
    """Return the number of each used slot in its text, from 0."""
    used_nX = (slot_nSL >= 0).reshape(len(slot_nSL), -1)
    ordinal_nX: NDArray[np.int64] = np.maximum(used_nX.cumsum(axis=1) - 1, 0)
    return ordinal_nX.reshape(slot_nSL.shape)


def _fill(
    book: Phrasebook,
    lines: Lines,
    pick_nS: NDArray[np.int64],
    topic_nSL: NDArray[np.int16],
    walk_n: NDArray[np.float64],
) -> NDArray[np.int32]:
    """Return the fragments of the picked lines. Slots walk over the words of their topic, from a drawn start."""
    slot_nSL = lines.slot_RL[pick_nS]
    start_n, step_n = np.divmod(_below(walk_n, 40 * len(STEPS)), len(STEPS))  # 40 = lcm of the numbers of words
    place_nSL = start_n[:, None, None] + STEPS[step_n][:, None, None] * _ordinals(slot_nSL)
    word_nSL = book.word_KT[slot_nSL, topic_nSL] + place_nSL % WORDS_OF_KIND[slot_nSL]
    line_nSF = np.zeros((*pick_nS.shape, 2 * MAX_SLOTS + 1), np.int32)
    line_nSF[..., 0::2] = lines.literal_RL[pick_nS]
    line_nSF[..., 1::2] = np.where(slot_nSL >= 0, word_nSL, 0)
    return line_nSF
