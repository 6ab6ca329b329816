"""What the environment shows is what the log and the catalog say, and none of it is truth."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simulator.gym_env.policies import RandomPolicy
from simulator.gym_env.settings import Reward
from simulator.gym_env.shown import Shown, known_first, no_feedback, observation
from simulator.policy import EXTERNAL
from simulator.schema import DAY_SECONDS, RESPONSES, SchemaError
from simulator.spec import TINY
from tests.environment_examples import assert_same, nothing, platform, slates_of


def test_the_mask_is_exactly_the_notes_born_by_now() -> None:
    env = platform(days=2)
    seen, _ = env.reset(seed=1)
    sizes = set()
    for _ in range(30):
        n_born = len(env.catalog().notes)
        assert np.array_equal(np.flatnonzero(seen["note_mask"]), np.arange(n_born))
        assert seen["n_notes"] == n_born
        assert seen["new_id"][0] == n_born - 1
        assert (env.catalog().notes.born_time_N < env.world.now).all()
        unborn = nothing(env)
        unborn[0, 0] = n_born
        with pytest.raises(SchemaError, match=rf"^action\[0, 0\]: expected ids in \[-1, {n_born}\)"):
            env.step(unborn)
        sizes.add(n_born)
        seen, *_ = env.step(slates_of(env).sample(mask=seen["note_mask"]))
    assert len(sizes) > 3


def test_notes_beyond_the_capacity_are_not_shown() -> None:
    env = platform(capacity=7, days=2, warmup_days=2)
    seen, info = env.reset(seed=1)
    assert info["corpus/notes"] > 7
    assert seen["n_notes"] == 7
    for _ in range(30):
        assert seen["new_id"].max() == seen["request_history"].max(initial=6) == 6
        seen, *_ = env.step(RandomPolicy(rng=np.random.default_rng(1)).recommend(seen))


def test_what_cannot_be_served_is_dropped_from_a_history_without_gaps() -> None:
    got = known_first(np.array([[9, 3, 8, 1], [2, 4, -1, -1]], np.int32), 5)
    assert got.tolist() == [[3, 1, -1, -1], [2, 4, -1, -1]]


def watched(setting: str) -> list[Shown]:
    """Watch a platform that shows nobody anything, so that no behaviour can tell what people like."""
    env = platform(world=f"tiny:n_authors=400,{setting}", warmup_days=0, days=3, batch=200)
    seen = [env.reset(seed=4)[0]]
    for _ in range(60):
        shown, _, _, _, info = env.step(nothing(env))
        assert info["platform/requests"] == 0
        seen.append(shown)
    return seen


def test_worlds_that_differ_in_hidden_liking_alone_look_the_same() -> None:
    plain = watched("text_alignment=0.6")
    assert plain[-1]["n_notes"] > 20
    for other in ("text_alignment=0", "click_slope=0.1", "quality_slope=2", "like_bias=1"):
        for ours, theirs in zip(plain, watched(other), strict=True):
            assert_same(ours, theirs)


def test_hidden_truth_scrambled_in_place_leaves_the_observation_as_it_was() -> None:
    env = platform(warmup_days=2)
    seen, _ = env.reset(seed=4)
    people, creators, notes = env.world._population.people, env.world._population.creators, env.world._notes
    for hidden in (
        people.taste_UD,
        people.style_US,
        creators.quality_A,
        creators.topics_AM,
        notes.quality_N,
        notes.topic_N,
    ):
        hidden.flags.writeable = True
        hidden[:] = hidden[::-1].copy()
    assert env._booked is not None
    again = observation(env._booked, no_feedback(6, 4), env.settings, len(seen["note_mask"]))
    assert_same(seen, again)


def test_observations_are_copies() -> None:
    env = platform()
    seen, info = env.reset(seed=2)
    for array in seen.values():
        array[...] = 77
    info.clear()
    again, info = env.reset(seed=2)
    assert again in env.observation_space
    action = RandomPolicy(rng=np.random.default_rng(1)).recommend(again)
    first = env.step(action)
    kept = {key: array.copy() for key, array in first[0].items()}
    action[:] = -1
    env.step(action)
    assert_same(kept, first[0])


def test_rewards_and_feedback_are_those_of_the_worlds_log() -> None:
    weights = Reward(click=1.5, like=3.0, dwell_minute=2.0)
    env = platform(world="tiny-video", batch=9, slate=13, days=2, reward=weights, keep_log=True)
    policy = RandomPolicy(rng=np.random.default_rng(3))
    seen, _ = env.reset(seed=6)
    total = 0.0
    for _ in range(40):
        start = env.world.now
        seen, reward, _, _, info = env.step(policy.recommend(seen))
        hour = env.observe().events.between(start, env.world.now)
        own = hour.take(hour.channel_E == EXTERNAL)
        worth = sum(getattr(weights, name) * float(own.response(name).sum()) for name in RESPONSES)
        worth += weights.dwell_minute * float(own.dwell_seconds_E.sum(dtype=np.float64)) / 60
        assert reward == pytest.approx(worth / 9)
        assert (info["own/impressions"], info["consumer/impressions"]) == (len(own), len(hour))
        assert info["consumer/clicks"] == hour.click_E.sum()
        assert_feedback_is_the_log(seen, own)
        total += reward
    assert total > 0


def assert_feedback_is_the_log(seen: Shown, own: Any) -> None:
    row_of = {int(user): b for b, user in enumerate(seen["last_user"]) if user >= 0}
    assert seen["last_shown"].sum() == len(own)
    for e in range(len(own)):
        b = row_of[int(own.user_E[e])]
        (k,) = np.flatnonzero(seen["last_slate"][b] == own.note_E[e])
        assert seen["last_shown"][b, k] == 1
        assert seen["last_responses"][b, k].tolist() == [int(own.response(name)[e]) for name in RESPONSES]
        assert seen["last_dwell_seconds"][b, k] == own.dwell_seconds_E[e]


def test_memory_shown_is_what_the_log_says() -> None:
    env = platform(days=3, warmup_days=2, keep_log=True, batch=20, history=5)
    policy, n_checked = RandomPolicy(rng=np.random.default_rng(3)), 0
    seen, _ = env.reset(seed=6)
    for step in range(50):
        if step % 10 == 9:
            known = env.observe()
            events, joined = known.events, known.catalog.users.joined_time_U
            for b in np.flatnonzero(seen["request_mask"]):
                user = seen["request_user"][b]
                clicked = events.note_E[(events.user_E == user) & events.click_E][::-1][:5]
                # Within an hour the platform remembers clicks as they came, which is the order of the log.
                assert seen["request_history"][b][: len(clicked)].tolist() == clicked.tolist()
                assert seen["request_tenure_days"][b] == np.float32((known.now - joined[user]) / DAY_SECONDS)
                n_checked += 1
            table = seen["new_id"][seen["new_id"] >= 0]
            notes, n = known.catalog.notes, len(table)
            columns: dict[str, NDArray[Any]] = {
                "impressions": np.bincount(events.note_E, minlength=len(notes)),
                "clicks": np.bincount(events.note_E[events.click_E], minlength=len(notes)),
                "author": notes.author_N,
                "category": notes.category_N,
                "is_video": notes.is_video_N,
                "age_hours": ((known.now - notes.born_time_N) / 3_600).astype(np.float32),
            }
            for key, column_N in columns.items():
                assert np.array_equal(seen[f"new_{key}"][:n], column_N[table]), key
        seen, *_ = env.step(policy.recommend(seen))
    assert n_checked > 20


def test_visits_are_the_hours_in_which_a_user_came() -> None:
    env = platform(days=3, warmup_days=0, batch=100)
    seen, _ = env.reset(seed=0)
    visits_U = np.zeros(TINY.n_users, np.int32)
    for _ in range(60):
        user_Q = seen["request_user"][seen["request_mask"] == 1]
        assert user_Q.tolist() == env.world.visitors().tolist()
        assert np.array_equal(seen["request_visits"][: len(user_Q)], visits_U[user_Q])
        visits_U[user_Q] += 1
        seen, *_ = env.step(nothing(env))
    assert visits_U.max() > 2


def test_the_catalog_has_texts_of_what_is_born() -> None:
    env = platform()
    env.reset(seed=0)
    notes = env.catalog().notes
    assert all(notes.title.take(np.arange(len(notes), dtype=np.int32)))
