"""What is written about an author, as one prompt: profile, first-level category, newest titles in time order, bodies.

A prompt that is too long loses the end of its bodies first (the newest is the first), then its oldest titles, then the
end of its profile, never its category. Notes are chosen by time and not by popularity, which would tell what accrues
later. Shapes: M authors asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from methods.text import newest_notes
from simulator.schema import Observation
from simulator.schema.checks import SchemaError, check_range

Measure = Callable[[Sequence[str]], Sequence[int]]  # lengths of texts in tokens, opening and closing not counted
Fits = Callable[[Sequence["Parts"]], NDArray[np.bool_]]
Shorten = Callable[["Parts", int], "Parts"]  # to a number of titles or characters
Language = Literal["auto", "english", "chinese"]

ENDS = 2  # tokens kept free for what a tokenizer sets before and after the text
CHARACTERS_PER_TOKEN = 16  # no text has so many on average: more of a profile than this is never looked at
CHINESE = re.compile(r"[\u4e00-\u9fff]")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


@dataclass(frozen=True, slots=True)
class Template:
    """The lines of a prompt; a line whose slot is empty is left out, but for the category's."""

    profile: str
    category: str
    unknown: str  # stands for a category that the platform does not know
    titles: str
    title: str
    bodies: str
    ending: str  # asks for the whole in one word, after Jiang et al. 2023, arXiv:2307.16645


TEMPLATES = {
    "english": Template(
        profile="Profile: {}\n",
        category="Category: {}\n",
        unknown="unknown",
        titles="Notes:\n",
        title="- {}\n",
        bodies="Newest: {}\n",
        ending="This author in one word:",
    ),
    "chinese": Template(
        profile="简介：{}\n",  # noqa: RUF001
        category="类目：{}\n",  # noqa: RUF001
        unknown="未知",
        titles="笔记：\n",  # noqa: RUF001
        title="- {}\n",
        bodies="最新：{}\n",  # noqa: RUF001
        ending="用一个词概括这位作者：",  # noqa: RUF001
    ),
}


