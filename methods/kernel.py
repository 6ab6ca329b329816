"""The compiler of methods' hot loops, and where their machine code is kept.

As in the simulator: numba's cache on disk watches a function's own file only, so the code is kept in a folder named by
a hash of all sources of this package.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])
_PACKAGE = Path(__file__).parent
_SOURCES = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(_PACKAGE.rglob("*.py")))).hexdigest()[:16]


def compiled(function: Function) -> Function:
    """Compile a function and keep the code."""
    return _compiled(function, {})


def compiled_loosely(function: Function) -> Function:
    """Compile a function whose sums may be taken in any order and that may divide by zero: its loops are vectorised."""
    return _compiled(function, {"fastmath": True, "error_model": "numpy"})


def _compiled(function: Function, options: dict[str, Any]) -> Function:
    config: Any = numba.config
    usual, compile_ = config.CACHE_DIR, numba.njit(cache=True, **options)
    base = Path(usual or _PACKAGE / "__pycache__")
    if os.access(base if base.exists() else base.parent, os.W_OK):
        config.CACHE_DIR = str(base / f"kernels-{_SOURCES}")
    try:
        done: Any = compile_(function)
    finally:
        config.CACHE_DIR = usual
    return done  # type: ignore[no-any-return]
