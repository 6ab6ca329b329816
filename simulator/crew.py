"""Many hands for one world: every hand keeps a whole copy, serves its share of the hour's users, and hears the rest.

Sessions of an hour read the state at its start and nothing else, so their impressions are the same wherever they are
served; joined in order of users they are the bytes of one hand alone. What is sent is the hour's impressions, not the
state. The hands are processes here (`Processes`) or actors on a Ray cluster (`simulator.ray_crew`).
"""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

from simulator.checkpoint import restore
from simulator.spec import WorldSpec
from simulator.tick import Impressions, joined
from simulator.world import World


class Crew(Protocol):
    """The other hands, in order of their shares."""

    def ask(self) -> None:
        """Have every hand serve its share of this hour."""
        ...

    def collect(self) -> list[Impressions]:
        """Return what they served, in order of users."""
        ...

    def tell(self, shown: Impressions) -> None:
        """Let every hand enter the impressions of the whole hour."""
        ...


class Nobody:
    """No other hands."""

    def ask(self) -> None:
        """Do nothing."""

    def collect(self) -> list[Impressions]:
        """Return nothing."""
        return []

    def tell(self, shown: Impressions) -> None:
        """Do nothing."""


def share_of(n: int, index: int, count: int) -> tuple[int, int]:
    """Return the bounds [first, last) of share `index` among `count` of n sessions."""
    return n * index // count, n * (index + 1) // count


def live_hour(world: World, crew: Crew, count: int) -> None:
    """Live one hour with `count` hands, the caller's world being the first."""
    n = len(world.visitors())
    crew.ask()
    mine = world.serve(*share_of(n, 0, count))
    shown = joined([mine, *crew.collect()])
    crew.tell(shown)
    world.settle(shown)


def packed(shown: Impressions) -> bytes:
    """Return impressions as bytes for a hand of the same crew."""
    return pickle.dumps(tuple(shown), protocol=5)


def unpacked(data: bytes) -> Impressions:
    """Return the impressions that `packed` wrote; only ever read from a hand of the same crew."""
    return Impressions(*pickle.loads(data))


class Hand:
    """One hand: its copy of the world and its share."""

    def __init__(self, spec: WorldSpec, seed: int, checkpoint: Path | None, share: tuple[int, int]) -> None:
        self._world = World(spec, seed=seed) if checkpoint is None else restore(spec, checkpoint)
        self._share = share

    def serve(self) -> bytes:
        """Serve the share of this hour."""
        bounds = share_of(len(self._world.visitors()), *self._share)
        return packed(self._world.serve(*bounds))

    def settle(self, data: bytes) -> None:
        """Enter the impressions of the whole hour; the log is the first hand's business."""
        self._world.settle(unpacked(data))
        self._world.drain()


class Processes:
    """Hands in processes of this machine."""

    def __init__(self, pipes: list[Connection]) -> None:
        self._pipes = pipes

    def ask(self) -> None:
        """Have every process serve its share."""
        for pipe in self._pipes:
            pipe.send_bytes(b"")

    def collect(self) -> list[Impressions]:
        """Return what they served."""
        return [unpacked(pipe.recv_bytes()) for pipe in self._pipes]

    def tell(self, shown: Impressions) -> None:
        """Send the whole hour to every process."""
        data = packed(shown)
        for pipe in self._pipes:
            pipe.send_bytes(data)


@contextmanager
def processes(spec: WorldSpec, seed: int, checkpoint: Path | None, count: int) -> Iterator[Processes]:
    """Start `count - 1` processes beside the caller; they end with the block, or when the caller dies."""
    context = multiprocessing.get_context("spawn")
    pipes, workers = [], []
    for index in range(1, count):
        ours, theirs = context.Pipe()
        worker = context.Process(target=_work, args=(theirs, spec, seed, checkpoint, (index, count)), daemon=True)
        worker.start()
        theirs.close()
        pipes.append(ours)
        workers.append(worker)
    try:
        yield Processes(pipes)
    finally:
        for pipe in pipes:
            pipe.close()
        for worker in workers:
            worker.join(timeout=10.0)
            worker.terminate()


def _work(pipe: Connection, spec: WorldSpec, seed: int, checkpoint: Path | None, share: tuple[int, int]) -> None:
    """Serve and settle hour by hour until the caller closes the pipe."""
    hand = Hand(spec, seed, checkpoint, share)
    try:
        while True:
            pipe.recv_bytes()
            pipe.send_bytes(hand.serve())
            hand.settle(pipe.recv_bytes())
    except (EOFError, OSError):
        return
