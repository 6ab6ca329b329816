"""Forks share what their difference cannot reach: twins stay equal, one slate changes little, lifts are sharp."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import f

from simulator.schema import EventLog
from simulator.state import CLICKED
from simulator.world import World
from tests.world_examples import PRESETS, channel, digest, lived, n_born, one_note_each, present, show, slates

EVENING = 5 * 24 + 20


def live_on(world: World, hours: int) -> World:
    """Live some more hours."""
    for _ in range(hours):
        world.step()
    return world


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("visited", [False, True])
def test_a_twin_lives_the_same_life(name: str, visited: bool) -> None:
    world = lived(name, seed=3, hours=EVENING)
    if visited:
        world.visitors()  # the hour has begun
    twin = world.fork()
    assert digest(live_on(twin, 5 * 24)) == digest(live_on(world, 5 * 24))


@pytest.mark.parametrize("name", PRESETS)
def test_what_a_twin_lives_does_not_reach_the_original(name: str) -> None:
    world = lived(name, seed=3, hours=EVENING)
    before, cards = digest(world), world._cards.card_NF.copy()
    twin = world.fork()
    show(twin, *one_note_each(twin, 3))
    live_on(twin, 48)
    assert digest(world) == before
    assert np.array_equal(world._cards.card_NF, cards, equal_nan=True)
    assert digest(twin) != before


def test_other_luck_means_another_life_of_the_same_people() -> None:
    world = lived("tiny", seed=3, hours=EVENING)
    lucky, plain = (live_on(world.fork(luck=luck), 48).observe() for luck in (17, None))
    later = [observed.events.between(world.now, lucky.now) for observed in (lucky, plain)]
    assert lucky.events.between(0, world.now).note_E.tobytes() == plain.events.between(0, world.now).note_E.tobytes()
    assert rows_in_common(*later) < 0.2
    assert np.array_equal(lucky.catalog.users.joined_time_U, plain.catalog.users.joined_time_U)
    again = live_on(world.fork(luck=17), 48).observe()
    assert again.events.note_E.tobytes() == lucky.events.note_E.tobytes()


def test_the_luck_of_a_world_is_its_seed_unless_another_is_given() -> None:
    spec = lived("tiny", seed=3, hours=0).spec
    plain, same, other = (live_on(World(spec, seed=3, luck=luck), 30) for luck in (None, 3, 4))
    assert digest(plain) == digest(same) != digest(other)
    assert np.array_equal(plain._population.people.taste_UD, other._population.people.taste_UD)


def row_set(events: EventLog) -> set[tuple[int, ...]]:
    """Return the rows as tuples: user, note, time, channel and answers."""
    columns = (events.user_E, events.note_E, events.time_E, events.channel_E, events.click_E, events.like_E)
    return set(zip(*(column.tolist() for column in columns), strict=True))


def last_day(world: World) -> set[tuple[int, ...]]:
    """Return who was shown what by which channel, and clicked or not; when, and a note's number, do not matter."""
    events = world.observe().events.between(world.now - 86_400, world.now)
    columns = (events.user_E, world._notes.key_N[events.note_E], events.channel_E, events.click_E)
    return set(zip(*(column.tolist() for column in columns), strict=True))


def rows_in_common(ours: EventLog, theirs: EventLog) -> float:
    """Return the share of our rows that are theirs too."""
    return len(row_set(ours) & row_set(theirs)) / len(ours)


def with_one_slate(world: World, note: int) -> World:
    """Return a twin that showed a note to the first visitor of this hour and lived the hour."""
    twin = world.fork()
    twin.step(slates(np.array([[note]], np.int32)))
    return twin


