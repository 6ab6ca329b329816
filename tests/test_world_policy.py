"""The platform's recommender is as designed: channels, quotas, a guarantee that ends, doubt that shrinks."""

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from simulator.policy import CHANNELS, room
from simulator.response import NOISE
from simulator.schema import DAY_SECONDS, Observation
from simulator.serving import serve
from simulator.spec import TINY
from simulator.state import EVER_SHOWN, EXPOSED
from simulator.tick import Impressions, blank, of_columns
from simulator.world import World
from tests.world_examples import CROWD, PRESETS, channel, lived, n_born, present, seen, z_of

WEEK = 7 * 24
UNIFORM = [channel("explore"), channel("random")]


@pytest.mark.parametrize("name", PRESETS)
def test_the_log_is_made_of_all_channels_and_knows_the_propensity_of_uniform_ones(name: str) -> None:
    observed = seen(name, seed=3, hours=WEEK)
    events = observed.events
    shown = {CHANNELS[c] for c in np.unique(events.channel_E)} - {"direct"}  # a tiny world may have no ring
    assert shown == {"follow", "popular", "item-cf", "recent", "fresh", "explore", "random", "backfill"}
    is_uniform_E = np.isin(events.channel_E, UNIFORM)
    assert np.array_equal(is_uniform_E, ~np.isnan(events.propensity_E))
    # The pool of a young world is every note born before the hour.
    hour_E = events.time_E[is_uniform_E] // 3_600 * 3_600
    pool_E = np.searchsorted(observed.catalog.notes.born_time_N, hour_E)
    assert np.array_equal(events.propensity_E[is_uniform_E], (1.0 / pool_E).astype(np.float32))


def test_uniform_slots_are_split_between_exploring_and_evaluation_as_the_spec_says() -> None:
    events, logging = seen(CROWD, seed=3, hours=24 * 21).events, TINY.logging
    n, n_random = int(np.isin(events.channel_E, UNIFORM).sum()), int((events.channel_E == channel("random")).sum())
    share = logging.random_share / (logging.random_share + logging.explore_share)
    assert abs(z_of(n_random, share * n, n * share * (1 - share))) < 4


