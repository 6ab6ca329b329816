"""Trends rise and fade at known change points; rings are few, and like each other."""

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from simulator.population import draw_population
from simulator.rings import draw_rings
from simulator.schema import DAY_SECONDS, EventLog, Observation
from simulator.sizes import N_TOPICS
from simulator.spec import Rings, find_world
from simulator.trends import TrendTable, draw_trends
from tests.world_examples import ahead, channel, lived, n_born, present, seen, show, z_of

# Trends


def test_a_trend_is_a_trapezium_between_its_change_points() -> None:
    change_R4 = np.array([[1_000, 2_000, 5_000, 9_000], [4_000, 6_000, 8_000, 10_000]])
    table = TrendTable(np.array([7, 7], np.int16), np.array([1.0, 2.0]), change_R4)
    expected = {0: 0, 1_000: 0, 1_500: 0.5, 2_000: 1, 4_000: 1, 5_000: 2, 6_000: 2.75, 9_000: 1.0, 10_000: 0}
    for now, lift in expected.items():
        lift_T = table.lift(now)
        assert lift_T[7] == pytest.approx(lift, abs=1e-6), now
        assert np.count_nonzero(np.delete(lift_T, 7)) == 0
        assert len(lift_T) == N_TOPICS


def test_trends_are_as_many_and_as_long_as_the_spec_says() -> None:
    spec = find_world("tiny:days=4000")
    table, said = draw_trends(spec, 3), spec.trends
    expected = said.per_week * 4_000 / 7
    assert abs(z_of(len(table), expected, expected)) < 4
    lengths = np.diff(table.change_R4, axis=1).mean(axis=0) / DAY_SECONDS
    # Uniform within half of the mean: a standard deviation of 0.29 of it.
    means = [said.rise_hours / 24, said.hold_days, said.fade_days, said.height]
    for got, mean in zip([*lengths, table.height_R.mean()], means, strict=True):
        assert abs(got - mean) < 4 * 0.29 * mean / np.sqrt(len(table))
    assert (np.diff(table.change_R4, axis=1) > 0).all()
    assert np.array_equal(table.change_R4, draw_trends(spec, 3).change_R4)
    assert len(draw_trends(find_world("tiny:per_week=0"), 3)) == 0


LOUD = "tiny:n_users=30000,n_authors=2000,days=12,per_week={},height=2,explore_share=0.5"


