"""Start the pinned process of one cell, listen to it, keep its time, and end it when it has had enough."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.latency.child import Assignment

_ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Told:
    """What the process said, and the CPU time of its timed stretch as the kernel has it; or why there is nothing."""

    result: dict[str, Any] | None
    spent_ns: int
    error: str | None


def time_cell(job: Assignment, *, core: int, limit_seconds: float, tell: Callable[[int, int], None]) -> Told:
    """Run one cell on one core with one thread; a process past its limit is killed."""
    ours, theirs = os.pipe()
    # The environment comes first: a library that is loaded before it is set keeps its threads.
    environment = os.environ | dict.fromkeys(_ONE_THREAD, "1")
    environment["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
    command = [sys.executable, "-m", "bench.latency", str(core), str(theirs), str(os.getpid())]
    log = Path(job.file).with_suffix(".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as said, os.fdopen(ours, "rb") as pipe:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=said, stderr=said, env=environment, pass_fds=[theirs]
        )
        os.close(theirs)
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(asdict(job)).encode() + b"\n")
            process.stdin.flush()
            told = _listen(process, _lines(pipe.fileno(), time.monotonic() + limit_seconds), tell)
            if told is None:
                return Told(
                    None, 0, f"the process ended with exit code {process.wait()} and no answer{_last_words(log)}"
                )
            return told
        except TimeoutError:
            return Told(None, 0, f"expected an answer within {limit_seconds:g} s, got none")
        except BrokenPipeError:
            return Told(None, 0, f"the process ended with exit code {process.wait()} before it began")
        finally:
            process.kill()
            process.stdin.close()
            process.wait()


def _listen(process: subprocess.Popen[bytes], lines: Iterator[bytes], tell: Callable[[int, int], None]) -> Told | None:
    assert process.stdin is not None
    spent_ns: dict[str, int] = {}
    for line in lines:
        words = json.loads(line)
        if "mark" in words:
            spent_ns[words["mark"]] = _cpu_ns(process.pid)
            process.stdin.write(b"go on\n")
            process.stdin.flush()
        elif "done" in words:
            tell(words["done"], words["total"])
        elif "error" in words:
            return Told(None, 0, words["error"])
        else:
            return Told(words["result"], spent_ns["ends"] - spent_ns["begins"], None)
    return None


def _last_words(log: Path) -> str:
    """Return the last line that a process wrote, since that is where Python says what was wrong."""
    said = log.read_text(errors="replace").strip().splitlines()
    return f": {said[-1][:300]}" if said else ""


def _cpu_ns(pid: int) -> int:
    """Return the CPU time of all threads of a process: what no patched clock in it can change."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat"))


def _lines(pipe: int, deadline: float) -> Iterator[bytes]:
    """Yield whole lines until the end; raise TimeoutError at the deadline."""
    rest = b""
    while True:
        if not select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise TimeoutError
        content = os.read(pipe, 1 << 16)
        if not content:
            return
        *whole, rest = (rest + content).split(b"\n")
        yield from whole
