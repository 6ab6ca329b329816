"""Vectors for authors without a text: the mean of their category, else of everybody, at unit length, marked as such.

Means are sums in float64 over the parts in order, so that they do not depend on who made which part. They are scaled
to the mean length of the encoded vectors: a mean of unit vectors is shorter than they are and would lose every inner
product against them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from methods.author_encoder.daily.shards import CATEGORY_MEAN, ENCODED, GLOBAL_MEAN, PENDING, Vectors
from simulator.schema import SchemaError


class Means:
    """Sums of the vectors and lengths seen so far; row -1 of the categories is of no known category."""

    def __init__(self, n_categories: int, n_dimensions: int) -> None:
        self._sum_CD = np.zeros((n_categories + 1, n_dimensions))
        self._count_C = np.zeros(n_categories + 1, np.int64)
        self._length, self._squares = 0.0, 0.0

    def add(self, vectors: Vectors) -> None:
        """Take in the encoded vectors of a part."""
        rows = vectors.fill_A == ENCODED
        rows_AD, category_A = vectors.vectors_AD[rows].astype(np.float64), vectors.category_A[rows]
        np.add.at(self._sum_CD, category_A, rows_AD)
        self._count_C += np.bincount(category_A % len(self._count_C), minlength=len(self._count_C))
        length_A = np.linalg.norm(rows_AD, axis=1)
        self._length += float(length_A.sum())
        self._squares += float((length_A**2).sum())

    @property
    def n_vectors(self) -> int:
        """How many encoded vectors were taken in."""
        return int(self._count_C.sum())

    @property
    def length(self) -> tuple[float, float]:
        """Mean and standard deviation of their lengths."""
        self._check()
        mean = self._length / self.n_vectors
        return mean, float(np.sqrt(max(self._squares / self.n_vectors - mean**2, 0.0)))

    @property
    def mean_D(self) -> NDArray[np.float64]:
        """The mean of all."""
        self._check()
        mean_D: NDArray[np.float64] = self._sum_CD.sum(axis=0) / self.n_vectors
        return mean_D

    def fill(self, vectors: Vectors) -> Vectors:
        """Return the vectors with a mean in place of each pending one."""
        pending = np.flatnonzero(vectors.fill_A == PENDING)
        if not len(pending):
            return vectors
        category_R = vectors.category_A[pending]
        own_R = (category_R >= 0) & (self._count_C[category_R] > 0)
        mean_C1D = np.vstack([self._sum_CD[:-1] / np.maximum(self._count_C[:-1, None], 1), self.mean_D])
        fills_C1D = _scaled(mean_C1D, self.length[0])
        rows_AD, fill_A = vectors.vectors_AD.copy(), vectors.fill_A.copy()
        rows_AD[pending] = fills_C1D[np.where(own_R, category_R, -1)]
        fill_A[pending] = np.where(own_R, CATEGORY_MEAN, GLOBAL_MEAN)
        columns = (vectors.author_A, vectors.category_A, vectors.changed_day_A, vectors.hash_A)
        return Vectors(*columns, fill_A, rows_AD)

    def _check(self) -> None:
        if self.n_vectors == 0:
            raise SchemaError("source", "at least one author with a text, to fill the others from", "none")


def _scaled(rows_RD: NDArray[np.float64], length: float) -> NDArray[np.float64]:
    """Return the rows at `length`; zero rows stay."""
    length_R1 = np.linalg.norm(rows_RD, axis=1, keepdims=True)
    scaled_RD: NDArray[np.float64] = rows_RD * (length / np.where(length_R1 > 0, length_R1, 1.0))
    return scaled_RD
