"""Item-CF and Swing against slow references and worked examples; popularity, text and fold-ins by known answers."""

import itertools
from typing import Literal

import numpy as np
import pytest
import scipy.sparse as sp

from methods.als_content import ALSContent, ALSContentConfig
from methods.base import Budget
from methods.interactions import Sparse
from methods.item_cf import ItemCFConfig, cosine_rows
from methods.neighbours import Neighbourhood
from methods.swing import SwingConfig, swing_rows
from methods.text import CHINESE, TextConfig, TextSpace, newest_notes
from simulator.schema import Kind
from tests import checkerboard as board


def random_clicks(seed: int) -> Sparse:
    likes_UT = np.random.default_rng(seed).random((30, 12)) < 0.3
    return sp.csr_matrix(likes_UT.astype(np.float32))


def clicks_of(*histories: str) -> tuple[Sparse, str]:
    items = "".join(sorted(set("".join(histories))))
    return sp.csr_matrix(np.array([[item in history for item in items] for history in histories], np.float32)), items


def slow_swing(clicks_UT: Sparse, config: SwingConfig) -> np.ndarray:
    histories = [set(row.indices.tolist()) for row in clicks_UT]
    n_targets = clicks_UT.shape[1]
    n_users_T = np.asarray(clicks_UT.sum(axis=0)).ravel()
    similar_TT = np.zeros((n_targets, n_targets))
    for u, v in itertools.combinations(histories, 2):
        if not all(config.min_user_items <= len(items) <= config.max_user_items for items in (u, v)):
            continue
        weight = ((config.alpha1 + len(u)) * (config.alpha1 + len(v))) ** -config.beta
        for t, h in itertools.permutations(u & v, 2):
            scale = (n_users_T[t] * n_users_T[h]) ** -config.popularity_power
            similar_TT[t, h] += scale * weight / (config.alpha2 + len(u & v))
    return similar_TT


def slow_cosine(clicks_UT: Sparse, config: ItemCFConfig) -> np.ndarray:
    dense_UT = clicks_UT.toarray().astype(np.float64)
    weighted_UT = dense_UT * np.maximum(dense_UT.sum(axis=1, keepdims=True), 1) ** -config.user_power
    dot_TT = weighted_UT.T @ weighted_UT
    length_T = np.sqrt(np.diag(dot_TT))
    similar_TT: np.ndarray = dot_TT / (np.outer(length_T, length_T) + config.shrinkage)
    np.fill_diagonal(similar_TT, 0)
    return similar_TT


@pytest.mark.parametrize("config", [SwingConfig(), SwingConfig(1, 2.5, 0.7, 4, 5), SwingConfig(popularity_power=0.5)])
def test_swing_is_the_sum_over_pairs_of_users(config: SwingConfig) -> None:
    clicks_UT = random_clicks(1)
    fast_TT = swing_rows(clicks_UT, np.arange(12), config, rng=np.random.default_rng(0)).toarray()
    np.testing.assert_allclose(fast_TT, slow_swing(clicks_UT, config), rtol=1e-5)


def test_swing_gives_the_worked_example_of_fun_rec() -> None:
    clicks_UT, items = clicks_of("trph", "trph", "pqh")
    config = SwingConfig(alpha2=1, beta=0)
    similar_TT = swing_rows(clicks_UT, np.arange(len(items)), config, rng=np.random.default_rng(0)).toarray()
    assert similar_TT[items.index("h"), items.index("p")] == pytest.approx(13 / 15)
    assert similar_TT[items.index("h"), items.index("t")] == pytest.approx(1 / 5)


def test_swing_draws_at_most_so_many_users_of_a_target() -> None:
    clicks_UT = sp.csr_matrix(np.ones((9, 2), np.float32))
    config = SwingConfig(alpha2=0, beta=0, max_users_per_item=4)
    similar_TT = swing_rows(clicks_UT, np.arange(2), config, rng=np.random.default_rng(0)).toarray()
    assert similar_TT[0, 1] == pytest.approx(4 * 3 / 2 / 2)  # pairs among four users, each sharing two targets


