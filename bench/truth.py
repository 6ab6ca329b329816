"""What is relevant to each request, and what the best list would have gained: never seen by a method.

Simulated: relevant is what the query would engage with, drawn from the truth for the whole corpus. The gain of a
target is the chance of that, counted where the task's targets are cold only for cold ones. Recorded: relevant is what
was held back, and there is no gain. Shapes: Q requests, T targets, K list length, R relevant entries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.case import Case
from bench.relevant import Relevant
from bench.split import Views, entity_of, last_event_of_each_user
from bench.task import LeaveOneOut, Recorded, Task
from methods.ranking import rank
from simulator.oracle import Oracle
from simulator.schema import Kind, Observation, Requests, Slates
from simulator.spec import WorldSpec

BLOCK = 256  # requests whose whole corpus is in memory at once
_PANEL = 1_000  # users from whom the readers of an author come
_READERS, _CO_READERS = 20, 2  # a pair of authors is co-engaged when 2 of 20 readers of one would engage with the other


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What the requests of one task are scored against; all but `relevant` is None for recorded data.

    `best_QK` are the gains of the oracle's list. Gains of other lists come from `gain_QT` where the targets are
    authors, else from the world, given each note's author and age.
    """

    relevant: Relevant
    best_QK: NDArray[np.float32] | None = None
    oracle: Slates | None = None
    affinity: Slates | None = None
    gain_QT: NDArray[np.float32] | None = None
    author_N: NDArray[np.int32] | None = None
    born_time_N: NDArray[np.int64] | None = None
    age_seconds_N: NDArray[np.int64] | None = None


def recorded_truth(case: Case, whole: Observation) -> Truth:
    """Return what was held back of a recorded log."""
    task, requests, events = case.task, case.requests, whole.events
    if isinstance(task.split, LeaveOneOut):
        held_E = last_event_of_each_user(events)
    elif isinstance(task.split, Recorded):
        held_E = events.time_E >= task.split.positives_from
    else:
        raise TypeError(f"{task.id}: expected a recorded split, got {task.split}")
    held_E &= np.isin(events.user_E, requests.ids_Q)
    n_targets = whole.catalog.count(task.target)
    target_E = entity_of(task.target, whole)
    pair = np.unique(events.user_E[held_E].astype(np.int64) * n_targets + target_E[held_E])
    query, target = np.divmod(pair, n_targets)
    start_Q1 = np.append(np.searchsorted(query, requests.ids_Q), len(query)).astype(np.int64)
    return Truth(Relevant(start_Q1, target.astype(np.int32)))


@dataclass(frozen=True, slots=True, eq=False)
class Chances:
    """The chances and would-engage draws of one set of queries over the whole corpus; settings of a family share it."""

    query: Kind
    target: Kind
    ids_Q: NDArray[np.int32]
    age_seconds_N: NDArray[np.int64]
    chance_QT: NDArray[np.float32]
    would_QT: NDArray[np.bool_]

    def serves(self, case: Case) -> bool:
        """Whether these are the chances of `case`."""
        asked, age_N = case.requests, case.cut.age_seconds_N
        return (
            (self.query, self.target) == (asked.query, asked.target)
            and np.array_equal(self.ids_Q, asked.ids_Q)
            and np.array_equal(self.age_seconds_N, age_N)
        )


def simulated_truth(case: Case, chances: Chances, *, rng: np.random.Generator) -> Truth:
    """Gather what is relevant, and rank the corpus by gain (the oracle) and by chance alone (true affinity)."""
    task, cut, requests = case.task, case.cut, case.requests
    target_mask_T = gain_mask(task, cut)
    k = max(task.ks)
    parts = []
    for first in range(0, len(requests), BLOCK):
        chance_QT = chances.chance_QT[first : first + BLOCK]
        would_QT = chances.would_QT[first : first + BLOCK]
        block = requests.between(first, first + len(chance_QT))
        would_QT = would_QT & _is_candidate(block, chance_QT.shape[1])
        if task.next_only:
            would_QT = _first_in_random_order(would_QT, rng)
        gain_QT = chance_QT * target_mask_T
        # Cold targets by their gain, then the rest by their chance.
        best = rank(np.where(target_mask_T, chance_QT, chance_QT - np.float32(1)), block, k=k)
        parts.append((would_QT, _take(gain_QT, best.ids_QK), best, rank(chance_QT, block, k=k)))
    would, gains, best_lists, natural = zip(*parts, strict=True)
    return Truth(
        _relevant(would),
        np.concatenate(gains),
        _join(best_lists),
        _join(natural),
        chances.chance_QT * target_mask_T if task.target == "author" else None,
        cut.index.catalog.notes.author_N,
        cut.index.catalog.notes.born_time_N,
        cut.age_seconds_N,
    )


