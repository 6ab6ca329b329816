"""The platform's recommender is as designed: channels, quotas, a guarantee that ends, doubt that shrinks."""

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from simulator.policy import CHANNELS, room
from simulator.response import NOISE
from simulator.schema import DAY_SECONDS, EventLog
from simulator.serving import serve
from simulator.spec import TINY
from simulator.state import EVER_SHOWN, EXPOSED
from simulator.tick import Tick, blank
from simulator.world import World
from tests.slow_session import affinity, click_logit
from tests.world_examples import CROWD, PRESETS, channel, lived, n_born, present, seen, slow_twin, z_of

WEEK = 7 * 24
UNIFORM = [channel("explore"), channel("random")]


@pytest.mark.parametrize("name", PRESETS)
def test_the_log_is_made_of_all_channels_and_knows_the_propensity_of_uniform_ones(name: str) -> None:
    observed = seen(name, seed=3, hours=WEEK)
    events = observed.events
    shown = {CHANNELS[c] for c in np.unique(events.channel_E)} - {"direct"}  # a tiny world may have no ring
    assert shown == {"follow", "popular", "item-cf", "recent", "fresh", "explore", "random"}
    is_uniform_E = np.isin(events.channel_E, UNIFORM)
    assert np.array_equal(is_uniform_E, ~np.isnan(events.propensity_E))
    # The pool of a young world is every note born before the hour.
    hour_E = events.time_E[is_uniform_E] // 3_600 * 3_600
    pool_E = np.searchsorted(observed.catalog.notes.born_time_N, hour_E)
    assert np.allclose(events.propensity_E[is_uniform_E], 1.0 / pool_E)


def test_uniform_slots_are_split_between_exploring_and_evaluation_as_the_spec_says() -> None:
    events, logging = seen(CROWD, seed=3, hours=24 * 21).events, TINY.logging
    n, n_random = int(np.isin(events.channel_E, UNIFORM).sum()), int((events.channel_E == channel("random")).sum())
    share = logging.random_share / (logging.random_share + logging.explore_share)
    assert abs(z_of(n_random, share * n, n * share * (1 - share))) < 4
    # Draws that the user has seen fall back to the ranking, so uniform slots are at most the spec's share.
    assert n < (logging.random_share + logging.explore_share) * len(events)


# Uniform slots


@cache
def unseen_evening(explore_share: float) -> tuple[World, Tick, NDArray[np.int32]]:
    """Return an hour of a world whose users have forgotten what they saw, and who is there."""
    world = lived(f"tiny:n_users=3000,n_authors=400,explore_share={explore_share}", seed=3, hours=10 * 24 + 20)
    world.visitors()
    world._state.seen_UB[:] = 0
    world._state.n_seen_U[:] = 0
    return world, world._inputs(), present(world)


def uniform_notes(explore_share: float) -> tuple[World, NDArray[np.int32], int]:
    """Serve everybody; return the notes of uniform slots, and the number of slots in all."""
    world, tick, user_S = unseen_evening(explore_share)
    shown = serve(tick, user_S, room(), blank(400_000))
    return world, shown.note_E[np.isin(shown.channel_E, UNIFORM)], len(shown.note_E)


def test_uniform_slots_show_hot_notes_as_often_as_any() -> None:
    world, note_E, _ = uniform_notes(0.4)
    hottest = world._inputs().shelf.popular_G[:20]
    share = 20 / int(world._state.pool.n_1[0])
    assert z_of(np.isin(note_E, hottest).sum(), share * len(note_E), share * (1 - share) * len(note_E)) > -4


def test_uniform_slots_have_the_share_that_the_spec_says() -> None:
    _, note_E, n_slots = uniform_notes(0.04)
    assert abs(z_of(len(note_E), 0.05 * n_slots, 0.05 * 0.95 * n_slots)) < 4


def test_uniform_slots_come_from_all_of_the_pool() -> None:
    world, note_E, _ = uniform_notes(0.4)
    n_pool = int(world._state.pool.n_1[0])
    count_N = np.bincount(note_E, minlength=n_born(world))
    assert n_pool == n_born(world)
    assert (count_N > 0).mean() > 0.9


# Pages


