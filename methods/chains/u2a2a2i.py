"""U2A2A2I: a user's seed authors, the authors similar to these, and their newest notes.

score(u, n) = (over the seeds s of u, the author a of n: aggregate of w(u, s) * sim(s, a) ** gamma) * factor(n), w being
the decayed affinity of user and author against the user's greatest, and the factor the note's freshness and click rate.
Asked for authors the chain stops at a, as Twitter's follow recommendations do. What the chain does not reach follows
without a score, in the order of the tie hash.

Fan-outs 20 x 50 x 10, at most 2 seeds of a category and 2 notes of an author, quota 500. References: Xiaohongshu's and
Twitter's chains as told in docs/chains.md. Shapes: Q requests, K places, A authors, N notes, T targets.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from methods.base import Budget, Capabilities
from methods.chains.answer import ranked
from methods.chains.engagement import AffinityConfig, SeedConfig, affinity, seeds
from methods.chains.lists import Lists
from methods.chains.notes import Found, NoteConfig, ends, expand, newest, pick
from methods.chains.similar import SimilarAuthors, SimilarSource
from methods.chains.sources import FactorAndTextAuthors, SwingAuthors
from methods.chains.spread import Aggregate, Reached, check_aggregate, spread
from methods.interactions import FROM_USERS
from simulator.schema import Kind, Observation, Requests, SchemaError, Slates


@dataclass(frozen=True, slots=True)
class HopConfig:
    """From an author to similar ones, and how paths that meet add up."""

    n_similar: int = 50
    gamma: float = 1.0  # power of the similarity
    by_best: bool = True  # similarities are first divided by the seed's greatest
    itself: float = 1.0  # similarity of an author to itself; 0: seeds are left to other channels
    aggregate: Aggregate = "sum"

    def __post_init__(self) -> None:
        check_aggregate("HopConfig.aggregate", self.aggregate)
        if self.n_similar < 1 or not self.gamma >= 0 or not self.itself >= 0:
            got = (self.n_similar, self.gamma, self.itself)
            raise SchemaError("HopConfig", "n_similar of at least 1, gamma and itself of at least 0", got)


@dataclass(frozen=True, slots=True)
class U2A2A2IConfig:
    """The hops in order."""

    seeds: SeedConfig = field(default_factory=SeedConfig)
    source: SimilarSource = field(default_factory=SwingAuthors)
    hop: HopConfig = field(default_factory=HopConfig)
    notes: NoteConfig = field(default_factory=NoteConfig)
    quota: int = 500

    def __post_init__(self) -> None:
        if self.quota < 1:
            raise SchemaError("U2A2A2IConfig.quota", "at least 1", self.quota)


SWING = U2A2A2IConfig()
ALS_KNN = U2A2A2IConfig(source=FactorAndTextAuthors())


def trials(base: U2A2A2IConfig) -> dict[str, U2A2A2IConfig]:
    """Return the named trials of a chain."""
    long = replace(base.seeds, affinity=AffinityConfig(memory_days=30.0), per_category=0)
    return {
        "base": base,
        "all categories": replace(base, seeds=replace(base.seeds, per_category=0)),
        "long memory": replace(base, seeds=long),
        "fresh": replace(base, notes=replace(base.notes, half_life_days=2.0)),
        "steep": replace(base, hop=replace(base.hop, gamma=2.0)),
    }


SWING_TRIALS, ALS_KNN_TRIALS = trials(SWING), trials(ALS_KNN)


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """What a chain gives, (Q, K), best first, with where it came from; -1 pads on the right.

    `seed_QK` is the seed author of the best path, `via_QK` the similar author it leads to (the seed itself where the
    user's own author is it), `n_paths_QK` how many seeds lead there.
    """

    ids_QK: NDArray[np.int32]
    scores_QK: NDArray[np.float32]
    seed_QK: NDArray[np.int32]
    via_QK: NDArray[np.int32]
    n_paths_QK: NDArray[np.int32]


def attributed(found: Found, reached: Reached, quota: int) -> Candidates:
    """Keep the best of what was found and say of each by whom it came."""
    picked = pick(found, quota)
    is_there_QK = picked.via_QK >= 0
    sides = [np.full(is_there_QK.shape, fill, np.int32) for fill in (-1, -1, 0)]
    for side_QK, column_X in zip(sides, (reached.middle_X, reached.end_X, reached.n_paths_X), strict=True):
        side_QK[is_there_QK] = column_X[picked.via_QK[is_there_QK]]
    return Candidates(picked.ids_QK, picked.scores_QK, *sides)


def table(similar: SimilarAuthors, config: HopConfig) -> Lists:
    """Return the similar authors of every author, as a chain follows them: computed once an index."""
    everybody_A = np.arange(similar.n_authors, dtype=np.int32)
    near = similar.top(everybody_A, k=config.n_similar).scaled(gamma=config.gamma, by_best=config.by_best)
    return near.led_by(everybody_A, config.itself)


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """The tables of now, and the hops one by one."""

    config: U2A2A2IConfig
    seeds: Lists  # of users
    similar: Lists  # of authors
    notes: Lists  # of authors

    @classmethod
    def of(cls, seen: Observation, similar: SimilarAuthors, config: U2A2A2IConfig) -> Chain:
        """Make the tables; `similar` may be any source of similar authors."""
        if similar.n_authors != len(seen.catalog.authors):
            raise SchemaError("similar", f"{len(seen.catalog.authors)} authors", similar.n_authors)
        tied_UA = affinity(seen, config.seeds.affinity)
        chosen = seeds(tied_UA, seen.catalog.authors.category_A, config.seeds)
        return cls(config, chosen, table(similar, config.hop), newest(seen, config.notes))

    def seeds_of(self, requests: Requests) -> Lists:
        """First hop."""
        return self.seeds.take(requests.ids_Q)

    def authors_of(self, chosen: Lists) -> Reached:
        """Second hop."""
        return spread(chosen, self.similar, n_ends=len(self.similar), aggregate=self.config.hop.aggregate)

    def notes_of(self, authors: Reached, requests: Requests) -> Found:
        """Last hop: to notes, or, where authors are asked for, to the authors themselves."""
        if requests.target == "author":
            return ends(authors, requests, np.ones(len(self.similar), np.float32))
        return expand(authors, self.notes, requests, author_cap=self.config.notes.author_cap)

    def candidates(self, requests: Requests) -> Candidates:
        """Go all the way and keep the quota."""
        authors = self.authors_of(self.seeds_of(requests))
        return attributed(self.notes_of(authors, requests), authors, self.config.quota)


class U2A2A2I:
    """Rank notes of authors similar to those whom the user likes, follows, collects and clicks."""

    capabilities: ClassVar[Capabilities] = Capabilities(FROM_USERS, cold_targets=False)

    def __init__(self, config: U2A2A2IConfig = SWING) -> None:
        self.config = config

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        """Learn who is similar to whom."""
        self.target_ = target
        self.learnt_ = self.config.source.learn(seen, rng=rng, budget=budget)

    def index(self, seen: Observation) -> None:
        """Make the tables of now."""
        self.chain_ = Chain.of(seen, self.learnt_.now(seen), self.config)
        self.n_targets_ = seen.catalog.count(self.target_)

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        """Rank by the chain's scores."""
        return ranked(requests, self.n_targets_, self.chain_.candidates, k=k)


class U2A2A2IByText(U2A2A2I):
    """Rank notes of authors similar to those whom the user likes; texts speak for authors without readers."""

    capabilities: ClassVar[Capabilities] = Capabilities(FROM_USERS, cold_targets=True)

    def __init__(self, config: U2A2A2IConfig = ALS_KNN) -> None:
        super().__init__(config)
