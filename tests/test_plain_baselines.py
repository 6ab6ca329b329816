"""The baselines that are not personal, or hardly, against counts by hand: order, windows, categories."""

from dataclasses import replace

import numpy as np
import pytest

from methods.base import Budget, Method
from methods.popular import ALL_TIME, Popular, PopularConfig
from methods.popular_in_category import PopularInCategory, PopularInCategoryConfig
from methods.random_order import RandomOrder
from methods.recent import Recent
from simulator.schema import DAY_SECONDS, Kind, Observation, Requests, Slates
from tests import checkerboard as board

WORLD = board.checkerboard()
PAST = board.as_of_fit(WORLD)
KINDS: tuple[Kind, ...] = ("note", "author")


def whole_list(method: Method, target: Kind, query: Kind = "user", *, seen: Observation = WORLD) -> Slates:
    """Fit on the past, index `seen`, and ask for every target, none of them seen before, by the first 24 ids."""
    method.fit(PAST, target=target, rng=np.random.default_rng(0), budget=Budget())
    method.index(seen)
    everything_C, none = np.arange(seen.catalog.count(target), dtype=np.int32), np.empty(0, np.int32)
    asked = Requests(
        query, target, np.arange(24, dtype=np.int32), seen.now, everything_C, np.zeros(25, np.int64), none, 7
    )
    return method.recommend(asked, k=len(everything_C))


def clicks_by_hand(seen: Observation, target: Kind, start: float) -> np.ndarray:
    """Count the clicks on each target at or after `start`, one by one."""
    found = np.zeros(seen.catalog.count(target))
    events = seen.events
    for note, time, click in zip(events.note_E, events.time_E, events.click_E, strict=True):
        if click and time >= start:
            found[note if target == "note" else board.AUTHOR_N[note]] += 1
    return found


def test_a_target_is_among_the_first_k_of_a_random_order_as_often_as_any_other() -> None:
    method, k, n_asked = RandomOrder(), 10, 4_000
    method.fit(PAST, target="note", rng=np.random.default_rng(0), budget=Budget())
    method.index(WORLD)
    none, everything_C = np.empty(0, np.int32), np.arange(board.N_NOTES, dtype=np.int32)
    ids_Q, start_Q1 = np.arange(n_asked, dtype=np.int32), np.zeros(n_asked + 1, np.int64)
    slates = method.recommend(Requests("user", "note", ids_Q, WORLD.now, everything_C, start_Q1, none, 7), k=k)
    counts_T, share = np.bincount(slates.ids_QK.ravel(), minlength=board.N_NOTES), k / board.N_NOTES
    # Four and a half sigmas, of 88 targets.
    assert np.abs(counts_T - n_asked * share).max() < 4.5 * np.sqrt(n_asked * share * (1 - share))


@pytest.mark.parametrize("target", KINDS)
def test_the_newest_come_first_one_second_apart(target: Kind) -> None:
    notes, authors = WORLD.catalog.notes, WORLD.catalog.authors
    # Seconds that float32 cannot tell apart: 2^24 and more.
    born_N, joined_A = 2**30 + np.arange(board.N_NOTES), 2**30 + np.arange(board.N_AUTHORS)
    catalog = replace(
        WORLD.catalog, notes=replace(notes, born_time_N=born_N), authors=replace(authors, joined_time_A=joined_A)
    )
    events = replace(WORLD.events, time_E=WORLD.events.time_E + 2**30 + 1_000)  # none before its note was born
    listed = whole_list(Recent(), target, seen=replace(WORLD, now=2**31, catalog=catalog, events=events)).ids_QK
    np.testing.assert_array_equal(listed, np.tile(np.arange(WORLD.catalog.count(target))[::-1], (24, 1)))


@pytest.mark.parametrize("target", KINDS)
@pytest.mark.parametrize("days", [0.5, 1.0, 7.0])
def test_popularity_is_the_clicks_since_the_window_opened(days: float, target: Kind) -> None:
    # An event lies on the very edge: the window is closed there and open at now.
    edge = int(WORLD.now - days * DAY_SECONDS)
    time_E = WORLD.events.time_E.copy()
    time_E[np.flatnonzero(WORLD.events.click_E & (time_E >= edge))[0]] = max(edge, 0)
    seen = replace(WORLD, events=replace(WORLD.events, time_E=np.sort(time_E)))
    slates = whole_list(Popular(PopularConfig(window_days=days)), target, seen=seen)
    counts_T = clicks_by_hand(seen, target, edge)
    assert counts_T.sum() > 0
    np.testing.assert_array_equal(slates.scores_QK, counts_T[slates.ids_QK])


@pytest.mark.parametrize("target", KINDS)
def test_popularity_of_all_time_is_that_of_the_fit(target: Kind) -> None:
    slates = whole_list(Popular(ALL_TIME), target)
    counts_T = clicks_by_hand(PAST, target, 0)
    counts_T = np.pad(counts_T, (0, WORLD.catalog.count(target) - len(counts_T)))
    np.testing.assert_array_equal(slates.scores_QK, counts_T[slates.ids_QK])


@pytest.mark.parametrize("target", KINDS)
def test_popularity_in_categories_is_the_mixture_counted_by_hand(target: Kind) -> None:
    # Every fifth target's category is not known; parity is that of the others.
    notes, authors = WORLD.catalog.notes, WORLD.catalog.authors
    label_N, label_A = (np.where(np.arange(n) % 5 == 0, -1, np.arange(n) % 2).astype(np.int16) for n in (88, 26))
    catalog = replace(
        WORLD.catalog, notes=replace(notes, category_N=label_N), authors=replace(authors, category_A=label_A)
    )
    seen, prior = replace(WORLD, catalog=catalog), 2.0
    slates = whole_list(PopularInCategory(PopularInCategoryConfig(1.5, prior)), target, seen=seen)
    label_T = label_N if target == "note" else label_A
    hot_T = clicks_by_hand(seen, target, WORLD.now - 1.5 * DAY_SECONDS)
    groups = (0, 1, -1)
    hot_G = {g: hot_T[label_T == g].sum() for g in groups}
    events = seen.events
    for user, (ids, scores) in enumerate(zip(slates.ids_QK, slates.scores_QK, strict=True)):
        own = dict.fromkeys(groups, 0.0)
        for note in events.note_E[events.click_E & (events.user_E == user)]:
            own[int(label_T[note if target == "note" else board.AUTHOR_N[note]])] += 1
        mixed = {g: own[g] + prior * hot_G[g] / hot_T.sum() for g in groups}
        for id_, score in zip(ids, scores, strict=True):
            g = int(label_T[id_])
            assert score == pytest.approx(mixed[g] / sum(mixed.values()) * hot_T[id_] / hot_G[g], rel=1e-5)


def test_an_author_asks_for_the_popular_of_its_own_category() -> None:
    slates = whole_list(PopularInCategory(), "author", "author")
    hot_T = clicks_by_hand(WORLD, "author", 0)
    for author, (ids, scores) in enumerate(zip(slates.ids_QK, slates.scores_QK, strict=True)):
        same_T = board.parity(np.arange(board.N_AUTHORS)) == author % 2
        np.testing.assert_allclose(scores, (hot_T * same_T / hot_T[same_T].sum())[ids], rtol=1e-5)
