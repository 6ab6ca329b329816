"""Who asks, among which candidates, and what each has seen already.

Shapes: Q requests, C candidates, E events, S seen entries.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.probe import asked_users, shown_by_chance
from bench.split import Views, as_of, entity_of, last_event_of_each_user
from bench.task import HeldAuthors, LeaveOneOut, Recorded, Shown, Task
from simulator.schema import Observation, Requests


def ask(task: Task, whole: Observation, cut: Views, *, rng: np.random.Generator) -> Requests:
    """Draw up to `task.max_requests` queries and gather what they have seen in the index view."""
    if isinstance(task.split, Shown):
        return _about_impressions(task, task.split, whole, cut.index, rng)
    eligible = _eligible(task, whole, cut)
    if len(eligible) == 0:
        raise ValueError(f"{task.id}: expected at least one eligible {task.query}, got none")
    n = min(task.max_requests, len(eligible))
    ids_Q = np.sort(rng.choice(eligible, size=n, replace=False)).astype(np.int32)
    start_Q1, seen_S = _seen(task, cut.index, ids_Q)
    tie_seed = int(rng.integers(2**62))
    return Requests(task.query, task.target, ids_Q, cut.index.now, _candidates(task, cut), start_Q1, seen_S, tie_seed)


def among(requests: Requests, candidates_C: NDArray[np.int32]) -> Requests:
    """Return the same requests with other candidates."""
    r = requests
    return Requests(r.query, r.target, r.ids_Q, r.time, candidates_C, r.seen_start_Q1, r.seen_S, r.tie_seed)


def _about_impressions(
    task: Task, split: Shown, whole: Observation, known: Observation, rng: np.random.Generator
) -> Requests:
    """Ask users about all notes that any of them was shown by chance after `known.now`."""
    log = shown_by_chance(split, whole, known)
    ids_Q = asked_users(log, task.max_requests, rng=rng)
    if len(ids_Q) == 0:
        raise ValueError(f"{task.id}: expected impressions of uniform channels, got none")
    candidates_C = np.unique(log.note_E[np.isin(log.user_E, ids_Q)])
    nothing, tie_seed = np.zeros(len(ids_Q) + 1, np.int64), int(rng.integers(2**62))
    none = np.empty(0, np.int32)
    return Requests(task.query, task.target, ids_Q, known.now, candidates_C, nothing, none, tie_seed)


def _candidates(task: Task, cut: Views) -> NDArray[np.int32]:
    """Return the full corpus: every note, every user, or every author who has published."""
    if task.target == "author":
        author_N = cut.index.catalog.notes.author_N
        return np.unique(author_N[author_N >= 0]).astype(np.int32)
    return np.arange(cut.index.catalog.count(task.target), dtype=np.int32)


def _eligible(task: Task, whole: Observation, cut: Views) -> NDArray[np.int32]:
    """Return who may ask: the cold; whoever has something held back; else those known by clicks to the fit."""
    if task.cold is not None and task.cold.entity == task.query != task.target:
        return cut.cold_ids
    if isinstance(task.split, LeaveOneOut):
        return np.unique(whole.events.user_E[last_event_of_each_user(whole.events)])
    if isinstance(task.split, Recorded):
        return np.unique(whole.events.between(task.split.positives_from, whole.now).user_E)
    if isinstance(task.split, HeldAuthors):
        return np.unique(whole.events.between(task.split.now, whole.now).user_E)
    past = as_of(whole, cut.fit.now)  # what damage adds to the fit asks nothing, so that requests are those without it
    known = np.unique(entity_of(task.query, past)[past.events.click_E])
    return known[known >= 0]


def _seen(task: Task, index: Observation, ids_Q: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return what must not be listed.

    Of a user: notes it was shown, authors it clicked. Of an author: itself. Of a note: users it was shown to, and who
    wrote it.
    """
    n_targets = index.catalog.count(task.target)
    if task.query == task.target:
        return np.arange(len(ids_Q) + 1, dtype=np.int64), ids_Q.copy()
    query_E, target_E = entity_of(task.query, index), entity_of(task.target, index)
    rows = np.isin(query_E, ids_Q)
    if task.target == "author":
        rows &= index.events.click_E & (target_E >= 0)
    query, target = query_E[rows].astype(np.int64), target_E[rows]
    if task.query == "note":
        writer_Q = _user_of_author(index)[index.catalog.notes.author_N[ids_Q]]
        query, target = np.append(query, ids_Q[writer_Q >= 0]), np.append(target, writer_Q[writer_Q >= 0])
    pair = np.unique(query * n_targets + target)
    query, target = np.divmod(pair, n_targets)
    start_Q1 = np.append(np.searchsorted(query, ids_Q), len(query)).astype(np.int64)
    return start_Q1, target.astype(np.int32)


def _user_of_author(index: Observation) -> NDArray[np.int32]:
    """Return the user that each author is, -1 where none is known, with a last -1 for the author -1."""
    author_U = index.catalog.users.author_U
    user_A1 = np.full(len(index.catalog.authors) + 1, -1, np.int32)
    known_U = np.flatnonzero(author_U >= 0).astype(np.int32)
    user_A1[author_U[known_U]] = known_U
    return user_A1
