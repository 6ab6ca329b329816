"""What the last published version knows of some authors: read shard by shard, as chunks come in order of id."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from methods.author_encoder.daily.encoders import Floats
from methods.author_encoder.daily.manifest import Version
from methods.author_encoder.daily.shards import NO_TEXT, Vectors


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """For M authors: whether the version has them, and the hash, day and vector that it has (zeros where not)."""

    is_known_M: NDArray[np.bool_]
    hash_M: NDArray[np.uint64]
    day_M: NDArray[np.int32]
    vectors_MD: Floats


class Previous:
    """Looks authors up in a version; holds the last shard it read, since the next chunk often begins in it."""

    def __init__(self, version: Version) -> None:
        self._version = version
        self._held: tuple[str, Vectors] | None = None

    def of(self, author_M: NDArray[np.int64]) -> Known:
        """Return what is known of authors in ascending order; a damaged shard raises ShardError."""
        manifest, n_rows = self._version.manifest, len(author_M)
        known = Known(
            np.zeros(n_rows, np.bool_),
            np.full(n_rows, NO_TEXT, np.uint64),
            np.zeros(n_rows, np.int32),
            np.zeros((n_rows, manifest.n_dimensions), manifest.dtype),
        )
        for shard in manifest.shards:
            first, end = np.searchsorted(author_M, [shard.first, shard.last + 1])
            if first < end:
                self._look_up(self._read(shard.file), author_M[first:end], known, int(first))
        return known

    def _read(self, file: str) -> Vectors:
        if self._held is None or self._held[0] != file:
            (shard,) = (shard for shard in self._version.manifest.shards if shard.file == file)
            self._held = (file, self._version.read(shard))
        return self._held[1]

    @staticmethod
    def _look_up(vectors: Vectors, author_R: NDArray[np.int64], known: Known, first: int) -> None:
        place_R = np.minimum(np.searchsorted(vectors.author_A, author_R), len(vectors) - 1)
        found_R = vectors.author_A[place_R] == author_R
        rows, places = first + np.flatnonzero(found_R), place_R[found_R]
        known.is_known_M[rows] = True
        known.hash_M[rows] = vectors.hash_A[places]
        known.day_M[rows] = vectors.changed_day_A[places]
        known.vectors_MD[rows] = vectors.vectors_AD[places]
