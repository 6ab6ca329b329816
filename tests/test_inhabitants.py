"""Who lives in the world is as designed: topics and personas, tastes, habits of coming back, users who are authors."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from simulator.living import HOURLY_LOAD, returning
from simulator.population import Population, draw_population
from simulator.schema import DAY_SECONDS
from simulator.sizes import N_CATEGORIES, N_TOPICS, TOPICS_PER_CATEGORY
from simulator.spec import Affinity, find_world
from simulator.state import DAY, PLEASED, SHOWN, empty_state
from simulator.text.pack import load
from simulator.topics import HALF, draw_topics
from tests.world_examples import CROWD, PRESETS, ahead, lived, seen, z_of

CATEGORY_T = np.arange(N_TOPICS) // TOPICS_PER_CATEGORY


def mean_likeness(vector_TH: NDArray[np.float64], pair_TT: NDArray[np.bool_]) -> float:
    """Return the mean cosine over pairs of different topics."""
    pair_TT = pair_TT & ~np.eye(N_TOPICS, dtype=np.bool_)
    return float((vector_TH @ vector_TH.T)[pair_TT].mean())


def test_there_are_twenty_categories_of_ten_to_twenty_topics_with_names() -> None:
    assert N_CATEGORIES == 20
    assert 10 <= TOPICS_PER_CATEGORY <= 20
    for language in ("english", "chinese"):
        pack = load(language)
        assert [len(category.topics) for category in pack.categories] == [TOPICS_PER_CATEGORY] * N_CATEGORIES


def test_the_semantic_half_is_a_tree_and_the_collaborative_half_is_not() -> None:
    topics = draw_topics(Affinity(), 3)
    siblings_TT = CATEGORY_T[:, None] == CATEGORY_T
    assert mean_likeness(topics.semantic_TH, siblings_TT) > 0.4
    assert abs(mean_likeness(topics.semantic_TH, ~siblings_TT)) < 0.1
    assert abs(mean_likeness(topics.collaborative_TH, siblings_TT)) < 0.1


BROAD = Affinity(n_personas=40, topics_per_persona=8)


def test_personas_of_many_topics_cross_at_least_three_categories() -> None:
    liked_PT = draw_topics(BROAD, 3).persona_PT > 0
    n_categories_P = np.array([len(set(CATEGORY_T[liked_T])) for liked_T in liked_PT])
    assert n_categories_P.min() >= 3


@pytest.mark.parametrize("affinity", [Affinity(), BROAD], ids=["default", "broad"])
def test_topics_of_a_persona_share_a_category_as_often_as_any_and_are_alike(affinity: Affinity) -> None:
    topics = draw_topics(affinity, 3)
    liked_PT, popularity_T = topics.persona_PT > 0, topics.popularity_T
    assert np.allclose(topics.persona_PT.sum(axis=1), 1)
    count_PC = liked_PT.astype(int) @ (CATEGORY_T[:, None] == np.arange(N_CATEGORIES))
    n_pairs = affinity.n_personas * affinity.topics_per_persona * (affinity.topics_per_persona - 1) / 2
    same_topic, popularity_C = (popularity_T**2).sum(), np.bincount(CATEGORY_T, popularity_T)
    chance = ((popularity_C**2).sum() - same_topic) / (1 - same_topic)
    assert abs(z_of((count_PC * (count_PC - 1) / 2).sum(), chance * n_pairs, chance * (1 - chance) * n_pairs)) < 4
    together_TT = liked_PT.T.astype(int) @ liked_PT > 0
    held_T: NDArray[np.bool_] = np.any(liked_PT, axis=0)
    apart_TT = ~together_TT & held_T[:, None] & held_T
    assert mean_likeness(topics.collaborative_TH, together_TT) > 0.3
    assert abs(mean_likeness(topics.collaborative_TH, apart_TT)) < 0.1


def test_users_of_one_persona_like_its_topics_of_other_categories() -> None:
    # Co-consumption that text does not show: over users, liking one topic of a persona goes with liking the others.
    spec = find_world("tiny:n_users=4000,text_alignment=0.6")
    population, topics = draw_population(spec, 3), draw_topics(spec.affinity, 3)
    half = slice(HALF, None)
    liking_UT = population.people.taste_UD[:, half] @ population.topic_DT[half]
    likeness_TT = np.corrcoef(liking_UT.T)
    together_TT = (topics.persona_PT > 0).T.astype(int) @ (topics.persona_PT > 0) > 0
    across_TT = CATEGORY_T[:, None] != CATEGORY_T
    assert likeness_TT[together_TT & across_TT].mean() > likeness_TT[~together_TT & across_TT].mean() + 0.2


# Affinity and what text explains of it


def parts_of_affinity(alignment: float) -> NDArray[np.float64]:
    """Return (3, Q) of random users and notes: the semantic, collaborative and style parts of affinity."""
    world = lived(f"tiny:n_users=3000,n_authors=4000,days=2,text_alignment={alignment}", seed=3, hours=24)
    population, notes = world._population, world._notes
    # Notes of one topic, each topic as often as any: what authors write about is another matter.
    rng, n, alike_N = np.random.default_rng(0), 200_000, np.flatnonzero(notes.topic_N == notes.second_N)
    one_of_T = np.unique(notes.topic_N[alike_N], return_index=True)[1]
    user_Q, note_Q = rng.integers(0, 3_000, n), alike_N[rng.choice(one_of_T, n)]
    people, parts = population.people, []
    for half in (slice(0, HALF), slice(HALF, None)):
        row_UT = people.taste_UD[:, half] @ population.topic_DT[half]
        parts.append(row_UT[user_Q, notes.topic_N[note_Q]])
    parts.append((people.style_US[user_Q] * notes.style_NS[note_Q]).sum(axis=1))
    return np.stack(parts).astype(np.float64)


@pytest.mark.parametrize("alignment", [0.0, 0.3, 0.6, 1.0])
def test_text_alignment_is_the_share_of_affinity_that_topics_explain(alignment: float) -> None:
    parts_3Q = parts_of_affinity(alignment)
    whole_Q = parts_3Q.sum(axis=0)
    # One world has few topics and personas: a share of variance is good to about a tenth.
    assert abs(whole_Q.var() - 1) < 0.15
    expected_3 = (alignment**2, alignment * (1 - alignment), 1 - alignment)
    for part_Q, expected in zip(parts_3Q, expected_3, strict=True):
        assert abs(part_Q.var() - expected) < 0.1 * max(expected, 0.1)
    topic_Q = parts_3Q[0] + parts_3Q[1]
    explained = np.corrcoef(topic_Q, whole_Q)[0, 1] ** 2 if alignment else topic_Q.var()
    assert abs(explained - alignment) < 0.08


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_variances_of_affinity_add_to_one_over_random_users_and_topics(seed: int) -> None:
    spec = find_world("tiny:n_users=4000,text_alignment=0.6")
    population = draw_population(spec, seed)
    liking_UT = (population.people.taste_UD @ population.topic_DT).astype(np.float64)
    assert abs(liking_UT.var() - 0.6) < 0.02


def test_affinities_are_centred() -> None:
    population = draw_population(find_world("tiny:n_users=4000"), 3)
    liking_UT = population.people.taste_UD @ population.topic_DT + population.topic_mean
    assert abs(liking_UT.mean()) < 0.05


# Coming back


def visits(name: str) -> NDArray[np.bool_]:
    """Return on which days each of the first inhabitants came."""
    events, n_days = seen(name, seed=3, hours=24 * 21).events, 21
    n_users = int((draw_population(find_world(name), 3).people.joined_time_U == 0).sum())
    came_UD = np.zeros((n_users, n_days), np.bool_)
    early_E = events.user_E < n_users
    came_UD[events.user_E[early_E], events.time_E[early_E] // DAY_SECONDS] = True
    return came_UD


def test_activity_is_heavy_tailed() -> None:
    came_UD = visits(CROWD)
    n_U, n_days = came_UD.sum(axis=1), came_UD.shape[1]
    share = n_U.mean() / n_days
    # Were all alike, counts would be binomial; the sampling error of the ratio is sqrt(2 / 3600) of it.
    assert n_U.var() / (n_days * share * (1 - share)) > 3
    busiest = np.sort(n_U)[::-1]
    assert busiest[: len(n_U) // 10].sum() > 0.2 * n_U.sum()
    assert (n_U <= 1).mean() > 0.15


def test_gaps_between_visits_are_longer_tailed_than_those_of_one_habit() -> None:
    came_UD = visits(CROWD)
    gaps = np.concatenate([np.diff(np.flatnonzero(came_D)) for came_D in came_UD])
    # Geometric gaps of one habit have a variance of mean x (mean - 1).
    assert gaps.var() > 1.5 * gaps.mean() * (gaps.mean() - 1)


@pytest.mark.parametrize("name", PRESETS)
def test_satisfied_users_come_back_more_and_none_of_them_less(name: str) -> None:
    world = lived(name, seed=5, hours=24)
    people, state, living = world._population.people, world._state, world.spec.living
    came: list[set[tuple[int, int]]] = []
    for rate in (0.0, 1.0, 3.0):
        state.visit_U3[:, SHOWN], state.visit_U3[:, PLEASED] = 100, round(100 * living.neutral_ctr * rate)
        came.append(set())
        for day in range(1, 15):
            came[-1] |= {(day, int(user)) for user in returning(living, people, state, 5, day).user_S}
    assert came[0] < came[1] < came[2]
    assert len(came[1]) > 1.1 * len(came[0])


def test_only_the_latest_visit_counts_and_nobody_is_judged_by_a_visit_that_was_not() -> None:
    world = lived("tiny", seed=5, hours=0)
    people, living = world._population.people, replace(world.spec.living, return_slope=0.0)
    never, pleased = empty_state(600, 160), empty_state(600, 160)
    pleased.visit_U3[:, [DAY, SHOWN, PLEASED]] = [3, 100, 100]
    plans = [returning(living, people, state, 5, 4).user_S for state in (never, pleased)]
    assert np.array_equal(plans[0], plans[1])  # without a slope satisfaction does nothing
    neutral = empty_state(600, 160)
    neutral.visit_U3[:, [DAY, SHOWN, PLEASED]] = [3, 100, round(100 * living.neutral_ctr)]
    plans = [returning(world.spec.living, people, state, 5, 4).user_S for state in (never, neutral)]
    assert np.array_equal(plans[0], plans[1])


def test_load_follows_the_hour_of_the_day() -> None:
    events = seen(CROWD, seed=3, hours=24 * 21).events
    first = np.unique(events.session_E, return_index=True)[1]
    count_H = np.bincount(events.time_E[first] % DAY_SECONDS // 3_600, minlength=24)
    expected_H = HOURLY_LOAD / HOURLY_LOAD.sum() * count_H.sum()
    assert np.corrcoef(count_H, expected_H)[0, 1] > 0.98
    assert count_H[21] > 5 * count_H[4]


def test_load_follows_the_day_of_the_week() -> None:
    world = lived(CROWD, seed=3, hours=0)
    state = empty_state(world.spec.n_users, world.spec.n_authors)
    people = world._population.people
    counts = np.zeros(7)
    for day in range(29, 57):
        counts[day % 7] += len(set(returning(world.spec.living, people, state, 3, day).user_S.tolist()))
    assert set(np.argsort(counts)[-2:].tolist()) == {5, 6}  # day 0 is a Monday
    assert z_of(counts[5:].sum(), counts[:2].sum(), counts[5:].sum() + counts[:2].sum()) > 4


def test_newcomers_come_every_day_and_first_in_the_hour_after_joining() -> None:
    observed = seen(CROWD, seed=3, hours=24 * 21)
    joined_U, events = observed.catalog.users.joined_time_U, observed.events
    n_new_D = np.bincount(joined_U[joined_U > 0] // DAY_SECONDS, minlength=21)
    expected = (6_000 - 3_600) / 30
    assert n_new_D.min() > 0
    assert (abs(n_new_D - expected) < 4.5 * np.sqrt(expected)).all()
    user_V, first_V = np.unique(events.user_E, return_index=True)
    hours_V = events.time_E[first_V] // 3_600 - joined_U[user_V] // 3_600
    # On the first day there is nothing to show for some hours; who joins at eleven at night comes another day.
    is_new_U = (joined_U >= DAY_SECONDS) & (joined_U % DAY_SECONDS < 23 * 3_600)
    assert (hours_V[is_new_U[user_V]] == 1).all()
    assert np.isin(np.flatnonzero(is_new_U & (joined_U < 20 * DAY_SECONDS)), user_V).all()


@pytest.mark.parametrize("n_authors", [300, 2_000])
def test_the_specs_share_of_authors_are_users_who_joined_no_later(n_authors: int) -> None:
    population: Population = draw_population(find_world(f"tiny:n_users=20000,n_authors={n_authors}"), 3)
    people, creators = population.people, population.creators
    linked_U = np.flatnonzero(people.author_U >= 0)
    author_U = people.author_U[linked_U]
    assert len(np.unique(author_U)) == len(author_U)
    assert (people.joined_time_U[linked_U] <= creators.joined_time_A[author_U]).all()
    # An author who draws a user that is taken stays without one.
    share = find_world("tiny").living.authors_among_users
    spread = np.sqrt(n_authors * share * (1 - share))
    assert -4 * spread - 0.1 * n_authors < len(linked_U) - share * n_authors <= 4 * spread


def test_some_users_seek_the_new_more_than_others() -> None:
    novelty_U = draw_population(find_world("tiny:n_users=4000"), 3).people.novelty_U
    spread = find_world("tiny").responding.novelty_log_sd
    assert abs(np.log(novelty_U).std() - spread) < 4 * spread / np.sqrt(2 * 4_000)
    assert abs(np.log(novelty_U).mean()) < 4 * spread / np.sqrt(4_000)


def test_the_busy_are_not_only_the_new() -> None:
    came_UD = visits(CROWD)
    n_first, n_second = came_UD[:, :7].sum(axis=1), came_UD[:, 14:].sum(axis=1)
    often_U = n_first > np.median(n_first)
    assert ahead(n_second[often_U] > 0, n_second[~often_U] > 0) > 10  # habits last
