"""Arms: forks of one world that live on under other recommenders with the same luck: they differ in nothing else.

Every arm is the whole platform, so a difference between arms is the effect of rolling the change out, not of a test
that shares its traffic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.progress import Tell
from bench.readings import Config, Readings, readings
from simulator.journal import event_log
from simulator.schema import DAY_SECONDS, Catalog, EventLog, Follows
from simulator.spec import Logging, WorldSpec
from simulator.world import World


@dataclass(frozen=True, slots=True, eq=False)
class Arm:
    """What one arm lived: a log a day from `first_day` on, and all that was there at its end."""

    first_day: int
    logs: tuple[EventLog, ...]
    catalog: Catalog
    follows: Follows

    def read(self, first: int, last: int, config: Config) -> Readings:
        """Return the readings of the days first <= day < last, counted from the fork."""
        start, end = ((self.first_day + day) * DAY_SECONDS for day in (first, last))
        return readings(self.catalog, self.follows, self.logs[first:last], start=start, end=end, config=config)

    def notes_born(self, first: int, last: int) -> NDArray[np.int64]:
        """Return how many notes each author bore on the days first <= day < last, counted from the fork."""
        notes, edges = self.catalog.notes, [(self.first_day + day) * DAY_SECONDS for day in (first, last)]
        n_from, n_to = np.searchsorted(notes.born_time_N, edges)
        return np.bincount(notes.author_N[n_from:n_to], minlength=len(self.catalog.authors))


def run_arms(
    spec: WorldSpec, *, seed: int, days: tuple[int, int], arms: Mapping[str, Logging], tell: Tell
) -> tuple[dict[str, Arm], Follows]:
    """Live `days[0]` days, then `days[1]` more once for each arm; return the arms and the follows at the fork."""
    world, (n_before, n_after) = World(spec, seed=seed), days
    for day in range(n_before):
        _live_day(world)
        tell(f"seed {seed}: before", day + 1, n_before)
    lived = {}
    for done, (name, logging) in enumerate(arms.items()):
        twin = world.fork(logging=logging)
        logs = []
        for day in range(n_after):
            logs.append(_live_day(twin))
            tell(f"seed {seed}: arms", done * n_after + day + 1, len(arms) * n_after)
        seen = twin.observe()
        lived[name] = Arm(n_before, tuple(logs), seen.catalog, seen.follows)
    return lived, world.observe().follows


def _live_day(world: World) -> EventLog:
    for _ in range(24):
        world.step()
    return event_log(world.drain())
