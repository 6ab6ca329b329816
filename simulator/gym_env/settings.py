"""What a platform environment is made with: the world, the size of its arrays, the weights of its reward."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from simulator.schema import RESPONSES
from simulator.spec import WorldSpec
from simulator.state import HISTORY


@dataclass(frozen=True, slots=True)
class Reward:
    """What a response to one's own slates is worth; the click is the unit."""

    click: float = 1.0
    like: float = 2.0
    collect: float = 2.0
    comment: float = 4.0
    share: float = 4.0
    follow: float = 4.0
    dwell_minute: float = 0.5

    def weights(self) -> NDArray[np.float64]:
        """Return the weights of the responses in the order of RESPONSES."""
        return np.array([getattr(self, name) for name in RESPONSES])


@dataclass(frozen=True, slots=True)
class Settings:
    """All that `gymnasium.make` takes."""

    world: str = "tiny"  # a named world, with settings after a colon
    world_seed: int = 0  # of the inhabitants
    fixed_world: bool = True  # else every episode has inhabitants of its own, drawn from its luck
    batch: int = 64  # requests a step; users beyond it get the platform's own pages
    slate: int = 10
    warmup_days: int = 2  # lived by the platform's own policy before an episode begins
    days: int | None = None  # of an episode; None: to the end of the world
    history: int = 16  # latest clicks shown of a user
    newest: int = 200  # notes shown in the table
    capacity: int | None = None  # notes that can be served; None: twice as many as are expected, and more
    reward: Reward = Reward()
    keep_log: bool = False  # else events are forgotten once they are counted, and `observe` has none

    def __post_init__(self) -> None:
        for name, low, high in _RANGES:
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ValueError(f"Settings.{name}: expected an integer in [{low}, {high}], got {value}")
        if not isinstance(self.reward, Reward):
            raise ValueError(
                f"Settings.reward: expected Reward({', '.join(f.name for f in fields(Reward))}), got {self.reward!r}"
            )

    def last_day(self, spec: WorldSpec) -> int:
        """Return the day at whose start an episode ends; refuse one beyond the world's own."""
        last_day = spec.days if self.days is None else self.warmup_days + self.days
        if not self.warmup_days < last_day <= spec.days:
            got = f"warmup_days={self.warmup_days}, days={self.days}"
            raise ValueError(
                f"Settings: expected warm-up and days within the {spec.days} days of {spec.name}, got {got}"
            )
        return last_day

    def n_notes(self, spec: WorldSpec) -> int:
        """Return how many notes can be served."""
        if self.capacity is not None:
            return self.capacity
        expected = spec.n_authors * (1.0 + spec.publishing.notes_per_author_day * self.last_day(spec))
        return 64 + int(2 * expected)


_RANGES: tuple[tuple[str, int, int], ...] = (
    ("world_seed", 0, 2**63 - 1),
    ("batch", 1, 2**20),
    ("slate", 1, 200),
    ("warmup_days", 0, 32_767),
    ("days", 1, 32_767),
    ("history", 1, HISTORY),
    ("newest", 1, 2**20),
    ("capacity", 1, 2**30),
)
