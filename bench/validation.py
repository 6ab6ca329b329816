"""A task's question asked inside its training window: what hyper-parameters are chosen by. Test answers stay unseen.

- leave-one-out: the fit is that of the task; relevant is each user's last interaction but one.
- recorded with a validation part: the fit is that of the task; relevant lies between `now` and `positives_from`.
- recorded without one: a random tenth of what the fit would see is held back from it, and relevant.
- a snapshot T of a world: the question as it was asked `fit_days` earlier; relevant is what was clicked from then to T
  (of an author: authors who share two of its readers), as logged, since nobody who tunes knows the truth.
- a window of a world that begins at T: the question as it was asked a window earlier; relevant is what was clicked in
  that window, as logged.

Shapes: Q requests, T targets, E events, P pairs of a query and something relevant to it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from bench.case import Case, Opener
from bench.exam import Exam, exam_of
from bench.relevant import Relevant
from bench.split import as_of, entity_of, fit_view, last_event_of_each_user
from bench.task import LeaveOneOut, Recorded, Snapshot, Task, Window
from bench.truth import Truth
from simulator.luck import generator
from simulator.schema import DAY_SECONDS, EventLog, Observation, Requests

HELD_SHARE = 0.1
CO_READERS = 2
MAX_REQUESTS = 5_000


def validation(task: Task, whole: Observation, *, key: int) -> tuple[Case, Exam]:
    """Return what a method is shown and asked when `task` is tuned, and the answers; `key` seeds every draw."""
    asked = replace(task, max_requests=min(task.max_requests, MAX_REQUESTS))
    if isinstance(task.split, Snapshot):
        then = whole.now - int(task.split.fit_days * DAY_SECONDS)
        case = Opener(as_of(whole, then), key=key).open(asked)
        return _examined(case, replace(whole, events=whole.events.between(then, whole.now)))
    if isinstance(task.split, Window):
        asked_at = whole.now - int(task.split.window_days * DAY_SECONDS)
        then = asked_at - int(task.split.window_days * DAY_SECONDS)
        case = Opener(as_of(whole, asked_at), key=key).open(asked)
        return _examined(case, replace(whole, events=whole.events.between(then, asked_at)))
    known, held = _parted(task, whole, key)
    late = replace(held, time_E=np.full(len(held), whole.now))
    shown = Observation(whole.now + 1, whole.catalog, _joined(known, late), whole.follows)
    case = Opener(shown, key=key).open(replace(asked, split=Recorded(whole.now, whole.now)))
    return _examined(case, replace(whole, events=held))


def _parted(task: Task, whole: Observation, key: int) -> tuple[EventLog, EventLog]:
    """Return what the fit of a recorded task is shown, and what is held back from it."""
    events = whole.events
    match task.split:
        case LeaveOneOut(leaky=False):
            before = events.take(~last_event_of_each_user(events))
            return fit_view(task, whole).events, before.take(last_event_of_each_user(before))
        case Recorded(now, positives_from) if positives_from > now:
            return events.between(0, now), events.between(now, positives_from)
        case Recorded(now):
            past = events.between(0, now)
            is_held_E = generator(key, "held back").random(len(past)) < HELD_SHARE
            return past.take(~is_held_E), past.take(is_held_E)
    raise ValueError(f"{task.id}: expected a split with a training window, got {task.split}")


def _joined(first: EventLog, second: EventLog) -> EventLog:
    """Return the events of both, one after the other."""
    columns = {
        name: np.concatenate([column, getattr(second, name)])
        for name in EventLog.__slots__
        if isinstance(column := getattr(first, name), np.ndarray)
    }
    return EventLog(**columns, channels=first.channels)


def _examined(case: Case, held: Observation) -> tuple[Case, Exam]:
    """Return the case and its exam: relevant are the clicks of `held` that the requests may be answered with."""
    query_P, target_P = (_co_read if case.task.query == "author" else _clicked)(case.task, held)
    requests = case.requests
    n_targets = case.cut.index.catalog.count(case.task.target)
    asked_P = np.isin(query_P, requests.ids_Q) & np.isin(target_P, requests.candidates_C)
    wanted = np.unique(query_P[asked_P] * n_targets + target_P[asked_P])
    wanted = np.setdiff1d(wanted, _seen_pairs(requests, n_targets), assume_unique=True)
    query_P, target_P = np.divmod(wanted, n_targets)
    start_Q1 = np.append(np.searchsorted(query_P, requests.ids_Q), len(query_P)).astype(np.int64)
    return case, exam_of(case, Truth(Relevant(start_Q1, target_P.astype(np.int32))))


def _clicked(task: Task, held: Observation) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (query, target) of each click, of each user's first alone where the task asks for the next."""
    query_E, target_E = entity_of(task.query, held), entity_of(task.target, held)
    row_P = np.flatnonzero(held.events.click_E & (target_E >= 0))
    if task.next_only:
        _, first = np.unique(query_E[row_P], return_index=True)
        row_P = row_P[first]
    return query_E[row_P].astype(np.int64), target_E[row_P].astype(np.int64)


def _co_read(task: Task, held: Observation) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (author, author) of each two who share CO_READERS readers."""
    user_P, author_P = _clicked(replace(task, query="user"), held)
    read_UA = sp.csr_matrix((np.ones(len(user_P)), (user_P, author_P)))
    read_UA.data[:] = 1
    shared_AA = (read_UA.T @ read_UA).tocoo()
    is_wanted_P = (shared_AA.data >= CO_READERS) & (shared_AA.row != shared_AA.col)
    return shared_AA.row[is_wanted_P].astype(np.int64), shared_AA.col[is_wanted_P].astype(np.int64)


def _seen_pairs(requests: Requests, n_targets: int) -> NDArray[np.int64]:
    query_S = np.repeat(requests.ids_Q.astype(np.int64), np.diff(requests.seen_start_Q1))
    return query_S * n_targets + requests.seen_S
