"""Methods for a cluster: one that takes its time, one that wants a GPU."""

import os
import time

import numpy as np

from methods.base import Budget, Capabilities
from simulator.schema import Kind, Observation
from tests.bad_methods import Good
from tests.cheaters import FoundError


class Slow(Good):
    """Sleeps while it fits: long enough to lose it in between."""

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        time.sleep(5)
        super().fit(seen, target=target, rng=rng, budget=budget)


class OnGPU(Good):
    """Declares that it wants a GPU, and says which it was given."""

    capabilities = Capabilities(Good.capabilities.serves, cold_targets=False, device="cuda")

    def index(self, seen: Observation) -> None:
        raise FoundError(f"found GPU {os.environ.get('CUDA_VISIBLE_DEVICES')!r}")
