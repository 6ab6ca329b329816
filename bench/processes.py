"""Run jobs in processes of their own, a few at a time, each when what it needs is done.

A job is a module-level function with picklable arguments, called with a pipe on which it may send bytes. Processes
come from a fork server, so that none inherits what the caller holds in memory.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import connection
from multiprocessing.context import ForkServerProcess
from typing import Any

# What every worker imports anyway; nothing that knows the truth, or methods would find it in their process.
_PRELOADED = ["bench.worker", "sklearn.feature_extraction.text", "implicit"]


@dataclass(frozen=True, slots=True)
class Job:
    """A named call of `function(*args, pipe)`, after the jobs named in `needs`."""

    name: str
    function: Callable[..., None]
    args: tuple[Any, ...]
    needs: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Message:
    """Bytes that a job sent."""

    job: Job
    content: bytes


@dataclass(frozen=True, slots=True)
class Ended:
    """A job's process has ended; 0 is well."""

    job: Job
    exitcode: int


def run_jobs(jobs: Sequence[Job], *, n_workers: int) -> Iterator[Message | Ended]:
    """Run all jobs, yielding what they say as they say it; a job whose need ended badly ends badly unstarted."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    waiting, done, failed = list(jobs), set[str](), set[str]()
    running: dict[connection.Connection, tuple[Job, ForkServerProcess]] = {}
    try:
        while waiting or running:
            for job in [job for job in waiting if job.needs & failed]:
                waiting.remove(job)
                failed.add(job.name)
                yield Ended(job, 1)
            ready = [job for job in waiting if job.needs <= done]
            for job in ready[: n_workers - len(running)]:
                waiting.remove(job)
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=job.function, args=(*job.args, theirs), name=job.name)
                process.start()
                theirs.close()
                running[ours] = (job, process)
            if not running and waiting and not ready:
                raise ValueError(f"jobs: expected needs to be met, got a circle among {[job.name for job in waiting]}")
            for pipe in connection.wait(list(running)):
                assert isinstance(pipe, connection.Connection)
                job, process = running[pipe]
                try:
                    yield Message(job, pipe.recv_bytes())
                except EOFError:
                    pipe.close()
                    process.join()
                    del running[pipe]
                    (done if process.exitcode == 0 else failed).add(job.name)
                    yield Ended(job, process.exitcode or 0)
    finally:
        for _, process in running.values():
            process.kill()
