"""Run jobs in processes of their own, a few at a time, each when what it needs is done, and within its limits.

A job is a module-level function with picklable arguments, called with a pipe on which it may send bytes. Processes
come from a fork server, so that none inherits what the caller holds in memory. What a job says is read as bytes and
never waited for: no job can stop the others, whatever it does.
"""

from __future__ import annotations

import math
import multiprocessing
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

from bench.record import Status
from bench.watching import LONGEST, Frames, Spent, end_session, held_bytes, spent_by

# What every worker imports anyway; nothing that knows the truth, or methods would find it in their process.
_PRELOADED = ["bench.worker", "sklearn.feature_extraction.text", "implicit"]
_LOOK_SECONDS = 0.1  # between two looks at what the jobs take


@dataclass(frozen=True, slots=True)
class Limits:
    """What a job may take: wall seconds from one message to the next, and bytes of memory with all it started."""

    seconds: float = math.inf
    memory_bytes: float = math.inf

    def __post_init__(self) -> None:
        for name in ("seconds", "memory_bytes"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: expected more than 0, got {getattr(self, name)}")

    @property
    def late(self) -> str:
        """Say what is wrong with a job that took longer."""
        return f"expected an answer within {self.seconds:g} s, got none"

    def heavy(self, held: float) -> str:
        """Say what is wrong with a job that held this many bytes."""
        return f"expected at most {self.memory_bytes / 1e6:,.0f} MB, got {held / 1e6:,.0f} MB"


@dataclass(frozen=True, slots=True)
class Job:
    """A named call of `function(*args, pipe)`, after the jobs named in `needs`.

    `beside` is a second call, in another process, which ends with the job; the two get the ends of a pipe of their own
    before the last argument, or as the last one. `n_messages` is the most that the job has to say.
    """

    name: str
    function: Callable[..., None]
    args: tuple[Any, ...]
    needs: frozenset[str] = field(default_factory=frozenset)
    beside: tuple[Callable[..., None], tuple[Any, ...]] | None = None
    limits: Limits = Limits()
    n_messages: int = 1


@dataclass(frozen=True, slots=True)
class Message:
    """Bytes that a job sent, and what the kernel says that it has spent, at the least, since its last message."""

    name: str
    content: bytes
    spent: Spent


@dataclass(frozen=True, slots=True)
class Ended:
    """A job's process has ended; `why` is said where not well."""

    name: str
    status: Status
    why: str = ""


class _Running:
    """A job at work: its process, and what was last seen of it."""

    def __init__(self, job: Job) -> None:
        self.job, context = job, _context()
        self.pipe, theirs = context.Pipe(duplex=False)
        ends: tuple[connection.Connection, ...] = (theirs,)
        self._beside: ForkServerProcess | None = None
        if job.beside is not None:
            self._beside, here = beside(*job.beside)
            ends = (here, theirs)
        # Names of processes can be read within them, and job names may hold seeds.
        self._process = context.Process(target=job.function, args=(*job.args, *ends), name="job", daemon=False)
        _start(self._process)
        for end in ends:
            end.close()
        self._frames, self._started = Frames(), time.monotonic()
        self._told = self._seen = self._spent()

    @property
    def sentinel(self) -> int:
        """What becomes ready when the process ends."""
        return self._process.sentinel

    def messages(self) -> Iterator[Message]:
        """Yield the whole messages that are there; raise EOFError after the last one, ValueError for what is none."""
        for content in self._frames.read(self.pipe.fileno()):
            yield Message(self.job.name, content, self._seen - self._told)
            self._told = self._seen = self._spent()

    def beyond(self) -> tuple[Status, str] | None:
        """Look at what the job takes; say which limit it is beyond, if any."""
        self._seen, limits = self._spent(), self.job.limits
        waited, lived = (self._seen - self._told).wall, time.monotonic() - self._started
        if waited > limits.seconds or lived > limits.seconds * self.job.n_messages:
            return "timeout", limits.late
        if math.isfinite(limits.memory_bytes):
            held = held_bytes(self._process.pid)
            if held > limits.memory_bytes:
                return "oom", limits.heavy(held)
        return None

    def end(self) -> None:
        """Kill what is still there: the process, what it started, and its companion."""
        end_session(self._process.pid)
        for process in (self._process, self._beside):
            if process is not None:
                process.kill()
        self.pipe.close()

    def ended(self) -> Ended:
        """Wait for the process to end, and say how it did."""
        self._process.join(10)  # what closed its pipe and stays is killed
        code = self._process.exitcode
        self.end()
        if code == 0:
            return Ended(self.job.name, "ok")
        if code is not None and code < 0:
            return Ended(self.job.name, "failed", f"the process was ended by {signal.Signals(-code).name}")
        return Ended(self.job.name, "failed", f"the process ended with exit code {code}")

    def _spent(self) -> Spent:
        return spent_by(self._process.pid)


def beside(function: Callable[..., None], args: tuple[Any, ...]) -> tuple[ForkServerProcess, connection.Connection]:
    """Start a companion, `function(*args, pipe)`; return it and the other end of its pipe, by whose close it ends."""
    context = _context()
    here, there = context.Pipe()
    process = context.Process(target=function, args=(*args, there), name="beside", daemon=True)
    _start(process)
    there.close()
    return process, here


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


def _start(process: ForkServerProcess) -> None:
    """Start a process that does not import the caller's script: jobs need nothing of it, and it may know the truth."""
    script = vars(sys.modules["__main__"])
    path = script.pop("__file__", None)
    try:
        process.start()
    finally:
        if path is not None:
            script["__file__"] = path


def run_jobs(jobs: Sequence[Job], *, n_workers: int) -> Generator[Message | Ended]:
    """Run all jobs, yielding what they say as they say it; a job whose need ended badly ends badly unstarted."""
    waiting, done, failed = list(jobs), set[str](), set[str]()
    running: list[_Running] = []
    try:
        while waiting or running:
            for job in [job for job in waiting if job.needs & failed]:
                waiting.remove(job)
                failed.add(job.name)
                yield Ended(job.name, "failed", "what it needs could not be made")
            ready = [job for job in waiting if job.needs <= done]
            for job in ready[: n_workers - len(running)]:
                waiting.remove(job)
                running.append(_Running(job))
            if not running and waiting and not ready:
                raise ValueError(f"jobs: expected needs to be met, got a circle among {[job.name for job in waiting]}")
            for event in _look(running):
                if isinstance(event, Ended):
                    (done if event.status == "ok" else failed).add(event.name)
                yield event
    finally:
        for one in running:
            one.end()


def _look(running: list[_Running]) -> Iterator[Message | Ended]:
    """Yield what the jobs have to say, if anything; end those beyond their limits. What has ended leaves the list."""
    waited_for = [end for one in running for end in (one.pipe, one.sentinel)]
    speaking = set(connection.wait(waited_for, timeout=_LOOK_SECONDS))
    for one in list(running):
        try:
            if one.pipe in speaking:
                yield from one.messages()
            elif one.sentinel in speaking:  # it is gone, and something that it started keeps its pipe open
                raise EOFError
            elif (beyond := one.beyond()) is not None:
                one.end()
                running.remove(one)
                yield Ended(one.job.name, *beyond)
        except EOFError:
            running.remove(one)
            yield one.ended()
        except ValueError as error:
            one.end()
            running.remove(one)
            yield Ended(one.job.name, "failed", f"message: expected at most {LONGEST} bytes, {error}")
