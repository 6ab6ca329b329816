"""What is relevant is drawn from the truth alone, and no list gains more than the oracle's."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.case import Case, Opener
from bench.exam import Exam, exam_of, load, save
from bench.metrics import KNOWN
from bench.score import check_and_score, n_candidates, within
from bench.task import WORLD, LeaveOneOut, Recorded, Task
from bench.tasks import TASKS, find_task
from bench.truth import Truth, draw_chances, recorded_truth, simulated_truth
from methods.ranking import rank
from simulator.oracle import Oracle, newest_notes
from simulator.schema import Observation
from simulator.simulate import live
from simulator.spec import find_world

SPEC, SEED = find_world("tiny:n_users=3000"), 2
SIMULATED = [task for task in TASKS.values() if task.source == WORLD]


@pytest.fixture(scope="module")
def whole() -> Observation:
    return live(SPEC, seed=SEED)


def oracle_of(seen: Observation, *, age_seconds_N: NDArray[np.int64] | None) -> Oracle:
    notes = seen.catalog.notes
    return Oracle(
        SPEC,
        seed=SEED,
        author_N=notes.author_N,
        born_time_N=notes.born_time_N,
        now=seen.now,
        age_seconds_N=age_seconds_N,
    )


def opened(whole: Observation, task: Task) -> tuple[Case, Truth]:
    case = Opener(whole, key=1).open(task)
    chances = draw_chances(case, SPEC, seed=SEED, rng=np.random.default_rng(0))
    return case, simulated_truth(case, chances, rng=np.random.default_rng(0))


@pytest.mark.parametrize("task", SIMULATED, ids=lambda task: task.id)
def test_relevant_targets_are_unseen_candidates(task: Task, whole: Observation) -> None:
    case, truth = opened(whole, task)
    relevant, requests = truth.relevant, case.requests
    assert len(relevant) == len(requests)
    assert np.isin(relevant.ids_R, requests.candidates_C).all()
    for q in range(len(requests)):
        seen = requests.seen_S[requests.seen_start_Q1[q] : requests.seen_start_Q1[q + 1]]
        mine = relevant.ids_R[relevant.start_Q1[q] : relevant.start_Q1[q + 1]]
        assert not np.isin(mine, seen).any()
        assert not task.next_only or len(mine) <= 1


@pytest.mark.parametrize("task", SIMULATED, ids=lambda task: task.id)
def test_no_list_gains_more_than_the_oracles(task: Task, whole: Observation) -> None:
    case, truth = opened(whole, task)
    exam = exam_of(case, truth)
    assert truth.oracle is not None
    k = max(task.ks)
    noise = np.random.default_rng(1).random((len(case.requests), exam.n_targets), np.float32)
    best = check_and_score(task, exam, truth.oracle.ids_QK, None, (SPEC, SEED))
    other = check_and_score(task, exam, rank(noise, case.requests, k=k).ids_QK, None, (SPEC, SEED))
    for cutoff in task.ks:
        # Half-precision gains of author queries are good to 5e-4.
        assert np.nanmax(np.abs(best[f"regret@{cutoff}"])) < 1e-3
        assert np.nanmin(other[f"regret@{cutoff}"]) > -1e-3
    assert np.nanmean(other[f"regret@{task.ks[0]}"]) > 0.2


def test_relevance_comes_as_often_as_its_chance_says(whole: Observation) -> None:
    case, truth = opened(whole, find_task("user-cold/u2n/j0@v1"))
    oracle = oracle_of(case.cut.index, age_seconds_N=case.cut.age_seconds_N)
    chance_QN = oracle.engage_with_notes(case.requests.ids_Q).astype(np.float64)
    rows = np.repeat(np.arange(len(case.requests)), np.diff(case.requests.seen_start_Q1))
    chance_QN[rows, case.requests.seen_S] = 0.0
    spread = np.sqrt((chance_QN * (1 - chance_QN)).sum())
    assert chance_QN.sum() > 30
    assert abs(len(truth.relevant.ids_R) - chance_QN.sum()) < 4 * spread


def test_the_same_entities_are_relevant_whatever_was_revealed(whole: Observation) -> None:
    first, second = (opened(whole, find_task(f"author-cold/u2a/j{j}@v1")) for j in (0, 20))
    cold_T = exam_of(*first).cold_T
    unseen = [within(truth.relevant, cold_T) for _, truth in (first, second)]
    # Only what j = 20 reveals (and so excludes as seen) may differ.
    lost = set(unseen[0].ids_R.tolist()) - set(unseen[1].ids_R.tolist())
    assert len(unseen[0].ids_R) >= len(unseen[1].ids_R)
    assert len(lost) <= len(first[0].cut.cold_ids)


def test_an_author_is_judged_by_its_newest_three_notes() -> None:
    author_N = np.array([0, 1, 0, 0, 2, 0], np.int32)
    assert newest_notes(author_N, 4).tolist() == [[5, 3, 2], [1, -1, -1], [4, -1, -1], [-1, -1, -1]]


def test_authors_chances_agree_with_their_notes(whole: Observation) -> None:
    notes, oracle = whole.catalog.notes, oracle_of(whole, age_seconds_N=None)
    user_Q = np.arange(0, 300, 17, dtype=np.int32)
    chance_QN, chance_QA = oracle.engage_with_notes(user_Q), oracle.engage_with_authors(user_Q)
    newest_AM = newest_notes(notes.author_N, SPEC.n_authors)
    for author in range(0, SPEC.n_authors, 13):
        mine = newest_AM[author][newest_AM[author] >= 0]
        assert np.allclose(chance_QA[:, author], 1 - np.prod(1 - chance_QN[:, mine], axis=1), atol=1e-6)
    authors_Q1 = np.full((len(user_Q), 1), 3, np.int32)
    assert np.allclose(oracle.engage_pairs("author", user_Q, authors_Q1)[:, 0], chance_QA[:, 3], atol=1e-6)


def test_an_exam_comes_back_from_disk_as_it_was(tmp_path: Path, whole: Observation) -> None:
    task = find_task("author-cold/a2a/j5@v1")
    exam = exam_of(*opened(whole, task))
    save(exam, tmp_path / "exam.npz")
    again: Exam = load(tmp_path / "exam.npz")
    for name in ("ids_Q", "candidates_C", "seen_S", "tie_seed", "time", "query", "target"):
        assert np.array_equal(getattr(again.requests, name), getattr(exam.requests, name))
    assert np.array_equal(again.truth.relevant.ids_R, exam.truth.relevant.ids_R)
    assert again.truth.oracle is not None
    assert again.cold_only is not None
    assert np.array_equal(again.cold_T, exam.cold_T)
    assert np.array_equal(again.known_T, exam.known_T)


def test_what_is_known_of_targets_is_the_clicks_that_a_method_is_shown(whole: Observation) -> None:
    task = find_task("author-cold/u2a/j1@v1")
    case, truth = opened(whole, task)
    exam, shown = exam_of(case, truth), case.cut.index
    counts = dict.fromkeys(range(exam.n_targets), 0)
    for note in shown.events.note_E[shown.events.click_E].tolist():
        counts[int(shown.catalog.notes.author_N[note])] += 1
    assert exam.known_T.tolist() == list(counts.values())
    assert exam.known_T[exam.cold_T].max() == 1
    # The buckets part the targets, so their recalls are parts of the whole one.
    assert truth.oracle is not None
    values = check_and_score(task, exam, truth.oracle.ids_QK, None, (SPEC, SEED))
    parts = np.zeros(len(case.requests))
    for low, high in KNOWN.values():
        own = within(truth.relevant, (exam.known_T >= low) & (exam.known_T < high))
        parts += np.nan_to_num(values[f"recall_known_{low}@50"]) * own.count_Q
    np.testing.assert_allclose(parts, np.nan_to_num(values["recall@50"]) * truth.relevant.count_Q, atol=1e-9)


def test_leave_one_out_asks_for_the_last_interaction(whole: Observation) -> None:
    task = Task("t/x@v1", "t", "user", "note", source="x", split=LeaveOneOut(), max_requests=10_000)
    case = Opener(whole, key=1).open(task)
    truth = recorded_truth(case, whole)
    assert (truth.relevant.count_Q == 1).all()
    for user, note in list(zip(case.requests.ids_Q, truth.relevant.ids_R, strict=True))[::40]:
        assert note == whole.events.note_E[whole.events.user_E == user][-1]


def test_recorded_positives_begin_at_their_edge(whole: Observation) -> None:
    edge = int(whole.events.time_E[len(whole.events) // 2])
    task = Task("t/x@v1", "t", "user", "note", source="x", split=Recorded(edge, edge), max_requests=10_000)
    case = Opener(whole, key=1).open(task)
    truth = recorded_truth(case, whole)
    later = whole.events.between(edge, whole.now)
    for q, user in list(enumerate(case.requests.ids_Q))[::40]:
        mine = truth.relevant.ids_R[truth.relevant.start_Q1[q] : truth.relevant.start_Q1[q + 1]]
        assert np.array_equal(mine, np.unique(later.note_E[later.user_E == user]))


def test_candidates_are_counted_without_what_was_seen(whole: Observation) -> None:
    case, _ = opened(whole, find_task("author-cold/u2a/j0@v1"))
    assert case.cold_only is not None
    for requests in (case.requests, case.cold_only):
        counts = n_candidates(requests)
        for q in range(0, len(requests), 50):
            seen = requests.seen_S[requests.seen_start_Q1[q] : requests.seen_start_Q1[q + 1]]
            assert counts[q] == len(np.setdiff1d(requests.candidates_C, seen))
