"""Methods on a Ray cluster. Ray is the extra `ray`.

An errand is a task: on its node runs the very supervisor of a local run (`bench.node`) and streams what it says. The
truth stays at the head, which alone makes exams, scores and writes. An errand whose Ray worker or node is lost is sent
once more; what had been heard of it is not passed on again.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from bench.errand import Errand
from bench.node import Elsewhere, Files, Lacking, Order, Said, code_of, serve
from bench.processes import Ended, Message
from methods.registry import create
from simulator.dataset import read_manifest


def check_address(address: str) -> None:
    """Refuse what is no address, and one where nobody listens: Ray itself would go on trying for minutes."""
    if address in ("local", "auto"):
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"ray: expected local, auto or HOST:PORT, got {address!r}")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise ConnectionError(f"ray: expected a cluster at {address}, got none: {error}") from error


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Join the cluster at `address` ("local" starts one here); with the block ends all that it runs for us."""
    ray.init(
        address=address,
        ignore_reinit_error=True,
        log_to_driver=False,
        include_dashboard=False,
        logging_level=logging.ERROR,
    )
    try:
        yield
    finally:
        ray.shutdown()


def run_errands(
    errands: Sequence[Errand], *, hidden: Sequence[str], n_at_once: int | None
) -> Iterator[Message | Ended | Elsewhere]:
    """Run errands on the cluster that is joined, yielding what is said as it comes; None: as many as it has room for.

    Nothing below the `hidden` folders can be read by a method, wherever it runs.
    """
    post = _Post(tuple(hidden))
    left = [_Sending(errand, post) for errand in errands]
    while left:
        streams = {one.stream: one for one in left if one.stream is not None}
        room = len(left) if n_at_once is None else n_at_once - len(streams)
        for one in [one for one in left if one.stream is None][:room]:
            one.send()
            streams[one.stream] = one
        for stream in ray.wait(list(streams), timeout=1.0)[0]:
            yield from streams[stream].hear()
        left = [one for one in left if not one.has_ended]


class _Sending:
    """An errand, the stream of what is said of it once it is sent, and how much of that was passed on."""

    def __init__(self, errand: Errand, post: _Post) -> None:
        self._errand, self._post = errand, post
        self._files: Files | None = None
        self.stream: Any = None
        self.has_ended, self._was_lost = False, False
        self._n_heard, self._n_passed = 0, 0

    def send(self) -> None:
        """Send it, for the first time or again."""
        self.stream, self._n_heard = self._post.send(self._errand, self._files), 0

    def hear(self) -> Iterator[Message | Ended | Elsewhere]:
        """Yield what is new; without a stream it must be sent again."""
        said = self._next()
        if isinstance(said, Message):
            self._n_heard += 1
            if self._n_heard <= self._n_passed:
                return
            self._n_passed += 1
        if isinstance(said, Lacking):
            self.stream, self._files = None, self._post.files_of(self._errand)
        elif said is not None:
            self.has_ended = isinstance(said, Ended)
            yield replace(said, name=self._errand.name)

    def _next(self) -> Said | None:
        try:
            said: Said = ray.get(next(self.stream))
            return said
        except RayTaskError as error:
            return Ended("", "failed", f"on its node: {type(error.cause).__name__}: {error.cause}"[:2_000])
        except (RayError, StopIteration) as error:
            if self._was_lost:
                return Ended("", "failed", f"its Ray worker or node was lost twice: {type(error).__name__}")
            self.stream, self._was_lost = None, True
            return None


class _Post:
    """Sends errands; a dataset goes into the object store when a node first lacks it."""

    def __init__(self, hidden: tuple[str, ...]) -> None:
        self._hidden, self._files = hidden, dict[str, Files]()

    def send(self, errand: Errand, files: Files | None) -> Any:
        """Start the task; return the stream of what it says."""
        method, fingerprint = create(errand.method), read_manifest(Path(errand.dataset)).fingerprint
        module = type(method).__module__
        # Names of errands may hold seeds, and stay here.
        order = Order(replace(errand, name="errand"), fingerprint, module, code_of(module), self._hidden)
        task: Any = ray.remote(_serve).options(
            name="errand",
            num_returns="streaming",
            num_cpus=1,
            num_gpus=int(method.capabilities.device == "cuda"),
            max_retries=0,
        )
        return task.remote(order, files)

    def files_of(self, errand: Errand) -> Files:
        """Put the files of a dataset into the object store, once."""
        folder = Path(errand.dataset)
        if errand.dataset not in self._files:
            paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
            self._files[errand.dataset] = {str(path.relative_to(folder)): ray.put(path.read_bytes()) for path in paths}
        return self._files[errand.dataset]


def _serve(order: Order, files: Files | None) -> Iterator[Said]:
    yield from serve(order, files, fetch=ray.get)
