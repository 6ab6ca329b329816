"""A node's part in a run on many machines: see that code and data are the head's, then supervise as a local run does.

Neither exams nor scores nor seeds come here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.errand import Errand
from bench.hashes import code_hash, method_hash
from bench.machine import describe_machine
from bench.processes import Ended, Message, run_jobs
from bench.record import Machine
from simulator.dataset.manifest import MANIFEST_FILE, read_manifest

_OURS = ("simulator", "methods", "bench")
Files = Mapping[str, Any]  # path below a dataset folder -> what `fetch` makes its bytes of


@dataclass(frozen=True, slots=True)
class Lacking:
    """The node has no such dataset: it must be sent along."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The errand of this name is at work on a machine."""

    name: str
    machine: Machine


Said = Message | Ended | Elsewhere | Lacking


@dataclass(frozen=True, slots=True)
class Order:
    """An errand, the hash of the dataset, that of the code and the module of the method, and what is to be hidden."""

    errand: Errand
    fingerprint: str
    module: str
    code: str
    hidden: tuple[str, ...]


def code_of(module: str) -> str:
    """Return the hash of our code and that of the method in a module."""
    return f"{code_hash(_OURS)} {method_hash(module)}"


def serve(order: Order, files: Files | None, *, fetch: Callable[[Any], bytes]) -> Iterator[Said]:
    """Do an errand, and yield what it says as it says it; the dataset is `files`, or lies where the head has it."""
    errand = order.errand
    machine = describe_machine()
    if code_of(order.module) != order.code:
        yield Ended(errand.name, "failed", f"code: expected that of the head, got another on {machine.cpu}")
        return
    with tempfile.TemporaryDirectory(prefix="coldrecall-", ignore_cleanup_errors=True) as place:
        if files is not None:
            errand = replace(errand, dataset=str(Path(place) / "dataset"))
            _write(Path(errand.dataset), files, fetch)
        if not _is_there(Path(errand.dataset), order.fingerprint):
            yield Lacking()
            return
        yield Elsewhere(errand.name, machine)
        job = errand.job(Path(place) / "scratch", hidden=_hidden(order.hidden, errand))
        with closing(run_jobs([job], n_workers=1)) as events:
            yield from events


def _hidden(hidden: Sequence[str], errand: Errand) -> tuple[str, ...]:
    return (*hidden, str(Path(errand.dataset).resolve()))


def _is_there(dataset: Path, fingerprint: str) -> bool:
    return (dataset / MANIFEST_FILE).is_file() and read_manifest(dataset).fingerprint == fingerprint


def _write(dataset: Path, files: Files, fetch: Callable[[Any], bytes]) -> None:
    for name, what in files.items():
        path = dataset / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(fetch(what))
