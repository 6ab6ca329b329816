"""Hands on a Ray cluster: the same crew as `simulator.crew`, one actor a hand. Ray is the extra `ray`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray

from simulator.crew import Hand, packed, unpacked
from simulator.spec import WorldSpec
from simulator.tick import Impressions


class Actors:
    """Hands as actors; the bytes of an hour go into the object store once."""

    def __init__(self, actors: list[Any]) -> None:
        self._actors = actors
        self._served: list[Any] = []
        self._settled: list[Any] = []

    def ask(self) -> None:
        """Have every actor serve its share; an actor does one thing after another, so nobody has to wait."""
        self._served = [actor.serve.remote() for actor in self._actors]

    def collect(self) -> list[Impressions]:
        """Return what they served; an error of an actor comes out here."""
        ray.get(self._settled)
        return [unpacked(data) for data in ray.get(self._served)]

    def tell(self, shown: Impressions) -> None:
        """Send the whole hour to every actor."""
        data = ray.put(packed(shown))
        self._settled = [actor.settle.remote(data) for actor in self._actors]


@contextmanager
def actors(spec: WorldSpec, seed: int, checkpoint: Path | None, count: int, address: str) -> Iterator[Actors]:
    """Start `count - 1` actors on the cluster at `address` ("local" starts one here); they end with the block.

    A checkpoint must lie where every node can read it.
    """
    ray.init(address=address, ignore_reinit_error=True, log_to_driver=False, include_dashboard=False)
    remote: Any = ray.remote(num_cpus=1)(Hand)
    try:
        yield Actors([remote.remote(spec, seed, checkpoint, (index, count)) for index in range(1, count)])
    finally:
        ray.shutdown()
