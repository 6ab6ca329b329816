"""Damage reaches what methods get, as its task says and nothing else; the truth is as without it."""

from __future__ import annotations

import numpy as np
import pytest

from bench.case import Case, Opener
from bench.damage import flooded, newly_opened, without_text
from bench.split import as_of
from bench.task import MissingText, NewCategories, SpamRings, Task
from bench.tasks import find_task
from bench.truth import draw_chances, simulated_truth
from simulator.schema import DAY_SECONDS, EventLog, Observation
from simulator.simulate import live
from simulator.spec import TINY

SEED = 2
MISSING, NEW, RINGS = (
    find_task(name)
    for name in (
        "robust/author-cold/u2a/missing-text@v1",
        "robust/note-cold/u2n/new-categories@v1",
        "robust/author-cold/u2a/spam-rings@v1",
    )
)


@pytest.fixture(scope="module")
def whole() -> Observation:
    return live(TINY, seed=SEED)


def opened(whole: Observation, task: Task) -> Case:
    return Opener(whole, key=1).open(task)


def texts_of(seen: Observation) -> tuple[list[str], list[str], list[str]]:
    notes, authors = seen.catalog.notes, seen.catalog.authors
    note_N, author_A = (np.arange(len(table), dtype=np.int32) for table in (notes, authors))
    return notes.title.take(note_N), notes.body.take(note_N), authors.profile.take(author_A)


def edges(seen: Observation) -> set[tuple[int, int, int]]:
    follows = seen.follows
    return set(zip(follows.user_F.tolist(), follows.author_F.tolist(), follows.time_F.tolist(), strict=True))


def rows(log: EventLog) -> list[tuple[int, ...]]:
    return list(zip(log.user_E.tolist(), log.note_E.tolist(), log.time_E.tolist(), log.click_E.tolist(), strict=True))


def test_half_of_the_texts_are_empty_and_the_rest_as_they_were(whole: Observation) -> None:
    cut, titles = opened(whole, MISSING).cut, texts_of(whole)
    for was, now in zip(titles, texts_of(cut.index), strict=True):
        is_mute = np.array([text == "" for text in now])
        spread = 0.5 / np.sqrt(len(now))
        assert abs(is_mute.mean() - MissingText().share) < 4 * spread
        assert [text for text, mute in zip(was, is_mute, strict=True) if not mute] == [text for text in now if text]
    # A note is mute as a whole, in every view.
    title, body, _ = texts_of(cut.index)
    assert [text == "" for text in title] == [text == "" for text in body]
    for late, early in zip(texts_of(cut.index), texts_of(cut.fit), strict=True):
        assert late[: len(early)] == early


def test_no_text_is_missing_at_share_0_and_all_are_at_1(whole: Observation) -> None:
    for share, kept in ((0.0, texts_of(whole)), (1.0, tuple([""] * len(column) for column in texts_of(whole)))):
        seen = Observation(whole.now, without_text(whole.catalog, share), whole.events, whole.follows)
        assert texts_of(seen) == kept


def test_the_fit_sees_nothing_of_new_categories_and_the_index_their_last_week(whole: Observation) -> None:
    case = opened(whole, NEW)
    fit, index = case.cut.fit, case.cut.index
    now = whole.now - 7 * DAY_SECONDS
    is_new_N = newly_opened(whole.catalog, NewCategories().share)
    assert 1 <= len(np.unique(whole.catalog.notes.category_N[is_new_N])) < len(whole.catalog.categories) / 2
    assert np.array_equal(case.cut.cold_ids, np.flatnonzero(is_new_N))
    past, is_new_E = as_of(whole, now).events, is_new_N[whole.events.note_E]
    assert is_new_N[past.note_E].any()
    assert rows(fit.events) == rows(past.take(~is_new_N[past.note_E]))
    assert rows(index.events) == rows(whole.events.take(~is_new_E | (whole.events.time_E >= now)))
    assert case.cold_only is not None
    assert np.array_equal(case.cold_only.candidates_C, case.cut.cold_ids)


