"""Make a process fit to hold a stranger's code: nothing tells it what is run, and little is left to reach."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numba

import methods.kernel
from bench.sandbox import code_and_system, confine

_KERNELS = Path(methods.kernel.__file__).parent / "__pycache__"
_TELLING = ("COLDRECALL_", "PWD", "OLDPWD", "PYTEST_", "RAY_")


def hide(scratch: Path, method: str, *, hidden: Sequence[Path]) -> bool:
    """Forget arguments and surroundings, move to `scratch`, and give up all else; say whether the kernel held it.

    Must be called while the process has one thread.
    """
    sys.argv[:] = sys.argv[:1]
    for name in list(os.environ):
        if name.startswith(_TELLING):
            del os.environ[name]
    sys.path[:] = [os.path.abspath(place) for place in sys.path]
    os.chdir(scratch)
    os.environ["TMPDIR"] = tempfile.tempdir = str(scratch)
    kernels = _kernels_of(method) or scratch
    config: Any = numba.config
    config.CACHE_DIR = str(kernels)
    return confine(code_and_system(hidden=hidden, writable=[scratch, kernels]))


def _kernels_of(method: str) -> Path | None:
    """Return the folder of a method's machine code, at first a copy of ours; None where none can be kept.

    Others load and run what lies in ours, so a method writes to one of its own.
    """
    own = _KERNELS / "confined" / method.partition("/")[0].replace(":", "~")  # trials of a method share its code
    try:
        own.mkdir(parents=True)
    except FileExistsError:
        return own
    except OSError:
        return None
    for folder in _KERNELS.glob("kernels-*"):
        shutil.copytree(folder, own / folder.name, dirs_exist_ok=True)
    return own
