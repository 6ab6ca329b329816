"""What is asked: who queries for what, what is held back, what counts as relevant, and how it is scored."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Literal

from simulator.schema import Kind

WORLD = "world"


@dataclass(frozen=True, slots=True)
class Cold:
    """Which entities are cold, and how much of what happened to them a method is shown.

    Cold are the entities of `entity` that arrived since the fit (for a note: in its last `born_within_days`). Of
    their interactions a method sees the first `first_interactions` in time order, or those before an age drawn
    uniformly from the half-open `age_seconds`; exactly one of the two is set.
    """

    entity: Kind
    first_interactions: int | None = None
    age_seconds: tuple[int, int] | None = None
    born_within_days: float | None = None

    def __post_init__(self) -> None:
        if (self.first_interactions is None) == (self.age_seconds is None):
            raise ValueError("Cold: expected exactly one of first_interactions and age_seconds")


@dataclass(frozen=True, slots=True)
class Task:
    """One question, named `family/setting@vN`; a change of what it asks raises the version.

    `source` is "world" (any simulated world) or the name of a recorded dataset. `split`: "time" fits on what lies
    `fit_days` before the snapshot, "leave-one-out" holds back each user's last interaction, and "leave-one-out-leaky"
    lets the fit see it (the published mistake, never ranked). Lists always come from the full corpus.
    """

    id: str
    source: str
    query: Kind
    target: Kind
    title: str
    split: Literal["time", "leave-one-out", "leave-one-out-leaky"] = "time"
    fit_days: float = 7.0
    cold: Cold | None = None
    next_only: bool = False
    max_requests: int = 2_000
    ks: tuple[int, ...] = (10, 50, 100, 500)
    primary: str = "recall@50"
    tags: tuple[str, ...] = ()

    def fingerprint(self, dataset: str) -> str:
        """Return the sha256 of everything that defines the question, the dataset's fingerprint included."""
        text = json.dumps({"task": asdict(self), "dataset": dataset}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def is_cold(self) -> bool:
        """Whether the targets have a cold bucket (cold queries have none: every target is warm)."""
        return self.cold is not None and self.cold.entity == self.target
