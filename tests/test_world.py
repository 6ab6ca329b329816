"""The world keeps its laws: same bytes, honest time, truth and log agree, people answer to feedback."""

import numpy as np
import pytest
from numpy.typing import NDArray

from simulator.living import motivation, returning
from simulator.oracle import Oracle
from simulator.policy import CHANNELS, room, stock
from simulator.schema import DAY_SECONDS, EventLog, Observation, Requests, Slates
from simulator.serving import blank, serve
from simulator.spec import TINY, WORLDS, WorldSpec, find_world
from simulator.state import bloom_bits, has_seen
from simulator.world import World


def lived(spec: WorldSpec, seed: int, ticks: int) -> World:
    world = World(spec, seed=seed)
    for _ in range(ticks):
        world.step()
    return world


@pytest.fixture(scope="module")
def week() -> World:
    return lived(TINY, 3, 7 * 24)


@pytest.fixture(scope="module")
def seen(week: World) -> Observation:
    return week.observe()


def columns_of(events: EventLog) -> list[NDArray[np.generic]]:
    return [events.user_E, events.note_E, events.time_E, events.propensity_E, events.click_E, events.dwell_seconds_E]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(seen: Observation) -> None:
    again, other = lived(TINY, 3, 7 * 24).observe(), lived(TINY, 4, 7 * 24).observe()
    for ours, theirs in zip(columns_of(seen.events), columns_of(again.events), strict=True):
        assert ours.tobytes() == theirs.tobytes()
    assert seen.events.note_E.tobytes() != other.events.note_E.tobytes()


def test_a_longer_life_begins_with_the_same_events(seen: Observation) -> None:
    longer = lived(TINY, 3, 9 * 24).observe()
    n = len(seen.events)
    assert np.array_equal(longer.events.note_E[:n], seen.events.note_E)
    assert np.array_equal(longer.catalog.notes.born_time_N[: len(seen.catalog.notes)], seen.catalog.notes.born_time_N)


def test_nothing_is_shown_before_it_is_born_or_to_who_has_not_joined(seen: Observation) -> None:
    events, catalog = seen.events, seen.catalog
    assert (events.time_E >= catalog.notes.born_time_N[events.note_E]).all()
    assert (events.time_E >= catalog.users.joined_time_U[events.user_E]).all()


def test_counts_of_the_platform_are_those_of_the_log(week: World, seen: Observation) -> None:
    n = len(seen.catalog.notes)
    exposures_N = np.bincount(seen.events.note_E, minlength=n)
    clicks_N = np.bincount(seen.events.note_E[seen.events.click_E], minlength=n)
    assert np.array_equal(week._state.exposures_N[:n], exposures_N)
    assert np.array_equal(week._state.clicks_N[:n], clicks_N)


def test_sessions_of_an_hour_can_run_in_any_order(week: World) -> None:
    tick, user_S = week._tick_inputs(), np.arange(40, dtype=np.int32)
    forward, backward = blank(40, 100), blank(40, 100)
    serve(tick, user_S, room(200), forward)
    serve(tick, user_S[::-1].copy(), room(200), backward)
    assert np.array_equal(forward.n_S, backward.n_S[::-1])
    used_SR = np.arange(100) < forward.n_S[:, None]
    assert np.array_equal(forward.note_SR[used_SR], backward.note_SR[::-1][used_SR])
    assert np.array_equal(forward.responses_SR[used_SR], backward.responses_SR[::-1][used_SR])


def test_a_session_never_shows_a_note_twice(seen: Observation) -> None:
    pair_E = seen.events.session_E.astype(np.int64) * len(seen.catalog.notes) + seen.events.note_E
    assert len(np.unique(pair_E)) == len(pair_E)


def test_the_log_is_made_of_all_channels_and_knows_the_propensity_of_uniform_ones(seen: Observation) -> None:
    events = seen.events
    shown = {CHANNELS[c] for c in np.unique(events.channel_E)}
    assert shown == {"follow", "popular", "item-cf", "fresh", "explore", "random"}
    is_uniform_E = np.isin(events.channel_E, [CHANNELS.index("explore"), CHANNELS.index("random")])
    assert np.array_equal(is_uniform_E, ~np.isnan(events.propensity_E))
    # The pool of a young world is every note born before the hour.
    hour_E = events.time_E[is_uniform_E] // 3_600 * 3_600
    pool_E = np.searchsorted(seen.catalog.notes.born_time_N, hour_E)
    assert np.allclose(events.propensity_E[is_uniform_E], 1.0 / pool_E)


def test_uniform_slots_are_split_between_exploring_and_evaluation_as_the_spec_says(seen: Observation) -> None:
    is_uniform_E = ~np.isnan(seen.events.propensity_E)
    n, n_random = int(is_uniform_E.sum()), int((seen.events.channel_E == CHANNELS.index("random")).sum())
    share = TINY.logging.random_share / (TINY.logging.random_share + TINY.logging.explore_share)
    assert abs(n_random - share * n) < 4 * np.sqrt(n * share * (1 - share))
    # Draws that the user has seen fall back to the ranking, so uniform slots are at most the spec's share.
    assert n < (TINY.logging.random_share + TINY.logging.explore_share) * len(seen.events)


