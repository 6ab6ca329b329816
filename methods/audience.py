"""Find a new note's readers: note -> author -> similar authors -> users (I2A2A2U), or note -> like notes -> users.

score(n, u) = affinity(n, u) * presence(u). Presence is the chance that the user comes within a day, estimated by the
share of its days so far on which it came, with older days fading: a reader who stays away cannot be reached. Users whom
the route does not lead to follow by presence alone, below all others.

Shapes: Q requests, U users, A authors, N notes, V vocabulary, D days.
Reference: the two stages, interest and availability, of Kuaishou's DualRec, arXiv:2502.20497.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from methods.base import Budget, Capabilities
from methods.interactions import FROM_NOTES, Sparse, binary, clicks
from methods.item_cf import ItemCFConfig, cosine_rows
from methods.neighbours import Neighbourhood
from methods.ranking import rank
from methods.text import PerCatalog, TextConfig, TextSpace
from simulator.schema import DAY_SECONDS, Kind, Observation, Requests, Slates

_FAR = np.float32(1e-3)  # what presence alone counts, relative to the least affinity a route gives


@dataclass(frozen=True, slots=True)
class PresenceConfig:
    """How much a user's coming counts: `power` 0 leaves it out; a day `memory_days` ago weighs 1 / e."""

    power: float = 1.0
    memory_days: float = 7.0


@dataclass(frozen=True, slots=True)
class AuthorAudienceConfig:
    """Similar authors, and how much their readers count beside the author's own."""

    authors: ItemCFConfig = field(default_factory=lambda: ItemCFConfig(n_neighbours=50))
    similar_weight: float = 1.0
    presence: PresenceConfig = field(default_factory=PresenceConfig)


@dataclass(frozen=True, slots=True)
class ContentAudienceConfig:
    """How texts become vectors."""

    text: TextConfig = field(default_factory=TextConfig)
    presence: PresenceConfig = field(default_factory=PresenceConfig)


AUTHOR_TRIALS = {
    "base": AuthorAudienceConfig(),
    "own readers first": AuthorAudienceConfig(similar_weight=0.3),
    "similar first": AuthorAudienceConfig(similar_weight=3.0),
    "long memory": AuthorAudienceConfig(presence=PresenceConfig(memory_days=28.0)),
    "no presence": AuthorAudienceConfig(presence=PresenceConfig(power=0.0)),
}
CONTENT_TRIALS = {
    "base": ContentAudienceConfig(),
    "counts as they are": ContentAudienceConfig(TextConfig(sublinear=False)),
    "no rare words": ContentAudienceConfig(TextConfig(min_documents=10)),
    "long memory": ContentAudienceConfig(presence=PresenceConfig(memory_days=28.0)),
    "no presence": ContentAudienceConfig(presence=PresenceConfig(power=0.0)),
}


class AuthorAudience:
    """Rank users by what they read of the note's author and of authors like it, and by how often they come."""

    capabilities: ClassVar[Capabilities] = Capabilities(FROM_NOTES, cold_targets=False)

    def __init__(self, config: AuthorAudienceConfig = AuthorAudienceConfig()) -> None:
        self.config = config

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        """Learn the neighbours of every clicked author."""
        self.learnt_ = Neighbourhood.learn(clicks(seen, target="author"), self._rows)

    def index(self, seen: Observation) -> None:
        """Take the readers of now, and how often they come."""
        read_UA = binary(clicks(seen, target="author"))
        self.readers_AU_ = read_UA.T.tocsr()
        self.similar_AA_ = self.learnt_.grown(read_UA)
        self.author_N_ = seen.catalog.notes.author_N
        self.presence_U_ = presence(seen, self.config.presence)

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        """Rank by readers; a note without a known author has none."""
        author_Q = self.author_N_[requests.ids_Q]
        is_known_Q1 = (author_Q >= 0)[:, None]
        # The unknown author -1 reads the last row, which the mask then leaves out.
        near_QU = (self.similar_AA_[author_Q] @ self.readers_AU_).toarray() * np.float32(self.config.similar_weight)
        affinity_QU = np.where(is_known_Q1, near_QU + self.readers_AU_[author_Q].toarray(), np.float32(0))
        return rank(present(affinity_QU, self.presence_U_), requests, k=k)

    def _rows(self, clicks_UA: Sparse, ids_R: NDArray[np.int64]) -> Sparse:
        return cosine_rows(clicks_UA, ids_R, self.config.authors)


class ContentAudience:
    """Rank users by the mean likeness of what they clicked to the note's text, and by how often they come."""

    capabilities: ClassVar[Capabilities] = Capabilities(FROM_NOTES, cold_targets=False, cold_queries=True)

    def __init__(self, config: ContentAudienceConfig = ContentAudienceConfig()) -> None:
        self.config = config

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        """Fit the vocabulary on notes."""
        self.space_ = TextSpace.learn(seen, self.config.text, target="note")
        self.texts_: PerCatalog[Sparse] = PerCatalog()

    def index(self, seen: Observation) -> None:
        """Read the texts, and sum up each user's clicks, damped by the square root of their number."""
        self.vectors_NV_ = self.texts_.of(seen.catalog, lambda: self.space_.vectors(seen))
        history_UN = binary(clicks(seen, target="note"))
        n_U = np.diff(history_UN.indptr)
        history_UN.data /= np.repeat(np.sqrt(np.maximum(n_U, 1)), n_U).astype(np.float32)
        self.profile_VU_ = (history_UN @ self.vectors_NV_).T.tocsr()
        self.presence_U_ = presence(seen, self.config.presence)

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        """Rank by likeness."""
        affinity_QU = (self.vectors_NV_[requests.ids_Q] @ self.profile_VU_).toarray().astype(np.float32, copy=False)
        return rank(present(affinity_QU, self.presence_U_), requests, k=k)


def presence(seen: Observation, config: PresenceConfig) -> NDArray[np.float32]:
    """Return each user's faded share of days with an impression, to the power configured, in (0, 1].

    (c + 1/2) / (n + 1) with c the weight of the days it came and n that of all days since it joined.
    """
    n_users, memory = len(seen.catalog.users), config.memory_days
    day_E = (seen.now - 1 - seen.events.time_E) // DAY_SECONDS  # days ago, counted back from now
    user_day = np.unique(day_E * n_users + seen.events.user_E)
    day_V, user_V = np.divmod(user_day, n_users)
    came_U = np.bincount(user_V, np.exp(-day_V / memory), minlength=n_users)
    n_days_U = np.ceil((seen.now - seen.catalog.users.joined_time_U) / DAY_SECONDS)
    all_U = (1 - np.exp(-n_days_U / memory)) / (1 - np.exp(-1 / memory))
    share_U = (came_U + 0.5) / (all_U + 1)
    return np.asarray(share_U**config.power, np.float32)


def present(affinity_QU: NDArray[np.float32], presence_U: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return affinity times presence; where there is no affinity, presence below all that have some."""
    product_QU = affinity_QU * presence_U
    least_Q1 = product_QU.min(axis=1, keepdims=True, initial=np.float32(1), where=product_QU > 0)
    return np.where(product_QU > 0, product_QU, least_Q1 * _FAR * presence_U)
