"""A recorded log in which one author in five is shown as if it were new."""

from __future__ import annotations

import numpy as np
import pytest

from bench.case import Case, Opener
from bench.damage import held_authors
from bench.exam import exam_of
from bench.task import Cold, HeldAuthors, Task
from bench.truth import recorded_truth
from simulator.schema import DAY_SECONDS, Observation
from simulator.simulate import live
from simulator.spec import TINY

COLD = Cold("author", arrived_days_ago=None, first_interactions=0)


@pytest.fixture(scope="module")
def whole() -> Observation:
    return live(TINY, seed=2)


@pytest.fixture(scope="module")
def case(whole: Observation) -> Case:
    split = HeldAuthors(whole.now - 5 * DAY_SECONDS)
    return Opener(whole, key=1).open(Task("t/x@v1", "t", "user", "author", source="x", split=split, cold=COLD))


def test_methods_see_what_came_before_of_all_other_authors(whole: Observation, case: Case) -> None:
    now, author_N = whole.now - 5 * DAY_SECONDS, whole.catalog.notes.author_N
    held = set(np.flatnonzero(held_authors(whole.catalog, 0.2)).tolist())
    assert 0.1 < len(held) / len(whole.catalog.authors) < 0.3
    shown, events = case.cut.index.events, whole.events
    kept = [
        time < now and author not in held for time, author in zip(events.time_E, author_N[events.note_E], strict=True)
    ]
    assert 0 < len(shown) == sum(kept)
    np.testing.assert_array_equal(shown.note_E, events.note_E[kept])
    assert case.cut.fit is case.cut.index
    assert held <= set(case.cut.cold_ids.tolist())
    follows = case.cut.fit.follows
    assert len(follows) > 0
    assert (follows.time_F < now).all()
    assert not set(follows.author_F.tolist()) & held


def test_relevant_is_what_comes_later_of_authors_who_may_be_listed(whole: Observation, case: Case) -> None:
    truth, requests = recorded_truth(case, whole), case.requests
    later = whole.events.between(whole.now - 5 * DAY_SECONDS, whole.now)
    author_E = whole.catalog.notes.author_N[later.note_E]
    assert np.isin(requests.ids_Q, later.user_E).all()
    n_cold = 0
    for q, user in enumerate(requests.ids_Q):
        seen = requests.seen_S[requests.seen_start_Q1[q] : requests.seen_start_Q1[q + 1]]
        mine = truth.relevant.ids_R[truth.relevant.start_Q1[q] : truth.relevant.start_Q1[q + 1]]
        np.testing.assert_array_equal(mine, np.setdiff1d(author_E[later.user_E == user], seen))
        n_cold += np.isin(mine, case.cut.cold_ids).sum()
    assert n_cold > 10
    assert exam_of(case, truth).cold_T.sum() == len(case.cut.cold_ids)
