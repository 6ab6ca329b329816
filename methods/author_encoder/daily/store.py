"""Where online requests find vectors: any number of versions side by side, one of them live.

A version is written, checked against the shards value by value, sealed, and only then switched to; readers see one
version or the other, never some of both. `LocalStore` is the store without a server: files that are mapped into the
reading process. Shapes: A authors, D dimensions, Q asked.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from methods.author_encoder.daily.encoders import Floats
from methods.author_encoder.daily.shards import Vectors
from methods.author_encoder.disk import flush, write_whole


class StoreError(OSError):
    """A store that cannot be reached, lacks a version, or does not hold what was written to it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What a version of a store holds."""

    version: int
    n_authors: int
    n_dimensions: int
    dtype: str
    model: str

    @property
    def record(self) -> np.dtype[Any]:
        """One author's value: the vector, little-endian, and a byte that is not 0 where it is a fill."""
        return np.dtype([("vector", np.dtype(self.dtype).newbyteorder("<"), (self.n_dimensions,)), ("fill", "u1")])

    def records(self, vectors: Vectors) -> NDArray[Any]:
        """Return the values of some authors."""
        records_A = np.empty(len(vectors), self.record)
        records_A["vector"], records_A["fill"] = vectors.vectors_AD, vectors.fill_A
        return records_A


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The vectors of those asked for, zeros where there is none, and whether each is a fill."""

    version: int
    vectors_QD: Floats
    fill_Q: NDArray[np.uint8]
    is_known_Q: NDArray[np.bool_]


class Store(Protocol):
    """Versions of vectors; every method raises StoreError when the store fails."""

    def live(self) -> int:
        """Return the live version, 0 for none."""
        ...

    def begin(self, layout: Layout) -> None:
        """Make room for a version, dropping what an earlier try left; a live one is refused."""
        ...

    def write(self, layout: Layout, vectors: Vectors) -> None:
        """Write the next authors, in ascending order."""
        ...

    def check(self, layout: Layout, vectors: Vectors) -> None:
        """Read the same authors back and refuse any difference, naming the author."""
        ...

    def seal(self, layout: Layout) -> None:
        """Mark a version as complete."""
        ...

    def switch(self, version: int) -> None:
        """Make a sealed version live, in one step for readers, and remember the one before it."""
        ...

    def rollback(self) -> int:
        """Make the version before the live one live again and return it; it can be done once."""
        ...

    def get(self, author_Q: NDArray[np.int64]) -> Found:
        """Return the live vectors of some authors."""
        ...

    def sweep(self) -> tuple[int, ...]:
        """Remove all versions but the live one and the one before it; return which."""
        ...


class LocalStore:
    """A folder: v17/ids.bin, v17/records.bin, v17/sealed.json, and live.json that points at one."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._open: tuple[Layout, NDArray[np.int64], NDArray[Any]] | None = None

    def live(self) -> int:
        """Return the live version, 0 for none."""
        return self._pointer()[0]

    def begin(self, layout: Layout) -> None:
        """Make an empty folder for it."""
        if layout.version == self.live():
            raise StoreError(f"{self._root}: expected a version that is not live, got {layout.version}")
        shutil.rmtree(self._folder(layout.version), ignore_errors=True)
        self._folder(layout.version).mkdir(parents=True)

    def write(self, layout: Layout, vectors: Vectors) -> None:
        """Append to both files."""
        with self._failing(layout.version):
            for file, values in (("ids.bin", vectors.author_A), ("records.bin", layout.records(vectors))):
                with (self._folder(layout.version) / file).open("ab") as out:
                    out.write(values.tobytes())

    def check(self, layout: Layout, vectors: Vectors) -> None:
        """Compare with the files as mapped."""
        ids_A, records_A = self._mapped(layout)
        place_A = np.minimum(np.searchsorted(ids_A, vectors.author_A), len(ids_A) - 1)
        same_A = (ids_A[place_A] == vectors.author_A) & (records_A[place_A] == layout.records(vectors))
        refuse_difference(str(self._root), layout.version, vectors.author_A, same_A)

    def seal(self, layout: Layout) -> None:
        """Have the disk hold all, then say so."""
        n_ids = len(self._mapped(layout)[0])
        if n_ids != layout.n_authors:
            raise StoreError(f"{self._folder(layout.version)}: expected {layout.n_authors} authors, got {n_ids}")
        for file in ("ids.bin", "records.bin"):
            flush(self._folder(layout.version) / file)
        write_whole(self._folder(layout.version) / "sealed.json", json.dumps(asdict(layout)).encode())

    def switch(self, version: int) -> None:
        """Replace the pointer."""
        self._layout(version)
        live = self.live()
        if version != live:
            self._point(version, live)

    def rollback(self) -> int:
        """Replace the pointer by the one before."""
        live, before = self._pointer()
        if not before:
            raise StoreError(f"{self._root}: expected a version before {live} to go back to, got none")
        self._layout(before)
        self._point(before, 0)
        return before

    def get(self, author_Q: NDArray[np.int64]) -> Found:
        """Look the authors up in the mapped files."""
        version = self.live()
        if not version:
            raise StoreError(f"{self._root}: expected a live version, got none")
        if self._open is None or self._open[0].version != version:
            layout = self._layout(version)
            self._open = (layout, *self._mapped(layout))
        layout, ids_A, records_A = self._open
        place_Q = np.minimum(np.searchsorted(ids_A, author_Q), len(ids_A) - 1)
        is_known_Q = ids_A[place_Q] == author_Q
        records_Q = np.where(is_known_Q, records_A[place_Q], np.zeros((), layout.record))
        return Found(version, records_Q["vector"], records_Q["fill"], is_known_Q)

    def sweep(self) -> tuple[int, ...]:
        """Remove the folders; a process that has one mapped goes on reading it."""
        numbers = sorted(int(path.name[1:]) for path in self._root.glob("v*") if path.name[1:].isdigit())
        old = tuple(number for number in numbers if number not in self._pointer())
        for number in old:
            shutil.rmtree(self._folder(number))
        return old

    def _folder(self, version: int) -> Path:
        return self._root / f"v{version}"

    def _layout(self, version: int) -> Layout:
        path = self._folder(version) / "sealed.json"
        if not path.exists():
            raise StoreError(f"{path}: expected a sealed version, got none")
        return Layout(**json.loads(path.read_bytes()))

    def _mapped(self, layout: Layout) -> tuple[NDArray[np.int64], NDArray[Any]]:
        folder = self._folder(layout.version)
        with self._failing(layout.version):
            ids_A = np.memmap(folder / "ids.bin", np.int64, "r")
            return ids_A, np.memmap(folder / "records.bin", layout.record, "r", shape=(len(ids_A),))

    def _pointer(self) -> tuple[int, int]:
        path = self._root / "live.json"
        if not path.exists():
            return 0, 0
        read = json.loads(path.read_bytes())
        return read["live"], read["before"]

    def _point(self, live: int, before: int) -> None:
        write_whole(self._root / "live.json", json.dumps({"live": live, "before": before}).encode())

    @contextmanager
    def _failing(self, version: int) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            raise StoreError(f"{self._folder(version)}: expected to be written and read, got {error}") from error


def refuse_difference(store: str, version: int, author_A: NDArray[np.int64], same_A: NDArray[np.bool_]) -> None:
    """Raise StoreError with the first author whose value is not the one that was written."""
    if not same_A.all():
        wrong = author_A[~same_A]
        raise StoreError(f"{store}: expected version {version} as written, got {len(wrong)} others, author {wrong[0]}")
