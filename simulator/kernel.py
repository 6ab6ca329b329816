"""The compiler of the hot loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile a function of the hot loop without reference counts: counting costs more than the arithmetic.

    Such a function may take views of its arguments, which outlive it, but allocate nothing and return no array.
    Division by zero gives infinity, as in numpy.
    """
    compile_: Any = numba.njit(cache=True, _nrt=False, error_model="numpy")  # type: ignore[call-overload]
    compiled: Function = compile_(function)
    return compiled
