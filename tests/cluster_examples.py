"""A dataset, errands on it, and ways to see the processes of a cluster that a test has started."""

import os
from pathlib import Path

from bench.errand import Errand
from bench.processes import Limits
from simulator.dataset import write
from simulator.simulate import live
from simulator.spec import TINY

TASKS = ("author-cold/u2a/j0@v1", "author-cold/u2a/j5@v1", "warm/next-note@v1")
LIMITS = Limits(seconds=60)


def dataset_at(folder: Path) -> Path:
    write(folder, live(TINY, seed=3), name="tiny", origin={})
    return folder


def errand(method: str, dataset: Path, tasks: tuple[str, ...] = TASKS, limits: Limits = LIMITS) -> Errand:
    return Errand(f"{method} on it", method, tasks, str(dataset), 5, 6, limits)


def with_variable(name: str, value: str) -> list[int]:
    """Return the processes that were started with a variable set, as they and what they started were."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if f"{name}={value}".encode() in (path / "environ").read_bytes().split(b"\0"):
                found.append(int(path.name))
        except OSError:
            continue
    return found


def stands_in(pid: int) -> str:
    """Return the folder of a process, "" when it is gone."""
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return ""


def workers_below(pid: int) -> list[int]:
    """Return the Ray workers that are at an errand, among what a process has started."""
    pids = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return [one for one in pids if _is_at_errand(one) and pid in _parents(one)]


def _is_at_errand(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::errand")
    except OSError:
        return False


def _parents(pid: int) -> list[int]:
    found = []
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            break
        found.append(pid)
    return found
