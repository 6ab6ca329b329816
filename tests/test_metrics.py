"""Metrics against a slow reference, against trec_eval, and against what must hold whatever the lists."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass
from importlib import import_module
from random import Random

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench import metrics
from bench.metrics import METRICS, Relevant, chance, contains, coverage, exposure_share, find_hits, ndcg, recall, regret
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


BUCKETS = st.lists(st.booleans(), min_size=N_TARGETS, max_size=N_TARGETS)


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
def test_recall_and_ndcg_equal_trec_eval(e: Example) -> None:
    asked = [q for q in range(len(e.lists)) if e.sets[q] and e.lists[q]]  # trec_eval leaves the others out
    judged = {str(q): {str(i): 1 for i in e.sets[q]} for q in asked}
    listed = {str(q): {str(i): float(-rank) for rank, i in enumerate(e.lists[q])} for q in asked}
    evaluator = pytrec_eval.RelevanceEvaluator(judged, {f"recall.{e.k}", f"ndcg_cut.{e.k}"})
    scores = evaluator.evaluate(listed)
    ours_recall, ours_ndcg = recall(e.ids_QK, e.relevant, k=e.k), ndcg(e.ids_QK, e.relevant, k=e.k)
    for q in asked:
        assert ours_recall[q] == pytest.approx(scores[str(q)][f"recall_{e.k}"], abs=1e-12)
        assert ours_ndcg[q] == pytest.approx(scores[str(q)][f"ndcg_cut_{e.k}"], abs=1e-12)


@given(examples(), BUCKETS)
def test_exposure_share_and_coverage_equal_the_slow_reference(e: Example, bucket: list[bool]) -> None:
    bucket_T = np.array(bucket)
    shares = [sum(bucket[i] for i in ids[: e.k]) / len(ids[: e.k]) if ids else math.nan for ids in e.lists]
    np.testing.assert_allclose(exposure_share(e.ids_QK, bucket_T, k=e.k), shares)
    shown = {i for ids in e.lists for i in ids[: e.k] if bucket[i]}
    expected = len(shown) / sum(bucket) if any(bucket) else math.nan
    np.testing.assert_equal(coverage(e.ids_QK, bucket_T, k=e.k), expected)


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
        # NDCG of a perfect list is a ratio of two sums taken in different orders.
        assert (np.isnan(values) | ((values >= 0) & (values <= 1 + 1e-12))).all()
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
        np.testing.assert_array_equal(
            metric(e.ids_QK, e.relevant, k=e.k)[order], metric(moved.ids_QK, moved.relevant, k=e.k)
        )


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
    np.testing.assert_allclose(ndcg(perfect_QK, e.relevant, k=e.k)[with_any], 1.0, rtol=1e-12)


def test_random_lists_get_the_recall_that_chance_promises() -> None:
    rng = np.random.default_rng(5)
    n_requests, n_targets, k = 4_000, 50, 10
    ids_QK = rng.permuted(np.tile(np.arange(n_targets, dtype=np.int32), (n_requests, 1)), axis=1)[:, :k].copy()
    relevant = relevant_of([list(rng.choice(n_targets, 3, replace=False)) for _ in range(n_requests)])
    values = recall(ids_QK, relevant, k=k)
    expected = chance(np.full(n_requests, n_targets), relevant, k=k)
    np.testing.assert_array_equal(expected, k / n_targets)
    assert abs(values.mean() - k / n_targets) < 4 * values.std() / np.sqrt(n_requests)


def test_chance_is_1_when_the_list_holds_every_candidate_and_undefined_where_recall_is() -> None:
    values = chance(np.array([3, 3, 0]), relevant_of([[1], [], [1]]), k=5)
    np.testing.assert_array_equal(values, [1.0, np.nan, np.nan])


def test_blocks_of_requests_are_scored_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(6)
    ids_QK = rng.permuted(np.tile(np.arange(40, dtype=np.int32), (30, 1)), axis=1)[:, :10].copy()
    relevant = relevant_of([list(rng.choice(40, rng.integers(0, 9), replace=False)) for _ in range(30)])
    whole = contains(ids_QK, relevant)
    monkeypatch.setattr(metrics, "_CELLS", 7 * 40)  # blocks of 7 requests, the last one short
    np.testing.assert_array_equal(contains(ids_QK, relevant), whole)


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


@pytest.mark.parametrize("name", METRICS)
def test_every_row_of_the_table_can_be_called_with_what_it_needs(name: str) -> None:
    row = METRICS[name]
    module, _, attribute = row.function.partition(":")
    function = getattr(import_module(module), attribute)
    ids_QK, relevant = padded([[0, 1, 2], [3]]), relevant_of([[1, 5], [3]])
    needs = {
        "hits": (find_hits(ids_QK, relevant),),
        "bucket": (ids_QK, np.arange(N_TARGETS) < 3),
        "candidates": (np.array([9, 9]), relevant),
        "gain": (np.full((2, K), 0.1, np.float32), np.full((2, K), 0.2, np.float32)),
    }
    values = np.atleast_1d(function(*needs[row.needs], k=3))
    assert values.shape in {(1,), (2,)}
    assert ((values >= 0) & (values <= 1)).all()
    assert row.meaning.endswith(".")
    assert inspect.getdoc(function)
    assert row.direction == ("lower" if name == "regret" else "higher")
