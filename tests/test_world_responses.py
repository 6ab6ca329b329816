"""People answer as the truth says: frequencies match the oracle, luck is monotone, habits show in the answers."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from simulator.oracle import Oracle
from simulator.response import CLICK, FOLLOW, LIKE, Model, answer, response_model
from simulator.schema import DAY_SECONDS, EventLog
from simulator.world import World
from tests.slow_session import affinity, click_logit, sigmoid
from tests.world_examples import (
    CROWD,
    PRESETS,
    ahead,
    engaged,
    lived,
    n_born,
    one_note_each,
    present,
    seen,
    show,
    slow_twin,
    z_of,
)

AFTERNOON = 5 * 24 + 15


def oracle_of(world: World, **at: NDArray[np.int64]) -> Oracle:
    """Return the truth about the notes of a world now."""
    notes = world.observe().catalog.notes
    return Oracle(
        world.spec, seed=world.seed, author_N=notes.author_N, born_time_N=notes.born_time_N, now=world.now, **at
    )


@cache
def everybody_once(name: str) -> tuple[World, NDArray[np.int32], NDArray[np.int32], EventLog]:
    """Show everybody sixty notes, one at a time and each at the top of a page; return who saw what, and the answers."""
    world = lived(f"{name}:n_users=9000", seed=5, hours=AFTERNOON)
    shown = [one_note_each(world, shift) for shift in range(60)]
    answers = [show(world, *pair) for pair in shown]
    columns = {
        name: np.concatenate([getattr(part, name) for part in answers])
        for name in EventLog.__slots__
        if name != "channels"
    }
    columns["time_E"] = np.sort(columns["time_E"])  # only to make one log of them; the rest stays in order of showing
    user_E, note_E = (np.concatenate([getattr(part, column) for part in answers]) for column in ("user_E", "note_E"))
    return world, user_E, note_E, EventLog(**columns, channels=answers[0].channels)


@pytest.mark.parametrize("name", PRESETS)
def test_engagement_comes_as_often_as_the_oracle_says(name: str) -> None:
    world, user_E, note_E, events = everybody_once(name)
    chance_E = oracle_of(world).engage_pairs("note", user_E, note_E[:, None])[:, 0].astype(np.float64)
    got_E = engaged(events)
    assert chance_E.sum() > 200
    assert abs(z_of(got_E.sum(), chance_E.sum(), (chance_E * (1 - chance_E)).sum())) < 4
    for part in np.array_split(np.argsort(chance_E), 6)[1:]:  # not only on average
        assert abs(z_of(got_E[part].sum(), chance_E[part].sum(), (chance_E[part] * (1 - chance_E[part])).sum())) < 4


@pytest.mark.parametrize("name", PRESETS)
def test_clicks_come_as_often_as_their_logit_says(name: str) -> None:
    world, user_E, note_E, events = everybody_once(name)
    slow, some = slow_twin(world), slice(0, 6_000)
    pairs = zip(user_E[some].tolist(), note_E[some].tolist(), strict=True)
    logits = [click_logit(slow, u, slow.notes[n], affinity(slow, u, slow.notes[n])) for u, n in pairs]
    chance_E = np.array([sigmoid(logit) for logit in logits])
    assert abs(z_of(events.click_E[some].sum(), chance_E.sum(), (chance_E * (1 - chance_E)).sum())) < 4
    for part in np.array_split(np.argsort(chance_E), 4):
        spread = (chance_E[part] * (1 - chance_E[part])).sum()
        assert abs(z_of(events.click_E[some][part].sum(), chance_E[part].sum(), spread)) < 4


def test_the_oracle_does_not_mind_the_order_of_its_queries() -> None:
    world = lived("tiny", seed=5, hours=AFTERNOON)
    oracle, user_Q = oracle_of(world), present(world)
    order_Q = np.random.default_rng(0).permutation(len(user_Q)).astype(np.int32)
    assert np.array_equal(oracle.engage_with_notes(user_Q[order_Q]), oracle.engage_with_notes(user_Q)[order_Q])


# Luck is monotone: who likes more answers at least as much


@cache
def model_of(name: str) -> Model:
    """Return the response model of a preset."""
    world = lived(name, seed=5, hours=0)
    return response_model(world.spec, world._population)


LOGITS, WORDS = st.floats(-12.0, 12.0), st.integers(0, 2**64 - 1)


@pytest.mark.parametrize("name", PRESETS)
@given(key=WORDS, logit=LOGITS, liking=st.floats(-5.0, 5.0), raised=st.tuples(st.floats(0.0, 5.0), st.floats(0.0, 5.0)))
def test_who_likes_more_never_answers_less(
    name: str, key: int, logit: float, liking: float, raised: tuple[float, float]
) -> None:
    weights, odds_R = model_of(name).weights, model_of(name).engage_odds_R
    less, _ = answer(weights, odds_R, logit, liking, np.uint64(key))
    more, _ = answer(weights, odds_R, logit + raised[0], liking + raised[1], np.uint64(key))
    assert less & ~more == 0


def clicks_of(world: World, user_Q: NDArray[np.int32], note: int) -> NDArray[np.bool_]:
    """Return who clicks a note."""
    events = show(world, user_Q, np.full((len(user_Q), 1), note, np.int32))
    return events.click_E[np.argsort(events.user_E)]


@pytest.mark.parametrize("name", PRESETS)
def test_a_better_note_keeps_its_clicks_and_takes_none_from_others(name: str) -> None:
    plain, better = (lived(name, seed=5, hours=AFTERNOON) for _ in range(2))
    user_Q, quality_N = present(plain), plain._notes.quality_N.copy()
    quality_N[3] += 1.0
    better._notes = replace(better._notes, quality_N=quality_N)
    before, after = clicks_of(plain, user_Q, 3), clicks_of(better, user_Q, 3)
    assert not (before & ~after).any()
    assert after.sum() > before.sum()
    assert np.array_equal(clicks_of(plain, user_Q, 4), clicks_of(better, user_Q, 4))


@pytest.mark.parametrize("name", PRESETS)
def test_a_fonder_user_keeps_its_clicks_and_others_theirs(name: str) -> None:
    plain, fonder = (lived(name, seed=5, hours=AFTERNOON) for _ in range(2))
    taste_UD = plain._model.taste_UD.copy()
    topic = int(plain._notes.topic_N[3])
    loading_D = plain._model.topic_DT[:, topic]
    taste_UD[::2] += np.float32(1.5) * loading_D / np.float32(loading_D @ loading_D)  # affinity 1.5 higher
    fonder._model = fonder._model._replace(taste_UD=taste_UD)
    user_Q = present(plain)
    alike_N = np.flatnonzero((plain._notes.topic_N == topic) & (plain._notes.second_N == topic))
    note = int(alike_N[alike_N < n_born(plain)][0])
    before, after = clicks_of(plain, user_Q, note), clicks_of(fonder, user_Q, note)
    assert not (before & ~after).any()
    assert after[::2].sum() > before[::2].sum()
    assert np.array_equal(before[1::2], after[1::2])


def test_nobody_engages_without_a_click_in_the_feed_and_some_like_without_one_in_video() -> None:
    feed, video = (everybody_once(name)[3] for name in PRESETS)
    assert not (engaged(feed) & ~feed.click_E).any()
    assert (feed.dwell_seconds_E[~feed.click_E] == 0).all()
    assert (video.like_E & ~video.click_E).any()
    assert not ((video.collect_E | video.comment_E | video.share_E | video.follow_E) & ~video.click_E).any()
    assert (video.dwell_seconds_E > 0).all()  # every impression plays
    assert np.median(video.dwell_seconds_E[video.click_E]) > np.median(video.dwell_seconds_E[~video.click_E])


def test_who_likes_a_note_follows_its_author_more() -> None:
    model = model_of("tiny")
    keys = np.random.default_rng(0).integers(0, 2**63, 200_000).astype(np.uint64)
    masks = np.array([answer(model.weights, model.engage_odds_R, 20.0, 1.5, key)[0] for key in keys])
    assert (masks & CLICK).all()
    assert ahead((masks & FOLLOW > 0)[masks & LIKE > 0], (masks & FOLLOW > 0)[masks & LIKE == 0]) > 4


# Position


def shuffled_pages(name: str) -> EventLog:
    """Show everybody of a crowd two pages of random notes."""
    world = lived(f"{name}:n_users=12000", seed=5, hours=AFTERNOON)
    rng, user_Q = np.random.default_rng(0), present(world)
    ids_QK = np.stack([rng.permutation(n_born(world))[:20] for _ in user_Q]).astype(np.int32)
    return show(world, user_Q, ids_QK)


def test_low_positions_of_the_feed_are_clicked_less() -> None:
    events = shuffled_pages("tiny")
    top, bottom = events.click_E[events.position_E < 3], events.click_E[events.position_E >= 7]
    assert ahead(top, bottom) > 3


def test_position_does_not_matter_where_every_impression_plays() -> None:
    events = shuffled_pages("tiny-video")
    top, bottom = events.click_E[events.position_E < 3], events.click_E[events.position_E >= 7]
    assert abs(ahead(top, bottom)) < 4


def test_the_share_of_a_page_that_is_examined_is_the_users_own() -> None:
    world = lived("tiny-video", seed=5, hours=AFTERNOON)
    examine_U = world._habits.examine_U.copy()
    examine_U[:] = 0.9
    world._habits = world._habits._replace(examine_U=examine_U)
    rng, user_Q = np.random.default_rng(0), present(world)
    ids_QK = np.stack([rng.permutation(n_born(world))[:10] for _ in user_Q]).astype(np.int32)
    events = show(world, user_Q, ids_QK)
    for position in range(10):  # what is examined plays, what is not has no dwell
        played_E = events.dwell_seconds_E[events.position_E == position] > 0
        chance = 0.9**position
        assert abs(z_of(played_E.sum(), chance * len(played_E), chance * (1 - chance) * len(played_E) + 1e-9)) < 4


# Ageing and novelty


@pytest.mark.parametrize("days", [3, 30])
def test_interest_falls_as_a_power_of_age_by_the_users_novelty_seeking(days: int) -> None:
    world = lived("tiny", seed=5, hours=AFTERNOON)
    n, user_Q = n_born(world), present(world)
    new, old = (
        oracle_of(world, age_seconds_N=np.full(n, seconds)).engage_with_notes(user_Q).astype(np.float64)
        for seconds in (0, days * DAY_SECONDS)
    )
    aged = np.log(days + 1 + 0.5 / 24) - np.log(1 + 0.5 / 24)
    slope_U = world.spec.responding.ageing * world._population.people.novelty_U[user_Q]
    rare_QN = new < 2e-5  # where the chance of a click is its odds
    error_QN = np.log(old / new) + slope_U[:, None] * aged
    assert rare_QN.sum() > 1_000
    assert np.abs(error_QN[rare_QN]).max() < 0.05


def test_novelty_seekers_click_young_notes_more() -> None:
    world = lived(CROWD, seed=5, hours=10 * 24)
    user_Q, novelty_U = present(world), world._population.people.novelty_U
    born_N, rates = world._born_time_N[: n_born(world)], []
    for note_X in (np.flatnonzero(born_N >= world.now - DAY_SECONDS), np.flatnonzero(born_N < DAY_SECONDS)):
        assert len(note_X) > 60  # nobody is shown a note twice
        shown = [note_X[(user_Q * 5 + shift) % len(note_X)].astype(np.int32)[:, None] for shift in range(60)]
        answers = [show(world.fork(), user_Q, ids_Q1) for ids_Q1 in shown]
        seeker_E = np.concatenate([novelty_U[part.user_E] for part in answers]) > np.median(novelty_U)
        click_E = np.concatenate([part.click_E for part in answers])
        rates.append((click_E[seeker_E], click_E[~seeker_E]))
    # The log odds of young against old, of seekers against the rest; each log rate has a variance near 1 / clicks.
    logs = [[np.log(clicked.mean()) for clicked in pair] for pair in rates]
    spread = np.sqrt(sum(1 / clicked.sum() for pair in rates for clicked in pair))
    assert ((logs[0][0] - logs[1][0]) - (logs[0][1] - logs[1][1])) / spread > 4


def test_format_matters_to_those_whom_it_matters_to() -> None:
    world, user_E, note_E, events = everybody_once("tiny-video")
    fond_E, video_E = world._population.people.video_taste_U[user_E] > 0, world._notes.is_video_N[note_E]
    assert ahead(events.click_E[video_E & fond_E], events.click_E[video_E & ~fond_E]) > 3
    assert abs(ahead(events.click_E[~video_E & fond_E], events.click_E[~video_E & ~fond_E])) < 4


def test_better_notes_are_clicked_more() -> None:
    for name in PRESETS:
        world, _, note_E, events = everybody_once(name)
        good_E = world._notes.quality_N[note_E] > 0
        assert ahead(events.click_E[good_E], events.click_E[~good_E]) > 4


def test_patient_users_stay_longer() -> None:
    for name in PRESETS:
        # Enough notes that the patient do not run out of what they have not seen.
        crowd = f"{name}:n_users=4000,n_authors=4000"
        events, people = seen(crowd, seed=3, hours=7 * 24).events, lived(crowd, seed=3, hours=0)._population.people
        _, first, n_S = np.unique(events.session_E, return_index=True, return_counts=True)
        patience_S = people.patience_U[events.user_E[first]]
        r = np.corrcoef(patience_S, np.log(n_S))[0, 1]
        assert r * np.sqrt(len(n_S)) > 5  # standard errors of a correlation of nothing
