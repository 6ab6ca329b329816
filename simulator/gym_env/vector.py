"""Many platforms that know nothing of each other: environment i is the world of seed world_seed + i."""

from __future__ import annotations

from functools import partial
from typing import Any

from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.vector.utils import batch_space

from simulator.gym_env.environment import Platform
from simulator.gym_env.settings import Settings
from simulator.gym_env.spaces import SlateSpace


def platforms(
    num_envs: int, *, autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP, **settings: Any
) -> SyncVectorEnv:
    """Return `num_envs` platforms stepped one after the other, each with inhabitants and luck of its own.

    `settings` are those of `Platform`. `reset(seed=s)` gives environment i the seed s + i.
    """
    first = Settings(**settings).world_seed
    makers = [partial(Platform, **{**settings, "world_seed": first + i}) for i in range(num_envs)]
    vector = SyncVectorEnv(makers, autoreset_mode=autoreset_mode)
    spaces = [space for env in vector.envs if isinstance(space := env.action_space, SlateSpace)]
    single = SlateSpace(spaces[0].shape, spaces[0].capacity, n_sure=min(space.n_sure for space in spaces))
    vector.single_action_space, vector.action_space = single, batch_space(single, num_envs)
    return vector