def pages(events: EventLog) -> dict[tuple[int, int], list[int]]:
    """Return the channels of each page, by (session, page), in order of position."""
    found: dict[tuple[int, int], list[int]] = {}
    page_S: dict[int, int] = {}
    for session, position, kind in zip(
        events.session_E.tolist(), events.position_E.tolist(), events.channel_E.tolist(), strict=True
    ):
        if kind != channel("direct"):
            page_S[session] = page_S.get(session, -1) + (position == 0)
            found.setdefault((session, page_S[session]), []).append(kind)
    return found


@pytest.mark.parametrize("name", PRESETS)
def test_fresh_notes_hold_their_slots_of_each_page_while_there_are_any(name: str) -> None:
    n_held, fresh = 0, channel("fresh")
    for kinds in pages(seen(f"{name}:explore_share=0,random_share=0", seed=3, hours=WEEK).events).values():
        for slot in (3, 7):
            if slot < len(kinds) and kinds[slot] != fresh:  # only when all fresh notes are used up
                assert fresh not in kinds[slot:]
            n_held += slot < len(kinds) and kinds[slot] == fresh
        for slot, kind in enumerate(kinds):
            if kind == fresh and slot not in (3, 7):  # only when all others are
                assert set(kinds[slot:]) == {fresh}
    assert n_held > 500


def test_the_quota_of_fresh_notes_is_the_specs() -> None:
    shares = []
    for quota in (0, 1, 2):
        name = f"tiny:n_users=3000,explore_share=0,random_share=0,fresh_slots={quota},ranker_noise=0"
        kinds = [kinds for kinds in pages(seen(name, seed=3, hours=WEEK).events).values() if len(kinds) == 10]
        shares.append(np.mean(np.array(kinds) == channel("fresh"), axis=0))
    assert shares[1][3] > shares[0][3] + 0.2  # one slot of a page
    assert shares[2][7] > shares[1][7] + 0.2  # and a second
    assert abs(shares[0][3] - shares[0][2]) < 0.1  # without a quota slot 3 is like its neighbour


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


def rank_correlation(world: World) -> float:
    """Return how well the order of ranked slots goes with the true logit: mean correlation within sessions.

    Fresh notes have a queue of their own.
    """
    shown, user_S, slow = world.serve(0, len(world.visitors())), world.visitors(), slow_twin(world)
    correlations, is_ranked_E = [], shown.channel_E != channel("fresh")
    for s, user in enumerate(user_S.tolist()):
        mine = [slow.notes[note] for note in shown.note_E[is_ranked_E & (shown.session_E == s)].tolist()]
        logits = [click_logit(slow, user, it, affinity(slow, user, it)) for it in mine]
        correlations.append(np.corrcoef(np.arange(len(mine)), logits)[0, 1])
    return float(np.mean(correlations))


BY_RANK = "tiny:explore_share=0,random_share=0,fresh_slots=0,author_share=0"


def test_without_noise_and_quotas_the_order_is_the_truth_and_noise_costs() -> None:
    sure, unsure = (
        rank_correlation(lived(f"{BY_RANK},ranker_noise={noise}", seed=3, hours=5 * 24 + 20)) for noise in (0.0, 3.0)
    )
    assert sure < -0.9  # later slots have lower logits
    assert unsure > sure + 0.2


def test_the_same_notes_are_ranked_worse_while_they_are_cold() -> None:
    order = []
    for known in (0, 20_000):
        world = lived(BY_RANK, seed=3, hours=5 * 24 + 20)
        world.visitors()
        world._state.count_N4[:, EXPOSED] = known
        world._state.count_AL[:, EVER_SHOWN] = known
        world._refresh(0, n_born(world))
        order.append(rank_correlation(world))
    assert order[1] < -0.9
    assert order[0] > order[1] + 0.1


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
    observed = seen("tiny", seed=3, hours=WEEK)
    events, follows = observed.events, observed.follows
    edge_UA = np.zeros((600, 160), np.bool_)
    edge_UA[follows.user_F, follows.author_F] = True
    author_E = observed.catalog.notes.author_N[events.note_E]
    got = edge_UA[events.user_E, author_E].mean()
    # The same impressions dealt out among users, so that famous authors stay famous.
    rng = np.random.default_rng(0)
    dealt = [edge_UA[rng.permutation(events.user_E), author_E].mean() for _ in range(9)]
    assert got > np.mean(dealt) + 6 * np.std(dealt)
    assert got > 1.05 * np.mean(dealt)


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
