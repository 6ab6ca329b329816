"""A vector of platforms is its platforms, step for step, whatever they are asked."""

from typing import Any, cast

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from simulator.gym_env import PLATFORM
from simulator.gym_env.policies import RandomPolicy
from simulator.gym_env.shown import Shown
from tests.environment_examples import SMALL, check_vector_env, platform


def vector(n: int, **changes: Any) -> SyncVectorEnv:
    return cast(SyncVectorEnv, gymnasium.make_vec(PLATFORM, num_envs=n, **{**SMALL, **changes}))


class Ragged:
    """Random slates cut at random lengths."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.policy = RandomPolicy(rng=self.rng)

    def __call__(self, seen: Shown) -> NDArray[np.int32]:
        slates = self.policy.recommend(seen)
        length_B1 = self.rng.integers(0, slates.shape[1] + 1, (len(slates), 1))
        return np.where(np.arange(slates.shape[1]) < length_B1, slates, np.int32(-1))


@settings(max_examples=8)
@given(seed=st.integers(0, 2**31), luck=st.integers(0, 2**31))
def test_a_vector_of_one_is_its_platform_over_the_ends_of_episodes(seed: int, luck: int) -> None:
    check_vector_env(vector(1), [platform()], Ragged(luck), seed=seed, steps=55)


def test_a_vector_is_its_independent_platforms() -> None:
    singles = [platform(world_seed=i) for i in range(3)]
    check_vector_env(vector(3), singles, Ragged(5), seed=9, steps=55)


def test_platforms_of_a_vector_are_different_worlds() -> None:
    envs = [env.unwrapped for env in vector(2).envs]
    assert [env.settings.world_seed for env in envs] == [0, 1]  # type: ignore[attr-defined]


def test_metadata_say_how_it_resets() -> None:
    assert vector(1).metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert vector(1, autoreset_mode=AutoresetMode.DISABLED).metadata["autoreset_mode"] is AutoresetMode.DISABLED


def test_samples_of_the_action_space_are_valid_in_every_platform() -> None:
    env = vector(3)
    env.reset(seed=0)
    env.action_space.seed(0)
    for _ in range(30):
        actions = env.action_space.sample()
        assert actions in env.action_space
        assert actions[0] in env.single_action_space
        env.step(actions)
    assert actions.max() > 0


def test_without_autoreset_a_mask_says_whose_episode_begins() -> None:
    env = vector(2, autoreset_mode="Disabled")
    start, _ = env.reset(seed=4)
    for _ in range(24):
        seen, _, _, truncated, _ = env.step(np.full((2, 6, 4), -1, np.int32))
    assert truncated.all()
    again, _ = env.reset(seed=4, options={"reset_mask": np.array([True, False])})
    for key in start:
        assert np.array_equal(again[key][0], start[key][0]), key
        assert np.array_equal(again[key][1], seen[key][1]), key


def test_an_action_of_another_shape_is_refused() -> None:
    env = vector(1)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"action: expected int32\(6, 4\), got int32\(6, 5\)"):
        env.step(np.full((1, 6, 5), -1, np.int32))
