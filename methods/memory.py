"""Vectors of texts, each read once and remembered by its hash. Shapes: M texts, D dimensions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Encode = Callable[[Sequence[str]], NDArray[np.float32]]  # texts -> rows (M, D)


class Memory:
    """Vectors by the hash of their text; copies of a method share it, since a text's vector never changes."""

    def __init__(self, encode: Encode, limit: int, dimensions: int) -> None:
        self._encode, self._limit, self._dimensions = encode, limit, dimensions
        self._known: dict[bytes, NDArray[np.float32]] = {}

    def __deepcopy__(self, memo: dict[int, object]) -> Memory:
        return self

    def vectors(self, asked: Sequence[str]) -> NDArray[np.float32]:
        """Return rows (M, D) of the texts, zeros where a text is empty; only unknown ones are encoded."""
        keys = [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in asked]
        missing = {key: text for key, text in zip(keys, asked, strict=True) if text.strip() and key not in self._known}
        fresh = self._encode(list(missing.values())) if missing else np.empty((0, self._dimensions), np.float32)
        known = self._known | dict(zip(missing, fresh, strict=True))
        self._known = dict(list(known.items())[-self._limit :])
        nothing = np.zeros(self._dimensions, np.float32)
        rows = [known.get(key, nothing) for key in keys]
        return np.stack(rows) if rows else np.empty((0, self._dimensions), np.float32)
