"""What each task lets a method see: the view to fit on and the view to index, cut from one observation.

Intervals are half-open. E events, F follow edges, U users, N notes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.damage import flooded, held_authors, newly_opened, without_text
from bench.task import (
    Cold,
    HeldAuthors,
    LeaveOneOut,
    MissingText,
    NewCategories,
    Recorded,
    Shown,
    Snapshot,
    SpamRings,
    Task,
    Window,
)
from simulator.schema import DAY_SECONDS, EventLog, Follows, Kind, Observation


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """What the fit sees and what the index sees; which entities are cold; how old each note is taken to be."""

    fit: Observation
    index: Observation
    cold_ids: NDArray[np.int32]
    age_seconds_N: NDArray[np.int64]


def as_of(observation: Observation, now: int) -> Observation:
    """Return what was known before `now`."""
    catalog = observation.catalog.before(now)
    return Observation(now, catalog, observation.events.between(0, now), observation.follows.before(now))


def fit_view(task: Task, whole: Observation) -> Observation:
    """Return what the fit sees; in recorded splits every entity is known, and only events are held back."""
    match task.split:
        case LeaveOneOut(leaky):
            return whole if leaky else _without_last(_without_last(whole))
        case Recorded(now):
            return Observation(whole.now, whole.catalog, whole.events.between(0, now), whole.follows)
        case HeldAuthors(now, share):
            return _without_authors(whole, held_authors(whole.catalog, share), now)
        case MissingText() | SpamRings():
            whole = _damaged(task, whole)
            return as_of(whole, whole.now - int(task.split.fit_days * DAY_SECONDS))
        case NewCategories(fit_days, share):
            past = as_of(whole, whole.now - int(fit_days * DAY_SECONDS))
            is_new_E = newly_opened(past.catalog, share)[past.events.note_E]
            follows = _without(past, past.events.take(is_new_E & past.events.follow_E))
            return Observation(past.now, past.catalog, past.events.take(~is_new_E), follows)
        case Snapshot(fit_days):
            return as_of(whole, whole.now - int(fit_days * DAY_SECONDS))
        case Window(fit_days, window_days) | Shown(fit_days, window_days):
            return as_of(whole, whole.now - int((fit_days + window_days) * DAY_SECONDS))


def views(task: Task, whole: Observation, fit: Observation, *, rng: np.random.Generator) -> Views:
    """Cut what the index sees, beside the view of the fit; `rng` draws the ages of cold notes."""
    if isinstance(task.split, Window | Shown):
        whole = as_of(whole, whole.now - int(task.split.window_days * DAY_SECONDS))
    age_N = whole.now - whole.catalog.notes.born_time_N
    whole = _damaged(task, whole)
    match task.split:
        case LeaveOneOut():
            return Views(fit, _without_last(whole), np.empty(0, np.int32), age_N)
        case Recorded() | HeldAuthors():
            return Views(fit, fit, _cold_ids(task.cold, fit), age_N)
        case NewCategories(_, share):
            is_new_N = newly_opened(whole.catalog, share)
            is_past_E = is_new_N[whole.events.note_E] & (whole.events.time_E < fit.now)
            follows = _without(whole, whole.events.take(is_past_E & whole.events.follow_E))
            index = Observation(whole.now, whole.catalog, whole.events.take(~is_past_E), follows)
            return Views(fit, index, np.flatnonzero(is_new_N).astype(np.int32), age_N)
    if task.cold is None:
        return Views(fit, whole, np.empty(0, np.int32), age_N)
    cold_ids = _cold_ids(task.cold, whole)
    until_N = _shown_until(task.cold, cold_ids, whole.catalog.notes.born_time_N, rng)
    return Views(fit, _reveal(task.cold, whole, cold_ids, until_N), cold_ids, age_N)


def _damaged(task: Task, whole: Observation) -> Observation:
    """Return the observation as methods get it: with text missing, or flooded by rings, where the task says so."""
    match task.split:
        case MissingText(_, share):
            return Observation(whole.now, without_text(whole.catalog, share), whole.events, whole.follows)
        case SpamRings(_, author_share, size):
            events = flooded(whole, author_share=author_share, size=size)
            return Observation(whole.now, whole.catalog, events, whole.follows)
    return whole


def _without_authors(whole: Observation, is_held_A: NDArray[np.bool_], now: int) -> Observation:
    """Return what was known before `now`, all entities among it, without anything that happened to some authors."""
    past, follows = whole.events.between(0, now), whole.follows
    author_E = whole.catalog.notes.author_N[past.note_E]
    kept_E = (author_E < 0) | ~is_held_A[author_E]
    kept_F = (follows.time_F < now) & ~is_held_A[follows.author_F]
    return Observation(whole.now, whole.catalog, past.take(kept_E), follows.take(kept_F))


def _cold_ids(cold: Cold | None, seen: Observation) -> NDArray[np.int32]:
    if cold is None:
        return np.empty(0, np.int32)
    catalog, events = seen.catalog, seen.events
    if cold.arrived_days_ago is None:
        entity_E = entity_of(cold.entity, seen)
        return np.setdiff1d(np.arange(catalog.count(cold.entity), dtype=np.int32), entity_E)
    times = {
        "user": catalog.users.joined_time_U,
        "author": catalog.authors.joined_time_A,
        "note": catalog.notes.born_time_N,
    }[cold.entity]
    start, end = (seen.now - int(days * DAY_SECONDS) for days in cold.arrived_days_ago)
    ids = np.flatnonzero((times >= start) & (times < end)).astype(np.int32)
    if cold.entity == "author":
        ids = np.intersect1d(ids, catalog.notes.author_N)
    if cold.entity == "user":
        ids = np.intersect1d(ids, events.user_E)
    return ids.astype(np.int32)


def entity_of(kind: Kind, seen: Observation) -> NDArray[np.int32]:
    """Return the user, author or note of every event."""
    events = seen.events
    if kind == "user":
        return events.user_E
    return events.note_E if kind == "note" else seen.catalog.notes.author_N[events.note_E]


def _shown_until(
    cold: Cold, cold_ids: NDArray[np.int32], born_time_N: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return, for each note, the moment before which its events are shown; never for notes that are not cold."""
    until_N = np.full(len(born_time_N), np.iinfo(np.int64).max)
    if cold.age_seconds is not None:
        until_N[cold_ids] = born_time_N[cold_ids] + rng.integers(*cold.age_seconds, size=len(cold_ids))
    return until_N


