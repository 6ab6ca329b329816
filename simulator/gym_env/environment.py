"""The environment of one platform: serve the users of an hour, see what they did, go on to the next hour.

Users of one platform interact through it (counts, boards, what authors publish), so this is the unit of science; the
vector of `simulator.gym_env.vector` is for independent worlds. Shapes: B requests, K slots.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from simulator.gym_env.booked import BookedWorld, born
from simulator.gym_env.settings import Settings
from simulator.gym_env.shown import Shown, feedback, no_feedback, observation
from simulator.gym_env.spaces import SlateSpace, fault_of, observation_space
from simulator.schema import DAY_SECONDS, Catalog, Observation, SchemaError, Slates
from simulator.spec import WorldSpec, find_world
from simulator.world import World


class Platform(gymnasium.Env[Shown, NDArray[np.int32]]):
    """One platform; `Settings` lists the arguments.

    An episode begins on the morning after the warm-up, which is lived once; what happens from then on is drawn with
    luck of the episode's own. It is truncated after its days and never terminates: users always may come back.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - gymnasium declares it so

    def __init__(self, **settings: Any) -> None:
        """Take the fields of `Settings` by keyword."""
        self.settings = Settings(**settings)
        self.world_spec: WorldSpec = find_world(self.settings.world)
        self._n_notes = self.settings.n_notes(self.world_spec)
        self._end = self.settings.last_day(self.world_spec) * DAY_SECONDS
        self._shape = (self.settings.batch, self.settings.slate)
        self._morning = _lived(self.world_spec, self.settings, self.settings.world_seed)
        self._booked: BookedWorld | None = None
        n_sure = min(self._morning.n_born, self._n_notes) if self.settings.fixed_world else 0
        # gymnasium types Dict as a space of spaces
        self.observation_space = observation_space(self.settings, self.world_spec)  # type: ignore[assignment]
        self.action_space = SlateSpace(self._shape, self._n_notes, n_sure=n_sure)

    @property
    def world(self) -> World:
        """The world being lived in, from which `bench` makes an oracle."""
        return self._now().world

    def catalog(self) -> Catalog:
        """Return who and what exists now, with texts."""
        return born(self._now().catalog, self.world.now)

    def observe(self) -> Observation:
        """Return all that a method may know now; it has events only where `keep_log` is set."""
        return self.world.observe()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Shown, dict[str, Any]]:
        """Begin an episode; the generator gives it one key, from which all its luck comes."""
        super().reset(seed=seed)
        if options:
            raise SchemaError("options", "none", sorted(options))
        if not self.settings.fixed_world:
            world_seed = int(self.np_random.integers(2**63))
            self._morning = _lived(self.world_spec, self.settings, world_seed)
        self._booked = self._morning.fork(luck=int(self.np_random.integers(2**64, dtype=np.uint64)))
        seen = observation(self._booked, no_feedback(*self._shape), self.settings, self._n_notes)
        return seen, dict(self._booked.info)

    def step(self, action: NDArray[np.int32]) -> tuple[Shown, float, bool, bool, dict[str, Any]]:
        """Show slate b to the user of request b and live the hour; slates without a request are not shown."""
        booked = self._now()
        if booked.world.now >= self._end:
            raise ResetNeeded("Platform.step: expected reset() after the end of an episode, got step()")
        fault = fault_of(action, self._shape, min(booked.n_born, self._n_notes))
        if fault is not None:
            raise fault
        user_Q = booked.visitors()[: self.settings.batch]
        ids_QK = np.ascontiguousarray(action[: len(user_Q)])
        slates = Slates(ids_QK, np.zeros(ids_QK.shape, np.float32)) if len(user_Q) else None
        last = feedback(action, user_Q, booked.step(slates))
        seen = observation(booked, last, self.settings, self._n_notes)
        truncated = booked.world.now >= self._end
        return seen, last.reward(self.settings.reward), False, truncated, dict(booked.info)

    def _now(self) -> BookedWorld:
        if self._booked is None:
            raise ResetNeeded("Platform: expected reset() first, got none")
        return self._booked


def _lived(spec: WorldSpec, settings: Settings, world_seed: int) -> BookedWorld:
    """Return a world on the morning after its warm-up."""
    booked = BookedWorld(World(spec, seed=world_seed), keep_log=settings.keep_log)
    for _ in range(24 * settings.warmup_days):
        booked.step(None)
    return booked
