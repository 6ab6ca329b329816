"""What is asked: who queries for what, what is held back, what counts as relevant, and how it is scored."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from simulator.schema import Kind

WORLD = "world"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A simulated world at its end T: fitted on what lies `fit_days` before T, asked at T.

    Relevant is what the query would engage with if it were shown it at T, drawn from the truth for the whole corpus:
    unlike logged positives it does not depend on what the platform chose to show.
    """

    fit_days: float = 7.0


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recorded log: methods see events with time < `now`; relevant are those with time >= `positives_from`."""

    now: int
    positives_from: int


@dataclass(frozen=True, slots=True)
class LeaveOneOut:
    """Each user's last interaction is relevant, the one before is for validation: fit sees neither, index the second.

    `leaky` shows everything to the fit, as some published tables did by mistake; such a task is never ranked.
    """

    leaky: bool = False


@dataclass(frozen=True, slots=True)
class Cold:
    """Which entities are cold, and how much of what happened to them a method is shown.

    Cold are those that arrived in the half-open `arrived_days_ago` (from, to) before the snapshot, or, where that is
    None, those without any event. Of their interactions (clicks) a method sees the first `first_interactions` in time
    order, or, of each note, the events before an age drawn uniformly from the half-open `age_seconds`. What is relevant
    does not depend on that: it is always asked at the snapshot.
    """

    entity: Kind
    arrived_days_ago: tuple[float, float] | None = (7.0, 0.0)
    first_interactions: int | None = None
    age_seconds: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if (self.first_interactions is None) == (self.age_seconds is None):
            raise ValueError("Cold: expected exactly one of first_interactions and age_seconds")
        if self.age_seconds is not None and self.entity != "note":
            raise ValueError(f"Cold.entity: expected note with age_seconds, got {self.entity}")


@dataclass(frozen=True, slots=True)
class Task:
    """One question, named `family/setting@vN`; a change of what it asks raises the version.

    `source` is "world" (any simulated world) or the name of a recorded dataset. Lists always come from the full
    corpus less what the query has seen. `next_only` keeps one relevant target a request: the next one.
    """

    id: str
    title: str
    query: Kind
    target: Kind
    source: str = WORLD
    split: Snapshot | Recorded | LeaveOneOut = Snapshot()
    cold: Cold | None = None
    next_only: bool = False
    max_requests: int = 700
    ks: tuple[int, ...] = (10, 50, 100, 500)
    primary: str = "recall@50"
    tags: tuple[str, ...] = ()

    def fingerprint(self, dataset: str) -> str:
        """Return the sha256 of everything that defines the question, the dataset's fingerprint included."""
        text = json.dumps({"task": asdict(self), "dataset": dataset}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def family(self) -> str:
        """The id without its setting: tasks of a family ask the same requests, so that their curves are paired."""
        return self.id.rsplit("/", 1)[0]

    @property
    def has_cold_targets(self) -> bool:
        """Whether some targets form a cold bucket (with cold users every target is warm)."""
        return self.cold is not None and self.cold.entity == self.target
