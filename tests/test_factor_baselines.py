"""ALS, BPR and factors made from text against their formulas, solved densely and plainly."""

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from methods.als import ALS, ALSConfig
from methods.als_content import ALSContent, ALSContentConfig
from methods.base import Budget
from methods.bpr import BPR, BPRConfig
from methods.interactions import binary, clicks, n_users_of
from methods.text import TextConfig
from simulator.schema import Kind, Requests
from tests import checkerboard as board

WORLD = board.checkerboard()
PAST = board.as_of_fit(WORLD)
KINDS: tuple[Kind, ...] = ("note", "author")
Dense = NDArray[np.float64]


def everything(target: Kind, ids: NDArray[np.integer]) -> Requests:
    """Ask for all targets, those seen too."""
    everything_C, none = np.arange(WORLD.catalog.count(target), dtype=np.int32), np.empty(0, np.int32)
    start_Q1 = np.zeros(len(ids) + 1, np.int64)
    return Requests("user", target, ids.astype(np.int32), WORLD.now, everything_C, start_Q1, none, 7)


def solved(others_OF: Dense, clicked_RO: Dense, config: ALSConfig) -> Dense:
    """Return the rows that minimise the loss of ALS while the others stay: c is alpha where clicked, else 1."""
    rows = []
    for p_O in clicked_RO:
        c_O = np.where(p_O > 0, config.alpha, 1.0)
        gram = (others_OF.T * c_O) @ others_OF + config.regularization * np.eye(others_OF.shape[1])
        rows.append(np.linalg.solve(gram, others_OF.T @ (c_O * p_O)))
    return np.array(rows)


def spread(one: Dense, other: Dense) -> float:
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


@pytest.mark.parametrize("target", KINDS)
def test_als_ends_where_neither_side_can_be_bettered_by_least_squares(target: Kind) -> None:
    config = ALSConfig(factors=6, regularization=3.0, alpha=5.0, iterations=200)
    method = ALS(config)
    method.fit(PAST, target=target, rng=np.random.default_rng(0), budget=Budget())
    clicked_UT = binary(clicks(PAST, target=target)).toarray().astype(np.float64)
    users_UF, items_TF = (side.astype(np.float64) for side in (method.learnt_.model.user_factors, items_of(method)))
    assert np.abs(users_UF).max() > 0.1
    # The library goes three conjugate-gradient steps an iteration, in float32.
    assert spread(users_UF, solved(items_TF, clicked_UT, config)) < 1e-2
    assert spread(items_TF, solved(users_UF, clicked_UT.T, config)) < 1e-2


def items_of(method: ALS) -> NDArray[np.float32]:
    items_TF: NDArray[np.float32] = method.learnt_.model.item_factors
    return items_TF


@pytest.mark.parametrize("target", KINDS)
def test_als_solves_for_new_targets_by_old_users_and_for_new_users_by_all_targets(target: Kind) -> None:
    config = ALSConfig(factors=6, regularization=3.0, alpha=5.0, iterations=5)
    method = ALS(config)
    method.fit(PAST, target=target, rng=np.random.default_rng(0), budget=Budget())
    method.index(WORLD)
    now_UT = binary(clicks(WORLD, target=target)).toarray().astype(np.float64)
    n_old_users, n_old_targets = method.learnt_.clicks_UT.shape
    items_TF = np.zeros((now_UT.shape[1], 6))
    items_TF[:n_old_targets] = items_of(method)
    new = list(board.NEW_WARM[target])
    old_users_UF = method.learnt_.model.user_factors.astype(np.float64)
    items_TF[new] = solved(old_users_UF, now_UT[:n_old_users, new].T, config)
    if target == "note":
        items_TF[[84, 85]] = solved(old_users_UF, now_UT[:n_old_users, [84, 85]].T, config)
    asked = np.arange(board.N_OLD_USERS, board.N_USERS)
    scores_QT = solved(items_TF, now_UT[asked], config) @ items_TF.T
    slates = method.recommend(everything(target, asked), k=len(items_TF))
    wanted_QK = np.take_along_axis(scores_QT, slates.ids_QK.astype(np.int64), axis=1)
    np.testing.assert_allclose(slates.scores_QK, wanted_QK, rtol=1e-3, atol=1e-4)


def regressed(learnt_RF: Dense, others_OF: Dense, fitted_RO: Dense, asked_RO: Dense, l2: float) -> Dense:
    """Return what the ridge regression of learnt rows on the means of the others' vectors makes of the asked."""

    def features(clicked_RO: Dense, vectors_OF: Dense) -> Dense:
        rows = []
        for p_O in clicked_RO:
            n, mean_F = p_O.sum(), vectors_OF[p_O > 0].mean(axis=0)
            rows.append([*mean_F, *(np.log(1 + n) * mean_F), np.log(1 + n), 1.0])
        return np.array(rows)

    known = fitted_RO.sum(axis=1) > 0
    x = features(fitted_RO[known], others_OF[: fitted_RO.shape[1]])
    weights = np.linalg.solve(x.T @ x + l2 * np.eye(x.shape[1]), x.T @ learnt_RF[known])
    return features(asked_RO, others_OF) @ weights


