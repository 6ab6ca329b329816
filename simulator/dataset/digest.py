"""The digest of a table's values, the same however they are encoded and however the rows are cut into parts.

The rows of all parts in a row are cut into blocks of ROWS_PER_BLOCK, the last one shorter. In a block each column has
the sha256 of its little-endian values, a column of texts two: of the texts' lengths in bytes (int64), of their UTF-8.
A chain starts as the sha256 of names and types and takes in one block after the other; its end is the digest. So a
table is digested as it comes, and goes on after a kill from the chain and the rows of the block that was not full.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

ROWS_PER_BLOCK = 1 << 18  # part of the format

Block = Mapping[str, NDArray[Any] | pa.LargeStringArray]


class ContentDigest:
    """The digest so far; from the `chain` after `n_rows` rows it goes on as of the last whole block."""

    def __init__(self, types: Mapping[str, str], *, chain: str = "", n_rows: int = 0) -> None:
        self._chain = bytes.fromhex(chain) if chain else _start(types)
        self._n_whole = n_rows - n_rows % ROWS_PER_BLOCK
        self._n_open = 0
        self._open: dict[str, hashlib._Hash] = {}

    @property
    def chain(self) -> str:
        """The digest of the whole blocks, hexadecimal."""
        return self._chain.hex()

    @property
    def n_rows(self) -> int:
        """How many rows were taken in."""
        return self._n_whole + self._n_open

    def copy(self) -> ContentDigest:
        """Return a digest that goes on from here on its own."""
        other = ContentDigest({}, chain=self.chain, n_rows=self._n_whole)
        other._n_open = self._n_open
        other._open = {stream: digest.copy() for stream, digest in self._open.items()}
        return other

    def update(self, block: Block) -> None:
        """Take in rows; all calls have the same columns in the same order."""
        first, end = 0, len(next(iter(block.values())))
        while first < end:
            last = min(end, first + ROWS_PER_BLOCK - self._n_open)
            for name, column in block.items():
                for stream, values in _streams(name, column[first:last]):
                    self._open.setdefault(stream, hashlib.sha256()).update(values)
            self._n_open += last - first
            if self._n_open == ROWS_PER_BLOCK:
                self._chain, self._open = self._end(), {}
                self._n_whole, self._n_open = self._n_whole + self._n_open, 0
            first = last

    def hexdigest(self) -> str:
        """Return the digest of all rows so far."""
        return self._end().hex() if self._n_open else self.chain

    def _end(self) -> bytes:
        return hashlib.sha256(self._chain + b"".join(digest.digest() for digest in self._open.values())).digest()


def _start(types: Mapping[str, str]) -> bytes:
    return hashlib.sha256(json.dumps(list(types.items())).encode()).digest()


def _streams(name: str, column: NDArray[Any] | pa.LargeStringArray) -> Iterator[tuple[str, memoryview]]:
    if isinstance(column, np.ndarray):
        yield name, np.ascontiguousarray(column).data
        return
    _, offsets, characters = column.buffers()
    offsets_T = np.frombuffer(offsets, np.int64)[column.offset : column.offset + len(column) + 1]
    yield f"{name}: lengths", np.diff(offsets_T).data
    # All texts empty: Arrow may keep no buffer of characters.
    yield f"{name}: characters", memoryview(characters or b"")[offsets_T[0] : offsets_T[-1]]
