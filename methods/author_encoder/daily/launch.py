"""The ranks of a job as processes of this machine; `job.do_share` is one rank of many machines."""

from __future__ import annotations

import multiprocessing
import queue
from multiprocessing.context import SpawnProcess
from typing import Any

from methods.author_encoder.daily.chunks import missing
from methods.author_encoder.daily.work import Job, Tell, run_rank
from simulator.schema import SchemaError

POLL_SECONDS = 0.2


class RankError(RuntimeError):
    """A rank that ended before its share was done; what it had finished stays."""


def run_ranks(job: Job, n_ranks: int, *, tell: Tell) -> None:
    """Do all missing chunks with `n_ranks` processes, each with its own encoder; one rank runs in this process."""
    if n_ranks < 1:
        raise SchemaError("ranks", "at least 1", n_ranks)
    if n_ranks == 1:
        run_rank(job, 0, 1, tell=tell)
        return
    todo = missing(job.chunks, job.parts)
    context = multiprocessing.get_context("spawn")
    said = context.Queue()
    processes = [context.Process(target=_serve, args=(job, rank, n_ranks, said)) for rank in range(n_ranks)]
    for process in processes:
        process.start()
    try:
        _wait(processes, said, job, tell, len(todo))
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _serve(job: Job, rank: int, n_ranks: int, said: Any) -> None:
    """Run a rank; what goes wrong is told, since a child's traceback is seen by nobody."""
    try:
        run_rank(job, rank, n_ranks, tell=lambda what, done, total: None)
    except Exception as error:
        said.put((rank, f"{type(error).__name__}: {error}"[:2_000]))
        raise SystemExit(1) from None


def _wait(processes: list[SpawnProcess], said: Any, job: Job, tell: Tell, n_todo: int) -> None:
    """Wait for all ranks; the first that fails ends the wait with its own words."""
    while any(process.is_alive() for process in processes):
        tell("chunks", n_todo - len(missing(job.chunks, job.parts)), n_todo)
        failed = [(rank, process.exitcode) for rank, process in enumerate(processes) if process.exitcode]
        if failed:
            break
        processes[0].join(POLL_SECONDS) if processes[0].is_alive() else _join_any(processes)
    tell("chunks", n_todo - len(missing(job.chunks, job.parts)), n_todo)
    for rank, process in enumerate(processes):
        if process.exitcode:
            raise RankError(f"rank {rank}: expected to do its chunks, got {_last_words(said, process.exitcode)}")


def _join_any(processes: list[SpawnProcess]) -> None:
    next(process for process in processes if process.is_alive()).join(POLL_SECONDS)


def _last_words(said: Any, exitcode: int) -> str:
    try:
        words: str = said.get(timeout=1.0)[1]
        return words
    except queue.Empty:
        return f"exit code {exitcode}"