def expected_uniform(observed: Observation, share: float) -> NDArray[np.float64]:
    """Return the chance of each row of the feed, given the session up to its page, to be a uniform draw.

    It is the spec's share, less the draws that would fall on what the session has already.
    """
    events, order_E = observed.events, np.argsort(observed.events.session_E, kind="stable")
    channel_E, time_E = events.channel_E[order_E], events.time_E[order_E]
    _, n_S = np.unique(events.session_E, return_counts=True)
    start_E = np.repeat(np.cumsum(n_S) - n_S, n_S)  # where its session begins
    page_start_E = np.arange(len(events)) - events.position_E[order_E]
    upto_E = np.concatenate([[0], np.cumsum(np.isin(channel_E, UNIFORM))])
    n_drawn_E = upto_E[:-1] - upto_E[page_start_E]  # on this page, above
    pool_E = np.searchsorted(observed.catalog.notes.born_time_N, time_E // 3_600 * 3_600)
    is_late_E = (time_E >= 7 * DAY_SECONDS) & (channel_E != channel("direct"))
    chance_E = share * (1.0 - (page_start_E - start_E + n_drawn_E) / pool_E)
    late_E: NDArray[np.float64] = chance_E[is_late_E]
    return late_E  # in its first week a world is too small for its heaviest users


def test_uniform_slots_have_the_share_that_the_spec_says_but_for_what_the_session_has() -> None:
    observed, logging = seen(CROWD, seed=3, hours=24 * 21), TINY.logging
    share = logging.random_share + logging.explore_share
    events = observed.events.between(7 * DAY_SECONDS, 21 * DAY_SECONDS)
    chance_E, n = expected_uniform(observed, share), int(np.isin(events.channel_E, UNIFORM).sum())
    assert abs(z_of(n, chance_E.sum(), (chance_E * (1 - chance_E)).sum())) < 4
    assert 0.99 * share < chance_E.mean() < share


# Uniform slots

DRAWN = "tiny:n_users=3000,n_authors=400,author_share=0,random_share=0.25,explore_share=0.25"


@cache
def first_pages() -> tuple[World, Impressions, NDArray[np.int32], NDArray[np.bool_]]:
    """Serve everybody in an evening; return the uniform slots of first pages, their users, and who saw what before.

    On a first page no draw falls on what the session has shown.
    """
    world = lived(DRAWN, seed=3, hours=10 * 24 + 20)
    world.visitors()
    events, user_S = world.observe().events, present(world)
    shown = serve(world._inputs(), user_S, room(), blank(400_000))
    shown = of_columns(column[(shown.slot_E < 10) & np.isin(shown.channel_E, UNIFORM)] for column in shown)
    saw_UN = np.zeros((world.spec.n_users, n_born(world)), np.bool_)
    saw_UN[events.user_E, events.note_E] = True
    assert int(world._state.pool.n_1[0]) == n_born(world)
    return world, shown, user_S[shown.session_E], saw_UN


def test_uniform_slots_show_what_the_user_has_seen_as_often_as_what_not() -> None:
    _, shown, user_E, saw_UN = first_pages()
    chance_E = saw_UN[user_E].mean(axis=1)
    assert chance_E.mean() > 0.05
    assert abs(z_of(saw_UN[user_E, shown.note_E].sum(), chance_E.sum(), (chance_E * (1 - chance_E)).sum())) < 4


@pytest.mark.parametrize("name", ["explore", "random"])
def test_the_most_seen_notes_get_as_many_uniform_impressions_as_any(name: str) -> None:
    world, shown, user_E, saw_UN = first_pages()
    note_E = shown.note_E[shown.channel_E == channel(name)]
    most_seen = np.argsort(-saw_UN.sum(axis=0))[:20]
    share = 20 / saw_UN.shape[1]
    assert saw_UN[user_E][:, most_seen].mean() > 2 * saw_UN[user_E].mean()  # were seen notes passed over, this fell
    assert abs(z_of(np.isin(note_E, most_seen).sum(), share * len(note_E), share * (1 - share) * len(note_E))) < 4
    assert (world._state.count_N4[most_seen, EXPOSED] > 100).all()


def test_the_places_of_uniform_slots_on_a_page_are_all_alike() -> None:
    _, shown, _, _ = first_pages()
    count_K = np.bincount(shown.slot_E, minlength=10)
    n_sessions, share = len(present(first_pages()[0])), 0.5
    assert all(abs(z_of(n, share * n_sessions, share * (1 - share) * n_sessions)) < 4 for n in count_K)


def test_uniform_slots_come_from_all_of_the_pool() -> None:
    world, shown, _, _ = first_pages()
    count_N = np.bincount(shown.note_E, minlength=n_born(world))
    expected = len(shown.note_E) / n_born(world)
    assert (count_N > 0).mean() > 0.99 * (1 - np.exp(-expected))
    assert count_N.var() < 1.3 * expected  # Poisson: no note is drawn much more than another


# Guarantee


@pytest.mark.parametrize("name", PRESETS)
def test_the_guarantee_ends_at_its_number_of_impressions(name: str) -> None:
    guarantee = 20
    world = lived(f"{name}:fresh_guarantee={guarantee}", seed=3, hours=WEEK + 20)
    world.visitors()
    held = world._state.fresh.cell_M[world._state.fresh.cell_M >= 0]
    assert (world._state.count_N4[held, EXPOSED] < guarantee).all()
    assert (world._born_time_N[held] >= world.now - DAY_SECONDS).all()
    events = world.observe().events
    hour_E = events.time_E // 3_600
    for note in np.unique(events.note_E)[:60]:
        mine = events.note_E == note
        upto_hour = np.searchsorted(hour_E[mine], hour_E[mine], side="left")  # its impressions before the hour
        is_fresh = events.channel_E[mine] == channel("fresh")
        assert upto_hour[is_fresh].max(initial=0) < guarantee
        ages = events.time_E[mine][is_fresh] // 3_600 * 3_600 - world._born_time_N[note]
        assert ages.max(initial=0) <= DAY_SECONDS


# Ranker


@pytest.mark.parametrize("name", PRESETS)
def test_the_ranker_is_less_sure_of_notes_and_authors_that_were_shown_less(name: str) -> None:
    world = lived(name, seed=3, hours=WEEK)
    world.visitors()
    n, state = n_born(world), world._state
    author_N = world._notes.author_N[:n]
    evidence_N = state.count_N4[:n, EXPOSED] + 0.1 * state.count_AL[author_N, EVER_SHOWN]
    noise_N = world._cards.card_NF[:n, NOISE]
    ranker = world.spec.logging
    assert np.allclose(noise_N**2, ranker.ranker_noise**2 / (1 + evidence_N / ranker.ranker_halving), rtol=1e-5)
    assert noise_N.max() > 1.2 * noise_N.min()


# Follow graph


@pytest.mark.parametrize("name", PRESETS)
def test_the_follow_channel_shows_notes_of_followed_authors_only(name: str) -> None:
    observed = seen(f"{name}:n_users=2000", seed=3, hours=WEEK)
    events, follows = observed.events, observed.follows
    edges = zip(follows.user_F.tolist(), follows.author_F.tolist(), follows.time_F.tolist(), strict=True)
    first_time = {(user, author): time for user, author, time in edges}
    rows = events.take(events.channel_E == channel("follow"))
    author_E = observed.catalog.notes.author_N[rows.note_E]
    assert len(rows) > 200
    for user, author, time in zip(rows.user_E.tolist(), author_E.tolist(), rows.time_E.tolist(), strict=True):
        assert first_time[user, author] < max(time // 3_600 * 3_600, 1)


def test_users_see_those_they_follow_above_chance() -> None:
    observed = seen("tiny:n_users=3000,n_authors=800", seed=3, hours=WEEK)
    events, follows = observed.events, observed.follows
    edge_UA = np.zeros((3_000, 800), np.bool_)
    edge_UA[follows.user_F, follows.author_F] = True
    author_E = observed.catalog.notes.author_N[events.note_E]
    got = edge_UA[events.user_E, author_E].mean()
    # The same impressions dealt out among users, so that famous authors stay famous.
    rng = np.random.default_rng(0)
    dealt = [edge_UA[rng.permutation(events.user_E), author_E].mean() for _ in range(9)]
    assert got > np.mean(dealt) + 6 * np.std(dealt)
    assert got > 1.15 * np.mean(dealt)


def test_the_follow_graph_grows_by_follows_in_the_log() -> None:
    observed = seen(CROWD, seed=3, hours=24 * 21)
    follows, events = observed.follows, observed.events.take(observed.events.follow_E)
    later = follows.time_F > 0
    author_E = observed.catalog.notes.author_N[events.note_E]
    in_log = set(zip(events.user_E.tolist(), author_E.tolist(), events.time_E.tolist(), strict=True))
    columns = (follows.user_F, follows.author_F, follows.time_F)
    grown = list(zip(*(column[later].tolist() for column in columns), strict=True))
    assert set(grown) <= in_log
    assert len(grown) > 100
    assert len(np.unique(follows.user_F.astype(np.int64) << 32 | follows.author_F)) == len(follows)


def test_famous_authors_have_most_followers_and_congenial_ones_more() -> None:
    world = lived(CROWD, seed=3, hours=0)
    follows, population = world.observe().follows, world._population
    fans_A = np.sort(np.bincount(follows.author_F, minlength=1_000))[::-1]
    assert fans_A[:50].sum() > 0.3 * fans_A.sum()
    topic_A = population.creators.topics_AM[:, 0]
    liking_UA = (population.people.taste_UD @ population.topic_DT)[:, topic_A]
    chosen_F = liking_UA[follows.user_F, follows.author_F]
    other_F = liking_UA[np.random.default_rng(0).permutation(follows.user_F), follows.author_F]
    assert (chosen_F - other_F).mean() > 6 * (chosen_F - other_F).std() / np.sqrt(len(chosen_F))
