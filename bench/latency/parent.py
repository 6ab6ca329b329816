"""Start the pinned process of one cell, listen to it, watch its time and memory, and end it when it has had enough.

What it says is the words of a stranger: nothing in it is opened or unpickled, and none of it is waited for.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from multiprocessing import connection
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from bench.handout import hand_out
from bench.latency.child import ARRAYS, Assignment
from bench.processes import Limits, beside
from bench.watching import end_session, held_bytes
from simulator.luck import stream

_ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_NO_THREAD_BESIDE = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}  # it would stay unconfined
_LOOK_SECONDS = 0.5  # a look takes milliseconds: more of them would be measured
_LONGEST_LINE, _MOST_BYTES = 1 << 20, 1 << 31


@dataclass(frozen=True, slots=True)
class Cell:
    """What to time and where: `dataset` and `case_key` are for the process beside, `file` is to hold the arrays.

    The method can read nothing below the `hidden` folders; the wall seconds of `limits` are those of the whole cell.
    """

    method: str
    task: str
    dataset: str
    case_key: int
    method_key: int
    queries: int
    seconds: float
    core: int
    limits: Limits
    hidden: tuple[str, ...]
    file: Path


@dataclass(frozen=True, slots=True)
class Told:
    """What the process said, and the CPU time of its timed stretch as the kernel has it; or why there is nothing."""

    result: dict[str, Any] | None
    spent_ns: int
    error: str | None
    confined: bool = False


class _Words(BaseModel):
    """One line of what the process says; only what there is a place for is read."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    confined: bool | None = None
    mark: Literal["begins", "ends"] | None = None
    done: int | None = None
    total: int | None = None
    error: str | None = None
    result: dict[str, Any] | None = None


def time_cell(cell: Cell, *, tell: Callable[[int, int], None]) -> Told:
    """Run one cell on one core with one thread; a process past its limits is killed, and what it started."""
    cell.file.parent.mkdir(parents=True, exist_ok=True)
    log = cell.file.with_suffix(".log")
    with tempfile.TemporaryDirectory(prefix="coldrecall-", ignore_cleanup_errors=True) as scratch:
        companion, desk = beside(hand_out, (cell.dataset, (cell.task,), cell.case_key))
        ours, theirs = os.pipe()
        with log.open("wb") as said, os.fdopen(ours, "rb") as pipe, os.fdopen(theirs, "wb") as end:
            process = _start(cell, (end.fileno(), desk), said)
            end.close()
            desk.close()
            try:
                told = _hear(process, pipe.fileno(), _assignment(cell, scratch), cell.limits, tell)
                if told.result is None and told.error is None:
                    told = replace(told, error=_last_words(process, log))
            finally:
                _end(process)
                companion.kill()
        if told.error is None:
            try:
                _take(Path(scratch) / ARRAYS, cell.file)
            except (OSError, ValueError, zipfile.BadZipFile) as error:
                return Told(None, 0, f"{ARRAYS}: expected the arrays, got {error}")
        return told


def _assignment(cell: Cell, scratch: str) -> Assignment:
    # The key of the case seeds draws of the truth too: only what follows from it leaves here.
    order_key = int(stream(cell.case_key, "latency"))
    keys, how_long = (order_key, cell.method_key), (cell.queries, cell.seconds)
    return Assignment(cell.method, cell.task, *keys, *how_long, cell.limits.memory_bytes, scratch, cell.hidden)