def test_bpr_scores_by_factors_bias_and_log_clicks_with_newcomers_folded_in_by_ridge_regression() -> None:
    method, l2, popularity = BPR(BPRConfig(factors=4, iterations=20, popularity=0.7)), 1.0, 0.7
    method.fit(PAST, target="note", rng=np.random.default_rng(0), budget=Budget())
    method.index(WORLD)
    fitted_UT, now_UT = (binary(clicks(seen, target="note")).toarray().astype(np.float64) for seen in (PAST, WORLD))
    n_users, n_targets = fitted_UT.shape
    users_UF, items_TB = method.users_UF_.astype(np.float64), method.items_TB_.astype(np.float64)
    new_T = np.flatnonzero((np.pad(fitted_UT, ((0, 0), (0, 88 - n_targets))).sum(axis=0) == 0) & now_UT.any(axis=0))
    assert set(board.NEW_WARM["note"]) <= set(new_T)
    all_TB = np.zeros((88, 5))
    all_TB[:n_targets] = items_TB
    all_TB[new_T] = regressed(items_TB, users_UF, fitted_UT.T, now_UT[:n_users, new_T].T, l2)
    asked = np.array([0, 5, *range(board.N_OLD_USERS, board.N_USERS)])
    rows_QF = np.concatenate(
        [users_UF[[0, 5]], regressed(users_UF, all_TB[:, :4], fitted_UT, now_UT[board.N_OLD_USERS :], l2)]
    )
    log_clicks_T = np.log(np.maximum(now_UT.sum(axis=0), 1))
    scores_QT = rows_QF @ all_TB[:, :4].T + all_TB[:, 4] + popularity * log_clicks_T
    slates = method.recommend(everything("note", asked), k=88)
    wanted_QK = np.take_along_axis(scores_QT, slates.ids_QK.astype(np.int64), axis=1)
    np.testing.assert_allclose(slates.scores_QK, wanted_QK, rtol=2e-3, atol=2e-3)


def test_bpr_learns_by_how_much_a_taste_exceeds_everybodys() -> None:
    """The library draws the others as often as they are clicked: with one taste for all, nothing is left to learn."""
    method = BPR(BPRConfig(factors=4, learning_rate=0.05, iterations=200, regularization=0.0, popularity=0.0))
    # Everybody clicks even notes four times as often as odd ones: the best score is log(clicks / draws), the same.
    events, luck = PAST.events, np.random.default_rng(1)
    note_E = luck.integers(0, 40, len(events))
    clicked_E = luck.random(len(events)) < np.where(note_E % 2 == 0, 0.4, 0.1)
    one_taste = replace(PAST, events=replace(events, note_E=note_E.astype(np.int32), click_E=clicked_E))
    method.fit(one_taste, target="note", rng=np.random.default_rng(0), budget=Budget())
    bias_T = method.items_TB_[:40, -1]
    n_clicks_T = n_users_of(method.clicks_UT_)[:40]
    assert n_clicks_T[::2].mean() > 3 * n_clicks_T[1::2].mean()
    assert abs(bias_T[::2].mean() - bias_T[1::2].mean()) < 0.3 * np.log(4)


@pytest.mark.parametrize("maker", ["ridge", "neighbours"])
def test_factors_of_few_clicks_are_their_own_and_those_of_the_text_weighed_by_clicks(
    maker: Literal["ridge", "neighbours"],
) -> None:
    config = ALSContentConfig(
        maker=maker, als=ALSConfig(6, 3.0, 5.0, 5), text=TextConfig(min_documents=1), few_users=1_000, n_neighbours=3
    )
    method = ALSContent(config)
    method.fit(PAST, target="note", rng=np.random.default_rng(0), budget=Budget())
    method.index(WORLD)
    n_users_T = n_users_of(clicks(WORLD, target="note"))
    text_TV = method.space_.vectors(WORLD).toarray().astype(np.float64)
    learnt_TF, own_TF = items_of_content(method)
    example_L = np.flatnonzero(n_users_of(clicks(PAST, target="note")) >= config.min_users)
    length = np.mean([np.linalg.norm(learnt_TF[t]) for t in example_L])
    for t in (0, 33, 80, 82, 86, 87):
        made_F = by_ridge(method, text_TV, example_L, t) if maker == "ridge" else nearest(text_TV, example_L, method, t)
        made_F *= length / np.linalg.norm(made_F)
        n = n_users_T[t]
        wanted_F = (n * own_TF[t] + config.shrinkage * made_F) / (n + config.shrinkage)
        np.testing.assert_allclose(method.items_TF_[t], wanted_F, rtol=1e-3, atol=1e-4)


def items_of_content(method: ALSContent) -> tuple[Dense, Dense]:
    """Return the factors of the fit, and those of now."""
    return (
        method.learnt_.model.item_factors.astype(np.float64),
        method.folded_.model.item_factors.astype(np.float64),
    )


def nearest(text_TV: Dense, example_L: NDArray[np.intp], method: ALSContent, t: int) -> Dense:
    """Return the mean factor of the three examples nearest by text, weighted by cosine."""
    learnt_TF, _ = items_of_content(method)
    cosine_L = text_TV[example_L] @ text_TV[t]
    best = np.argsort(-cosine_L)[:3]
    return np.asarray(cosine_L[best] @ learnt_TF[example_L[best]] / cosine_L[best].sum())


def by_ridge(method: ALSContent, text_TV: Dense, example_L: NDArray[np.intp], t: int) -> Dense:
    """Return the ridge regression of factors on the text's singular vectors, all but the last, which is left out."""
    learnt_TF, _ = items_of_content(method)
    _, _, right_DV = np.linalg.svd(text_TV[example_L], full_matrices=False)
    x_TD = text_TV @ right_DV[:-1].T
    x_LD = x_TD[example_L]
    gram_DD = x_LD.T @ x_LD + method.config.l2 * np.eye(x_LD.shape[1])
    return np.asarray(x_TD[t] @ np.linalg.solve(gram_DD, x_LD.T @ learnt_TF[example_L]))
