"""Bytes of this process and of things."""

from __future__ import annotations

import io
import pickle
from pathlib import Path


def resident_bytes(*, peak: bool = False) -> int:
    """Return what the process holds in memory, or the most that it ever held."""
    field = "VmHWM:" if peak else "VmRSS:"
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status: expected a line {field}, got none")


class _Counter(io.RawIOBase):
    """A file that only counts."""

    def __init__(self) -> None:
        super().__init__()
        self.n = 0

    def writable(self) -> bool:
        """Say that it can be written to."""
        return True

    def write(self, data: object) -> int:
        """Count the bytes and forget them."""
        n = memoryview(data).nbytes  # type: ignore[arg-type]
        self.n += n
        return n


def pickled_bytes(thing: object) -> int | None:
    """Return the size of a pickle that is written nowhere; None where the thing has none.

    What pickles by fewer bytes than it holds, or by more, says so itself in `__reduce__`.
    """
    counter = _Counter()
    try:
        pickle.Pickler(counter, protocol=5).dump(thing)
    except Exception:  # any part of it may refuse, each in its own way
        return None
    return counter.n
