"""Who asks, among which candidates, and what each has seen already.

Shapes: Q requests, C candidates, E events, S seen entries.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.split import Views, entity_of, last_event_of_each_user
from bench.task import LeaveOneOut, Recorded, Task
from simulator.schema import Observation, Requests


def ask(task: Task, whole: Observation, cut: Views, *, rng: np.random.Generator) -> Requests:
    """Draw up to `task.max_requests` queries and gather what they have seen in the index view."""
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


def _candidates(task: Task, cut: Views) -> NDArray[np.int32]:
    """Return the full corpus: every note, or every author who has published."""
    if task.target == "author":
        author_N = cut.index.catalog.notes.author_N
        return np.unique(author_N[author_N >= 0]).astype(np.int32)
    return np.arange(cut.index.catalog.count(task.target), dtype=np.int32)


def _eligible(task: Task, whole: Observation, cut: Views) -> NDArray[np.int32]:
    """Return who may ask: cold users; whoever has something held back; else those known by clicks to the fit."""
    if task.cold is not None and task.cold.entity == task.query == "user":
        return cut.cold_ids
    if isinstance(task.split, LeaveOneOut):
        return np.unique(whole.events.user_E[last_event_of_each_user(whole.events)])
    if isinstance(task.split, Recorded):
        return np.unique(whole.events.between(task.split.positives_from, whole.now).user_E)
    known = np.unique(entity_of(task.query, cut.fit)[cut.fit.events.click_E])
    return known[known >= 0]


def _seen(task: Task, index: Observation, ids_Q: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return what must not be shown: notes a user was shown, authors a user clicked, the querying author itself."""
    n_targets = index.catalog.count(task.target)
    if task.query == task.target:
        return np.arange(len(ids_Q) + 1, dtype=np.int64), ids_Q.copy()
    query_E, target_E = index.events.user_E, entity_of(task.target, index)
    rows = np.isin(query_E, ids_Q)
    if task.target == "author":
        rows &= index.events.click_E & (target_E >= 0)
    pair = np.unique(query_E[rows].astype(np.int64) * n_targets + target_E[rows])
    query, target = np.divmod(pair, n_targets)
    start_Q1 = np.append(np.searchsorted(query, ids_Q), len(query)).astype(np.int64)
    return start_Q1, target.astype(np.int32)
