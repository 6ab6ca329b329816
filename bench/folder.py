"""The folder of a run: where things lie, one run at a time, every file written whole or not at all."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simulator.arrays import save_arrays


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths below the folder of a run."""

    root: Path

    @property
    def records(self) -> Path:
        """The append-only record lines."""
        return self.root / "records.jsonl"

    @property
    def datasets(self) -> Path:
        """Dataset folders, one a source."""
        return self.root / "datasets"

    @property
    def exams(self) -> Path:
        """Answer keys; no method is told of this folder."""
        return self.root / "exams"

    @property
    def report(self) -> Path:
        """The page."""
        return self.root / "report.html"

    def write_values(self, cell: str, values: dict[str, NDArray[np.float64]]) -> str:
        """Keep the per-request values of a cell; return their path relative to the root."""
        relative = f"values/{cell}.npz"
        columns = {name: column.astype(np.float32) for name, column in values.items()}
        save_arrays(self.root / relative, columns, compress=True)
        return relative


class BusyError(RuntimeError):
    """Another process is running in the folder."""


@contextmanager
def locked(folder: RunFolder) -> Iterator[None]:
    """Hold the folder for one run; a lock dies with its process, so a kill leaves none behind."""
    folder.root.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder.root / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise BusyError(f"{folder.root}: expected no other run in this folder, got one at work") from error
    try:
        yield
    finally:
        os.close(handle)
