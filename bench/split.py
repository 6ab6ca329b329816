"""What each task lets a method see: the view to fit on and the view to index, cut from one observation.

Intervals are half-open. E events, F follow edges, U users, N notes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.task import Cold, LeaveOneOut, Recorded, Snapshot, Task
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
        case Snapshot(fit_days):
            return as_of(whole, whole.now - int(fit_days * DAY_SECONDS))


def views(task: Task, whole: Observation, fit: Observation, *, rng: np.random.Generator) -> Views:
    """Cut what the index sees, beside the view of the fit; `rng` draws the ages of cold notes."""
    age_N = whole.now - whole.catalog.notes.born_time_N
    match task.split:
        case LeaveOneOut():
            return Views(fit, _without_last(whole), np.empty(0, np.int32), age_N)
        case Recorded():
            return Views(fit, fit, _cold_ids(task.cold, fit), age_N)
    if task.cold is None:
        return Views(fit, whole, np.empty(0, np.int32), age_N)
    cold_ids = _cold_ids(task.cold, whole)
    age_N = _taken_ages(task.cold, cold_ids, age_N, rng)
    return Views(fit, _reveal(task.cold, whole, cold_ids, age_N), cold_ids, age_N)


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


def _taken_ages(
    cold: Cold, cold_ids: NDArray[np.int32], age_N: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the age of each note, cold ones at an age drawn from the task's interval."""
    if cold.age_seconds is None:
        return age_N
    age_N = age_N.copy()
    age_N[cold_ids] = rng.integers(*cold.age_seconds, size=len(cold_ids))
    return age_N


def _reveal(cold: Cold, whole: Observation, cold_ids: NDArray[np.int32], age_N: NDArray[np.int64]) -> Observation:
    """Return the observation with what happened to cold entities cut down to what the task shows."""
    events, notes = whole.events, whole.catalog.notes
    entity_E = entity_of(cold.entity, whole)
    is_cold_E = _mask(cold_ids, whole.catalog.count(cold.entity))[entity_E]
    if cold.first_interactions is None:
        shown_E = events.time_E - notes.born_time_N[events.note_E] < age_N[events.note_E]
    else:
        shown_E = _among_first(entity_E, events.click_E & is_cold_E, cold.first_interactions)
    kept_E = ~is_cold_E | shown_E
    follows = _follows_left(cold.entity, whole, cold_ids, events.take(is_cold_E & shown_E))
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


def _follows_left(kind: Kind, whole: Observation, cold_ids: NDArray[np.int32], shown: EventLog) -> Follows:
    """Drop the follow edges of cold users or authors that no shown event explains."""
    follows = whole.follows
    if kind == "note":
        return follows
    is_cold_F = np.isin(follows.user_F if kind == "user" else follows.author_F, cold_ids)
    n_authors = len(whole.catalog.authors)
    edge_F = follows.user_F.astype(np.int64) * n_authors + follows.author_F
    followed = shown.take(shown.follow_E)
    author_E = whole.catalog.notes.author_N[followed.note_E]
    return follows.take(~is_cold_F | np.isin(edge_F, followed.user_E.astype(np.int64) * n_authors + author_E))


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
