"""The compilers of hot loops, and where their machine code is kept.

numba's cache on disk watches a function's own file only: after an edit of something it calls or inlines from another
file it would go on running the old code. So the code is kept in a folder named by a hash of all sources of this
package.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numba

from simulator.sources import digest_of

Function = TypeVar("Function", bound=Callable[..., Any])
_PACKAGE = Path(__file__).parent


def compiled(function: Function) -> Function:
    """Compile a function that may allocate arrays and return them."""
    return _cached(function, _nrt=True)


def kernel(function: Function) -> Function:
    """Compile a function of the hot loop without reference counts: counting costs more than the arithmetic.

    Such a function may take views of its arguments, which outlive it, but allocates nothing and returns no array.
    """
    return _cached(function, _nrt=False, forceinline=True)


def inlined(function: Function) -> Function:
    """Compile a function of numbers into its callers."""
    return _cached(function, inline="always")


def _cached(function: Function, **options: Any) -> Function:
    """Compile, division by zero giving infinity as in numpy, and keep the code."""
    with _folder_of_these_sources():
        compile_: Any = numba.njit(cache=True, error_model="numpy", **options)
        done: Function = compile_(function)
    return done


@contextmanager
def _folder_of_these_sources() -> Iterator[None]:
    """Point numba's cache to the folder of the sources as they are; nowhere where that cannot be written."""
    config: Any = numba.config
    usual = config.CACHE_DIR
    base = Path(usual or _PACKAGE / "__pycache__")
    if os.access(base if base.exists() else base.parent, os.W_OK):
        config.CACHE_DIR = str(base / f"kernels-{_SOURCES}")
    try:
        yield
    finally:
        config.CACHE_DIR = usual


_SOURCES = digest_of(_PACKAGE.glob("*.py"))[:16]
