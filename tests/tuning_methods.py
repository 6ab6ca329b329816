"""Methods to be tuned, sound and unsound; `TRIALS`, beside them, is that of each, and chooses what goes wrong."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from methods.base import Budget
from methods.popular import Popular, PopularConfig
from methods.ranking import rank
from simulator.schema import Kind, Observation, Requests, Slates
from tests import bad_methods, cheaters


@dataclass(frozen=True)
class Points:
    """A space to draw from, and to choose what goes wrong by."""

    a: int = 1
    b: float = 0.5


TRIALS = {f"a={a}": Points(a=a) for a in range(5)}


class Windows:
    """Popular in as many days as `a` says."""

    capabilities = Popular.capabilities

    def __init__(self, config: Points = Points()) -> None:
        self.config = config
        self.popular = Popular(PopularConfig(window_days=config.a + 0.5))

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        self.popular.fit(seen, target=target, rng=rng, budget=budget)

    def index(self, seen: Observation) -> None:
        self.popular.index(seen)

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        return self.popular.recommend(requests, k=k)


class Lucky(Windows):
    """Ranks by what the fit has drawn."""

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        self.score_T_ = rng.random(seen.catalog.count(target) + 10_000, dtype=np.float32) * budget.threads

    def index(self, seen: Observation) -> None:
        del seen

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        return rank(self.score_T_[None, : int(requests.candidates_C.max()) + 1], requests, k=k)


class Raises(bad_methods.Good):
    """Fails to fit."""

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        raise RuntimeError("no fit with a = 0")


class Fails(Windows):
    """Does what one of the bad methods does, chosen by `a`."""

    kinds: ClassVar[tuple[type[bad_methods.Good], ...]] = (
        Raises,
        cheaters.Crashes,
        cheaters.Eats,
        cheaters.ClaimsMetrics,
        cheaters.Hangs,
    )

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        self.one_ = self.kinds[self.config.a]()
        self.one_.fit(seen, target=target, rng=rng, budget=budget)

    def index(self, seen: Observation) -> None:
        self.one_.index(seen)

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        return self.one_.recommend(requests, k=k)


class Cheats(Fails):
    """Does what one of the cheaters does, chosen by `a`."""

    kinds = (cheaters.Snoops, cheaters.Foresees, cheaters.ReadsFiles, cheaters.Writes, cheaters.Forges)
