"""What is asked: who queries for what, what is held back, what counts as relevant, and how it is scored."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from simulator.schema import Kind

WORLD = "world"
ROBUST = "robust/"
ON_REQUEST = "on request"  # the tag of tasks that a run has only when they are named


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A simulated world at its end T: fitted on what lies `fit_days` before T, asked at T.

    Relevant is what the query would engage with if it were shown it at T, drawn from the truth for the whole corpus:
    unlike logged positives it does not depend on what the platform chose to show.
    """

    fit_days: float = 7.0


@dataclass(frozen=True, slots=True)
class Window:
    """A simulated world asked at T, `window_days` before its end, and what its log then tells of [T, T + window).

    Methods are fitted on what lies `fit_days` before T and asked at T, as in a `Snapshot`. Where users are retrieved,
    a user is available who comes within the window: one with at least one impression in it. Nobody else can be reached.
    """

    fit_days: float = 7.0
    window_days: float = 1.0


@dataclass(frozen=True, slots=True)
class Shown:
    """A simulated world asked at T, as in a `Window`, and what chance showed in [T, T + window).

    See `bench.probe`. Users with such impressions are asked about the notes of all of them.
    """

    fit_days: float = 7.0
    window_days: float = 7.0


@dataclass(frozen=True, slots=True)
class MissingText:
    """A `Snapshot` of which methods get a share of the profiles, and of the titles with bodies, as empty strings."""

    fit_days: float = 7.0
    share: float = 0.5


@dataclass(frozen=True, slots=True)
class NewCategories:
    """A `Snapshot` in which a share of the first-level categories, as labelled, opens when the fit is over.

    The fit sees no impression of their notes; the index sees those of the last `fit_days`. Their notes are cold.
    """

    fit_days: float = 7.0
    share: float = 0.2


@dataclass(frozen=True, slots=True)
class SpamRings:
    """A `Snapshot` whose log is flooded by rings: users who open and like all notes of their ring, each once.

    Of the authors a share is in rings of `size`; as many of the users are hired for each ring. What they do is in the
    log alone: it says nothing of whom a note pleases, so that truth is as without them.
    """

    fit_days: float = 7.0
    author_share: float = 0.15
    size: int = 6


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recorded log: methods see events with time < `now`; relevant are those with time >= `positives_from`."""

    now: int
    positives_from: int


@dataclass(frozen=True, slots=True)
class HeldAuthors:
    """A recorded log split at `now`, in which a share of the authors is new: nothing of theirs before it is shown.

    For logs in which no author is new by time. Relevant is what comes from `now` on, of any author.
    """

    now: int
    share: float = 0.2


@dataclass(frozen=True, slots=True)
class LeaveOneOut:
    """Each user's last interaction is relevant, the one before is for validation: fit sees neither, index the second.

    `leaky` shows everything to the fit, as some published tables did by mistake; such a task is never ranked.
    """

    leaky: bool = False


Split = Snapshot | Window | Shown | MissingText | NewCategories | SpamRings | Recorded | HeldAuthors | LeaveOneOut


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
    split: Split = Snapshot()
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
    def asked_as(self) -> str:
        """The family whose requests and luck these are: a robust task asks as the one it is named after."""
        return self.family.removeprefix(ROBUST)

    @property
    def has_cold_targets(self) -> bool:
        """Whether some targets form a cold bucket (with cold users every target is warm)."""
        return isinstance(self.split, NewCategories) or (self.cold is not None and self.cold.entity == self.target)
