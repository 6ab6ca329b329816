"""What ties users to authors: their likes, follows, collects and clicks, the older the fainter.

affinity(u, a) = sum over actions of weight * exp(-(now - t) / memory). From it come a user's seed authors and an
author's engaged users. Shapes: U users, A authors, E events, F follow edges, V values.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from methods.chains.lists import Lists
from methods.groups import place_in_group
from methods.interactions import Sparse
from simulator.schema import DAY_SECONDS, Observation, SchemaError


@dataclass(frozen=True, slots=True)
class AffinityConfig:
    """What an action is worth, and for how long: an action `memory_days` ago weighs 1 / e of one now."""

    click: float = 1.0
    like: float = 2.0  # beyond the click that comes with it, as are the next
    collect: float = 2.0
    comment: float = 1.0
    share: float = 2.0
    follow: float = 3.0
    memory_days: float = 14.0

    def __post_init__(self) -> None:
        for name in ("click", "like", "collect", "comment", "share", "follow"):
            if not getattr(self, name) >= 0:
                raise SchemaError(f"AffinityConfig.{name}", "at least 0", getattr(self, name))
        if not self.memory_days > 0:
            raise SchemaError("AffinityConfig.memory_days", "more than 0", self.memory_days)


@dataclass(frozen=True, slots=True)
class SeedConfig:
    """Which authors stand for a user."""

    affinity: AffinityConfig = field(default_factory=AffinityConfig)
    n_seeds: int = 20
    per_category: int = 2  # of one first-level category; 0: any number; authors of none known are not counted

    def __post_init__(self) -> None:
        if self.n_seeds < 1 or self.per_category < 0:
            got = (self.n_seeds, self.per_category)
            raise SchemaError("SeedConfig", "n_seeds of at least 1 and per_category of at least 0", got)


@dataclass(frozen=True, slots=True)
class ReaderConfig:
    """Which users stand for an author."""

    affinity: AffinityConfig = field(default_factory=AffinityConfig)
    n_readers: int = 1_000  # of an author, those of greatest affinity
    authors_per_user: int = 200  # a user is reader of no more than so many authors, those of greatest affinity
    most: float = 6.0  # affinity beyond it does not count: one who opens all of an author is one reader

    def __post_init__(self) -> None:
        if self.n_readers < 1 or self.authors_per_user < 1 or not self.most > 0:
            got = (self.n_readers, self.authors_per_user, self.most)
            raise SchemaError("ReaderConfig", "n_readers and authors_per_user of at least 1, most above 0", got)


def affinity(seen: Observation, config: AffinityConfig) -> Sparse:
    """Return (U, A), positive where a user has acted on an author; notes without a known author tie nobody."""
    events, memory = seen.events, config.memory_days * DAY_SECONDS
    worth_E = np.zeros(len(events), np.float64)
    for name in ("click", "like", "collect", "comment", "share"):
        worth_E += getattr(config, name) * events.response(name)
    author_E = seen.catalog.notes.author_N[events.note_E]
    acted = np.flatnonzero((worth_E > 0) & (author_E >= 0))
    follows = seen.follows
    user_V = np.concatenate([events.user_E[acted], follows.user_F])
    author_V = np.concatenate([author_E[acted], follows.author_F])
    time_V = np.concatenate([events.time_E[acted], follows.time_F])
    worth_V = np.concatenate([worth_E[acted], np.full(len(follows), config.follow)])
    weight_V = worth_V * np.exp(-(seen.now - time_V) / memory)
    shape = (len(seen.catalog.users), len(seen.catalog.authors))
    summed = sp.csr_matrix((weight_V, (user_V, author_V)), shape=shape)
    summed.sum_duplicates()
    summed.data = np.maximum(summed.data, np.finfo(np.float32).tiny) * (summed.data > 0)
    summed.eliminate_zeros()
    return summed.astype(np.float32)


def seeds(affinity_UA: Sparse, category_A: NDArray[np.int16], config: SeedConfig) -> Lists:
    """Return each user's seed authors, the greatest at weight 1."""
    user_V = np.repeat(np.arange(affinity_UA.shape[0]), np.diff(affinity_UA.indptr))
    author_V, weight_V = affinity_UA.indices, affinity_UA.data
    if config.per_category:
        place_V = _place_in_category(user_V, author_V, weight_V, category_A)
        kept = np.flatnonzero((place_V < config.per_category) | (category_A[author_V] < 0))
        user_V, author_V, weight_V = user_V[kept], author_V[kept], weight_V[kept]
    found = Lists.sorted(affinity_UA.shape[0], user_V, author_V, weight_V, config.n_seeds)
    return found.scaled(by_best=True)


def readers(affinity_UA: Sparse, config: ReaderConfig) -> Lists:
    """Return each author's engaged users with their affinity, at most `config.most`."""
    user_V = np.repeat(np.arange(affinity_UA.shape[0]), np.diff(affinity_UA.indptr))
    mine = Lists.sorted(affinity_UA.shape[0], user_V, affinity_UA.indices, affinity_UA.data, config.authors_per_user)
    weight_P = np.minimum(mine.weights_P, np.float32(config.most))
    return Lists.sorted(
        affinity_UA.shape[1], mine.ids_P.astype(np.int64), mine.row_P.astype(np.int32), weight_P, config.n_readers
    )


def _place_in_category(
    user_V: NDArray[np.int64],
    author_V: NDArray[np.int32],
    weight_V: NDArray[np.float32],
    category_A: NDArray[np.int16],
) -> NDArray[np.int64]:
    """Return 0 for a user's greatest author of a category, 1 for the next; equal ones in order of id."""
    group_V = user_V * (int(category_A.max(initial=0)) + 2) + category_A[author_V] + 1
    order = np.lexsort((author_V, -weight_V, group_V))
    place_V = np.empty(len(order), np.int64)
    place_V[order] = place_in_group(group_V[order])
    return place_V
