"""The author encoder: a language model that has learnt from text alone who shares readers, so that it knows newcomers.

Trained by InfoNCE on pairs of authors who share readers, e^(s cos(a, b)) grows with how much likelier a reader of a
is to read b than anybody is. A user is the authors it read; those with many readers or read long ago say less:

    score(u, b) = f(b) sum over a read by u of 2^(-days / half life) / sqrt(readers of a) K(a, b)
    K(a, b) = e^(s cos(a, b)) / mean over c of e^(s cos(a, c))

f(b) halves with each half life since b's newest note (`methods.fading`). A query author is its own history, and as
much again the authors it shares most readers with (`methods.item_cf`). A note is worth what its author is,
and fades with its age; a note asks for users by the same score, times the chance that they come (`methods.audience`).

References: NoteLLM, Zhang et al. 2024, arXiv:2403.01744 (co-occurrence pairs); van den Oord et al. 2018,
arXiv:1807.03748 (InfoNCE).
Shapes: Q requests, U users, A authors, B block of authors, N notes, D dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.preprocessing import normalize

from methods.audience import PresenceConfig, presence, present
from methods.author_encoder.learning import LearningConfig, learn
from methods.author_encoder.reading import Reader
from methods.base import Budget, Capabilities
from methods.fading import HALF_LIFE_DAYS, NOTE_HALF_LIFE_DAYS, faded, fading
from methods.interactions import (
    FROM_NOTES,
    FROM_USERS_AND_AUTHORS,
    Sparse,
    binary,
    n_users_of,
    targets_of_events,
)
from methods.item_cf import ItemCFConfig, cosine_rows
from methods.ranking import rank
from methods.text import PerCatalog
from simulator.schema import DAY_SECONDS, Kind, Observation, Requests, Slates

_BLOCK = 4_096  # authors whose likeness to all others is in memory at once


@dataclass(frozen=True, slots=True)
class AuthorEncoderConfig:
    """What is learnt, and how users and notes are made of authors; chosen on world small, seed 5."""

    learning: LearningConfig = field(default_factory=LearningConfig)
    half_life_days: float = 14.0  # of what a user read
    rarity: float = 0.5  # what a user read counts readers to the minus this
    co_readers: ItemCFConfig = field(default_factory=lambda: ItemCFConfig(n_neighbours=50))  # of a query author
    author_half_life_days: float = HALF_LIFE_DAYS  # of an author's worth, since the newest note; 0 lets nobody fade
    note_half_life_days: float = NOTE_HALF_LIFE_DAYS  # of a note's worth; 0 lets none fade
    presence: PresenceConfig = field(default_factory=PresenceConfig)


class AuthorEncoder:
    """Rank authors, notes or users by the likeness of the authors behind them."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        FROM_USERS_AND_AUTHORS | FROM_NOTES, cold_targets=True, cold_queries=True
    )

    def __init__(self, config: AuthorEncoderConfig = AuthorEncoderConfig()) -> None:
        self.config = config

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        """Learn the encoder; it is the same for every kind of target."""
        self.target_ = target
        learnt = learn(seen, self.config.learning, seed=int(rng.integers(2**31)), n_threads=budget.threads)
        self.reader_ = Reader(learnt, self.config.learning.prompt, budget.threads)
        self.read_: PerCatalog[NDArray[np.float32]] = PerCatalog()
        self.read_.of(seen.catalog, lambda: self.reader_.vectors(seen))

    def index(self, seen: Observation) -> None:
        """Read the prompts that are new, and take who read whom until now."""
        self.vectors_AD_ = self.read_.of(seen.catalog, lambda: self.reader_.vectors(seen))
        clicked_UA = recent(seen, self.config.half_life_days)
        n_readers_A = np.maximum(n_users_of(clicked_UA), 1)
        self.history_UA_ = clicked_UA @ sp.diags((n_readers_A**-self.config.rarity).astype(np.float32), format="csr")
        if self.target_ == "author":
            self.speaks_AA_ = with_co_readers(binary(clicked_UA), self.config.co_readers)
        self.remains_T_ = fading(
            seen,
            target=self.target_,
            author_half_life_days=self.config.author_half_life_days,
            note_half_life_days=self.config.note_half_life_days,
        )
        self.author_N_ = seen.catalog.notes.author_N
        if self.target_ == "user":
            self.presence_U_ = presence(seen, self.config.presence)

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        """Rank by the kernel over the authors of each side."""
        match self.target_:
            case "author":
                return rank(faded(self._authors(requests), self.remains_T_), requests, k=k)
            case "note":
                return rank(faded(self._notes(self._authors(requests)), self.remains_T_), requests, k=k)
            case "user":
                return rank(self._users(requests.ids_Q), requests, k=k)

    def describe(self) -> NDArray[np.float32]:
        """Return the vectors of authors; of a note its author's; of a user the sum of those read, the newest most."""
        match self.target_:
            case "author":
                return self.vectors_AD_
            case "note":
                return np.where(self.author_N_[:, None] >= 0, self.vectors_AD_[self.author_N_], np.float32(0))
            case "user":
                read_UD: NDArray[np.float32] = self.history_UA_ @ self.vectors_AD_
                return read_UD

    def _authors(self, requests: Requests) -> NDArray[np.float32]:
        speaking_QA = (self.history_UA_ if requests.query == "user" else self.speaks_AA_)[requests.ids_Q]
        return kernel_sums(speaking_QA, self.vectors_AD_, self.reader_.learnt.scale)

    def _notes(self, score_QA: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.where(self.author_N_ >= 0, score_QA[:, self.author_N_], np.float32(0))

    def _users(self, notes_Q: NDArray[np.int32]) -> NDArray[np.float32]:
        author_Q = self.author_N_[notes_Q]
        wanted_M, place_Q = np.unique(author_Q, return_inverse=True)
        column_UM = kernel_sums(
            self.history_UA_, self.vectors_AD_, self.reader_.learnt.scale, columns_M=np.maximum(wanted_M, 0)
        )
        affinity_QU = np.where(author_Q[:, None] >= 0, column_UM.T[place_Q], np.float32(0))
        return present(affinity_QU, self.presence_U_)


def recent(seen: Observation, half_life_days: float) -> Sparse:
    """Return the weight of the newest click of each user on each author, (U, A): 1 now, 1/2 a half life ago."""
    author_E, events = targets_of_events(seen, target="author"), seen.events
    rows = np.flatnonzero(events.click_E & (author_E >= 0))
    shape = len(seen.catalog.users), len(seen.catalog.authors)
    key_V = events.user_E[rows].astype(np.int64) * shape[1] + author_E[rows]
    newest_first = np.lexsort((-events.time_E[rows], key_V))
    key_X, at = np.unique(key_V[newest_first], return_index=True)
    days_X = (seen.now - events.time_E[rows][newest_first][at]) / DAY_SECONDS
    user_X, author_X = np.divmod(key_X, max(shape[1], 1))
    weight_X = np.exp2(-days_X / half_life_days).astype(np.float32)
    weight_UA: Sparse = sp.csr_matrix((weight_X, (user_X, author_X)), shape=shape)
    return weight_UA


def kernel_sums(
    weight_QA: Sparse,
    vectors_AD: NDArray[np.float32],
    scale: float,
    *,
    columns_M: NDArray[np.integer] | None = None,
) -> NDArray[np.float32]:
    """Return sum over a of weight_qa e^(s cos(a, b)) / mean over c of e^(s cos(a, c)), for all b or some of them.

    Only authors in some history are rows of the kernel, and a block of them is in memory at once.
    """
    kept_B = np.unique(weight_QA.indices)
    columns_MD = vectors_AD if columns_M is None else vectors_AD[columns_M]
    total_QM = np.zeros((weight_QA.shape[0], len(columns_MD)), np.float32)
    for first in range(0, len(kept_B), _BLOCK):
        block_B = kept_B[first : first + _BLOCK]
        whole_BA = np.exp(scale * (vectors_AD[block_B] @ vectors_AD.T - 1))
        lift_BM = whole_BA if columns_M is None else whole_BA[:, columns_M]
        total_QM += weight_QA[:, block_B] @ (lift_BM / whole_BA.mean(axis=1, keepdims=True))
    return total_QM


def with_co_readers(clicked_UA: Sparse, config: ItemCFConfig) -> Sparse:
    """Return who speaks for each author, (A, A): itself, and as much again its neighbours by the cosine of readers."""
    n_authors = clicked_UA.shape[1]
    near_AA = cosine_rows(clicked_UA, np.arange(n_authors), config)
    both_AA: Sparse = (sp.eye(n_authors, dtype=np.float32, format="csr") + normalize(near_AA, "l1")).tocsr()
    return both_AA
