"""Probe a method: does its order of notes help a fixed ranker to tell what users click of what chance showed them.

Impressions are those of the uniform channels in [T, T + window), of notes that existed at T: whatever the platform's
own ranker prefers is not in them. The ranker is a logistic regression on a dozen fixed columns counted from the log
before T; a method adds one column, -log(1 + r) with r the note's place in the user's list of all notes asked about,
or, in a second ranker, what its vectors or codes give (`bench.described`).
It is fitted on four fifths of the users and scores the last, each fifth in turn, so that no user's click has taught
the ranker that scores it, and all impressions of a user are scored by one ranker: GAUC compares no two of them.

GAUC is only over users who clicked some and not all of what they were shown. A click on a random note is rare, so they
are asked first, and others are drawn to fill up. Cold are impressions of notes that nobody had clicked before T.
Shapes: I impressions, Q requests, K list length, X columns, N notes, A authors, U users, C categories.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.gauc import UserAucs, user_aucs
from bench.task import Shown
from simulator.schema import DAY_SECONDS, EventLog, Observation, Requests

UNIFORM = ("explore", "random")  # the channels that draw a note uniformly from the pool
N_FOLDS = 5
_PRIOR = 20.0  # impressions at the overall rate that a rate is shrunk by
_L2 = 1.0  # scikit-learn's C


@dataclass(frozen=True, slots=True, eq=False)
class Impressions:
    """What was shown to the users of requests `row_I`: note, whether it was clicked, is cold, and the columns."""

    row_I: NDArray[np.int32]
    note_I: NDArray[np.int32]
    click_I: NDArray[np.bool_]
    cold_I: NDArray[np.bool_]
    columns_IX: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Probed:
    """AUCs of the ranker with the method's column and without, and of the method's order alone."""

    ranked: UserAucs
    unaided: UserAucs
    alone: UserAucs


def shown_by_chance(split: Shown, whole: Observation, known: Observation) -> EventLog:
    """Return the uniform impressions in [T, T + window) of users and notes that `known` has, T being its now."""
    log = whole.events.between(known.now, known.now + int(split.window_days * DAY_SECONDS))
    uniform = [channel for channel, name in enumerate(log.channels) if name in UNIFORM]
    is_known_E = (log.note_E < len(known.catalog.notes)) & (log.user_E < len(known.catalog.users))
    return log.take(np.isin(log.channel_E, uniform) & is_known_E)


def asked_users(log: EventLog, n: int, *, rng: np.random.Generator) -> NDArray[np.int32]:
    """Return up to `n` users of the log, ascending: those with and without a click, then a draw of the others."""
    user_U, n_shown_U = np.unique(log.user_E, return_counts=True)
    n_clicked_U = np.bincount(log.user_E, log.click_E, minlength=int(log.user_E.max(initial=0)) + 1)[user_U]
    has_both_U = (n_clicked_U > 0) & (n_clicked_U < n_shown_U)
    first, others = rng.permutation(user_U[has_both_U])[:n], user_U[~has_both_U]
    rest = rng.permutation(others)[: n - len(first)]
    return np.sort(np.concatenate([first, rest])).astype(np.int32)


def impressions_of(log: EventLog, known: Observation, requests: Requests) -> Impressions:
    """Gather the impressions of the users who are asked about, with the ranker's columns as of `known`."""
    log = log.take(np.isin(log.user_E, requests.ids_Q))
    row_I = np.searchsorted(requests.ids_Q, log.user_E).astype(np.int32)
    past = known.events
    clicks_N = np.bincount(past.note_E[past.click_E], minlength=len(known.catalog.notes))
    columns_IX = np.column_stack(list(_columns(log.user_E, log.note_E, known))).astype(np.float32)
    return Impressions(row_I, log.note_E.copy(), log.click_E.copy(), clicks_N[log.note_E] == 0, columns_IX)


def probe(ids_QK: NDArray[np.int32], shown: Impressions) -> tuple[Probed, Probed]:
    """Hold the ranker with a method's lists against the ranker without: on all impressions, and on those of cold notes.

    The same rankers, fitted on all impressions, score both.
    """
    place_I = order_column(ids_QK, shown)
    ranked_I = cross_fitted(np.column_stack([shown.columns_IX, place_I]), shown)
    scores = (ranked_I, cross_fitted(shown.columns_IX, shown), place_I)
    aucs = [all_and_cold(score_I, shown) for score_I in scores]
    return Probed(*(of_all for of_all, _ in aucs)), Probed(*(of_cold for _, of_cold in aucs))


def probe_description(columns_IX: NDArray[np.float32], shown: Impressions) -> tuple[UserAucs, UserAucs]:
    """Return AUCs of the ranker with the columns of a description, without the order: of all, and of cold notes."""
    return all_and_cold(cross_fitted(np.column_stack([shown.columns_IX, columns_IX]), shown), shown)


