"""The process in which a method lives: it is handed what a task shows, fits, answers, and reports over a pipe.

Nothing that tells the truth is here, and what else may be reached is given up before any code of the method is
loaded. What it reports is read by the run as the words of a stranger. The process ends when its parent does.
"""

from __future__ import annotations

import copy
import os
import resource
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from fcntl import F_GETFL, F_SETFL, F_SETOWN, fcntl
from multiprocessing import connection, parent_process
from pathlib import Path
from typing import Literal

import numpy as np
from threadpoolctl import threadpool_limits

from bench.answer import Answer, Description, Said, pack
from bench.confined import hide
from bench.handout import Held, Questions, View, ask
from bench.measure import Clock, Speed, Stopwatch, latency, peak_bytes, recommend_all
from bench.record import Measured
from bench.task import Shown
from bench.tasks import find_task
from bench.trials import trials
from methods.base import Budget, Method
from methods.registry import create
from simulator.luck import generator
from simulator.schema import Kind, Observation, SchemaError

MOST_DESCRIBED_BYTES = 1 << 27
_NOTHING = Clock(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Assignment:
    """One method, or a named trial of it, and the tasks to answer, in order.

    `method_key` tells no world's seed; `scratch` is an empty folder of its own.
    """

    method: str
    tasks: tuple[str, ...]
    method_key: int
    memory_bytes: float
    scratch: str
    trial: str | None = None
    budget: Budget = field(default_factory=Budget)

    def create(self) -> Method:
        """Return the method, new."""
        return create(self.method) if self.trial is None else trials(self.method)[self.trial]

    def luck(self, target: Kind) -> np.random.Generator:
        """Return what a fit draws from; all trials of a method draw the same."""
        return generator(self.method_key, f"{'fit' if self.trial is None else 'tune'}/{self.method}/{target}")


def work(job: Assignment, hidden: tuple[str, ...], desk: connection.Connection, pipe: connection.Connection) -> None:
    """Answer all tasks of a job, handed out at `desk`; an error in one does not end the others.

    Nothing below the `hidden` folders can be read here afterwards.
    """
    os.setsid()  # so that whatever the method starts can be found, and ended with it
    confined = hide(Path(job.scratch), job.method, hidden=[Path(path) for path in hidden])
    del hidden
    _end_with_parent()
    limit_memory(job.memory_bytes)
    with threadpool_limits(job.budget.threads):
        pipe.send_bytes(b"")  # from here on time is the method's
        for said in _answers(job, desk, confined):
            pipe.send_bytes(pack(said))
    pipe.close()


def _end_with_parent() -> None:
    """Let the kernel end this process and what it starts when the run ends.

    SIGIO, which ends who does not handle it, comes when the run's end of a pipe closes; a thread that waits for that
    could do nothing while a method holds the interpreter's lock.
    """
    parent = parent_process()
    if parent is None:
        return
    fcntl(parent.sentinel, F_SETOWN, -os.getpgrp())
    fcntl(parent.sentinel, F_SETFL, fcntl(parent.sentinel, F_GETFL) | os.O_ASYNC)
    if connection.wait([parent.sentinel], timeout=0):  # it had ended before
        os._exit(1)


def limit_memory(size: float) -> None:
    """Let the kernel refuse private memory beyond what is there and `size`: reserved addresses are not counted."""
    if size == float("inf"):
        return
    status = Path("/proc/self/status").read_text()
    there = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmData"))
    resource.setrlimit(resource.RLIMIT_DATA, (there + int(size), there + int(size)))


@dataclass(frozen=True, slots=True, eq=False)
class _Living:
    """A method as fitted and, a copy of it, as indexed."""

    fitted: Method
    method: Method
    fit_clock: Clock
    index_clock: Clock
    held: Held = "fit"


def _answers(job: Assignment, desk: connection.Connection, confined: bool) -> Iterator[Said]:
    """Fit and index whenever a view is handed out, and answer every task."""
    living: _Living | None = None
    for place, name in enumerate(job.tasks):
        spent = _NOTHING
        try:
            given = ask(desk, place, living.held if living is not None else "nothing")
            while isinstance(given, View):
                stage, seen = given.stage, given.seen
                with Stopwatch() as watch:
                    if stage == "fit":
                        living = None
                        living = _fit(seen, name, job)
                    elif living is not None:
                        living = replace(living, held="fit")
                        living = _index(seen, living)
                spent += watch.read
                del given, seen
                with Stopwatch() as watch:
                    given = ask(desk, place, living.held if living is not None else "nothing")
                spent += watch.read
            assert living is not None
            yield _answer(living, name, given, spent, confined)
        except (Exception, SystemExit) as error:  # whatever a method raises is its result
            status: Literal["oom", "failed"] = "oom" if isinstance(error, MemoryError) else "failed"
            yield Said(Answer(task=name, status=status, error=_described_error(error), confined=confined))


def _fit(seen: Observation, task: str, job: Assignment) -> _Living:
    method, target = job.create(), find_task(task).target
    rng = job.luck(target)
    with Stopwatch() as watch:
        method.fit(seen, target=target, rng=rng, budget=job.budget)
    return _Living(method, method, watch.read, _NOTHING)


def _index(seen: Observation, living: _Living) -> _Living:
    # A fresh copy of what was fitted: what one view shows must not reach the next.
    method = copy.deepcopy(living.fitted)
    with Stopwatch() as watch:
        method.index(seen)
    return replace(living, method=method, index_clock=watch.read, held="index")


def _answer(living: _Living, task: str, given: Questions, spent: Clock, confined: bool) -> Said:
    method, asked, cold_only_ids_QK, described_TD = living.method, find_task(task), None, None
    k = max(asked.ks)
    with Stopwatch() as watch:
        ids_QK, seconds = recommend_all(method, given.requests, k=k)
        if given.cold_only is not None:
            cold_only_ids_QK, _ = recommend_all(method, given.cold_only, k=k)
        if isinstance(asked.split, Shown):
            described_TD = _described(method)
        speed = Speed(len(given.requests) / max(seconds, 1e-9), *latency(method, given.requests, k=k))
    spent += watch.read
    measured = Measured(
        fit_seconds=living.fit_clock.wall,
        fit_cpu_seconds=living.fit_clock.cpu,
        index_seconds=living.index_clock.wall,
        **asdict(speed),
        peak_bytes=peak_bytes(),
    )
    answer = Answer(
        task=task,
        status="ok",
        measured=measured,
        cpu_seconds=spent.cpu,
        confined=confined,
        shape=(len(ids_QK), k),
    )
    return Said(answer, ids_QK, cold_only_ids_QK, described_TD)


def _described(method: Method) -> Description:
    """Return what a method holds of each target, None where it does not say or says too much to be sent."""
    describe = getattr(method, "describe", None)
    found = describe() if callable(describe) else None
    if found is None:
        return None
    is_array = type(found) is np.ndarray
    if not is_array or found.dtype not in (np.float32, np.int32) or found.ndim != 2:
        got = f"{found.dtype}{found.shape}" if is_array else type(found).__name__
        raise SchemaError("describe", "an array, float32 (T, D) or int32 (T, L)", got)
    described_TD: Description = found if found.nbytes <= MOST_DESCRIBED_BYTES else None
    return described_TD


def _described_error(error: BaseException) -> str:
    """Return the error's own words and the innermost place it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__}: {error} ({Path(frames[-1].filename).name}:{frames[-1].lineno})"[:2_000]