def _start(cell: Cell, ends: tuple[int, connection.Connection], said: Any) -> subprocess.Popen[bytes]:
    # The environment comes first: a library that is loaded before it is set keeps its threads.
    environment = os.environ | dict.fromkeys(_ONE_THREAD, "1") | _NO_THREAD_BESIDE
    environment["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
    handles = (ends[0], ends[1].fileno())
    command = [sys.executable, "-m", "bench.latency", *map(str, (cell.core, *handles, os.getpid()))]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=said,
        stderr=said,
        env=environment,
        pass_fds=handles,
        start_new_session=True,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and what it started."""
    end_session(process.pid)
    process.kill()
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        process.stdin.close()
    process.wait()


def _hear(
    process: subprocess.Popen[bytes], pipe: int, job: Assignment, limits: Limits, tell: Callable[[int, int], None]
) -> Told:
    """Give the assignment and listen; there is neither result nor error where the process ends without one."""
    assert process.stdin is not None
    until, confined = time.monotonic() + limits.seconds, False

    def look() -> None:
        if time.monotonic() > until:
            raise TimeoutError(limits.late)
        held = held_bytes(process.pid)
        if held > limits.memory_bytes:
            raise MemoryError(limits.heavy(held))

    try:
        process.stdin.write(json.dumps(asdict(job)).encode() + b"\n")
        process.stdin.flush()
        lines = (_Words.model_validate_json(line) for line in _lines(pipe, look))
        # The first is said before the method is loaded.
        confined = next(lines, _Words()).confined is True
        told = _listen(process, lines, tell)
    except BrokenPipeError:
        told = Told(None, 0, None)
    except (TimeoutError, MemoryError) as error:
        told = Told(None, 0, str(error))
    except (ValueError, KeyError, OSError) as error:
        told = Told(None, 0, f"answer: expected one of the harness, got {' '.join(str(error).split())[:300]}")
    return replace(told, confined=confined)


def _listen(process: subprocess.Popen[bytes], lines: Iterator[_Words], tell: Callable[[int, int], None]) -> Told:
    assert process.stdin is not None
    spent_ns: dict[str, int] = {}
    for words in lines:
        if words.mark is not None:
            if words.mark in spent_ns:  # one who never reads would make us wait
                raise ValueError(f"{words.mark} twice")
            spent_ns[words.mark] = _cpu_ns(process.pid)
            process.stdin.write(b"go on\n")
            process.stdin.flush()
        elif words.error is not None:
            return Told(None, 0, words.error)
        elif words.result is not None:
            surroundings = {"pressure": pressure(), "load_average": os.getloadavg()[0]}
            return Told(words.result | surroundings, spent_ns["ends"] - spent_ns["begins"], None)
        elif words.done is not None and words.total is not None:
            tell(words.done, words.total)
    return Told(None, 0, None)


def _take(arrays: Path, file: Path) -> None:
    """Copy the arrays of the process to `file`, unless they are no plain file, or unpack to more than can be held."""
    handle = os.open(arrays, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as source:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _MOST_BYTES:
            raise ValueError(f"no plain file of at most {_MOST_BYTES} bytes")
        with zipfile.ZipFile(source) as parts:
            if sum(part.file_size for part in parts.infolist()) > _MOST_BYTES:
                raise ValueError(f"more than {_MOST_BYTES} bytes")
        source.seek(0)
        temporary = file.with_name(f".{file.name}.{os.getpid()}")
        with temporary.open("wb") as target:
            shutil.copyfileobj(source, target)
        temporary.replace(file)


def _last_words(process: subprocess.Popen[bytes], log: Path) -> str:
    """Say how a process ended, and the last line that it wrote, since that is where Python says what was wrong."""
    with suppress(subprocess.TimeoutExpired):  # what closed its pipe and stays is killed
        process.wait(10)
    said = log.read_text(errors="replace").strip().splitlines()
    why = f": {said[-1][:300]}" if said else ""
    return f"the process ended with exit code {process.returncode} and no answer{why}"


def _cpu_ns(pid: int) -> int:
    """Return the CPU time of all threads of a process: what no patched clock in it can change."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat"))


def pressure() -> float | None:
    """Return the share of the last ten seconds in which something waited for a CPU, where the kernel says."""
    try:
        words = Path("/proc/pressure/cpu").read_text().split()
    except OSError:
        return None
    return float(words[1].removeprefix("avg10=")) / 100


def _lines(pipe: int, look: Callable[[], None]) -> Iterator[bytes]:
    """Yield whole lines until the end, and look at the process in between, twice a second."""
    rest, looked = b"", time.monotonic()
    while True:
        is_there = select.select([pipe], [], [], _LOOK_SECONDS)[0]
        if time.monotonic() - looked >= _LOOK_SECONDS:
            look()
            looked = time.monotonic()
        if not is_there:
            continue
        content = os.read(pipe, 1 << 16)
        if not content:
            return
        *whole, rest = (rest + content).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            raise ValueError(f"a line of more than {_LONGEST_LINE} bytes")
        yield from whole