@dataclass(frozen=True, slots=True)
class PromptConfig:
    """What is read of an author, and how much of it."""

    language: Language = "auto"  # of the template; auto: Chinese where a category has a Chinese name
    n_titles: int = 20  # the newest ones
    title_characters: int = 120  # a longer title, or the body of a note without one, is cut
    n_bodies: int = 0  # of the newest notes, after the titles
    max_tokens: int = 128  # of a prompt, with what the tokenizer sets before and after it

    def __post_init__(self) -> None:
        if self.language != "auto" and self.language not in TEMPLATES:
            raise SchemaError("PromptConfig.language", f"one of auto, {', '.join(TEMPLATES)}", repr(self.language))
        for field, value, least in (
            ("n_titles", self.n_titles, 0),
            ("title_characters", self.title_characters, 1),
            ("n_bodies", self.n_bodies, 0),
            ("max_tokens", self.max_tokens, ENDS + 1),
        ):
            if value < least:
                raise SchemaError(f"PromptConfig.{field}", f"at least {least}", value)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a prompt is made of; titles oldest first, bodies newest first."""

    profile: str
    category: str
    titles: tuple[str, ...]
    bodies: str = ""

    @property
    def is_silent(self) -> bool:
        """Whether nothing was written by or about the author."""
        return not (self.profile or self.titles or self.bodies)

    def text(self, template: Template) -> str:
        """Write the prompt."""
        profile = template.profile.format(self.profile) if self.profile else ""
        heading = template.titles if self.titles else ""
        lines = "".join(template.title.format(title) for title in self.titles)
        bodies = template.bodies.format(self.bodies) if self.bodies else ""
        return f"{profile}{template.category.format(self.category)}{heading}{lines}{bodies}{template.ending}"

    def with_bodies(self, n_characters: int) -> Parts:
        """Keep the beginning of the bodies only."""
        return replace(self, bodies=self.bodies[:n_characters].rstrip())

    def newest(self, n_titles: int) -> Parts:
        """Keep no body, and the newest titles only."""
        return replace(self, titles=self.titles[len(self.titles) - n_titles :], bodies="")

    def cut(self, n_characters: int) -> Parts:
        """Keep no note, and the beginning of the profile only."""
        return replace(self, titles=(), bodies="", profile=self.profile[:n_characters].rstrip())


def n_bytes(texts: Sequence[str]) -> list[int]:
    """Bound the lengths in tokens from above without a tokenizer: a byte-level one makes at most a token a byte."""
    return [len(text.encode()) for text in texts]


def prompts(
    seen: Observation,
    ids_M: NDArray[np.int32],
    config: PromptConfig,
    *,
    measure: Measure = n_bytes,
    silent_framed: bool = True,
) -> list[str]:
    """Return one prompt for each author of `ids_M`, none longer than `config.max_tokens` by `measure`.

    Pass `tokens.measure(tokenizer)`: the default fits every byte-level tokenizer but wastes room. An author with
    neither profile nor notes to read has category and ending alone, or without `silent_framed` the empty prompt. Raises
    SchemaError for an id that is no author's, and where `max_tokens` cannot hold a category.
    """
    template, whole = TEMPLATES[language_of(seen, config)], parts(seen, ids_M, config)
    found = _fitted(whole, template, config.max_tokens - ENDS, measure)
    return [text if silent_framed or not one.is_silent else "" for one, text in zip(whole, found, strict=True)]


def corpus(seen: Observation, config: PromptConfig, *, n_bodies: int = 4_000) -> list[str]:
    """Return what a small language model can learn the world's language from.

    That is one prompt an author, with everything in it, and the bodies of the newest notes.
    """
    template, notes = TEMPLATES[language_of(seen, config)], seen.catalog.notes
    everybody_A = np.arange(len(seen.catalog.authors), dtype=np.int32)
    newest_P = np.arange(max(0, len(notes) - n_bodies), len(notes), dtype=np.int32)
    bodies = [cleaned(body) for body in notes.body.take(newest_P)]
    return [one.text(template) for one in parts(seen, everybody_A, config)] + [body for body in bodies if body]


def language_of(seen: Observation, config: PromptConfig) -> Language:
    """Return the language of the template. Category names decide, since they are the same at every moment."""
    if config.language != "auto":
        return config.language
    return "chinese" if any(CHINESE.search(name) for name in seen.catalog.categories) else "english"


def parts(seen: Observation, ids_M: NDArray[np.int32], config: PromptConfig) -> list[Parts]:
    """Return what there is to say about each author, cleaned; notes as many as `config` has titles and bodies."""
    authors, categories = seen.catalog.authors, seen.catalog.categories
    if ids_M.dtype != np.int32 or ids_M.ndim != 1:
        raise SchemaError("ids_M", "int32(any,)", f"{ids_M.dtype}{ids_M.shape}")
    check_range("ids_M", ids_M, 0, len(authors))
    unknown = TEMPLATES[language_of(seen, config)].unknown
    names = [unknown if c < 0 else cleaned(categories[c]) or unknown for c in authors.category_A[ids_M]]
    most = CHARACTERS_PER_TOKEN * config.max_tokens
    profiles = [cleaned(profile[: 4 * most])[:most] for profile in authors.profile.take(ids_M)]
    titles_of, bodies_of = _titles(seen, ids_M, config), _bodies(seen, ids_M, config)
    return [
        Parts(profile, name, tuple(titles_of.get(author, ())), " ".join(reversed(bodies_of.get(author, ()))))
        for author, profile, name in zip(ids_M.tolist(), profiles, names, strict=True)
    ]


def _titles(seen: Observation, ids_M: NDArray[np.int32], config: PromptConfig) -> dict[int, list[str]]:
    """Return the newest titles of each author asked for, oldest first; a note without a title is its body."""
    notes, newest_P = seen.catalog.notes, _newest(seen, ids_M, config.n_titles)
    titles = [cleaned(title[: 4 * config.title_characters]) for title in notes.title.take(newest_P)]
    empty = np.array([not title for title in titles], bool)
    bodies = iter(notes.body.take(newest_P[empty]))
    of_author: dict[int, list[str]] = {}
    for author, title in zip(notes.author_N[newest_P].tolist(), titles, strict=True):
        line = (title or cleaned(next(bodies)[: 4 * config.title_characters]))[: config.title_characters].rstrip()
        if line:
            of_author.setdefault(author, []).append(line)
    return of_author


def _bodies(seen: Observation, ids_M: NDArray[np.int32], config: PromptConfig) -> dict[int, list[str]]:
    """Return the newest bodies of each author asked for, oldest first."""
    notes, newest_P = seen.catalog.notes, _newest(seen, ids_M, config.n_bodies)
    most = CHARACTERS_PER_TOKEN * config.max_tokens
    of_author: dict[int, list[str]] = {}
    for author, body in zip(notes.author_N[newest_P].tolist(), notes.body.take(newest_P), strict=True):
        if text := cleaned(body[: 4 * most])[:most]:
            of_author.setdefault(author, []).append(text)
    return of_author


def _newest(seen: Observation, ids_M: NDArray[np.int32], n_each: int) -> NDArray[np.int32]:
    """Return the newest notes of the authors asked for, ascending."""
    author_N = seen.catalog.notes.author_N
    if n_each == 0:  # no need to sort all notes
        return np.empty(0, np.int32)
    newest_P = newest_notes(author_N, n_each)
    return newest_P[np.isin(author_N[newest_P], ids_M)]


def cleaned(text: str) -> str:
    """Return the text on one line, fit for UTF-8: a lone surrogate is U+FFFD, a run of spaces and controls a space."""
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return " ".join(CONTROL.sub(" ", whole).split())


def _fitted(whole: list[Parts], template: Template, room: int, measure: Measure) -> list[str]:
    """Shorten what is too long: its bodies; what is too long without them, its titles; without any, its profile."""

    def fits(some: Sequence[Parts]) -> NDArray[np.bool_]:
        return np.asarray(measure([one.text(template) for one in some]), np.int64) <= room

    done = _shortened(whole, Parts.with_bodies, [len(one.bodies) for one in whole], fits)
    done = _shortened(done, Parts.newest, [len(one.titles) for one in done], fits)
    done = _shortened(done, Parts.cut, [len(one.profile) for one in done], fits)
    good_M = fits(done)
    if not good_M.all():
        category = done[int(np.argmin(good_M))].category
        raise SchemaError("PromptConfig.max_tokens", f"room for the category {category!r}", room + ENDS)
    return [one.text(template) for one in done]


def _shortened(whole: list[Parts], shorten: Shorten, most: list[int], fits: Fits) -> list[Parts]:
    """Keep as much as fits of those that are too long, all at once: a tokenizer is quick with many texts."""
    long_X = np.flatnonzero(~fits(whole))

    def at(rows: NDArray[np.int64], size: NDArray[np.int64]) -> list[Parts]:
        return [shorten(whole[row], n) for row, n in zip(long_X[rows].tolist(), size.tolist(), strict=True)]

    sizes_X = np.array(most, np.int64)[long_X]
    kept_X = _largest(sizes_X, lambda rows, size: fits(at(rows, size)))
    done = list(whole)
    for row, short in zip(long_X.tolist(), at(np.arange(len(long_X)), kept_X), strict=True):
        done[row] = short
    return done


def _largest(
    most_X: NDArray[np.int64], fits: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]]
) -> NDArray[np.int64]:
    """Return the largest size of each row in [0, most] that fits, by bisection; 0 where none was seen to fit."""
    low_X, high_X = np.zeros_like(most_X), most_X.copy()
    while (rows := np.flatnonzero(low_X < high_X)).size:
        middle = (low_X[rows] + high_X[rows] + 1) // 2
        good = fits(rows, middle)
        low_X[rows] = np.where(good, middle, low_X[rows])
        high_X[rows] = np.where(good, high_X[rows], middle - 1)
    return low_X
