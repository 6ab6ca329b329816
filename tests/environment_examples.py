"""Small environments, a check that a vector is its environments, and a digest of what an episode shows."""

import hashlib
from collections.abc import Callable
from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from simulator.gym_env import PLATFORM
from simulator.gym_env.environment import Platform
from simulator.gym_env.policies import RandomPolicy
from simulator.gym_env.shown import Shown
from simulator.gym_env.spaces import SlateSpace

SMALL: dict[str, Any] = {"world": "tiny", "batch": 6, "slate": 4, "days": 1, "warmup_days": 1}
Result = tuple[Shown, Any, Any, Any, dict[str, Any]]
Act = Callable[[Shown], NDArray[np.int32]]


def platform(**settings: Any) -> Platform:
    env = gymnasium.make(PLATFORM, **{**SMALL, **settings}).unwrapped
    assert isinstance(env, Platform)
    return env


def nothing(env: Platform) -> NDArray[np.int32]:
    return np.full(env.action_space.shape or (), -1, np.int32)


def slates_of(env: Platform) -> SlateSpace:
    return cast(SlateSpace, env.action_space)


def assert_same(ours: Shown, theirs: Shown) -> None:
    assert ours.keys() == theirs.keys()
    for key, array in ours.items():
        assert array.dtype == theirs[key].dtype, key
        np.testing.assert_array_equal(array, theirs[key], err_msg=key)


def row_of(batched: Result, i: int) -> Result:
    """Return what environment i of a vector saw."""
    seen, *scores, info = batched
    own = {key: value[i] for key, value in info.items() if not key.startswith("_")}
    reward, terminated, truncated = (score[i] for score in scores)
    return {key: array[i] for key, array in seen.items()}, reward, terminated, truncated, own


def check_vector_env(
    vector: VectorEnv[Any, Any, Any], singles: list[Platform], act: Act, *, seed: int, steps: int
) -> None:
    """Step a next-step vector beside its environments: the step after an end begins an episode, whatever the action."""
    seen, infos = vector.reset(seed=seed)
    results: list[Result] = []
    for i, env in enumerate(singles):
        first, info = env.reset(seed=seed + i)
        results.append((first, 0.0, False, False, info))
        assert_same(row_of((seen, np.zeros(len(singles)), *np.zeros((2, len(singles)), bool), infos), i)[0], first)
    for _ in range(steps):
        actions = np.stack([act(result[0]) for result in results])
        batched = vector.step(actions)
        assert batched[0] in vector.observation_space
        for i, env in enumerate(singles):
            results[i] = _next(env, results[i], actions[i])
            _assert_same_result(row_of(batched, i), results[i])


def _next(env: Platform, result: Result, action: NDArray[np.int32]) -> Result:
    if result[2] or result[3]:
        seen, info = env.reset()
        return seen, 0.0, False, False, info
    return env.step(action)


def _assert_same_result(ours: Result, theirs: Result) -> None:
    assert_same(ours[0], theirs[0])
    assert ours[1:4] == theirs[1:4]
    assert ours[4] == theirs[4]


def digest(steps: int) -> str:
    """Hash all that an episode with the random policy gives."""
    env, policy, hashed = platform(days=2), RandomPolicy(rng=np.random.default_rng(4)), hashlib.sha256()
    seen, info = env.reset(seed=11)
    for _ in range(steps):
        seen, reward, _, _, info = env.step(policy.recommend(seen))
        hashed.update(repr((reward, info)).encode())
        for key, array in seen.items():
            hashed.update(key.encode() + array.tobytes())
    return hashed.hexdigest()