def clicks_by_trend(per_week: int, *, uniform: bool) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the clicks on notes of topics with a trend to come, at the height of it and before it began.

    `uniform` takes the slots of uniform draws alone, which know nothing of what is popular.
    """
    name, table = LOUD.format(per_week), draw_trends(find_world(LOUD.format(9)), 3)
    events, topic_N = seen(name, seed=3, hours=24 * 12).events, lived(name, seed=3, hours=24 * 12)._notes.topic_N
    if uniform:
        events = events.take(np.isin(events.channel_E, [channel("explore"), channel("random")]))
    parts: tuple[list[NDArray[np.bool_]], list[NDArray[np.bool_]]] = ([], [])
    for topic, (start, peak, turn, _) in zip(table.topic_R, table.change_R4, strict=True):
        for part, (first, last) in zip(parts, ((peak, turn), (0, start)), strict=True):
            some = events.between(int(first), int(last))
            part.append(some.click_E[topic_N[some.note_E] == topic])
    return np.concatenate(parts[0]), np.concatenate(parts[1])


def test_clicks_on_a_topic_rise_with_its_trend_and_not_without() -> None:
    # What a recommender shows of a topic changes from day to day anyway; uniform slots show the same mix.
    (high, before), (plain, plain_before) = (clicks_by_trend(per_week, uniform=True) for per_week in (9, 0))
    assert min(len(high), len(before), len(plain), len(plain_before)) > 500
    assert ahead(high, before) > 4
    assert abs(ahead(plain, plain_before)) < 4  # the same topics and times in a twin world without trends
    assert ahead(high, plain) > 4


def test_the_recommender_follows_a_trend() -> None:
    (high, before), (plain, plain_before) = (clicks_by_trend(per_week, uniform=False) for per_week in (9, 0))
    assert ahead(high, plain) > 6
    assert abs(ahead(before, plain_before)) < 4
    assert len(high) > 1.3 * len(plain)  # and the topic is shown more


def test_a_trend_removes_no_click_and_touches_no_other_topic() -> None:
    world = lived("tiny", seed=5, hours=5 * 24 + 15)
    topic = int(world._notes.topic_N[0])
    twin, start = world.fork(), world.now - 50
    twin._trends = TrendTable(np.array([topic], np.int16), np.array([2.0]), np.array([[0, 1, start + 90, start + 99]]))
    world._trends = TrendTable(np.empty(0, np.int16), np.empty(0), np.empty((0, 4), np.int64))
    other = int(np.flatnonzero(world._notes.topic_N[: n_born(world)] != topic)[0])
    user_Q = present(world)
    for note, is_lifted in ((0, True), (other, False)):
        plain, lifted = (show(w, user_Q, np.full((len(user_Q), 1), note, np.int32)) for w in (world, twin))
        assert not (plain.click_E & ~lifted.click_E).any()
        assert (lifted.click_E.sum() > plain.click_E.sum()) == is_lifted


# Rings

RINGED = "tiny:n_users=4000,n_authors=2000,days=16"


@cache
def ringed() -> tuple[Observation, NDArray[np.int32], NDArray[np.int32]]:
    """Return what was seen of a world with rings, and the ring of each user and author."""
    rings = draw_population(find_world(RINGED), 3).rings
    return seen(RINGED, seed=3, hours=24 * 14), rings.ring_U, rings.ring_A


def direct_rows() -> tuple[EventLog, NDArray[np.int32]]:
    """Return what ring mates opened, and the authors of it."""
    observed, _, _ = ringed()
    rows = observed.events.take(observed.events.channel_E == channel("direct"))
    return rows, observed.catalog.notes.author_N[rows.note_E]


def test_rings_are_a_small_share_of_authors_who_are_users_and_nobody_is_in_two() -> None:
    spec = find_world(RINGED)
    population = draw_population(spec, 3)
    table, people = population.rings, population.people
    n_rings = round(spec.rings.author_share * spec.n_authors / spec.rings.size)
    assert table.member_IM.shape == (n_rings, spec.rings.size)
    assert len(np.unique(table.member_IM)) == table.member_IM.size
    assert 0.01 <= (table.ring_A >= 0).mean() <= 0.02
    member_U = np.flatnonzero(table.ring_U >= 0)
    assert np.array_equal(table.ring_U[member_U], table.ring_A[people.author_U[member_U]])
    assert len(member_U) == table.member_IM.size


def test_a_world_of_no_linked_authors_has_no_rings() -> None:
    table = draw_rings(Rings(), np.full(50, -1, np.int32), 20, 3)
    assert len(table.member_IM) == 0
    assert (table.ring_U == -1).all()


def test_members_open_and_like_their_mates_notes_and_nobody_elses_directly() -> None:
    _, ring_U, ring_A = ringed()
    author_U = draw_population(find_world(RINGED), 3).people.author_U
    rows, author_E = direct_rows()
    assert len(rows) > 20
    assert (ring_U[rows.user_E] >= 0).all()
    assert np.array_equal(ring_U[rows.user_E], ring_A[author_E])
    assert (author_U[rows.user_E] != author_E).all()
    assert rows.click_E.all()
    assert rows.like_E.all()
    assert not (rows.follow_E | rows.share_E | rows.collect_E).any()
    assert abs(z_of(rows.comment_E.sum(), 0.3 * len(rows), 0.21 * len(rows))) < 4


def test_a_member_opens_a_few_notes_a_session_and_rings_are_a_small_part_of_the_log() -> None:
    observed, _, _ = ringed()
    rows, _ = direct_rows()
    assert np.unique(rows.session_E, return_counts=True)[1].max() <= Rings().opened
    assert len(rows) < 0.01 * len(observed.events)


def test_rings_like_each_other_far_above_chance() -> None:
    observed, ring_U, ring_A = ringed()
    events, author_E = observed.events, observed.catalog.notes.author_N[observed.events.note_E]
    is_mate_E = (ring_U[events.user_E] >= 0) & (ring_U[events.user_E] == ring_A[author_E])
    others_E = (ring_U[events.user_E] >= 0) & ~is_mate_E
    assert ahead(events.like_E[is_mate_E], events.like_E[others_E]) > 10


def test_without_rings_nothing_is_opened_directly() -> None:
    events = seen(f"{RINGED},author_share=0", seed=3, hours=24 * 14).events
    assert not (events.channel_E == channel("direct")).any()
