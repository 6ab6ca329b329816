"""Live a world from its first hour to its last, and write what it shows as a dataset folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from simulator.dataset import Manifest, write
from simulator.schema import Observation
from simulator.spec import WorldSpec
from simulator.world import World


def live(spec: WorldSpec, *, seed: int, progress: Callable[[int, int], None] | None = None) -> Observation:
    """Return the observation at the end of a world; `progress` is told (days done, days in all)."""
    world = World(spec, seed=seed)
    for day in range(spec.days):
        for _ in range(24):
            world.step()
        if progress is not None:
            progress(day + 1, spec.days)
    return world.observe()


def simulate(spec: WorldSpec, out: Path, *, seed: int, progress: Callable[[int, int], None] | None = None) -> Manifest:
    """Simulate a world and write its dataset folder at `out`, which must not exist."""
    observation = live(spec, seed=seed, progress=progress)
    return write(out, observation, name=spec.name, origin={"world": spec.name, "seed": seed, "spec": spec.as_dict()})