def all_and_cold(score_I: NDArray[np.float32], shown: Impressions) -> tuple[UserAucs, UserAucs]:
    """Return each user's AUC over all impressions, and over those of cold notes."""
    cold_I = shown.cold_I
    return (
        user_aucs(shown.row_I, score_I, shown.click_I),
        user_aucs(shown.row_I[cold_I], score_I[cold_I], shown.click_I[cold_I]),
    )


def shrunk(n_clicked: NDArray[np.number], n_shown: NDArray[np.number], rate: float) -> NDArray[np.float64]:
    """Return the logarithm of click rates that are drawn to `rate` where few were shown."""
    log_rates: NDArray[np.float64] = np.log((n_clicked + _PRIOR * rate) / (n_shown + _PRIOR))
    return log_rates


def history(
    n_shown_I: NDArray[np.number], n_clicked_I: NDArray[np.number], rate: float
) -> Iterator[NDArray[np.float64]]:
    """Yield the two columns of a past: impressions, and the shrunk click rate."""
    yield np.log1p(n_shown_I)
    yield shrunk(n_clicked_I, n_shown_I, rate)


def overall_rate(n_shown: int, n_clicked: int) -> float:
    """Return what click rates are drawn to."""
    return float((n_clicked + 1) / (n_shown + 2))


def count(key_E: NDArray[np.int64], key_I: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how often each of `key_I` is among `key_E`."""
    sorted_E = np.sort(key_E)
    return np.searchsorted(sorted_E, key_I, side="right") - np.searchsorted(sorted_E, key_I)


def order_column(ids_QK: NDArray[np.int32], shown: Impressions) -> NDArray[np.float32]:
    """Return -log(1 + place) of each impression's note in its user's list, from 0; after the last where it is not."""
    n_notes = 1 + int(max(ids_QK.max(initial=-1), shown.note_I.max(initial=-1)))
    place_I = np.full(len(shown.row_I), ids_QK.shape[1], np.int64)
    for row in np.unique(shown.row_I):
        place_N = np.full(n_notes + 1, ids_QK.shape[1])  # a pad, -1, writes the last entry
        place_N[ids_QK[row]] = np.arange(ids_QK.shape[1])
        mine = shown.row_I == row
        place_I[mine] = place_N[shown.note_I[mine]]
    return (-np.log1p(place_I)).astype(np.float32)


def cross_fitted(columns_IX: NDArray[np.float32], shown: Impressions) -> NDArray[np.float32]:
    """Return log odds of a click by rankers that have not seen the user; all 0 where the others leave nothing to learn.

    Columns are scaled to the mean and spread of the impressions that a ranker is fitted on.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    scores_I = np.zeros(len(shown.row_I), np.float32)
    for fold in range(N_FOLDS):
        held_I = shown.row_I % N_FOLDS == fold
        if held_I.any() and len(np.unique(shown.click_I[~held_I])) == 2:
            ranker = make_pipeline(StandardScaler(), LogisticRegression(C=_L2, max_iter=1_000))
            ranker.fit(columns_IX[~held_I].astype(np.float64), shown.click_I[~held_I])
            scores_I[held_I] = ranker.decision_function(columns_IX[held_I].astype(np.float64))
    return scores_I


def _columns(user_I: NDArray[np.int32], note_I: NDArray[np.int32], known: Observation) -> Iterator[NDArray[np.float64]]:
    """Yield what is known at T of note, author, user, and of the user with the author and with the category."""
    events, notes, n_users = known.events, known.catalog.notes, len(known.catalog.users)
    overall = overall_rate(len(events), int(events.click_E.sum()))

    def of(key_E: NDArray[np.integer], key_I: NDArray[np.integer], n: int) -> Iterator[NDArray[np.float64]]:
        shown = np.bincount(key_E, minlength=n)[key_I]
        clicked = np.bincount(key_E[events.click_E], minlength=n)[key_I]
        yield from history(shown, clicked, overall)

    author_N, category_N = notes.author_N + 1, notes.category_N.astype(np.int32) + 1  # -1 becomes 0
    n_authors, n_categories = len(known.catalog.authors) + 1, len(known.catalog.categories) + 1
    yield from of(events.note_E, note_I, len(notes))
    yield from of(author_N[events.note_E], author_N[note_I], n_authors)
    yield from of(events.user_E, user_I, n_users)
    category_E, category_I = category_N[events.note_E], category_N[note_I]
    yield from of(events.user_E * n_categories + category_E, user_I * n_categories + category_I, n_users * n_categories)
    clicked = events.take(events.click_E)
    pair_E = clicked.user_E.astype(np.int64) * n_authors + author_N[clicked.note_E]
    pair_I = user_I.astype(np.int64) * n_authors + author_N[note_I]
    yield np.log1p(count(pair_E, pair_I))
    yield np.log1p((known.now - notes.born_time_N[note_I]) / 3_600)
    yield notes.is_video_N[note_I].astype(np.float64)
