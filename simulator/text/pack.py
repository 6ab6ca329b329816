"""A language pack: the words of every topic, and the sentences, voices and noise that carry them.

Packs are JSON files beside this module, equal in structure: topic i of one language is topic i of every other. A
template names its slots in braces: {name}, {thing} and {action} of a topic, {common} of its category; {Name} and
{Action} begin with a capital.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from simulator.schema.checks import SchemaError
from simulator.sizes import N_CATEGORIES, TOPICS_PER_CATEGORY

Language = Literal["english", "chinese"]
LANGUAGES: tuple[Language, ...] = ("english", "chinese")

SLOTS = ("name", "Name", "thing", "action", "Action", "common")
SLOT = re.compile(r"\{([^{}]*)\}")
MAX_SLOTS = 3
N_THINGS = 8
N_ACTIONS = 4
N_COMMON = 10
N_PHRASES = 4
MIN_TEMPLATES = 8  # more than a text has sentences, so that no template need come twice


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: its name, the nouns that are its own, and what one does there."""

    name: str
    things: tuple[str, ...]
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Category:
    """A first-level category: the words that its topics share, and the topics."""

    name: str
    words: tuple[str, ...]
    topics: tuple[Topic, ...]


@dataclass(frozen=True, slots=True)
class Voice:
    """How an author sounds, whatever the topic."""

    name: str
    title_ending: str
    openers: tuple[str, ...]
    fillers: tuple[str, ...]
    closers: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Pack:
    """Everything that is said in one language. `joiner` stands between sentences."""

    language: str
    joiner: str
    categories: tuple[Category, ...]
    titles: tuple[str, ...]
    bodies: tuple[str, ...]
    noise: tuple[str, ...]
    profiles: tuple[str, ...]
    tags: tuple[str, ...]
    voices: tuple[Voice, ...]

    def __post_init__(self) -> None:
        _check_count("Pack.categories", self.categories, N_CATEGORIES)
        for c, category in enumerate(self.categories):
            _check_category(f"Pack.categories[{c}]", category)
        for name, templates in (("titles", self.titles), ("bodies", self.bodies), ("profiles", self.profiles)):
            _check_many(f"Pack.{name}", templates, MIN_TEMPLATES)
            for t, template in enumerate(templates):
                _check_template(f"Pack.{name}[{t}]", template)
        _check_many("Pack.noise", self.noise, MIN_TEMPLATES)
        _check_many("Pack.tags", self.tags, 1)
        _check_many("Pack.voices", self.voices, 2)
        for v, voice in enumerate(self.voices):
            for name, phrases in (("openers", voice.openers), ("fillers", voice.fillers), ("closers", voice.closers)):
                _check_count(f"Pack.voices[{v}].{name}", phrases, N_PHRASES)

    @property
    def topics(self) -> tuple[Topic, ...]:
        """All topics, in the order of their index."""
        return tuple(topic for category in self.categories for topic in category.topics)


@cache
def load(language: Language) -> Pack:
    """Read the pack of `language`."""
    if language not in LANGUAGES:
        raise SchemaError("language", f"one of {', '.join(LANGUAGES)}", repr(language))
    return parse(json.loads(Path(__file__).with_name(f"{language}.json").read_text(encoding="utf-8")))


def parse(raw: object) -> Pack:
    """Make a pack of decoded JSON, refusing fields that are missing, unknown or of the wrong kind."""
    pack = _table("Pack", raw, tuple(Pack.__dataclass_fields__))
    lists = {name: _strings(f"Pack.{name}", pack[name]) for name in ("titles", "bodies", "noise", "profiles", "tags")}
    categories = enumerate(_list("Pack.categories", pack["categories"]))
    voices = enumerate(_list("Pack.voices", pack["voices"]))
    return Pack(
        language=_string("Pack.language", pack["language"]),
        joiner=_string("Pack.joiner", pack["joiner"]),
        categories=tuple(_category(f"Pack.categories[{c}]", category) for c, category in categories),
        voices=tuple(_voice(f"Pack.voices[{v}]", voice) for v, voice in voices),
        **lists,
    )


def _category(field: str, raw: object) -> Category:
    category = _table(field, raw, tuple(Category.__dataclass_fields__))
    topics = enumerate(_list(f"{field}.topics", category["topics"]))
    return Category(
        _string(f"{field}.name", category["name"]),
        _strings(f"{field}.words", category["words"]),
        tuple(_topic(f"{field}.topics[{t}]", topic) for t, topic in topics),
    )


def _topic(field: str, raw: object) -> Topic:
    topic = _table(field, raw, tuple(Topic.__dataclass_fields__))
    name = _string(f"{field}.name", topic["name"])
    return Topic(name, _strings(f"{field}.things", topic["things"]), _strings(f"{field}.actions", topic["actions"]))


def _voice(field: str, raw: object) -> Voice:
    voice = _table(field, raw, tuple(Voice.__dataclass_fields__))
    phrases = (_strings(f"{field}.{name}", voice[name]) for name in ("openers", "fillers", "closers"))
    name, ending = (_string(f"{field}.{name}", voice[name]) for name in ("name", "title_ending"))
    return Voice(name, ending, *phrases)


def _table(field: str, raw: object, names: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise SchemaError(field, "an object", type(raw).__name__)
    if set(raw) != set(names):
        raise SchemaError(field, f"fields {', '.join(sorted(names))}", ", ".join(sorted(map(str, raw))) or "none")
    return raw


def _list(field: str, raw: object) -> list[Any]:
    if not isinstance(raw, list):
        raise SchemaError(field, "a list", type(raw).__name__)
    return raw


def _string(field: str, raw: object) -> str:
    if not isinstance(raw, str):
        raise SchemaError(field, "a string", type(raw).__name__)
    return raw


def _strings(field: str, raw: object) -> tuple[str, ...]:
    texts = tuple(_string(f"{field}[{i}]", text) for i, text in enumerate(_list(field, raw)))
    for i, text in enumerate(texts):
        if not text.strip():
            raise SchemaError(f"{field}[{i}]", "some text", repr(text))
    return texts


def _check_category(field: str, category: Category) -> None:
    _check_count(f"{field}.words", category.words, N_COMMON)
    _check_count(f"{field}.topics", category.topics, TOPICS_PER_CATEGORY)
    for t, topic in enumerate(category.topics):
        if not topic.name:
            raise SchemaError(f"{field}.topics[{t}].name", "some text", repr(topic.name))
        _check_count(f"{field}.topics[{t}].things", topic.things, N_THINGS)
        _check_count(f"{field}.topics[{t}].actions", topic.actions, N_ACTIONS)


def _check_count(field: str, entries: tuple[object, ...], count: int) -> None:
    if len(entries) != count:
        raise SchemaError(field, f"{count} entries", len(entries))


def _check_many(field: str, entries: tuple[object, ...], least: int) -> None:
    if len(entries) < least:
        raise SchemaError(field, f"at least {least} entries", len(entries))


def _check_template(field: str, template: str) -> None:
    slots = SLOT.findall(template)
    if not 1 <= len(slots) <= MAX_SLOTS:
        raise SchemaError(field, f"1 to {MAX_SLOTS} slots", f"{len(slots)} in {template!r}")
    unknown = [slot for slot in slots if slot not in SLOTS]
    if unknown:
        raise SchemaError(field, f"slots among {', '.join(SLOTS)}", f"{{{unknown[0]}}} in {template!r}")
    if sum(slot.lower() == "name" for slot in slots) > 1:
        raise SchemaError(field, "one name at most, a topic having only one", repr(template))
