"""The probe: chance makes the impressions, a column that tells raises GAUC, and one that does not leaves it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.case import Case, Opener
from bench.exam import exam_of, load, save
from bench.gauc import user_aucs
from bench.probe import (
    N_FOLDS,
    UNIFORM,
    Impressions,
    asked_users,
    cross_fitted,
    impressions_of,
    order_column,
    probe,
    shown_by_chance,
)
from bench.score import score_probe
from bench.task import Shown
from bench.tasks import find_task
from bench.truth import draw_chances, simulated_truth
from methods.ranking import rank
from simulator.schema import DAY_SECONDS, Observation
from simulator.simulate import live
from simulator.spec import find_world

SPEC, SEED = find_world("tiny-video"), 2
TASK = find_task("rank-probe/u2n@v1")
SPLIT = Shown()


@pytest.fixture(scope="module")
def whole() -> Observation:
    return live(SPEC, seed=SEED)


@pytest.fixture(scope="module")
def case(whole: Observation) -> Case:
    return Opener(whole, key=1).open(TASK)


@pytest.fixture(scope="module")
def shown(whole: Observation, case: Case) -> Impressions:
    known = case.cut.index
    return impressions_of(shown_by_chance(SPLIT, whole, known), known, case.requests)


def test_impressions_are_the_uniform_ones_of_the_window_and_of_what_was_known(
    whole: Observation, case: Case, shown: Impressions
) -> None:
    now, events, born_N = whole.now - 7 * DAY_SECONDS, whole.events, whole.catalog.notes.born_time_N
    assert case.cut.index.now == case.requests.time == now
    assert int(case.cut.index.events.time_E.max()) < now
    expected = sorted(
        (int(user), int(note), bool(click))
        for user, note, time, channel, click in zip(
            events.user_E, events.note_E, events.time_E, events.channel_E, events.click_E, strict=True
        )
        if time >= now and events.channels[channel] in UNIFORM and born_N[note] < now and user in case.requests.ids_Q
    )
    users = case.requests.ids_Q[shown.row_I]
    assert expected == sorted(zip(users.tolist(), shown.note_I.tolist(), shown.click_I.tolist(), strict=True))
    assert np.isin(shown.note_I, case.requests.candidates_C).all()
    assert len(case.requests.seen_S) == 0


def test_users_with_both_classes_are_asked_first(whole: Observation, case: Case) -> None:
    log = shown_by_chance(SPLIT, whole, case.cut.index)
    both = [u for u in np.unique(log.user_E) if len(np.unique(log.click_E[log.user_E == u])) == 2]
    assert 3 < len(both) < len(np.unique(log.user_E))
    few = asked_users(log, len(both) - 2, rng=np.random.default_rng(0))
    more = asked_users(log, len(both) + 2, rng=np.random.default_rng(0))
    assert set(few.tolist()) < set(both)
    assert set(both) < set(more.tolist())
    assert len(more) == len(both) + 2


def test_cold_are_the_notes_that_nobody_had_clicked(case: Case, shown: Impressions) -> None:
    events = case.cut.index.events
    clicked = set(events.note_E[events.click_E].tolist())
    assert shown.cold_I.tolist() == [note not in clicked for note in shown.note_I.tolist()]
    assert 0 < shown.cold_I.sum() < len(shown.cold_I)


def test_columns_are_counted_from_the_past(case: Case, shown: Impressions) -> None:
    events, notes = case.cut.index.events, case.cut.index.catalog.notes
    author_E, category_E = notes.author_N[events.note_E], notes.category_N[events.note_E]
    for i in range(0, len(shown.row_I), max(1, len(shown.row_I) // 25)):
        user, note = case.requests.ids_Q[shown.row_I[i]], shown.note_I[i]
        of_user, of_author = events.user_E == user, author_E == notes.author_N[note]
        of_category = of_user & (category_E == notes.category_N[note])
        n_shown = [mask.sum() for mask in (events.note_E == note, of_author, of_user, of_category)]
        np.testing.assert_allclose(shown.columns_IX[i, [0, 2, 4, 6]], np.log1p(n_shown), rtol=1e-5)
        n_clicked = (of_user & of_author & events.click_E).sum()
        assert shown.columns_IX[i, 8] == pytest.approx(np.log1p(n_clicked), rel=1e-5)
        hours = (case.cut.index.now - notes.born_time_N[note]) / 3_600
        assert shown.columns_IX[i, 9] == pytest.approx(np.log1p(hours), rel=1e-5)


def test_the_order_column_is_the_place_in_the_list() -> None:
    ids_QK = np.array([[5, 2, 9], [2, -1, -1]], np.int32)
    none = np.zeros((5, 1), np.float32)
    row_I, note_I = np.array([0, 0, 1, 1, 0], np.int32), np.array([9, 5, 2, 5, 7], np.int32)
    shown = Impressions(row_I, note_I, np.zeros(5, bool), np.zeros(5, bool), none)
    np.testing.assert_allclose(order_column(ids_QK, shown), -np.log([3, 1, 1, 4, 4]), rtol=1e-6)


def planted(n_users: int = 400, n_each: int = 12) -> tuple[Impressions, np.ndarray]:
    """Return clicks that follow a hidden liking, columns that do not know it, and the liking (Q, N)."""
    rng = np.random.default_rng(5)
    liking_QN = rng.normal(size=(n_users, 30))
    row_I = np.repeat(np.arange(n_users, dtype=np.int32), n_each)
    note_I = np.concatenate([rng.permutation(30)[:n_each] for _ in range(n_users)]).astype(np.int32)
    click_I = rng.random(len(row_I)) < 1 / (1 + np.exp(1 - 2 * liking_QN[row_I, note_I]))
    columns_IX = rng.normal(size=(len(row_I), 3)).astype(np.float32)
    return Impressions(row_I, note_I, click_I, note_I < 10, columns_IX), liking_QN


def orders(score_QN: np.ndarray) -> np.ndarray:
    return np.argsort(-score_QN, axis=1).astype(np.int32)


def test_an_order_that_knows_the_liking_raises_gauc_and_a_random_one_does_not() -> None:
    shown, liking_QN = planted()
    noise_QN = np.random.default_rng(6).normal(size=liking_QN.shape)
    knowing, cold = probe(orders(liking_QN), shown)
    ignorant, _ = probe(orders(noise_QN), shown)
    sigma = 0.5 / np.sqrt(len(liking_QN))  # a user's AUC has a spread below .5
    assert abs(knowing.unaided.gauc - 0.5) < 4 * sigma
    assert knowing.ranked.gauc > 0.75
    assert cold.ranked.gauc > 0.75
    assert abs(ignorant.ranked.gauc - 0.5) < 4 * sigma
    assert knowing.unaided.gauc == ignorant.unaided.gauc
    # One informative column: the ranker orders a user's notes as the method does.
    assert knowing.ranked.gauc == pytest.approx(knowing.alone.gauc, abs=0.02)
    assert int(cold.ranked.n_U.sum()) == int(shown.cold_I.sum())


def test_no_click_of_a_user_teaches_the_ranker_that_scores_the_user() -> None:
    shown, _ = planted(n_users=40)
    first = cross_fitted(shown.columns_IX, shown)
    in_fold_I = shown.row_I % N_FOLDS == 0
    other = cross_fitted(shown.columns_IX, replace(shown, click_I=shown.click_I ^ in_fold_I))
    np.testing.assert_array_equal(first[in_fold_I], other[in_fold_I])
    assert (first[~in_fold_I] != other[~in_fold_I]).all()


def test_where_nobody_clicked_the_ranker_says_nothing() -> None:
    shown, liking_QN = planted(n_users=20)
    values = score_probe(orders(liking_QN), replace(shown, click_I=np.zeros(len(shown.row_I), bool)))
    assert np.isnan(values["gauc"]).all()
    assert (cross_fitted(shown.columns_IX, replace(shown, click_I=np.zeros(len(shown.row_I), bool))) == 0).all()


def test_values_stand_at_the_request_of_their_user() -> None:
    shown, liking_QN = planted(n_users=60)
    keep = ~((shown.row_I == 7) & shown.cold_I)
    shown = Impressions(*(getattr(shown, name)[keep] for name in Impressions.__slots__))
    values, (_, cold) = score_probe(orders(liking_QN), shown), probe(orders(liking_QN), shown)
    assert np.isnan(values["cold_gauc"][7])
    assert not np.isnan(values["gauc_alone"][7])
    assert len(values["gauc"]) == len(values["cold_gauc"]) == 60
    assert np.nanmean(values["cold_gauc"]) == pytest.approx(cold.ranked.gauc)
    alone = user_aucs(shown.row_I, order_column(orders(liking_QN), shown), shown.click_I)
    np.testing.assert_allclose(values["gauc_alone"].mean(), alone.gauc)


def test_the_oracle_tells_clicks_from_the_rest_and_an_exam_of_it_comes_back(
    whole: Observation, case: Case, shown: Impressions, tmp_path: Path
) -> None:
    chances = draw_chances(case, SPEC, seed=SEED, rng=np.random.default_rng(0))
    exam = exam_of(case, simulated_truth(case, chances, whole, rng=np.random.default_rng(0)), shown)
    save(exam, tmp_path / "exam.npz")
    again = load(tmp_path / "exam.npz")
    assert again.shown is not None
    assert again.truth.oracle is not None
    for name in Impressions.__slots__:
        np.testing.assert_array_equal(getattr(again.shown, name), getattr(shown, name))
    noise_QN = np.random.default_rng(1).random((len(case.requests), exam.n_targets), np.float32)
    luck = score_probe(rank(noise_QN, case.requests, k=2_000).ids_QK, shown)
    best = score_probe(again.truth.oracle.ids_QK, again.shown)
    assert np.nanmean(best["gauc_alone"]) > np.nanmean(luck["gauc_alone"]) + 0.1