@pytest.mark.parametrize("name", PRESETS)
def test_one_slate_changes_nothing_but_its_users_hour(name: str) -> None:
    world = lived(name, seed=3, hours=EVENING)
    ours, theirs = (with_one_slate(world, note) for note in (0, 1))
    user = world.visitors()[0]
    logs = [twin.observe().events.between(world.now, twin.now) for twin in (ours, theirs)]
    assert row_set(logs[0]) != row_set(logs[1])
    others = [log.take(log.user_E != user) for log in logs]
    assert len(others[0]) > 50
    for column in ("user_E", "note_E", "time_E", "session_E", "channel_E", "click_E", "dwell_seconds_E"):
        assert np.array_equal(getattr(others[0], column), getattr(others[1], column))


def clicks_of_visitors(world: World) -> NDArray[np.bool_]:
    """Return (S, N): which born notes each visitor of this hour would click as a slate."""
    twin, user_S = world.fork(), world.visitors()
    click_SN = np.zeros((len(user_S), n_born(world)), np.bool_)
    for note in range(n_born(world)):
        shown = show(twin, user_S, np.full((len(user_S), 1), note, np.int32))
        click_SN[:, note] = np.isin(user_S, shown.user_E[shown.click_E])
    return click_SN


def alike_after(world: World, user: int, notes: tuple[int, int]) -> float:
    """Return the share of the fourth day that is the same, whichever of two notes a user is shown now as a slate."""
    days = []
    for note in notes:
        twin = world.fork()
        show(twin, np.array([user], np.int32), np.array([[note]], np.int32))
        days.append(last_day(live_on(twin, 73)))
    return len(days[0] & days[1]) / len(days[0])


def alike_after_slates(name: str, *, is_clicked: bool) -> list[float]:
    """Return that share for some users in worlds of three seeds; one of the two notes is clicked, or neither."""
    shares = []
    for seed in (3, 4, 5):
        world = lived(name, seed=seed, hours=EVENING)
        click_SN = clicks_of_visitors(world)
        some = [s for s in range(len(click_SN)) if click_SN[s].any() and not click_SN[s].all()][:4]
        for s in some:
            passed, clicked = (np.flatnonzero(click_SN[s] == is_it) for is_it in (False, True))
            other = clicked[0] if is_clicked else passed[0]
            shares.append(alike_after(world, int(world.visitors()[s]), (int(passed[-1]), int(other))))
    return shares


@pytest.mark.parametrize("name", PRESETS)
def test_most_of_what_comes_days_after_one_slate_is_the_same_when_it_is_passed_by(name: str) -> None:
    shares = alike_after_slates(name, is_clicked=False)
    assert len(shares) > 8
    assert min(shares) > 0.9  # measured: at least 0.97


# Measured: 0.92 to 1, 0.96 in the mean, in the feed; 0.77 to 1, 0.87 in the mean, in video, with ten times its clicks.
# Most of what differs goes by item-cf: a click more moves all later clickers of its author by one place of their ring.
@pytest.mark.parametrize(("name", "least", "mean"), [("tiny", 0.85, 0.92), ("tiny-video", 0.7, 0.8)])
def test_most_of_what_comes_days_after_one_slate_is_the_same_when_it_is_clicked(
    name: str, least: float, mean: float
) -> None:
    shares = alike_after_slates(name, is_clicked=True)
    assert len(shares) > 8
    assert min(shares) > least
    assert np.mean(shares) > mean


@pytest.mark.parametrize("name", PRESETS)
def test_little_is_the_same_under_other_luck(name: str) -> None:
    world = lived(name, seed=3, hours=EVENING)
    ours, theirs = (last_day(live_on(world.fork(luck=luck), 73)) for luck in (None, 99))
    assert len(ours & theirs) < 0.3 * len(ours)


