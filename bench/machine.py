"""Where a result was made: the machine, the versions, the commit."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from bench.record import Machine

_PACKAGES = ("coldrecall", "numpy", "scipy", "numba", "scikit-learn", "implicit", "pyarrow")


def describe_machine() -> Machine:
    """Return the CPU's name, the cores this process may use, and the versions that decide results."""
    return Machine(
        cpu=_cpu_name(),
        cores=len(os.sched_getaffinity(0)),
        python=platform.python_version(),
        packages={name: version(name) for name in _PACKAGES},
    )


_CODE = ("simulator", "methods", "bench", "pyproject.toml", "constraints.txt")  # what a result follows from


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def commit_of(folder: Path) -> str:
    """Return the commit of the code in `folder`, "+dirty" where the code differs, "unknown" outside a checkout.

    Pages, tests and kept records may differ: a command that adds to a record changes them itself.
    """

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True).stdout

    try:
        commit = git("rev-parse", "HEAD").strip()
        changed = git("status", "--porcelain", "--untracked-files=no", "--", *(f":/{name}" for name in _CODE))
        return commit + ("+dirty" if changed.strip() else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
