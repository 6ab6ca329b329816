"""Where similar authors come from: tables learnt from clicks, vectors searched exactly or by FAISS, or both.

`SimilarAuthors` is what a chain asks. A source is a frozen config that learns on the past and is then asked for the
similar authors of now, so that authors who came after the fit are reached too. To bring vectors of one's own, give
`VectorSimilar.of(vectors_AD)`. Shapes: A authors, D dimensions, R authors asked about, P similar ones of all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from methods.base import Budget
from methods.chains.lists import Lists
from methods.exact import Allowed
from methods.factors import unit
from methods.interactions import Sparse
from methods.retrieval import Index, IndexConfig, build, search
from simulator.schema import Observation, SchemaError

EXACT = IndexConfig()


class SimilarAuthors(Protocol):
    """The similar authors of an author."""

    @property
    def n_authors(self) -> int:
        """How many authors there are."""
        ...

    def top(self, ids_R: NDArray[np.int32], *, k: int) -> Lists:
        """Return at most `k` similar authors of each, best first, at positive similarity; nobody is its own."""
        ...


class LearntSimilar(Protocol):
    """A source as fitted."""

    def now(self, seen: Observation) -> SimilarAuthors:
        """Return the similar authors of now, for all authors of `seen`; leaves what was learnt as it is."""
        ...


class SimilarSource(Protocol):
    """A frozen config that can learn; it is a field of a chain's config."""

    def learn(self, seen: Observation, *, rng: np.random.Generator, budget: Budget) -> LearntSimilar:
        """Learn from everything before `seen.now`."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class TableSimilar:
    """Similar authors as a sparse table (A, A), by Swing or co-clicks; its diagonal is not looked at."""

    similar_AA: Sparse

    def __post_init__(self) -> None:
        shape = self.similar_AA.shape
        if shape[0] != shape[1]:
            raise SchemaError("TableSimilar.similar_AA", "as many rows as columns", shape)

    @property
    def n_authors(self) -> int:
        """How many authors there are."""
        return int(self.similar_AA.shape[0])

    def top(self, ids_R: NDArray[np.int32], *, k: int) -> Lists:
        """Return the greatest entries of the rows."""
        rows_RA = self.similar_AA[ids_R]
        row_V = np.repeat(np.arange(len(ids_R)), np.diff(rows_RA.indptr))
        other_V = rows_RA.indices != ids_R[row_V]
        return Lists.sorted(len(ids_R), row_V[other_V], rows_RA.indices[other_V], rows_RA.data[other_V], k)


@dataclass(frozen=True, slots=True, eq=False)
class VectorSimilar:
    """Similar authors by cosine; an author whose vector is all zeros has none and is nobody's.

    `among_A` says who may be found. Cosines that are not positive are left out.
    """

    index: Index
    unit_AD: NDArray[np.float32]
    among_A: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        vectors_AD: NDArray[np.float32],
        *,
        index: IndexConfig = EXACT,
        among_A: NDArray[np.bool_] | None = None,
    ) -> VectorSimilar:
        """Index vectors of any length, one an author; without `among_A` all may be found."""
        unit_AD = unit(vectors_AD)
        allowed_A = np.ones(len(unit_AD), np.bool_) if among_A is None else among_A
        if allowed_A.shape != (len(unit_AD),):
            raise SchemaError("VectorSimilar.among_A", f"({len(unit_AD)},) flags", allowed_A.shape)
        return cls(build(unit_AD, index), unit_AD, allowed_A & (unit_AD != 0).any(axis=1))

    @property
    def n_authors(self) -> int:
        """How many authors there are."""
        return len(self.unit_AD)

    def top(self, ids_R: NDArray[np.int32], *, k: int) -> Lists:
        """Search for the nearest of each, itself left out."""
        if len(ids_R) == 0:  # an index takes no empty question
            return Lists.padded(np.empty((0, k), np.int32), np.empty((0, k), np.float32))
        ids_R = ids_R.astype(np.int32)
        nobody = np.empty(0, np.int32)
        itself = Allowed(np.arange(len(ids_R) + 1), ids_R, self.among_A, nobody)
        return Lists.padded(*search(self.index, self.unit_AD[ids_R], k=k, exclude=itself))


@dataclass(frozen=True, slots=True, eq=False)
class BlendedSimilar:
    """Vectors where readers are few: a cold author's similar ones come from vectors alone.

    Of a warm author's k places, `cold_share` go to cold authors by vectors, whom no table of clicks can hold, and the
    others to `warm`. Each part's similarities are divided by the row's greatest, since the two have no common scale;
    the cold part is then worth `cold_weight` of the other.
    """

    warm: SimilarAuthors
    vectors: VectorSimilar
    is_cold_A: NDArray[np.bool_]
    cold_share: float = 0.2
    cold_weight: float = 1.0

    def __post_init__(self) -> None:
        n_authors = (self.warm.n_authors, self.vectors.n_authors, len(self.is_cold_A))
        if len(set(n_authors)) != 1:
            raise SchemaError("BlendedSimilar", "one number of authors", n_authors)
        if not (0 <= self.cold_share <= 1 and self.cold_weight > 0):
            got = (self.cold_share, self.cold_weight)
            raise SchemaError("BlendedSimilar", "cold_share within [0, 1] and cold_weight above 0", got)

    @property
    def n_authors(self) -> int:
        """How many authors there are."""
        return self.warm.n_authors

    def top(self, ids_R: NDArray[np.int32], *, k: int) -> Lists:
        """Ask the parts and put them together."""
        is_cold_R = self.is_cold_A[ids_R]
        n_cold = min(k, round(k * self.cold_share))
        among_A = self.vectors.among_A & self.is_cold_A
        only_cold = VectorSimilar(self.vectors.index, self.vectors.unit_AD, among_A)
        warm_R, cold_R = np.flatnonzero(~is_cold_R), np.flatnonzero(is_cold_R)
        parts = [(cold_R, self.vectors.top(ids_R[cold_R], k=k), 1.0)]
        if k > n_cold:
            parts.append((warm_R, self.warm.top(ids_R[warm_R], k=k - n_cold), 1.0))
        if n_cold:
            parts.append((warm_R, only_cold.top(ids_R[warm_R], k=n_cold), self.cold_weight))
        return _joined(len(ids_R), parts, k)


def _joined(n_rows: int, parts: list[tuple[NDArray[np.int64], Lists, float]], k: int) -> Lists:
    """Put rows of parts at their places, scaled; an author in two parts of a row counts once, at the greater."""
    row_V = np.concatenate([rows[part.row_P] for rows, part, _ in parts])
    id_V = np.concatenate([part.ids_P for _, part, _ in parts])
    weight_V = np.concatenate([part.scaled(by_best=True).weights_P * np.float32(w) for _, part, w in parts])
    order = np.lexsort((-weight_V, id_V, row_V))
    same = np.diff(row_V[order], prepend=-1) == 0
    same &= np.diff(id_V[order], prepend=-1) == 0
    order = order[~same]
    return Lists.sorted(n_rows, row_V[order], id_V[order], weight_V[order], k)
