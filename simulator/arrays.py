"""Named arrays in one npz file, written whole or not at all, and never unpickled."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], *, compress: bool = False) -> None:
    """Write to a temporary file beside `path`, then rename; what a kill leaves is never read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    columns: Any = dict(arrays)
    with temporary.open("wb") as file:
        (np.savez_compressed if compress else np.savez)(file, **columns)
    temporary.replace(path)


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read all arrays of a file."""
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        return dict(stored)