@pytest.mark.parametrize("config", [ItemCFConfig(user_power=0, shrinkage=0), ItemCFConfig()])
def test_item_cf_is_the_cosine_of_columns(config: ItemCFConfig) -> None:
    clicks_UT = random_clicks(2)
    fast_TT = cosine_rows(clicks_UT, np.arange(12), config).toarray()
    np.testing.assert_allclose(fast_TT, slow_cosine(clicks_UT, config), rtol=1e-5)


@pytest.mark.parametrize("k", [1, 3])
def test_only_the_nearest_neighbours_are_kept(k: int) -> None:
    clicks_UT, config = random_clicks(3), ItemCFConfig(n_neighbours=k)
    fast_TT = cosine_rows(clicks_UT, np.arange(12), config).toarray()
    best_TK = np.sort(slow_cosine(clicks_UT, config), axis=1)[:, -k:]
    np.testing.assert_allclose(np.sort(fast_TT, axis=1)[:, -k:], best_TK, rtol=1e-5)
    assert ((fast_TT > 0).sum(axis=1) <= k).all()


def test_a_grown_neighbourhood_joins_new_targets_to_old_ones_and_keeps_the_rest() -> None:
    late_UT = random_clicks(4)
    early = late_UT.toarray()
    early[:, 10:] = 0
    config = ItemCFConfig()
    neighbourhood = Neighbourhood.learn(
        sp.csr_matrix(early[:, :11]), lambda clicks_UT, ids_R: cosine_rows(clicks_UT, ids_R, config)
    )
    grown_TT = neighbourhood.grown(late_UT).toarray()
    # Old pairs stay as learnt (users' weights of then); pairs with a new target are those of now, in both directions.
    np.testing.assert_allclose(grown_TT[:10, :10], slow_cosine(sp.csr_matrix(early), config)[:10, :10], rtol=1e-5)
    np.testing.assert_allclose(grown_TT[10:], slow_cosine(late_UT, config)[10:], rtol=1e-5)
    np.testing.assert_allclose(grown_TT[:, 10:], grown_TT[10:].T, rtol=1e-5)


def test_only_an_authors_newest_notes_speak_for_it() -> None:
    author_N = np.array([2, 0, 2, -1, 2, 0], np.int32)
    assert newest_notes(author_N, 2).tolist() == [1, 2, 4, 5]


def test_tags_stay_whole_and_chinese_is_read_in_pairs_of_characters() -> None:
    space = TextSpace.learn(board.checkerboard(), TextConfig(), target="note")
    assert space.words is not None
    tokens = space.words.build_analyzer()("Self-organised maps, 新手妈妈x9 a")
    assert tokens == ["self-organised", "maps", "新手", "手妈", "妈妈", "x9"]
    assert CHINESE.count("-") == 1


@pytest.mark.parametrize("target", ["note", "author"])
def test_texts_read_later_equal_texts_read_at_once(target: Kind) -> None:
    whole = board.checkerboard()
    space = TextSpace.learn(board.as_of_fit(whole), TextConfig(), target=target)
    vectors_TV = space.vectors(whole)
    assert vectors_TV.shape == (whole.catalog.count(target), space.fitted_TV.shape[1])
    np.testing.assert_allclose(vectors_TV.power(2).sum(axis=1), 1.0, rtol=1e-5)
    difference_TV = vectors_TV[: space.fitted_TV.shape[0]] - space.fitted_TV
    assert abs(difference_TV).max() < 1e-6


@pytest.mark.parametrize("maker", ["ridge", "neighbours"])
def test_factors_are_the_clicks_own_where_there_are_enough_of_them(
    maker: Literal["ridge", "neighbours"],
) -> None:
    seen = board.checkerboard()
    method = ALSContent(ALSContentConfig(maker=maker, few_users=0))
    method.fit(seen, target="note", rng=np.random.default_rng(0), budget=Budget())
    method.index(seen)
    assert np.array_equal(method.items_TF_, method.folded_.model.item_factors)