def test_follows_made_on_hidden_impressions_of_new_categories_are_hidden(whole: Observation) -> None:
    case = opened(whole, NEW)
    past = as_of(whole, case.cut.fit.now)
    is_new_N = newly_opened(past.catalog, NewCategories().share)
    hidden = past.events.take(is_new_N[past.events.note_E] & past.events.follow_E)
    author_E = past.catalog.notes.author_N[hidden.note_E]
    made = set(zip(hidden.user_E.tolist(), author_E.tolist(), hidden.time_E.tolist(), strict=True))
    for before, after in ((past, case.cut.fit), (whole, case.cut.index)):
        lost = edges(before) - edges(after)
        assert lost == edges(before) & made
        assert lost


def test_rings_open_each_note_of_theirs_once_and_leave_the_rest_as_it_was(whole: Observation) -> None:
    spec = SpamRings()
    log = flooded(whole, author_share=spec.author_share, size=spec.size)
    added = sorted(set(rows(log)) - set(rows(whole.events)))
    n_added = len(log) - len(whole.events)
    assert n_added == len(added) > 50
    assert (np.diff(log.time_E) >= 0).all()
    kept = np.isin(np.arange(len(log)), [i for i, row in enumerate(rows(log)) if row in set(added)], invert=True)
    assert rows(log.take(kept)) == rows(whole.events)
    notes = whole.catalog.notes
    readers: dict[int, set[int]] = {}
    for user, note, time, click in added:
        assert click
        assert time == notes.born_time_N[note] + 3_600 < whole.now
        assert whole.catalog.users.joined_time_U[user] < time
        readers.setdefault(int(notes.author_N[note]), set()).add(user)
    # Authors of a ring share their readers, and no reader is in two rings.
    n_rings = round(spec.author_share * len(whole.catalog.authors) / spec.size)
    assert all(len(users) <= spec.size for users in readers.values())
    groups: list[set[int]] = []
    for users in readers.values():
        joined = [group for group in groups if group & users]
        groups = [group for group in groups if not group & users] + [users.union(*joined)]
    assert len(groups) <= n_rings
    assert all(len(group) <= spec.size for group in groups)


def test_without_rings_the_log_is_the_log(whole: Observation) -> None:
    assert rows(flooded(whole, author_share=0.0, size=6)) == rows(whole.events)


def test_the_fit_sees_the_ring_events_of_its_time(whole: Observation) -> None:
    cut = opened(whole, RINGS).cut
    late = flooded(whole, author_share=0.15, size=6).between(0, whole.now - 7 * DAY_SECONDS)
    assert rows(cut.fit.events) == rows(late)


@pytest.mark.parametrize(
    ("task", "clean"),
    [(MISSING, "author-cold/u2a/j0@v1"), (RINGS, "author-cold/u2a/j5@v1"), (NEW, "note-cold/u2n/age-0h@v1")],
    ids=lambda task: getattr(task, "id", task),
)
def test_a_damaged_task_asks_the_users_of_the_clean_one(task: Task, clean: str, whole: Observation) -> None:
    damaged, undamaged = (Opener(whole, key=1).open(each).requests for each in (task, find_task(clean)))
    np.testing.assert_array_equal(damaged.ids_Q, undamaged.ids_Q)
    assert damaged.tie_seed == undamaged.tie_seed


@pytest.mark.parametrize("task", [MISSING, NEW, RINGS], ids=lambda task: task.id)
def test_chances_are_those_of_the_undamaged_world(task: Task, whole: Observation) -> None:
    case = opened(whole, task)
    chances = draw_chances(case, TINY, seed=SEED, rng=np.random.default_rng(0))
    clean = Case(case.task, case.cut, case.requests, None)
    again = draw_chances(clean, TINY, seed=SEED, rng=np.random.default_rng(5))
    np.testing.assert_array_equal(chances.would_QT, again.would_QT)
    truth = simulated_truth(case, chances, whole, rng=np.random.default_rng(0))
    seen = {(q, int(t)) for q in range(len(case.requests)) for t in _seen(case, q)}
    row_R = np.repeat(np.arange(len(case.requests)), truth.relevant.count_Q)
    assert not seen & set(zip(row_R.tolist(), truth.relevant.ids_R.tolist(), strict=True))


def _seen(case: Case, q: int) -> np.ndarray:
    requests = case.requests
    return requests.seen_S[requests.seen_start_Q1[q] : requests.seen_start_Q1[q + 1]]
