"""The truth of a world at a moment: who would engage with what, if it were shown. Only `bench` imports this.

Truth is a function of (spec, seed), of the moment, and of the catalog's authors and birth times, so it needs no second
simulation.
Shapes: Q queries, N notes, A authors, U users.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from simulator.kernel import compiled
from simulator.luck import mix, stream, uniform
from simulator.notes import note_truth
from simulator.population import Population, draw_population
from simulator.response import (
    AGE,
    APPEAL,
    Cards,
    Model,
    affinity,
    blank_cards,
    click_logit,
    engage_probability,
    fill_cards,
    reading,
    response_model,
    sigmoid,
    topic_affinities,
)
from simulator.shelf import log_age
from simulator.spec import WorldSpec
from simulator.trends import draw_trends

NEWEST = 3  # an author is judged by the newest notes, up to three


@lru_cache(maxsize=4)
def _population(spec: WorldSpec, seed: int) -> Population:
    return draw_population(spec, seed)


class Oracle:
    """Expected responses of a world's users to its notes at given ages, and to its authors.

    A note is engaged with when it is clicked and then liked, collected, commented on, shared, or its author followed;
    the note is taken as examined (position bias is the platform's, not the user's). An author is engaged with when
    any of the newest three notes is.
    """

    def __init__(  # noqa: PLR0913 - the world, the notes, the moment
        self,
        spec: WorldSpec,
        *,
        seed: int,
        author_N: NDArray[np.int32],
        born_time_N: NDArray[np.int64],
        now: int,
        age_seconds_N: NDArray[np.int64] | None = None,
    ) -> None:
        """Take the notes of a catalog at `now`; `age_seconds_N` are ages to judge them at, by default their own."""
        population = _population(spec, seed)
        truth = note_truth(spec.affinity, population.creators, seed, author_N, born_time_N)
        lift_T = draw_trends(spec, seed).lift(now)
        self._seed = seed
        self._model = response_model(spec, population)
        self._cards, self._key_N = blank_cards(len(author_N)), truth.key_N
        fill_cards(self._cards, truth)
        card_NF = self._cards.card_NF
        card_NF[:, APPEAL] = np.float32(spec.responding.quality_slope) * truth.quality_N + lift_T[truth.topic_N]
        card_NF[:, AGE] = log_age(now - born_time_N if age_seconds_N is None else age_seconds_N)
        self._newest_AM = newest_notes(author_N, spec.n_authors)

    def engage_with_notes(self, user_Q: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the chance (Q, N) that each user, shown each note now, engages with it."""
        out_QN = np.empty((len(user_Q), len(self._key_N)), np.float32)
        _engage(self._model, self._cards, user_Q, out_QN)
        return out_QN

    def engage_with_authors(self, user_Q: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the chance (Q, A) that each user engages with any of the author's newest notes."""
        author_A = np.arange(len(self._newest_AM), dtype=np.int32)
        return self.engage_pairs("author", user_Q, np.broadcast_to(author_A, (len(user_Q), len(author_A))))

    def engage_pairs(self, kind: str, user_Q: NDArray[np.int32], ids_QK: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the chance (Q, K) for each user and the notes or authors listed for that user; 0 for -1 pads."""

        def with_notes(note_QK: NDArray[np.int32]) -> NDArray[np.float32]:
            out_QK = np.zeros(note_QK.shape, np.float32)
            _engage_pairs(self._model, self._cards, user_Q, np.ascontiguousarray(note_QK), out_QK)
            return out_QK

        if kind == "note":
            return with_notes(ids_QK)
        newest_MQK = np.where(ids_QK >= 0, self._newest_AM.T[:, ids_QK], np.int32(-1))
        none_QK = np.ones(ids_QK.shape, np.float32)
        for note_QK in newest_MQK:
            none_QK *= np.float32(1) - with_notes(note_QK)
        return np.float32(1) - none_QK

    def would(self, kind: str, user_Q: NDArray[np.int32], chance_QT: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Draw whether each user would engage with each target, by luck keyed on (seed, kind, user, target)."""
        drawn_QT = np.empty(chance_QT.shape, np.bool_)
        key_T = self._key_N if kind == "note" else np.arange(chance_QT.shape[1], dtype=np.uint64)
        _draw(stream(self._seed, f"would/{kind}"), user_Q, key_T, chance_QT, drawn_QT)
        return drawn_QT


def newest_notes(author_N: NDArray[np.int32], n_authors: int) -> NDArray[np.int32]:
    """Return each author's newest notes (A, 3), newest first, -1 pads."""
    newest_AM = np.full((n_authors, NEWEST), -1, np.int32)
    order = np.argsort(author_N, kind="stable")
    upto_A = np.searchsorted(author_N[order], np.arange(n_authors), side="right")
    count_A = np.bincount(author_N, minlength=n_authors)
    for m in range(NEWEST):
        has_A = count_A > m
        newest_AM[has_A, m] = order[upto_A[has_A] - 1 - m]
    return newest_AM


@compiled
def _engage(model: Model, cards: Cards, user_Q: NDArray[np.int32], out_QN: NDArray[np.float32]) -> None:
    everything_N = np.arange(out_QN.shape[1]).astype(np.int32)
    row_T = np.empty(model.topic_DT.shape[1], np.float32)
    for q, user in enumerate(user_Q):
        _engage_row(model, cards, user, everything_N, row_T, out_QN[q])


@compiled
def _engage_pairs(
    model: Model, cards: Cards, user_Q: NDArray[np.int32], note_QK: NDArray[np.int32], out_QK: NDArray[np.float32]
) -> None:
    row_T = np.empty(model.topic_DT.shape[1], np.float32)
    for q, user in enumerate(user_Q):
        _engage_row(model, cards, user, note_QK[q], row_T, out_QK[q])


@compiled
def _engage_row(  # noqa: PLR0913 - a kernel takes its arrays one by one
    model: Model,
    cards: Cards,
    user: int,
    note_K: NDArray[np.int32],
    row_T: NDArray[np.float32],
    out_K: NDArray[np.float32],
) -> None:
    """Write the chances of one user for the notes listed; pads stay as they are."""
    weights, odds_R, style_S = model.weights, model.engage_odds_R, model.style_US[user]
    reads, card_NF = reading(model, user), cards.card_NF
    second_share = np.float32(weights.second_share)
    topic_affinities(model.taste_UD[user], model.topic_DT, model.topic_mean, row_T)
    for k in range(len(note_K)):
        note = note_K[k]
        if note >= 0:
            liking = affinity(row_T, style_S, second_share, card_NF, note)
            click = sigmoid(click_logit(weights, reads, liking, card_NF, note))
            out_K[k] = engage_probability(weights, odds_R, click, liking)


@compiled
def _draw(
    root: np.uint64,
    user_Q: NDArray[np.int32],
    key_T: NDArray[np.uint64],
    chance_QT: NDArray[np.float32],
    drawn_QT: NDArray[np.bool_],
) -> None:
    for q, user in enumerate(user_Q):
        key = mix(root, np.uint64(user))
        for target in range(chance_QT.shape[1]):
            drawn_QT[q, target] = uniform(mix(key, key_T[target])) < chance_QT[q, target]
