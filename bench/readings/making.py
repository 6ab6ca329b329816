"""Readings of a world lived in memory, and of a dataset folder that streams a part at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.progress import Tell
from bench.readings.accumulator import readings
from bench.readings.result import Readings
from bench.readings.window import is_world, window_of
from simulator.dataset import scan
from simulator.schema import DAY_SECONDS, EventLog
from simulator.simulate import live
from simulator.spec import WorldSpec

Days = tuple[int | None, int | None]  # since, until: half-open, None for the first and the last


def read_world(spec: WorldSpec, seed: int, days: Days, tell: Tell) -> Readings:
    """Live a world to its end and read some of its days."""
    seen = live(spec, seed=seed, progress=lambda done, total: tell("simulated days", done, total))
    start, end = window_of(seen.catalog, seen.now, *days)
    logs = (seen.events.between(day, day + DAY_SECONDS) for day in range(start, end, DAY_SECONDS))
    return readings(seen.catalog, seen.follows, logs, start=start, end=end)


def read_dataset(folder: Path, days: Days, tell: Tell) -> Readings:
    """Read some days of a dataset folder, one part of its log in memory at a time."""
    stream = scan(folder)
    first_time = 0
    if not is_world(stream.catalog):
        first_time = next((int(log.time_E[0]) for log in stream.events() if len(log)), 0)
    start, end = window_of(stream.catalog, stream.manifest.now, *days, first_time=first_time)
    n_parts = len(stream.manifest.tables["events"].parts)

    def logs() -> Iterator[EventLog]:
        for done, log in enumerate(stream.events()):
            tell("read parts", done + 1, n_parts)
            yield log.between(start, end)

    return readings(stream.catalog, stream.follows, logs(), start=start, end=end)
