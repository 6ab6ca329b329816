"""GAUC against scikit-learn and slow references, and against what must hold whatever the scores."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from bench.gauc import Scores, UserAucs, gauc, gauc_pos, gauc_user, user_aucs
from bench.score import score_impressions
from simulator.schema.checks import SchemaError

# Few values, so that ties are common; with both zeros, the smallest number there is and large ones.
SCORES = st.sampled_from([-1e38, -1.5, -1e-45, -0.0, 0.0, 1e-45, 0.25, 1.5, 1e38])


@dataclass(frozen=True)
class Impressions:
    user_E: NDArray[np.int32]
    score_E: Scores
    label_E: NDArray[np.bool_]

    def aucs(self) -> UserAucs:
        return user_aucs(self.user_E, self.score_E, self.label_E)

    def with_scores(self, score_E: Scores) -> UserAucs:
        return user_aucs(self.user_E, score_E, self.label_E)


@st.composite
def impressions(draw: st.DrawFn, min_size: int = 0) -> Impressions:
    row = st.tuples(st.sampled_from([0, 3, 7, 2**31 - 1]), SCORES, st.booleans())
    user, score, label = zip(*draw(st.lists(row, min_size=max(1, min_size), max_size=25)), strict=True)
    return Impressions(np.array(user, np.int32), np.array(score, np.float32), np.array(label, np.bool_))


def slow_auc(score_E: Scores, label_E: NDArray[np.bool_]) -> float:
    won = [(a > b) + (a == b) / 2 for a in score_E[label_E] for b in score_E[~label_E]]
    return float(np.mean(won)) if won else math.nan


def same(a: UserAucs, b: UserAucs) -> None:
    for name in ("user_U", "n_U", "n_positive_U", "auc_U", "pooled"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


@given(impressions())
def test_aucs_equal_a_count_of_pairs_and_scikit_learn(e: Impressions) -> None:
    found = e.aucs()
    np.testing.assert_array_equal(found.user_U, np.unique(e.user_E))
    for u, user in enumerate(found.user_U):
        own_E = e.user_E == user
        score_E, label_E = e.score_E[own_E], e.label_E[own_E]
        assert (found.n_U[u], found.n_positive_U[u]) == (len(score_E), label_E.sum())
        np.testing.assert_allclose(found.auc_U[u], slow_auc(score_E, label_E), rtol=1e-12)
        if label_E.any() and not label_E.all():
            assert found.auc_U[u] == pytest.approx(roc_auc_score(label_E, score_E), abs=1e-9)
    np.testing.assert_allclose(found.pooled, slow_auc(e.score_E, e.label_E), rtol=1e-12)


@given(impressions())
def test_the_means_are_those_of_their_definitions(e: Impressions) -> None:
    found = e.aucs()
    both = [u for u in range(len(found.user_U)) if not math.isnan(found.auc_U[u])]
    assert found.user_coverage == len(both) / len(found.user_U)
    assert found.impression_coverage == pytest.approx(sum(found.n_U[u] for u in both) / len(e.user_E))
    weights = {"gauc": found.n_U, "gauc_user": np.ones(len(found.n_U)), "gauc_pos": found.n_positive_U}
    columns = {"gauc": gauc(found), "gauc_user": gauc_user(found), "gauc_pos": gauc_pos(found)}
    for name, weight_U in weights.items():
        total = sum(weight_U[u] for u in both)
        expected = sum(weight_U[u] * found.auc_U[u] for u in both) / total if both else math.nan
        np.testing.assert_allclose(getattr(found, name), expected, rtol=1e-12)
        np.testing.assert_array_equal(np.isnan(columns[name]), np.isnan(found.auc_U))
        if both:
            assert np.nanmean(columns[name]) == pytest.approx(expected, abs=1e-12)


@given(impressions(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(e: Impressions, random: st.DataObject) -> None:
    order = np.array(random.sample(range(len(e.user_E)), len(e.user_E)))  # type: ignore[attr-defined]
    same(user_aucs(e.user_E[order], e.score_E[order], e.label_E[order]), e.aucs())


@given(impressions())
def test_turned_scores_and_turned_labels_win_what_was_lost(e: Impressions) -> None:
    for turned in (e.with_scores(-e.score_E), user_aucs(e.user_E, e.score_E, ~e.label_E)):
        np.testing.assert_allclose(turned.auc_U + e.aucs().auc_U, 1 + 0 * turned.auc_U, rtol=1e-12)
        np.testing.assert_allclose(turned.pooled + e.aucs().pooled, 1 + 0 * turned.pooled, rtol=1e-12)


@given(impressions())
def test_only_the_order_of_scores_matters(e: Impressions) -> None:
    dense = np.unique(e.score_E, return_inverse=True)[1]
    same(e.with_scores((dense - 1_000).astype(np.float32)), e.aucs())
    same(e.with_scores(np.exp(dense / 10.0)), e.aucs())  # float64


@given(impressions())
def test_float64_scores_are_told_apart_beyond_float32(e: Impressions) -> None:
    fine_E = np.arange(len(e.user_E)) * 1e-12 + 1
    found = e.with_scores(fine_E)
    np.testing.assert_allclose(found.pooled, slow_auc(fine_E, e.label_E), rtol=1e-12)
    same(found, e.with_scores(np.arange(len(e.user_E), dtype=np.float32)))


@given(impressions(), SCORES)
def test_a_constant_scorer_gets_half(e: Impressions, score: float) -> None:
    found = e.with_scores(np.full(len(e.user_E), score, np.float32))
    assert set(found.auc_U[~np.isnan(found.auc_U)]) <= {0.5}


def test_both_zeros_tie() -> None:
    zeros = np.array([0.0, -0.0], np.float32)
    for score_E in (zeros, zeros[::-1].copy(), zeros.astype(np.float64)):
        assert user_aucs(np.zeros(2, np.int32), score_E, np.array([True, False])).auc_U.tolist() == [0.5]


@given(impressions())
def test_one_users_gauc_is_its_auc(e: Impressions) -> None:
    found = user_aucs(np.zeros_like(e.user_E), e.score_E, e.label_E)
    np.testing.assert_allclose([found.gauc, found.gauc_user, found.gauc_pos], [found.auc_U[0]] * 3, rtol=1e-12)
    np.testing.assert_equal(found.pooled, found.auc_U[0])


@given(impressions(), impressions())
def test_gauc_over_two_groups_of_users_is_the_weighted_mean_of_theirs(a: Impressions, b: Impressions) -> None:
    user_E = np.concatenate([a.user_E // 2, b.user_E // 2 + 2**30])
    whole = user_aucs(user_E, np.concatenate([a.score_E, b.score_E]), np.concatenate([a.label_E, b.label_E]))
    parts = [e.aucs() for e in (a, b)]
    kept = [part.impression_coverage * part.n_U.sum() for part in parts]
    if min(kept) > 0:
        assert whole.gauc == pytest.approx(np.average([part.gauc for part in parts], weights=kept), abs=1e-12)


def test_the_published_example_of_five_metrics_on_one_prediction() -> None:
    """Three users: AUC 1 on 2 impressions, 0.5 on 4 with 1 positive, one class on 3."""
    user_E = np.array([0, 0, 1, 1, 1, 1, 2, 2, 2], np.int32)
    score_E = np.array([1, 0, 5, 5, 5, 5, 9, 9, 9], np.float32)
    label_E = np.array([1, 0, 1, 0, 0, 0, 0, 0, 0], np.bool_)
    found = user_aucs(user_E, score_E, label_E)
    np.testing.assert_array_equal(found.auc_U, [1, 0.5, np.nan])
    assert (found.gauc, found.gauc_user, found.gauc_pos) == pytest.approx((4 / 6, 0.75, 0.75))
    assert (found.user_coverage, found.impression_coverage) == pytest.approx((2 / 3, 6 / 9))
    # Of 2 x 7 pairs: the positive at 1 wins 1, that at 5 wins 1 and ties with 3.
    assert found.pooled == pytest.approx((1 + 1 + 1.5) / 14)
    values = score_impressions(found)
    assert set(values) == {"gauc", "gauc_user", "gauc_pos", "gauc_users", "gauc_impressions", "auc"}
    assert np.nanmean(values["gauc"]) == pytest.approx(4 / 6)
    assert values["auc"].tolist() == [found.pooled]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_garbage_scores_are_refused_by_row(dtype: type, bad: float) -> None:
    score_E: Scores = np.array([0, bad, 1], dtype)
    with pytest.raises(SchemaError, match=r"Impressions\.score: expected finite scores, got -?(nan|inf) at row 1"):
        user_aucs(np.zeros(3, np.int32), score_E, np.zeros(3, np.bool_))


@pytest.mark.parametrize(
    ("user", "score", "label", "field"),
    [
        (np.array([-1], np.int32), np.zeros(1, np.float32), np.zeros(1, np.bool_), "Impressions.user"),
        (np.array([0], np.int64), np.zeros(1, np.float32), np.zeros(1, np.bool_), "Impressions.user"),
        (np.array([0], np.int32), np.zeros(2, np.float32), np.zeros(1, np.bool_), "Impressions.score"),
        (np.array([0], np.int32), np.zeros(1, np.int64), np.zeros(1, np.bool_), "Impressions.score"),
        (np.array([0], np.int32), np.zeros(1, np.float32), np.zeros(1, np.int64), "Impressions.label"),
        (np.array([0], np.int32), np.zeros(1, np.float32), np.zeros(2, np.bool_), "Impressions.label"),
    ],
)
def test_wrong_columns_are_refused_by_name(
    user: NDArray[np.int32], score: NDArray[np.float32], label: NDArray[np.bool_], field: str
) -> None:
    with pytest.raises(SchemaError, match=field):
        user_aucs(user, score, label)


def test_arrays_of_the_caller_stay_as_they_are() -> None:
    columns = (np.zeros(2, np.int32), np.array([1, 0], np.float32), np.array([True, False]))
    user_aucs(*columns)
    assert all(column.flags.writeable for column in columns)
    assert columns[1].tolist() == [1, 0]


def test_no_impressions_have_no_auc() -> None:
    found = user_aucs(np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.bool_))
    assert len(found.user_U) == 0
    assert math.isnan(found.gauc)
    assert math.isnan(found.pooled)
    assert math.isnan(found.user_coverage)