@pytest.mark.parametrize("name", PRESETS)
def test_a_note_more_renumbers_the_rest_and_changes_little_else(name: str) -> None:
    world = lived(name, seed=3, hours=5 * 24)
    twin, creators = world.fork(), world._population.creators
    rate_A = creators.rate_A.copy()
    rate_A[np.argmin(rate_A)] = 3.0
    twin._population = replace(twin._population, creators=replace(creators, rate_A=rate_A))
    logs, start = [], world.now
    for arm in (world, twin):
        live_on(arm, 24)
        events, key_N = arm.observe().events.between(start, arm.now), arm._notes.key_N
        columns = (events.user_E, key_N[events.note_E], events.time_E, events.channel_E, events.click_E)
        logs.append(set(zip(*(column.tolist() for column in columns), strict=True)))
    assert 0 < len(twin._notes.key_N) - len(world._notes.key_N) < 10
    assert not np.array_equal(twin._notes.key_N[: len(world._notes.key_N)], world._notes.key_N)  # ids have moved
    assert len(logs[0] & logs[1]) > 0.6 * len(logs[0])


def test_two_arms_share_the_luck_of_what_they_both_show() -> None:
    arms = [lived("tiny", seed=5, hours=5 * 24) for _ in range(2)]
    show(arms[0], *one_note_each(arms[0], 11))  # only one arm shows something else first
    first, second = (show(arm, *one_note_each(arm, 1)) for arm in arms)
    assert np.array_equal(first.click_E, second.click_E)
    assert np.array_equal(first.dwell_seconds_E, second.dwell_seconds_E)


def test_slates_are_shown_to_their_visitors_and_the_rest_are_served() -> None:
    world = lived("tiny", seed=3, hours=EVENING)
    user_S = world.visitors().copy()
    ids_QK = np.array([[4, 2, 7], [5, -1, -1]], np.int32)
    shown, start = world.step(slates(ids_QK)), world.now - 3_600
    assert shown is not None
    rows = sorted(zip(shown.user_E.tolist(), shown.position_E.tolist(), shown.note_E.tolist(), strict=True))
    assert rows == sorted([(user_S[0], 0, 4), (user_S[0], 1, 2), (user_S[0], 2, 7), (user_S[1], 0, 5)])
    whole = world.observe().events.between(start, world.now)
    is_shown_E = whole.channel_E == channel("external")
    assert is_shown_E.sum() == 4
    assert set(whole.user_E[~is_shown_E].tolist()) == set(user_S[2:].tolist())


# The lift of one policy over another


def n_clicks(world: World, rule: str, luck: int) -> int:
    """Return the clicks of a day in which a tenth of visitors see the newest notes, or half of them and the popular.

    What differs between the rules cannot share luck: were all notes of a tenth of slates other ones, and clicks rare,
    the variance of the lift could only be ten times smaller.
    """
    twin = world.fork(luck=luck)
    for _ in range(24):
        n = n_born(twin)
        ranked = np.arange(n - 1, n - 11, -1)
        if rule == "mixed":
            ranked[5:] = np.argsort(-twin._state.count_N4[: n - 10, CLICKED], kind="stable")[:5]
        ids_QK: NDArray[np.int32] = np.tile(ranked.astype(np.int32), (len(twin.visitors()) // 10, 1))
        twin.step(slates(ids_QK) if len(ids_QK) else None)
    return int(twin.observe().events.between(world.now, twin.now).click_E.sum())


@pytest.mark.parametrize("name", PRESETS)
def test_shared_luck_makes_the_variance_of_a_lift_ten_times_smaller(name: str) -> None:
    world, n = lived(name, seed=3, hours=5 * 24), 120
    newest = np.array([n_clicks(world, "newest", 100 + i) for i in range(n)])
    mixed = np.array([n_clicks(world, "mixed", 100 + i) for i in range(n)])
    elsewhere = np.array([n_clicks(world, "mixed", 500 + i) for i in range(n)])
    ratio = np.var(elsewhere - newest, ddof=1) / np.var(mixed - newest, ddof=1)
    assert ratio / f.ppf(0.95, n - 1, n - 1) > 10  # the lower end of a one-sided 95 % interval
    assert len(present(world)) > 300