def _reveal(cold: Cold, whole: Observation, cold_ids: NDArray[np.int32], until_N: NDArray[np.int64]) -> Observation:
    """Return the observation with what happened to cold entities cut down to what the task shows."""
    events = whole.events
    entity_E = entity_of(cold.entity, whole)
    is_cold_E = _mask(cold_ids, whole.catalog.count(cold.entity))[entity_E]
    if cold.first_interactions is None:
        shown_E = events.time_E < until_N[events.note_E]
    else:
        shown_E = _among_first(entity_E, events.click_E & is_cold_E, cold.first_interactions)
    kept_E = ~is_cold_E | shown_E
    follows = _without(whole, events.take(~kept_E & events.follow_E))
    return Observation(whole.now, whole.catalog, events.take(kept_E), follows)


def _mask(ids: NDArray[np.int32], n: int) -> NDArray[np.bool_]:
    """Mark ids among `n`, with a last False for the id -1."""
    mask_T = np.zeros(n + 1, np.bool_)
    mask_T[ids] = True
    return mask_T


def _among_first(entity_E: NDArray[np.int32], counted_E: NDArray[np.bool_], n: int) -> NDArray[np.bool_]:
    """Mark the first `n` counted events of each entity, in time order."""
    rows = np.flatnonzero(counted_E)
    order = np.argsort(entity_E[rows], kind="stable")
    entity = entity_E[rows][order]
    nth = np.arange(len(entity)) - np.searchsorted(entity, entity)
    marked_E = np.zeros(len(entity_E), np.bool_)
    marked_E[rows[order[nth < n]]] = True
    return marked_E


def _without(whole: Observation, hidden: EventLog) -> Follows:
    """Drop the follow edges that hidden events made: same user, author and second."""
    follows, n_authors = whole.follows, len(whole.catalog.authors)
    author_E = whole.catalog.notes.author_N[hidden.note_E]
    made = np.stack([hidden.user_E.astype(np.int64) * n_authors + author_E, hidden.time_E])
    edge = np.stack([follows.user_F.astype(np.int64) * n_authors + follows.author_F, follows.time_F])
    _, place = np.unique(np.concatenate([made, edge], axis=1), axis=1, return_inverse=True)
    n_made = made.shape[1]
    return follows.take(~np.isin(place[n_made:], place[:n_made]))


def last_event_of_each_user(events: EventLog) -> NDArray[np.bool_]:
    """Mark each user's last event."""
    reversed_users = events.user_E[::-1]
    _, first = np.unique(reversed_users, return_index=True)
    marked_E = np.zeros(len(events), np.bool_)
    marked_E[len(events) - 1 - first] = True
    return marked_E


def _without_last(whole: Observation) -> Observation:
    """Return the observation without each user's last event."""
    events = whole.events.take(~last_event_of_each_user(whole.events))
    return Observation(whole.now, whole.catalog, events, whole.follows)
