"""The process in which a method lives: it gets a dataset without truth, fits, answers, and reports by file.

Each answer is an npz file and one JSON line over the pipe. The process ends when its parent does.
"""

from __future__ import annotations

import copy
import json
import os
import threading
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from multiprocessing import connection, parent_process
from pathlib import Path

from threadpoolctl import threadpool_limits

from bench.case import Case, Opener, Split
from bench.measure import Clock, Speed, Stopwatch, latency, peak_bytes, recommend_all
from bench.split import Views
from bench.tasks import find_task
from methods.base import Budget, Method
from methods.registry import create
from simulator.arrays import save_arrays
from simulator.dataset import read
from simulator.luck import generator
from simulator.schema import Kind, Observation


@dataclass(frozen=True, slots=True)
class Assignment:
    """One method on one dataset: the tasks to answer, in order. The keys are hashes and tell no world's seed."""

    method: str
    dataset: str
    tasks: tuple[str, ...]
    case_key: int
    method_key: int
    scratch: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the worker says of one task: a file of slates and what was measured, or an error."""

    task: str
    error: str | None = None
    file: str | None = None
    measured: dict[str, float] | None = None


def work(job: Assignment, pipe: connection.Connection) -> None:
    """Answer all tasks of a job; an error in one does not end the others."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with threadpool_limits(1):
        whole = read(Path(job.dataset)).observation
        for answer in _answers(job, whole):
            pipe.send_bytes(json.dumps(asdict(answer)).encode())
    pipe.close()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _answers(job: Assignment, whole: Observation) -> Iterator[Answer]:
    """Fit when the target or split changes, index when the view changes, and answer every task."""
    opener = Opener(whole, key=job.case_key)
    living: _Living | None = None
    for name in job.tasks:
        task = find_task(name)
        try:
            case = opener.open(task)
            if living is None or living.fitted_for != (task.target, task.split):
                living = _fit(case, job)
            if living.indexed is not case.cut:
                # A fresh copy of what was fitted: what one view shows must not reach the next.
                method = copy.deepcopy(living.fitted)
                with Stopwatch() as watch:
                    method.index(case.cut.index)
                living = replace(living, method=method, indexed=case.cut, index_clock=watch.read)
            yield _answer(living, case, job)
        except (Exception, SystemExit) as error:  # whatever a method raises is its result
            yield Answer(name, error=_describe(error))


@dataclass(frozen=True, slots=True, eq=False)
class _Living:
    """A method as fitted and, a copy of it, as indexed; and what they were fitted and indexed on."""

    fitted: Method
    method: Method
    fitted_for: tuple[Kind, Split]
    fit_clock: Clock
    indexed: Views | None = None
    index_clock: Clock | None = None


def _fit(case: Case, job: Assignment) -> _Living:
    method, target = create(job.method), case.task.target
    rng = generator(job.method_key, f"fit/{job.method}/{target}")
    with Stopwatch() as watch:
        method.fit(case.cut.fit, target=target, rng=rng, budget=Budget())
    return _Living(method, method, (target, case.task.split), watch.read)


def _answer(living: _Living, case: Case, job: Assignment) -> Answer:
    method = living.method
    k = max(case.task.ks)
    ids_QK, seconds = recommend_all(method, case.requests, k=k)
    arrays = {"ids_QK": ids_QK}
    if case.cold_only is not None:
        arrays["cold_only_ids_QK"], _ = recommend_all(method, case.cold_only, k=k)
    speed = Speed(len(case.requests) / max(seconds, 1e-9), *latency(method, case.requests, k=k))
    file = Path(job.scratch) / f"{case.task.id.replace('/', '~')}.npz"
    save_arrays(file, arrays)
    index_clock = living.index_clock or Clock(0.0, 0.0)
    measured = {
        "fit_seconds": living.fit_clock.wall,
        "fit_cpu_seconds": living.fit_clock.cpu,
        "index_seconds": index_clock.wall,
        **asdict(speed),
        "peak_bytes": peak_bytes(),
    }
    return Answer(case.task.id, file=str(file), measured=measured)


def _describe(error: BaseException) -> str:
    """Return the error's own words and the innermost place it came from."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno})"
