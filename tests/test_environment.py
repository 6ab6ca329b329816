"""The platform keeps gymnasium's contract and its own: honest time, no truth, rewards that the log confirms."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st

from simulator.gym_env import PLATFORM
from simulator.gym_env.policies import Policy, PopularityPolicy, RandomPolicy
from simulator.gym_env.settings import Settings
from simulator.gym_env.shown import Shown
from simulator.spec import TINY
from tests.environment_examples import assert_same, digest, nothing, platform

ROOT = Path(__file__).parents[1]


def policies() -> list[Policy]:
    return [RandomPolicy(rng=np.random.default_rng(0)), PopularityPolicy()]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"world": "tiny-video", "slate": 12},
        {"warmup_days": 0},
        {"fixed_world": False},
        {"batch": 1, "slate": 1, "newest": 1, "history": 1, "capacity": 20},
    ],
    ids=str,
)
def test_gymnasiums_checker_has_nothing_to_say(settings: dict[str, Any]) -> None:
    check_env(platform(**settings))


def test_the_id_with_its_module_needs_no_import() -> None:
    code = "import gymnasium; gymnasium.make('simulator.gym_env:coldrecall/Platform-v0', world='tiny', warmup_days=0)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("policy", policies(), ids=lambda policy: type(policy).__name__)
def test_an_episode_stays_in_its_spaces_and_is_truncated_at_its_last_hour(policy: Policy) -> None:
    env = platform(days=2)
    seen, info = env.reset(seed=3)
    keys = set(info)
    for step in range(48):
        assert seen in env.observation_space
        assert {key: array.dtype for key, array in seen.items()} == {
            key: space.dtype
            for key, space in env.observation_space.spaces.items()  # type: ignore[attr-defined]
        }
        action = policy.recommend(seen)
        assert action in env.action_space
        seen, reward, terminated, truncated, info = env.step(action)
        assert (terminated, truncated) == (False, step == 47)
        assert reward >= 0
        assert set(info) == keys
        assert {type(value) for value in info.values()} == {float}
    assert tuple(seen["now"]) == (0, 3)
    with pytest.raises(ResetNeeded, match="expected reset"):
        env.step(nothing(env))


def test_without_days_an_episode_goes_to_the_end_of_the_world() -> None:
    env = platform(world="tiny:days=3", warmup_days=2, days=None)
    env.reset(seed=0)
    assert [env.step(nothing(env))[3] for _ in range(24)] == [False] * 23 + [True]


def test_hours_without_visitors_are_steps_with_no_request() -> None:
    env = platform(world="tiny:n_users=20,n_authors=20", days=2)
    seen, _ = env.reset(seed=0)
    n_requests = []
    for _ in range(30):
        n_requests.append(int(seen["request_mask"].sum()))
        seen, reward, _, _, info = env.step(PopularityPolicy().recommend(seen))
        assert info["own/requests"] == n_requests[-1]
        assert n_requests[-1] > 0 or (reward == 0 and (seen["last_user"] == -1).all())
    assert 0 in n_requests
    assert max(n_requests) > 0


def test_visitors_beyond_the_batch_get_the_platforms_pages_and_are_counted() -> None:
    env = platform(world="tiny:n_authors=1000", batch=2)  # so many notes that nobody has seen all of them
    env.reset(seed=5)
    beyond = 0.0
    for _ in range(24):
        *_, info = env.step(nothing(env))
        assert info["own/requests"] + info["platform/requests"] == info["consumer/visitors"]
        assert info["own/impressions"] == 0
        assert (info["platform/requests"] == 0) == (info["consumer/impressions"] == 0)
        beyond += info["platform/requests"]
    assert beyond > 0


def test_the_same_seed_gives_the_same_episode_in_another_process() -> None:
    code = "from tests.environment_examples import digest; import sys; sys.stdout.write(digest(30))"
    environment = {**os.environ, "PYTHONHASHSEED": "77"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    )
    assert done.stdout == digest(30)


def test_episodes_share_the_morning_and_part_on_the_first_day() -> None:
    env = platform()
    first, second = (env.reset(seed=seed)[0] for seed in (1, 2))
    assert_same({"n": first["n_notes"], "c": first["new_clicks"]}, {"n": second["n_notes"], "c": second["new_clicks"]})
    assert not np.array_equal(first["request_user"], second["request_user"])


def test_a_world_that_is_not_fixed_has_other_inhabitants_each_episode() -> None:
    env = platform(fixed_world=False)
    seeds = []
    for seed in (1, 1, 2):
        env.reset(seed=seed)
        seeds.append(env.world.seed)
    assert seeds[0] == seeds[1] != seeds[2]


def test_a_world_without_keep_log_forgets_its_events() -> None:
    env = platform()
    env.reset(seed=0)
    assert len(env.observe().events) == 0


@given(seed=st.integers(0, 2**32), n_notes=st.integers(0, 30), n_slots=st.integers(1, 12))
def test_random_slates_are_full_and_valid(seed: int, n_notes: int, n_slots: int) -> None:
    seen: Shown = {
        "n_notes": np.array([n_notes], np.int32),
        "last_slate": np.full((5, n_slots), -1, np.int32),
        "request_mask": np.array([1, 1, 1, 0, 0], np.int8),
    }
    slates = RandomPolicy(rng=np.random.default_rng(seed)).recommend(seen)
    assert (slates[3:] == -1).all()
    for slate in slates[:3]:
        used = slate[slate >= 0]
        assert len(used) == len(set(used.tolist())) == min(n_notes, n_slots)
        assert (slate[len(used) :] == -1).all()
        assert used.max(initial=-1) < n_notes


def test_popularity_beats_chance_on_paired_episodes() -> None:
    env = platform(days=5, warmup_days=3, batch=32, slate=10, newest=60)
    gains = []
    for seed in range(4):
        totals = []
        for policy in (RandomPolicy(rng=np.random.default_rng(seed)), PopularityPolicy()):
            seen, _ = env.reset(seed=seed)
            total = 0.0
            for _ in range(120):
                seen, reward, *_ = env.step(policy.recommend(seen))
                total += reward
            totals.append(total)
        gains.append(totals[1] - totals[0])
    assert np.mean(gains) > 2 * np.std(gains, ddof=1) / np.sqrt(len(gains))


def test_the_default_capacity_holds_a_whole_world() -> None:
    env = platform(days=15)
    _, info = env.reset(seed=0)
    for _ in range(15 * 24):
        *_, info = env.step(nothing(env))
    assert info["corpus/notes"] <= Settings(days=15, warmup_days=1).n_notes(TINY)


def test_gymnasium_knows_the_platform_by_its_id() -> None:
    assert gymnasium.spec(PLATFORM).vector_entry_point == "simulator.gym_env.vector:platforms"
