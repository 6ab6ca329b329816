"""Named trials of a method: the configs that tuning tries, a literal table beside the method or random draws.

`methods.registry.TRIALS` says which table belongs to which method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

Config = TypeVar("Config")


def drawn(base: Config, space: Mapping[str, Sequence[Any]], n: int, *, rng: np.random.Generator) -> dict[str, Config]:
    """Return `base` and n - 1 other distinct random points of `space` (field -> values), named by what they set."""
    n_points = int(np.prod([len(values) for values in space.values()]))
    if n_points <= n:
        raise ValueError(f"space: expected more than {n} points, got {n_points}")
    trials, tried = {"base": base}, [base]
    while len(trials) < n:
        settings = {field: values[int(rng.integers(len(values)))] for field, values in space.items()}
        config = replace(base, **settings)  # type: ignore[type-var]
        if config not in tried:
            tried.append(config)
            trials[",".join(f"{field}={value}" for field, value in settings.items())] = config
    return trials
