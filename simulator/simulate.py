"""Live a world from its first hour to its last, and write what it shows as a dataset folder, a part a day.

Events leave memory with their day. A killed simulation goes on from its latest checkpoint, with the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from pydantic import JsonValue

from simulator.checkpoint import restore, save
from simulator.crew import Crew, Nobody, live_hour, processes
from simulator.dataset import DatasetWriter, Manifest
from simulator.schema import Observation
from simulator.sources import digest_of
from simulator.spec import WorldSpec
from simulator.world import World

# Half a world of other code is not gone on with.
_SOURCES = [path for path in Path(__file__).parent.rglob("*") if path.suffix in (".py", ".json")]
Progress = Callable[[int, int], None]  # (days done, days in all)


@dataclass(frozen=True, slots=True)
class Running:
    """How a simulation runs; none of it changes an event."""

    texts: bool = False  # write titles, bodies and profiles too
    workers: int = 1  # hands: processes here, or actors on the cluster at `ray`
    ray: str | None = None  # the address of a Ray cluster; "local" starts one on this machine
    checkpoint_seconds: float = 60.0  # of wall time between two checkpoints, taken at midnight

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ValueError(f"workers: expected at least 1, got {self.workers}")


def live(spec: WorldSpec, *, seed: int, progress: Progress | None = None) -> Observation:
    """Return the observation at the end of a world, all of it in memory."""
    world = World(spec, seed=seed)
    for day in range(spec.days):
        for _ in range(24):
            world.step()
        if progress is not None:
            progress(day + 1, spec.days)
    return world.observe()


def simulate(
    spec: WorldSpec, out: Path, *, seed: int, running: Running = Running(), progress: Progress | None = None
) -> Manifest:
    """Simulate a world and write its dataset folder at `out`, which must not exist; go on with one that was killed."""
    origin: dict[str, JsonValue] = {"world": spec.name, "seed": seed, "spec": spec.as_dict()}
    origin["version"] = version("coldrecall")
    key = hashlib.sha256(json.dumps([origin, digest_of(_SOURCES)], sort_keys=True).encode()).hexdigest()
    with DatasetWriter.open(out, name=spec.name, origin=origin, texts=running.texts, key=key) as writer:
        checkpoint = _latest(writer)
        world = World(spec, seed=seed) if checkpoint is None else restore(spec, checkpoint)
        with _crew(spec, seed, checkpoint, running) as crew:
            saved = time.monotonic()
            for day in range(writer.n_parts, spec.days):
                if progress is not None:
                    progress(day, spec.days)
                for _ in range(24):
                    live_hour(world, crew, running.workers)
                writer.write_events(world.drain())
                if time.monotonic() - saved >= running.checkpoint_seconds:
                    _keep(world, writer)
                    saved = time.monotonic()
        if progress is not None:
            progress(spec.days, spec.days)
        return writer.finish(world.observe())


def _latest(writer: DatasetWriter) -> Path | None:
    """Return the newest checkpoint, and drop the days after it."""
    for n_parts in range(writer.n_parts, 0, -1):
        path = writer.checkpoint / f"day-{n_parts:05d}.npz"
        if path.exists():
            writer.truncate(n_parts)
            return path
    writer.truncate(0)
    return None


def _keep(world: World, writer: DatasetWriter) -> None:
    """Write a checkpoint; the one before it goes only then."""
    older = list(writer.checkpoint.glob("day-*.npz"))
    save(world, writer.checkpoint / f"day-{writer.n_parts:05d}.npz")
    for path in older:
        path.unlink()


def _crew(spec: WorldSpec, seed: int, checkpoint: Path | None, running: Running) -> AbstractContextManager[Crew]:
    if running.ray is not None:
        from simulator.ray_crew import actors  # the extra may not be installed

        crew: AbstractContextManager[Crew] = actors(spec, seed, checkpoint, running.workers, running.ray)
        return crew
    if running.workers > 1:
        return processes(spec, seed, checkpoint, running.workers)
    return nullcontext(Nobody())
