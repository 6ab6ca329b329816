"""I2A2A2U: a new note's author, the authors similar to it, and their engaged users.

score(n, u) = (over authors b similar to the author a of n: aggregate of sim(a, b) ** gamma * w(u, b)) * presence(u), w
being the decayed affinity, capped per user, and presence the chance that the user comes within a day (`audience`). Whom
the chain does not reach follow by presence alone, below all others.

References: the reverse index of Kuaishou's I2U lists and its two stages, interest and availability, arXiv:2502.20497;
docs/chains.md. Shapes: Q requests, K places, A authors, N notes, U users.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from methods.audience import PresenceConfig, presence
from methods.base import Budget, Capabilities
from methods.chains.answer import ranked
from methods.chains.engagement import AffinityConfig, ReaderConfig, affinity, readers
from methods.chains.lists import Lists
from methods.chains.notes import Found, ends
from methods.chains.similar import SimilarAuthors, SimilarSource
from methods.chains.sources import FactorAndTextAuthors, SwingAuthors
from methods.chains.spread import Reached, spread
from methods.chains.u2a2a2i import Candidates, HopConfig, attributed, table
from methods.interactions import FROM_NOTES
from simulator.schema import Kind, Observation, Requests, SchemaError, Slates

_FAR = np.float32(1e-3)  # what presence alone counts, relative to the least score that the chain gave


@dataclass(frozen=True, slots=True)
class I2A2A2UConfig:
    """The hops in order."""

    source: SimilarSource = field(default_factory=SwingAuthors)
    hop: HopConfig = field(default_factory=HopConfig)
    readers: ReaderConfig = field(default_factory=ReaderConfig)
    presence: PresenceConfig = field(default_factory=PresenceConfig)
    quota: int = 2_000

    def __post_init__(self) -> None:
        if self.quota < 1:
            raise SchemaError("I2A2A2UConfig.quota", "at least 1", self.quota)


SWING = I2A2A2UConfig(hop=HopConfig(itself=3.0))  # chosen on world small, seed 5
ALS_KNN = I2A2A2UConfig(source=FactorAndTextAuthors())


def trials(base: I2A2A2UConfig) -> dict[str, I2A2A2UConfig]:
    """Return the named trials of a chain."""
    long = AffinityConfig(memory_days=30.0)
    return {
        "base": base,
        "its own first": replace(base, hop=replace(base.hop, itself=2 * base.hop.itself)),
        "long memory": replace(base, readers=replace(base.readers, affinity=long)),
        "wide": replace(base, hop=replace(base.hop, n_similar=100)),  # as many as a table of Swing holds
        "steep": replace(base, hop=replace(base.hop, gamma=2.0)),
    }


SWING_TRIALS, ALS_KNN_TRIALS = trials(SWING), trials(ALS_KNN)


@dataclass(frozen=True, slots=True, eq=False)
class ReverseChain:
    """The tables of now, and the hops one by one."""

    config: I2A2A2UConfig
    author_N: NDArray[np.int32]
    similar: Lists  # of authors
    readers: Lists  # of authors
    presence_U: NDArray[np.float32]

    @classmethod
    def of(cls, seen: Observation, similar: SimilarAuthors, config: I2A2A2UConfig) -> ReverseChain:
        """Make the tables; `similar` may be any source of similar authors."""
        if similar.n_authors != len(seen.catalog.authors):
            raise SchemaError("similar", f"{len(seen.catalog.authors)} authors", similar.n_authors)
        engaged = readers(affinity(seen, config.readers.affinity), config.readers)
        near = table(similar, config.hop)
        return cls(config, seen.catalog.notes.author_N, near, engaged, presence(seen, config.presence))

    def authors_of(self, requests: Requests) -> Lists:
        """First hops: the note's author and those similar; none where the author is not known."""
        return self.similar.take(self.author_N[requests.ids_Q])

    def users_of(self, authors: Lists) -> Reached:
        """Third hop: their engaged users."""
        return spread(authors, self.readers, n_ends=len(self.presence_U), aggregate=self.config.hop.aggregate)

    def available(self, users: Reached, requests: Requests) -> Found:
        """Last hop: those who may be given the note, by affinity times presence."""
        return ends(users, requests, self.presence_U)

    def candidates(self, requests: Requests) -> Candidates:
        """Go all the way; seed is the author through whom the best path goes, via the user."""
        users = self.users_of(self.authors_of(requests))
        return attributed(self.available(users, requests), users, self.config.quota)


class I2A2A2U:
    """Rank users by what they did with the note's author and authors similar to it, and by how often they come."""

    capabilities: ClassVar[Capabilities] = Capabilities(FROM_NOTES, cold_targets=False)

    def __init__(self, config: I2A2A2UConfig = SWING) -> None:
        self.config = config

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        """Learn who is similar to whom."""
        del target
        self.learnt_ = self.config.source.learn(seen, rng=rng, budget=budget)

    def index(self, seen: Observation) -> None:
        """Make the tables of now."""
        self.chain_ = ReverseChain.of(seen, self.learnt_.now(seen), self.config)

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        """Rank by the chain's scores, the rest by presence."""
        presence_U = self.chain_.presence_U

        def filled(scores_QU: NDArray[np.float32]) -> NDArray[np.float32]:
            least_Q1 = scores_QU.min(axis=1, keepdims=True, initial=np.float32(1), where=scores_QU > 0)
            return np.where(scores_QU > 0, scores_QU, least_Q1 * _FAR * presence_U)

        return ranked(requests, len(presence_U), self.chain_.candidates, k=k, fill=filled)


class I2A2A2UByText(I2A2A2U):
    """Rank users by what they did with authors similar to the note's; texts speak for authors without readers."""

    capabilities: ClassVar[Capabilities] = Capabilities(FROM_NOTES, cold_targets=False, cold_queries=True)

    def __init__(self, config: I2A2A2UConfig = ALS_KNN) -> None:
        super().__init__(config)