def gain_mask(task: Task, cut: Views) -> NDArray[np.bool_]:
    """Mark the targets that the task is about."""
    n_targets = cut.index.catalog.count(task.target)
    if not task.has_cold_targets:
        return np.ones(n_targets, np.bool_)
    mask_T = np.zeros(n_targets, np.bool_)
    mask_T[cut.cold_ids] = True
    return mask_T


def draw_chances(case: Case, spec: WorldSpec, *, seed: int, rng: np.random.Generator) -> Chances:
    """Work out the chances of the queries of `case`, and draw who would engage."""
    asked, age_N = case.requests, case.cut.age_seconds_N
    notes, now = case.cut.index.catalog.notes, case.cut.index.now
    born_N = notes.born_time_N
    oracle = Oracle(spec, seed=seed, author_N=notes.author_N, born_time_N=born_N, now=now, age_seconds_N=age_N)
    if asked.query == "author":
        chance_QT, would_QT = _co_engagement(case.cut, asked, oracle, rng)
    else:
        by_kind = oracle.engage_with_notes if asked.target == "note" else oracle.engage_with_authors
        chance_QT = by_kind(asked.ids_Q)
        would_QT = oracle.would(asked.target, asked.ids_Q, chance_QT)
    return Chances(asked.query, asked.target, asked.ids_Q, age_N, chance_QT, would_QT)


def _co_engagement(
    cut: Views, requests: Requests, oracle: Oracle, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return, for each querying author, the share of its readers who would engage with each other author.

    Readers come from a panel of users, in proportion to their chance of engaging with the querying author.
    """
    user_U = np.unique(cut.fit.events.user_E)
    user_U = rng.choice(user_U, size=min(_PANEL, len(user_U)), replace=False).astype(np.int32)
    chance_UA = oracle.engage_with_authors(user_U)
    would_UA = oracle.would("author", user_U, chance_UA)
    share_UQ = chance_UA[:, requests.ids_Q] / chance_UA[:, requests.ids_Q].sum(axis=0)
    chance_QA = share_UQ.T @ chance_UA
    would_QA = np.empty(chance_QA.shape, np.bool_)
    for q, share_U in enumerate(share_UQ.T):
        readers = rng.choice(len(user_U), size=min(_READERS, len(user_U)), replace=False, p=share_U / share_U.sum())
        would_QA[q] = would_UA[readers].sum(axis=0) >= _CO_READERS
    return chance_QA, would_QA


def _is_candidate(requests: Requests, n_targets: int) -> NDArray[np.bool_]:
    mask_QT = np.zeros((len(requests), n_targets), np.bool_)
    mask_QT[:, requests.candidates_C] = True
    rows = np.repeat(np.arange(len(requests)), np.diff(requests.seen_start_Q1))
    mask_QT[rows, requests.seen_S] = False
    return mask_QT


def _first_in_random_order(would_QT: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Keep one positive a request: the first met when notes come in random order."""
    kept_QT = np.zeros_like(would_QT)
    for q, would_T in enumerate(would_QT):
        liked = np.flatnonzero(would_T)
        if len(liked):
            kept_QT[q, rng.choice(liked)] = True
    return kept_QT


def _relevant(blocks: tuple[NDArray[np.bool_], ...]) -> Relevant:
    count_Q = np.concatenate([block.sum(axis=1) for block in blocks])
    ids_R = np.concatenate([np.nonzero(block)[1] for block in blocks]).astype(np.int32)
    return Relevant(np.concatenate([[0], np.cumsum(count_Q)]).astype(np.int64), ids_R)


def _take(gain_QT: NDArray[np.float32], ids_QK: NDArray[np.int32]) -> NDArray[np.float32]:
    gains = np.take_along_axis(gain_QT, np.maximum(ids_QK, 0), axis=1)
    return np.where(ids_QK >= 0, gains, np.float32(0))


def _join(blocks: tuple[Slates, ...]) -> Slates:
    return Slates(np.concatenate([s.ids_QK for s in blocks]), np.concatenate([s.scores_QK for s in blocks]))
