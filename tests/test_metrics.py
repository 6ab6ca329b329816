"""Metrics of ranked lists against slow references, against libraries, and against what must hold whatever the lists."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass
from importlib import import_module
from random import Random

import ir_measures
import numpy as np
import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st
from ir_measures import Qrel, R, ScoredDoc, nDCG
from numpy.typing import NDArray
from sklearn.metrics import ndcg_score

from bench.gauc import user_aucs
from bench.metrics import (
    METRICS,
    ceiling_of,
    chance,
    ndcg,
    ndcg_of,
    recall,
    recall_by_target_of,
    recall_capped_of,
    recall_micro_of,
    recall_of,
    regret,
)
from bench.relevant import Relevant, contains, find_hits
from simulator.schema.checks import SchemaError

N_TARGETS = 12
K = 6


@dataclass(frozen=True)
class Example:
    """Lists and relevant sets over few targets, so that hits, misses, pads and empty sets are all common."""

    lists: list[list[int]]
    sets: list[list[int]]
    k: int

    @property
    def ids_QK(self) -> NDArray[np.int32]:
        return padded(self.lists)

    @property
    def relevant(self) -> Relevant:
        return relevant_of(self.sets)


def padded(lists: list[list[int]]) -> NDArray[np.int32]:
    return np.array([ids + [-1] * (K - len(ids)) for ids in lists], np.int32).reshape(len(lists), K)


def relevant_of(sets: list[list[int]]) -> Relevant:
    start_Q1 = np.cumsum([0, *map(len, sets)]).astype(np.int64)
    return Relevant(start_Q1, np.array([i for ids in sets for i in sorted(ids)], np.int32))


@st.composite
def examples(draw: st.DrawFn) -> Example:
    n = draw(st.integers(1, 5))
    ids = st.lists(st.integers(0, N_TARGETS - 1), unique=True, max_size=K)
    return Example([draw(ids) for _ in range(n)], [draw(ids) for _ in range(n)], draw(st.integers(1, K + 2)))


def slow_recall(ids: list[int], relevant: list[int], k: int) -> float:
    return len(set(ids[:k]) & set(relevant)) / len(relevant) if relevant else math.nan


def slow_ndcg(ids: list[int], relevant: list[int], k: int) -> float:
    if not relevant:
        return math.nan
    gained = sum(1 / math.log2(rank + 1) for rank, i in enumerate(ids[:k], start=1) if i in relevant)
    return gained / sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(relevant)) + 1))


@given(examples())
def test_recall_and_ndcg_equal_the_slow_reference(e: Example) -> None:
    expected = [slow_recall(ids, good, e.k) for ids, good in zip(e.lists, e.sets, strict=True)]
    np.testing.assert_allclose(recall(e.ids_QK, e.relevant, k=e.k), expected, rtol=1e-12)
    expected = [slow_ndcg(ids, good, e.k) for ids, good in zip(e.lists, e.sets, strict=True)]
    np.testing.assert_allclose(ndcg(e.ids_QK, e.relevant, k=e.k), expected, rtol=1e-12)


@given(examples())
def test_the_other_recalls_equal_the_slow_reference(e: Example) -> None:
    pairs, hits = list(zip(e.lists, e.sets, strict=True)), find_hits(e.ids_QK, e.relevant)
    found, wanted = [len(set(ids[: e.k]) & set(good)) for ids, good in pairs], [len(good) for _, good in pairs]
    capped = [f / min(e.k, n) if n else math.nan for f, n in zip(found, wanted, strict=True)]
    np.testing.assert_array_equal(recall_capped_of(hits, k=e.k), capped)
    ceiling = [min(e.k, n) / n if n else math.nan for n in wanted]
    np.testing.assert_array_equal(ceiling_of(hits, k=e.k), ceiling)
    micro = recall_micro_of(hits, k=e.k)
    np.testing.assert_array_equal(np.isnan(micro), np.array(wanted) == 0)
    if any(wanted):
        assert np.nanmean(micro) == pytest.approx(sum(found) / sum(wanted), abs=1e-12)


@given(examples())
def test_recall_by_target_is_the_recall_of_each_target_over_its_requests(e: Example) -> None:
    found = recall_by_target_of(e.ids_QK, e.relevant, find_hits(e.ids_QK, e.relevant), k=e.k)
    readers = {t: [q for q, good in enumerate(e.sets) if t in good] for t in range(N_TARGETS)}
    expected = [sum(t in e.lists[q][: e.k] for q in of) / len(of) for t, of in readers.items() if of]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_target_that_many_read_weighs_as_much_as_one_that_few_read() -> None:
    lists, sets = [[0], [0], [0], [0]], [[0], [0], [0], [1]]
    ids_QK, relevant = padded(lists), relevant_of(sets)
    assert recall_by_target_of(ids_QK, relevant, find_hits(ids_QK, relevant), k=1).tolist() == [1.0, 0.0]
    assert recall(ids_QK, relevant, k=1).mean() == 0.75


def test_three_hits_of_twenty_at_five_are_another_number_by_each_definition() -> None:
    hits = find_hits(np.array([[0, 1, 2, 50, 51], [90, 91, 92, 93, 94]], np.int32), relevant_of([[*range(20)], [90]]))
    expected = (1 + 1 / math.log2(3) + 0.5) / sum(1 / math.log2(r + 1) for r in range(1, 6))
    assert ndcg_of(hits, k=5)[0] == pytest.approx(expected)
    assert recall_of(hits, k=5).tolist() == [0.15, 1.0]
    assert recall_capped_of(hits, k=5).tolist() == [0.6, 1.0]
    assert ceiling_of(hits, k=5).tolist() == [0.25, 1.0]
    assert recall_micro_of(hits, k=5).mean() == pytest.approx(4 / 21)


@given(examples())
def test_recall_and_ndcg_equal_those_of_libraries(e: Example) -> None:
    asked = [q for q in range(len(e.lists)) if e.sets[q] and e.lists[q]]  # trec_eval leaves the others out
    judged = {str(q): {str(i): 1 for i in e.sets[q]} for q in asked}
    listed = {str(q): {str(i): float(-rank) for rank, i in enumerate(e.lists[q])} for q in asked}
    scores = pytrec_eval.RelevanceEvaluator(judged, {f"recall.{e.k}", f"ndcg_cut.{e.k}"}).evaluate(listed)
    qrels = [Qrel(q, i, grade) for q, grades in judged.items() for i, grade in grades.items()]
    docs = [ScoredDoc(q, i, score) for q, found in listed.items() for i, score in found.items()]
    others = {(m.query_id, m.measure): m.value for m in ir_measures.iter_calc([R @ e.k, nDCG @ e.k], qrels, docs)}
    ours_recall, ours_ndcg = recall(e.ids_QK, e.relevant, k=e.k), ndcg(e.ids_QK, e.relevant, k=e.k)
    for q in asked:
        assert ours_recall[q] == pytest.approx(scores[str(q)][f"recall_{e.k}"], abs=1e-9)
        assert ours_ndcg[q] == pytest.approx(scores[str(q)][f"ndcg_cut_{e.k}"], abs=1e-9)
        assert ours_recall[q] == pytest.approx(others[str(q), R @ e.k], abs=1e-9)
        assert ours_ndcg[q] == pytest.approx(others[str(q), nDCG @ e.k], abs=1e-9)


@given(st.permutations(range(N_TARGETS)), st.lists(st.booleans(), min_size=N_TARGETS, max_size=N_TARGETS))
def test_ndcg_equals_that_of_scikit_learn(order: list[int], is_relevant: list[bool]) -> None:
    if not any(is_relevant):
        return
    score_T = np.empty(N_TARGETS)
    score_T[order] = -np.arange(N_TARGETS)
    relevant = relevant_of([np.flatnonzero(is_relevant).tolist()])
    for k in (1, 5, N_TARGETS):
        theirs = ndcg_score([is_relevant], [score_T], k=k)
        assert ndcg(np.array([order], np.int32), relevant, k=k)[0] == pytest.approx(theirs, abs=1e-9)


@given(examples())
def test_membership_equals_that_of_sets_and_hits_are_its_ranks(e: Example) -> None:
    expected = [[i in good for i in ids] for ids, good in zip(e.ids_QK.tolist(), e.sets, strict=True)]
    np.testing.assert_array_equal(contains(e.ids_QK, e.relevant), expected)
    hits = find_hits(e.ids_QK, e.relevant)
    assert hits.rank_H.tolist() == [rank for row in expected for rank, hit in enumerate(row) if hit]
    np.testing.assert_array_equal(np.diff(hits.start_Q1), np.sum(expected, axis=1))


def test_an_id_listed_five_times_is_one_hit() -> None:
    ids_QK, relevant = np.full((1, 5), 7, np.int32), relevant_of([[7, 8]])
    assert recall(ids_QK, relevant, k=5)[0] == 0.5
    assert ndcg(ids_QK, relevant, k=5)[0] == pytest.approx(1 / (1 + 1 / math.log2(3)))


@given(examples(), st.lists(st.floats(0, 1, width=32), min_size=N_TARGETS, max_size=N_TARGETS))
def test_regret_equals_the_slow_reference_and_the_best_list_has_none(e: Example, gains: list[float]) -> None:
    best = sorted(gains, reverse=True)[:K]
    best_QK = np.tile(np.array(best, np.float32), (len(e.lists), 1))
    gain_QK = np.where(e.ids_QK >= 0, np.array(gains, np.float32)[e.ids_QK], np.float32(0))
    ceiling = sum(best[: e.k])
    expected = [1 - sum(gains[i] for i in ids[: e.k]) / ceiling if ceiling else math.nan for ids in e.lists]
    np.testing.assert_allclose(regret(gain_QK, best_QK, k=e.k), expected, atol=1e-12)
    np.testing.assert_equal(regret(best_QK, best_QK, k=e.k), [0.0 if ceiling else math.nan] * len(e.lists))


@given(examples())
def test_values_lie_between_0_and_1_or_are_undefined(e: Example) -> None:
    for values in (recall(e.ids_QK, e.relevant, k=e.k), ndcg(e.ids_QK, e.relevant, k=e.k)):
        assert values.dtype == np.float64
        assert (np.isnan(values) | ((values >= 0) & (values <= 1))).all()
        np.testing.assert_array_equal(np.isnan(values), e.relevant.count_Q == 0)


@given(examples())
def test_recall_never_falls_as_k_grows(e: Example) -> None:
    by_k = np.array([recall(e.ids_QK, e.relevant, k=k) for k in range(1, K + 1)])
    assert (np.isnan(by_k[1:]) | (by_k[1:] >= by_k[:-1])).all()


@given(examples(), st.permutations(range(N_TARGETS)))
def test_names_of_targets_do_not_matter(e: Example, new_name: list[int]) -> None:
    other = Example([[new_name[i] for i in ids] for ids in e.lists], [[new_name[i] for i in s] for s in e.sets], e.k)
    for metric in (recall, ndcg):
        np.testing.assert_array_equal(metric(e.ids_QK, e.relevant, k=e.k), metric(other.ids_QK, other.relevant, k=e.k))


@given(examples(), st.randoms(use_true_random=False))
def test_the_order_of_requests_does_not_matter(e: Example, random: Random) -> None:
    order = list(range(len(e.lists)))
    random.shuffle(order)
    moved = Example([e.lists[q] for q in order], [e.sets[q] for q in order], e.k)
    for metric in (recall, ndcg):
        before = metric(e.ids_QK, e.relevant, k=e.k)
        np.testing.assert_array_equal(before[order], metric(moved.ids_QK, moved.relevant, k=e.k))


@given(examples())
def test_what_stands_beyond_k_does_not_matter(e: Example) -> None:
    for metric in (recall, ndcg):
        cut = metric(padded([ids[: e.k] for ids in e.lists]), e.relevant, k=e.k)
        np.testing.assert_array_equal(metric(e.ids_QK, e.relevant, k=e.k), cut)


@given(examples())
def test_a_perfect_list_reaches_the_ceiling(e: Example) -> None:
    perfect_QK = padded([sorted(ids) for ids in e.sets])
    n_Q = e.relevant.count_Q
    with_any = n_Q > 0
    ceiling_Q = np.minimum(e.k, n_Q[with_any]) / n_Q[with_any]
    np.testing.assert_array_equal(recall(perfect_QK, e.relevant, k=e.k)[with_any], ceiling_Q)
    np.testing.assert_array_equal(ceiling_of(find_hits(perfect_QK, e.relevant), k=e.k)[with_any], ceiling_Q)
    np.testing.assert_array_equal(ndcg(perfect_QK, e.relevant, k=e.k)[with_any], 1.0)
    np.testing.assert_array_equal(recall_capped_of(find_hits(perfect_QK, e.relevant), k=e.k)[with_any], 1.0)


def test_random_lists_get_the_recall_that_chance_promises() -> None:
    rng = np.random.default_rng(5)
    n_requests, n_targets, k = 4_000, 50, 10
    ids_QK = rng.permuted(np.tile(np.arange(n_targets, dtype=np.int32), (n_requests, 1)), axis=1)[:, :k].copy()
    relevant = relevant_of([list(rng.choice(n_targets, 3, replace=False)) for _ in range(n_requests)])
    values = recall(ids_QK, relevant, k=k)
    np.testing.assert_array_equal(chance(np.full(n_requests, n_targets), relevant, k=k), k / n_targets)
    assert abs(values.mean() - k / n_targets) < 4 * values.std() / np.sqrt(n_requests)


def test_chance_is_1_when_the_list_holds_every_candidate_and_undefined_where_recall_is() -> None:
    values = chance(np.array([3, 3, 0]), relevant_of([[1], [], [1]]), k=5)
    np.testing.assert_array_equal(values, [1.0, np.nan, np.nan])


@given(examples(), st.integers(0, K - 2))
def test_moving_something_relevant_up_never_lowers_ndcg(e: Example, place: int) -> None:
    before, moved_QK = ndcg(e.ids_QK, e.relevant, k=e.k), e.ids_QK
    swaps_Q = contains(moved_QK, e.relevant)[:, place + 1]
    moved_QK[swaps_Q, place], moved_QK[swaps_Q, place + 1] = moved_QK[swaps_Q, place + 1], moved_QK[swaps_Q, place]
    assert (np.isnan(before) | (ndcg(moved_QK, e.relevant, k=e.k) >= before - 1e-12)).all()


@given(examples(), examples())
def test_the_mean_over_two_groups_is_the_weighted_mean_of_theirs(a: Example, b: Example) -> None:
    both = Example(a.lists + b.lists, a.sets + b.sets, a.k)
    for metric in (recall, ndcg):
        parts = [metric(e.ids_QK, e.relevant, k=a.k) for e in (a, b)]
        np.testing.assert_array_equal(metric(both.ids_QK, both.relevant, k=a.k), np.concatenate(parts))
    totals = [int(e.relevant.count_Q.sum()) for e in (a, b)]
    if min(totals):
        micros = [np.nanmean(recall_micro_of(find_hits(e.ids_QK, e.relevant), k=a.k)) for e in (a, b)]
        whole = np.nanmean(recall_micro_of(find_hits(both.ids_QK, both.relevant), k=a.k))
        assert whole == pytest.approx(np.average(micros, weights=totals), abs=1e-12)


@pytest.mark.parametrize(
    ("start", "ids", "field"),
    [
        ([1, 2], [0, 1], "Relevant.start"),
        ([0, 2, 1], [0], "Relevant.start"),
        ([0, 3], [0, 1], "Relevant.ids"),
        ([0, 2], [1, 0], "Relevant.ids"),
        ([0, 2], [1, 1], "Relevant.ids"),
        ([0, 1], [-1], "Relevant.ids"),
    ],
)
def test_a_broken_relevant_set_is_refused_by_name(start: list[int], ids: list[int], field: str) -> None:
    with pytest.raises(SchemaError, match=field):
        Relevant(np.array(start, np.int64), np.array(ids, np.int32))


def test_lists_of_another_number_of_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 1 requests, got 2"):
        recall(padded([[1], [2]]), relevant_of([[1]]), k=1)


OF_IMPRESSIONS = ("impressions", "unaided", "alone", "described")


@pytest.mark.parametrize("name", METRICS)
def test_every_row_of_the_table_can_be_called_with_what_it_needs(name: str) -> None:
    row = METRICS[name]
    module, _, attribute = row.function.partition(":")
    function = getattr(import_module(module), attribute)
    ids_QK, relevant = padded([[0, 1, 2], [3]]), relevant_of([[1, 5], [3]])
    aucs = user_aucs(np.array([0, 0, 1], np.int32), np.array([0, 1, 1], np.float32), np.arange(3) > 0)
    needs = {
        "hits": (find_hits(ids_QK, relevant),),
        "listed": (ids_QK, relevant, find_hits(ids_QK, relevant)),
        "bucket": (ids_QK, np.arange(N_TARGETS) < 3),
        "candidates": (np.array([9, 9]), relevant),
        "gain": (np.full((2, K), 0.1, np.float32), np.full((2, K), 0.2, np.float32)),
        **dict.fromkeys(OF_IMPRESSIONS, (aucs,)),
        "waits": (np.array([0, 3_600]), np.array([400_000, 400_000])),
    }
    at = {} if row.needs in (*OF_IMPRESSIONS, "waits") else {"k": 3}
    values = np.atleast_1d(function(*needs[row.needs], **at))
    assert values.shape in {(1,), (2,), (3,)}
    # A value of a weighted mean is no metric of its request; the mean is in range.
    assert 0 <= np.nanmean(values) <= 1
    assert row.meaning.endswith(".")
    assert inspect.getdoc(function)
    assert row.direction == ("lower" if row.unit != "share" or name == "regret" else "higher")