def one_note_each(world: World, shift: int) -> tuple[Requests, Slates]:
    n_users = int(np.searchsorted(world._population.people.joined_time_U, world.now))
    n_notes = int(np.searchsorted(world._born_time_N, world.now))
    user_Q = np.arange(n_users, dtype=np.int32)
    ids_Q1 = ((user_Q * 7 + shift) % n_notes).astype(np.int32)[:, None]
    nothing_seen = (np.zeros(n_users + 1, np.int64), np.empty(0, np.int32))
    requests = Requests("user", "note", user_Q, world.now, np.arange(n_notes, dtype=np.int32), *nothing_seen, 0)
    return requests, Slates(ids_Q1, np.zeros(ids_Q1.shape, np.float32))


def engaged(events: EventLog) -> NDArray[np.bool_]:
    return events.like_E | events.collect_E | events.comment_E | events.share_E | events.follow_E


def test_response_frequencies_match_the_oracle() -> None:
    world = lived(TINY, 5, 5 * 24 + 20)
    notes = world.observe().catalog.notes
    oracle = Oracle(TINY, seed=5, author_N=notes.author_N, age_seconds_N=world.now - notes.born_time_N)
    expected = variance = got = 0.0
    for shift in range(60):
        requests, slates = one_note_each(world, shift)
        chance_Q1 = oracle.engage_pairs("note", requests.ids_Q, slates.ids_QK)
        got += engaged(world.expose(requests, slates)).sum()
        expected += float(chance_Q1.sum())
        variance += float((chance_Q1 * (1 - chance_Q1)).sum())
    assert expected > 50
    assert abs(got - expected) < 4 * np.sqrt(variance)


def test_two_arms_share_the_luck_of_what_they_both_show() -> None:
    arms = [lived(TINY, 5, 5 * 24), lived(TINY, 5, 5 * 24)]
    arms[0].expose(*one_note_each(arms[0], 11))  # only one arm shows something else first
    first, second = (arm.expose(*one_note_each(arm, 1)) for arm in arms)
    assert np.array_equal(first.click_E, second.click_E)
    assert np.array_equal(first.dwell_seconds_E, second.dwell_seconds_E)


def test_an_unborn_note_cannot_be_exposed() -> None:
    world = lived(TINY, 5, 30)
    requests, slates = one_note_each(world, 0)
    n_born = len(requests.candidates_C)
    unborn = Slates(np.full_like(slates.ids_QK, n_born), slates.scores_QK.copy())
    with pytest.raises(ValueError, match=rf"Slates\.ids: expected notes below {n_born}"):
        world.expose(requests, unborn)


def test_the_ranker_is_less_sure_of_notes_that_were_shown_less(week: World) -> None:
    shelf = stock(TINY.logging, week._state, week._born_time_N, week._notes.author_N, week.now)
    shown_P = week._state.exposures_N[shelf.pool_P] + 0.1 * week._state.exposures_A[shelf.author_N[shelf.pool_P]]
    order = np.argsort(shown_P, kind="stable")
    noise_P = shelf.noise_N[shelf.pool_P][order]
    assert (np.diff(noise_P) <= 1e-6).all()
    assert noise_P[0] > 1.2 * noise_P[-1]


def test_the_guarantee_ends_at_its_number_of_impressions(week: World) -> None:
    shelf = stock(TINY.logging, week._state, week._born_time_N, week._notes.author_N, week.now)
    assert (week._state.exposures_N[shelf.fresh_F] < TINY.logging.fresh_guarantee).all()
    assert (week._born_time_N[shelf.fresh_F] >= week.now - DAY_SECONDS).all()


def test_feedback_moves_elastic_authors_only(week: World) -> None:
    creators = week._population.creators
    none_A = np.zeros(TINY.n_authors, np.int64)
    low_A, high_A = (motivation(TINY.living, creators, none_A + clicks) for clicks in (0, 500))
    elastic_A = creators.elasticity_A > 0
    assert (high_A[elastic_A] > low_A[elastic_A]).all()
    assert (high_A[~elastic_A] == low_A[~elastic_A]).all()
    assert 0.1 < elastic_A.mean() < 0.7


def test_satisfied_users_come_back_more() -> None:
    world = lived(TINY, 5, 24)
    people, state = world._population.people, world._state
    visits = []
    for clicks in (0, 60):
        state.visit_shown_U[:] = 100
        state.visit_clicks_U[:] = clicks
        visits.append(sum(len(returning(TINY, people, state, 5, day).user_S) for day in range(1, 15)))
    assert visits[1] > 1.2 * visits[0]


def test_the_filter_of_seen_notes_has_no_false_no(week: World, seen: Observation) -> None:
    events = seen.events
    for user in range(20):
        for note in np.unique(events.note_E[events.user_E == user])[-50:]:
            if week._state.n_seen_U[user] < 600:
                assert has_seen(week._state.seen_UB[user], note)
    assert len({bloom_bits(note) for note in range(500)}) > 490


def test_early_positions_are_clicked_more(seen: Observation) -> None:
    events = seen.events
    rate_K = [float(events.click_E[events.position_E == k].mean()) for k in (0, 4, 9)]
    assert rate_K[0] > rate_K[1] > rate_K[2]


@pytest.mark.parametrize("name", WORLDS)
def test_every_named_world_is_found_by_its_name(name: str) -> None:
    assert find_world(name).name == name


def test_an_unknown_world_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="world: expected one of tiny, small, got 'tinny'"):
        find_world("tinny")


def test_a_spec_refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match=r"WorldSpec\.days: expected at least 1, got 0"):
        WorldSpec("none", n_users=5, n_authors=5, days=0)
