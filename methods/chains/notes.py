"""The last hops to notes: the newest notes of each author reached, without what the user has seen, and the quota.

All notes of an author share the author's score, so a note's is that times the note's own factor: freshness, and how its
click rate stands against the mean. Shapes: N notes, A authors, Q requests, X authors reached, S seen entries, Y notes
found for all requests, K places of the quota.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from methods.chains.lists import Lists
from methods.chains.spread import Reached
from methods.groups import place_in_group
from methods.kernel import compiled
from methods.neighbours import take_best
from simulator.schema import DAY_SECONDS, Observation, Requests, SchemaError


@dataclass(frozen=True, slots=True)
class NoteConfig:
    """Which notes of an author are looked up, and what each counts.

    A note's factor is 2 ** (-age / half_life) * (smoothed click rate / mean click rate) ** quality_power.
    """

    n_notes: int = 10  # newest ones looked up of an author
    author_cap: int = 2  # of those, how many may reach one user; 0: any number
    max_age_days: float = 30.0
    half_life_days: float = 7.0
    quality_power: float = 0.5  # 0: click rates are not looked at
    prior_impressions: float = 50.0  # at the mean click rate, which a note never shown keeps

    def __post_init__(self) -> None:
        if self.n_notes < 1 or self.author_cap < 0:
            got = (self.n_notes, self.author_cap)
            raise SchemaError("NoteConfig", "n_notes of at least 1 and author_cap of at least 0", got)
        for name in ("max_age_days", "half_life_days", "prior_impressions"):
            if not getattr(self, name) > 0:
                raise SchemaError(f"NoteConfig.{name}", "more than 0", getattr(self, name))
        if not self.quality_power >= 0:
            raise SchemaError("NoteConfig.quality_power", "at least 0", self.quality_power)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The notes that each request found, and by which place of `Reached` each came."""

    start_Q1: NDArray[np.int64]
    note_Y: NDArray[np.int32]
    score_Y: NDArray[np.float32]
    via_Y: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Picked:
    """The best of what was found, (Q, K): ids with -1 pads on the right, scores, and places in `Reached` or -1."""

    ids_QK: NDArray[np.int32]
    scores_QK: NDArray[np.float32]
    via_QK: NDArray[np.int64]


def newest(seen: Observation, config: NoteConfig) -> Lists:
    """Return of each author the newest notes that are young enough, greatest factor first."""
    notes, age_days_N = seen.catalog.notes, (seen.now - seen.catalog.notes.born_time_N) / DAY_SECONDS
    young = np.flatnonzero((age_days_N <= config.max_age_days) & (notes.author_N >= 0))[::-1]
    young = young[np.argsort(notes.author_N[young], kind="stable")]  # of each author the newest first
    young = young[place_in_group(notes.author_N[young]) < config.n_notes]
    factor_Y = 2.0 ** (-age_days_N[young] / config.half_life_days) * quality(seen, config)[young]
    factor_Y = np.maximum(factor_Y, np.finfo(np.float32).tiny)
    author_Y = notes.author_N[young].astype(np.int64)
    note_Y = young.astype(np.int32)
    return Lists.sorted(len(seen.catalog.authors), author_Y, note_Y, factor_Y.astype(np.float32), config.n_notes)


def quality(seen: Observation, config: NoteConfig) -> NDArray[np.float64]:
    """Return each note's smoothed click rate against the mean of all, to the power configured; 1 where never shown."""
    n_notes, events = len(seen.catalog.notes), seen.events
    if config.quality_power == 0 or not events.click_E.any():
        return np.ones(n_notes)
    shown_N = np.bincount(events.note_E, minlength=n_notes)
    clicked_N = np.bincount(events.note_E[events.click_E], minlength=n_notes)
    mean, prior = events.click_E.mean(), config.prior_impressions
    rate_N = (clicked_N + prior * mean) / (shown_N + prior)
    return np.asarray((rate_N / mean) ** config.quality_power, np.float64)


