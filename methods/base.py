"""The contract of a method: fit on the past, index what is new, recommend. The harness checks, times and scores.

A method is constructed with its frozen config (all fields have defaults), then lives through
`fit(past) -> index(present) -> recommend(...)`, with `index` and `recommend` repeated for each task that shares the
fit. One instance serves one target kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from simulator.schema import Kind, Observation, Requests, Slates


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a method declares that it can do; the contract suite holds it to that.

    `serves` lists (query kind, target kind). `cold_targets`: ranks targets nobody has interacted with, among
    themselves, better than chance, from what was published; the newest first shows them and does not tell them apart.
    `cold_queries`: answers queries without any interaction other than by popularity.
    `learns_from_interactions`: its answers change with the event log (false for random, recent, the oracle).
    """

    serves: frozenset[tuple[Kind, Kind]]
    cold_targets: bool
    cold_queries: bool = False
    learns_from_interactions: bool = True
    device: Literal["cpu", "cuda"] = "cpu"


@dataclass(frozen=True, slots=True)
class Budget:
    """What one fit may spend: wall seconds (advice, checked by the harness) and threads."""

    seconds: float = 600.0
    threads: int = 1


class Method(Protocol):
    """A candidate-retrieval method. Learnt state ends in an underscore."""

    capabilities: ClassVar[Capabilities]
    config: Any  # a frozen dataclass; goes into the record

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        """Learn from everything before `seen.now`, to retrieve entities of kind `target`."""
        ...

    def index(self, seen: Observation) -> None:
        """Take in, cheaply, what arrived since `fit`: entities, texts, first interactions. No refit.

        Each view is shown to a fresh copy of the method as fitted: nothing of another view can be remembered.
        """
        ...

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        """Rank up to `k` unseen candidates for each request, best first."""
        ...


@runtime_checkable
class Describes(Protocol):
    """What a method may offer beyond its lists: what it holds of each target, for a ranker after it."""

    def describe(self) -> NDArray[np.float32] | NDArray[np.int32]:
        """Return a row for each target of the indexed view, T of them.

        Either vectors, float32 (T, D), compared by cosine, zeros where nothing is known; or codes, int32 (T, L), the
        coarsest first, -1 from where there is none. D is at most 1,024, L 16; what is above 128 MiB is not looked at.
        """
        ...
