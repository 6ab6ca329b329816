"""The named trials of a method: those of the table, or those beside a class that is not in it."""

from __future__ import annotations

import sys
from typing import Any

from methods.base import Method
from methods.registry import create, trials_of


def trials(name: str) -> dict[str, Method]:
    """Return a new method for each trial; of "package.module:Class" the configs are `TRIALS` of its module."""
    if ":" not in name:
        return trials_of(name)
    made: Any = type(create(name))
    table = vars(sys.modules[made.__module__]).get("TRIALS")
    if not isinstance(table, dict):
        raise ValueError(f"method: expected a table TRIALS of configs in {made.__module__}, got {table!r}")
    return {trial: made(config) for trial, config in table.items()}