def expand(authors: Reached, notes: Lists, requests: Requests, *, author_cap: int) -> Found:
    """Look up the notes of each author reached; keep unseen candidates, at most `author_cap` an author (0: all)."""
    n_notes = int(max(notes.ids_P.max(initial=-1), requests.candidates_C.max(initial=-1))) + 1
    is_candidate_N = np.zeros(n_notes, np.bool_)
    is_candidate_N[requests.candidates_C] = True
    length_X = np.diff(notes.start_R1)[authors.end_X]
    cap = author_cap or int(length_X.max(initial=0))
    room = int(np.minimum(length_X, cap).sum())
    start_Q1 = np.zeros(len(requests) + 1, np.int64)
    note_Y, score_Y, via_Y = np.empty(room, np.int32), np.empty(room, np.float32), np.empty(room, np.int64)
    _expand(
        authors.start_Q1,
        authors.end_X,
        authors.score_X,
        notes.start_R1,
        notes.ids_P,
        notes.weights_P,
        is_candidate_N,
        requests.seen_start_Q1,
        requests.seen_S,
        cap,
        start_Q1,
        note_Y,
        score_Y,
        via_Y,
    )
    n = start_Q1[-1]
    return Found(start_Q1, note_Y[:n], score_Y[:n], via_Y[:n])


def ends(reached: Reached, requests: Requests, factor_T: NDArray[np.float32]) -> Found:
    """Take the ends themselves as what was found: unseen candidates, their scores times their factor."""
    targets = Lists(np.arange(len(factor_T) + 1), np.arange(len(factor_T), dtype=np.int32), factor_T)
    return expand(reached, targets, requests, author_cap=1)


def pick(found: Found, quota: int) -> Picked:
    """Keep the `quota` best of each request; of equal ones the one found first."""
    if quota < 1:
        raise SchemaError("quota", "at least 1", quota)
    shape = (len(found.start_Q1) - 1, quota)
    place_QK, scores_QK = np.full(shape, -1, np.int32), np.zeros(shape, np.float32)
    _pick(found.start_Q1, found.score_Y, place_QK, scores_QK)
    is_there_QK = place_QK >= 0
    at_QK = np.where(is_there_QK, found.start_Q1[:-1, None] + place_QK, 0)
    ids_QK, via_QK = np.full(shape, -1, np.int32), np.full(shape, -1, np.int64)
    ids_QK[is_there_QK], via_QK[is_there_QK] = found.note_Y[at_QK[is_there_QK]], found.via_Y[at_QK[is_there_QK]]
    return Picked(ids_QK, scores_QK, via_QK)


@compiled
def _expand(  # noqa: PLR0913 - a kernel takes its arrays one by one
    start_Q1: NDArray[np.int64],
    author_X: NDArray[np.int32],
    score_X: NDArray[np.float32],
    start_A1: NDArray[np.int64],
    note_V: NDArray[np.int32],
    factor_V: NDArray[np.float32],
    is_candidate_N: NDArray[np.bool_],
    seen_start_Q1: NDArray[np.int64],
    seen_S: NDArray[np.int32],
    cap: int,
    out_start_Q1: NDArray[np.int64],
    out_note: NDArray[np.int32],
    out_score: NDArray[np.float32],
    out_via: NDArray[np.int64],
) -> None:
    size = 0
    for q in range(len(start_Q1) - 1):
        seen = seen_S[seen_start_Q1[q] : seen_start_Q1[q + 1]]
        for x in range(start_Q1[q], start_Q1[q + 1]):
            author, taken = author_X[x], 0
            for v in range(start_A1[author], start_A1[author + 1]):
                if taken == cap:
                    break
                note = note_V[v]
                if not is_candidate_N[note]:
                    continue
                at = np.searchsorted(seen, note)
                if at < len(seen) and seen[at] == note:
                    continue
                out_note[size], out_score[size], out_via[size] = note, score_X[x] * factor_V[v], x
                size += 1
                taken += 1
        out_start_Q1[q + 1] = size


@compiled
def _pick(
    start_Q1: NDArray[np.int64],
    score_Y: NDArray[np.float32],
    place_QK: NDArray[np.int32],
    best_QK: NDArray[np.float32],
) -> None:
    for q in range(len(start_Q1) - 1):
        n = start_Q1[q + 1] - start_Q1[q]
        take_best(np.arange(n).astype(np.int32), score_Y[start_Q1[q] : start_Q1[q + 1]], place_QK[q], best_QK[q])
