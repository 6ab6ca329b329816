"""From a world or a dataset folder to the readers of two windows, the pairs of every variant, and their measures.

The windows are [now - window, now), which pairs are mined from, and [now, now + next), which they are held against.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.author_encoder.affinity import true_vectors
from bench.author_encoder.quality import Ground, measured, random_pairs
from bench.progress import Tell
from methods.author_encoder.facts import AuthorFacts, facts_of
from methods.author_encoder.filters import FILTERS, FilterConfig, Step, filtered
from methods.author_encoder.mining import mine
from methods.author_encoder.pairs import PairConfig, Pairs
from methods.author_encoder.readers import ReaderCounter, Readers, readers_in
from methods.author_encoder.scores import SCORES
from methods.text import TOKEN, documents
from simulator.dataset import Stream, scan
from simulator.dataset.reading import NO_FOLLOWS
from simulator.schema import DAY_SECONDS, EVENT_COLUMNS, Catalog, EventLog, Observation, WithheldTexts
from simulator.simulate import live
from simulator.spec import WorldSpec

_EVERYBODY = 1 << 40  # a cap that cuts nobody
_COLD_DAYS = 7
_NOTES_READ = 5  # of each author, by those who count the words of prompts


@dataclass(frozen=True, slots=True)
class Asked:
    """How pairs are mined and filtered, and how long the window after them is."""

    pairs: PairConfig = field(default_factory=PairConfig)
    filters: FilterConfig = field(default_factory=FilterConfig)
    next_days: float = 14.0


@dataclass(frozen=True, slots=True)
class Variant:
    """One row of the report: a score and a chain."""

    name: str
    score: str
    chain: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What one variant gave in one world."""

    variant: Variant
    values: dict[str, float]
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """The capped readers that pairs come from, and the catalog, the facts and the ground of the same moment."""

    readers: Readers
    catalog: Catalog
    ground: Ground


def of_world(spec: WorldSpec, seed: int, asked: Asked, tell: Tell) -> Windows:
    """Live a world and read its last windows."""
    whole = live(spec, seed=seed, progress=lambda done, total: tell(f"seed {seed}: days", done, total))
    ends = whole.now - round(asked.next_days * DAY_SECONDS)
    vectors_AF = true_vectors(spec, seed=seed)
    return windows(whole.catalog, [whole.events], now=ends, asked=asked, vectors_AF=vectors_AF)


def of_dataset(folder: Path, asked: Asked, tell: Tell) -> Windows:
    """Read the last windows of a dataset folder, one part of its log in memory at a time; no truth is known."""
    stream = scan(folder)
    now = stream.manifest.now - round(asked.next_days * DAY_SECONDS)
    return windows(stream.catalog, logs_of(stream, tell), now=now, asked=asked, vectors_AF=None)


def logs_of(stream: Stream, tell: Tell) -> Iterator[EventLog]:
    """Yield a dataset's log part by part, and tell of them."""
    n_parts = len(stream.manifest.tables["events"].parts)
    for done, log in enumerate(stream.events()):
        yield log
        tell("parts of the log", done + 1, n_parts)


def latest_pairs(stream: Stream, asked: Asked, tell: Tell) -> tuple[Pairs, tuple[Step, ...]]:
    """Mine and filter the pairs of the window that ends where the dataset does."""
    catalog, now = stream.catalog, stream.manifest.now
    readers = readers_in(catalog, logs_of(stream, tell), now=now, config=asked.pairs)
    facts = facts_of(catalog, readers, n_tokens_A=_words(catalog, now))
    return filtered(mine(readers, asked.pairs), facts, asked.filters)


def windows(
    catalog: Catalog, logs: Iterable[EventLog], *, now: int, asked: Asked, vectors_AF: NDArray[np.float64] | None
) -> Windows:
    """Read both windows in one pass over the logs."""
    known, config = catalog.before(now), asked.pairs
    later = replace(config, window_days=asked.next_days, cap=_EVERYBODY)
    counters = (
        ReaderCounter(known, now=now, config=config),
        ReaderCounter(known, now=now, config=replace(config, cap=_EVERYBODY)),
        ReaderCounter(catalog, now=now + round(asked.next_days * DAY_SECONDS), config=later),
    )
    for log in logs:
        for counter in counters:
            counter.absorb(log)
    readers, this, following = (counter.finish() for counter in counters)
    facts = facts_of(known, readers, n_tokens_A=_words(known, now))
    is_cold_A = known.authors.joined_time_A >= now - _COLD_DAYS * DAY_SECONDS
    random_2R = random_pairs(this, rng=np.random.default_rng(len(known.notes)))
    return Windows(readers, known, Ground(this, following, facts, is_cold_A, vectors_AF, random_2R))


def variants(asked: Asked, facts: AuthorFacts) -> tuple[Variant, ...]:
    """Return every score with the whole chain; the chain without each filter, and with each that is not in it."""
    score, chain = asked.pairs.score, asked.filters.chain
    rows = [Variant(name, name, chain) for name in SCORES]
    rows.append(Variant(f"{score}, no filter", score, ()))
    for name in FILTERS:
        if name in chain:
            rows.append(Variant(f"{score}, without {name}", score, tuple(word for word in chain if word != name)))
        elif name != "prompt-length" or facts.n_tokens_A is not None:
            rows.append(Variant(f"{score}, with {name}", score, (*_before_tops(chain), name, *_tops(chain))))
    return tuple(rows)


def _before_tops(chain: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in chain if name not in ("top-per-author", "head-cap"))


def _tops(chain: tuple[str, ...]) -> tuple[str, ...]:
    """Return what chooses among pairs, which comes after what judges each alone."""
    return tuple(name for name in chain if name in ("top-per-author", "head-cap"))


def pairs_of(at: Windows, variant: Variant, asked: Asked) -> tuple[Pairs, tuple[Step, ...]]:
    """Mine and filter the pairs of one variant."""
    mined = mine(at.readers, replace(asked.pairs, score=variant.score))
    return filtered(mined, at.ground.facts, replace(asked.filters, chain=variant.chain))


def found_in(at: Windows, asked: Asked, tell: Tell) -> list[Found]:
    """Mine every score once and measure every variant."""
    rows, found = variants(asked, at.ground.facts), []
    mined = dict[str, Pairs]()
    for done, variant in enumerate(rows):
        if variant.score not in mined:
            mined[variant.score] = mine(at.readers, replace(asked.pairs, score=variant.score))
        config = replace(asked.filters, chain=variant.chain)
        kept, steps = filtered(mined[variant.score], at.ground.facts, config)
        found.append(Found(variant, measured(kept, at.ground), steps))
        tell("variants", done + 1, len(rows))
    return found


def _words(catalog: Catalog, now: int) -> NDArray[np.int32] | None:
    """Return how many words each author's profile and newest notes have; None where texts are withheld.

    A stand-in for the tokens of a prompt, which only the encoder's tokenizer can count.
    """
    notes = catalog.notes
    if any(isinstance(texts, WithheldTexts) for texts in (catalog.authors.profile, notes.title, notes.body)):
        return None
    none = {name: np.empty(0, dtype) for name, dtype in EVENT_COLUMNS.items()}
    events = EventLog(**{f"{name}_E": column for name, column in none.items()}, channels=())
    texts = documents(Observation(now, catalog, events, NO_FOLLOWS), target="author", notes_per_author=_NOTES_READ)
    return np.array([len(re.findall(TOKEN, text)) for text in texts], np.int32)
