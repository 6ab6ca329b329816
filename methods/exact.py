"""Exact search by inner product that reads little: screen with cheap scores of known error, then score what is left.

score(q, t) = sum over f of q_f t_f, in float64 and in order of f, rounded to float32 once. It depends on nothing but
the two vectors, so one query alone and a batch, on any machine, give the same list. A screen gives scores wrong by at
most m; whoever lies no more than 2 m below the k-th best of the screen may be among the k best, nobody else. Two
screens: few queries read the vectors rounded to 8 bits, a quarter of the memory, which is what bounds them; many share
float32 tiles that stay in cache, with m = F u |q| |t| (Higham 2002, doi:10.1137/1.9780898718027, section 3.1).

Legend: Q queries, T targets, F features, B targets of a tile, M places to collect in, K list length, S seen entries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from methods.exact_kernels import TILE, collect_small, collect_tile, finish, shrink
from simulator.schema import SchemaError

FEW = 3  # queries up to which the small vectors are read
_BATCH, _PLACES = 256, 4_096
_UNIT = 2.0**-24  # half the distance from 1 to the next float32


@dataclass(frozen=True, slots=True, eq=False)
class Allowed:
    """What each query may find, and in which order equals go.

    Query q must not find `seen_S[seen_start_Q1[q]:seen_start_Q1[q + 1]]`, ascending; nobody finds a target outside
    `among_T`. Equal scores go by the hash of `methods.ranking` with `tie_seed` and `id_Q`, or, where `id_Q` is empty,
    in order of target.
    """

    seen_start_Q1: NDArray[np.int64]
    seen_S: NDArray[np.int32]
    among_T: NDArray[np.bool_]
    id_Q: NDArray[np.int32]
    tie_seed: int = 0

    @classmethod
    def all(cls, n_queries: int, n_targets: int) -> Allowed:
        """Allow every target to every query."""
        nothing = np.empty(0, np.int32)
        return cls(np.zeros(n_queries + 1, np.int64), nothing, np.ones(n_targets, np.bool_), nothing)


@dataclass(frozen=True, slots=True, eq=False)
class ExactIndex:
    """All vectors, and the same in 8 bits a feature.

    Vector t is `scale_T[t] * small_TF[t]` with an error no longer than `error`; no vector is longer than `length`.
    """

    vectors_TF: NDArray[np.float32]
    small_TF: NDArray[np.int8]
    scale_T: NDArray[np.float32]
    length: float
    error: float

    @classmethod
    def of(cls, vectors_TF: NDArray[np.float32]) -> ExactIndex:
        """Round the vectors, each by its own greatest feature, and measure what that changed."""
        small_TF = np.empty(vectors_TF.shape, np.int8)
        scale_T = np.empty(len(vectors_TF), np.float32)
        length, error = shrink(vectors_TF, small_TF, scale_T)
        return cls(vectors_TF, small_TF, scale_T, length, error)

    @property
    def n_bytes(self) -> int:
        """Bytes of the arrays."""
        return self.vectors_TF.nbytes + self.small_TF.nbytes + self.scale_T.nbytes

    def search(
        self, queries_QF: NDArray[np.float32], allowed: Allowed | None, *, k: int
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the ids (Q, K) with -1 pads and the scores of the `k` best allowed targets; None allows all."""
        allowed = allowed or Allowed.all(len(queries_QF), len(self.vectors_TF))
        length_Q = np.linalg.norm(queries_QF.astype(np.float64), axis=1)
        if length_Q.max(initial=0) * self.length > np.finfo(np.float32).max / 4:
            raise SchemaError("queries", "scores that fit in float32", f"a length of {length_Q.max():.3g}")
        ids_QK = np.full((len(queries_QF), k), -1, np.int32)
        best_QK = np.full((len(queries_QF), k), -np.inf, np.float32)
        for first in range(0, len(queries_QF), _BATCH):
            part = slice(first, first + _BATCH)
            found = _Found.empty(len(queries_QF[part]), k)
            screen = self._screen_small if len(queries_QF) <= FEW else self._screen_tiles
            screen(queries_QF[part], length_Q[part], allowed, first, found)
            finish(
                self.vectors_TF,
                queries_QF,
                first,
                found.ids_QM,
                found.size_Q,
                allowed.seen_start_Q1,
                allowed.seen_S,
                allowed.among_T,
                allowed.id_Q,
                np.uint64(allowed.tie_seed),
                ids_QK,
                best_QK,
            )
        return ids_QK, best_QK

    def _screen_small(
        self,
        queries_QF: NDArray[np.float32],
        length_Q: NDArray[np.float64],
        allowed: Allowed,
        first: int,
        found: _Found,
    ) -> None:
        """Collect by products of small integers, that are themselves exact in 32 bits."""
        greatest = min(32_767, (2**31 - 1) // (127 * max(1, queries_QF.shape[1])))
        for q, query_F in enumerate(queries_QF.astype(np.float64)):
            scale = float(np.abs(query_F).max(initial=0)) / greatest or 1.0
            small_F = np.rint(query_F / scale).astype(np.int16)
            error = float(np.linalg.norm(query_F - scale * small_F))
            longest = float(length_Q[q]) + error
            margin = longest * self.error + error * self.length + 8 * _UNIT * longest * (self.length + self.error)
            collect_small(
                self.small_TF,
                self.scale_T,
                small_F,
                np.float32(scale),
                q,
                first + q,
                allowed.seen_start_Q1,
                allowed.seen_S,
                allowed.among_T,
                found.ids_QM,
                found.score_QM,
                found.size_Q,
                found.due_Q,
                found.floor_Q,
                found.k,
                _slack(margin),
            )

    def _screen_tiles(
        self,
        queries_QF: NDArray[np.float32],
        length_Q: NDArray[np.float64],
        allowed: Allowed,
        first: int,
        found: _Found,
    ) -> None:
        """Collect by float32 products of all queries with a tile of targets at a time."""
        margin_Q = (queries_QF.shape[1] + 8) * 1.01 * _UNIT * length_Q * self.length
        slack_Q = np.array([_slack(margin) for margin in margin_Q], np.float32)
        tile_QB = np.empty((len(queries_QF), TILE), np.float32)
        for base in range(0, len(self.vectors_TF), TILE):
            tile_BF = self.vectors_TF[base : base + TILE]
            if len(tile_BF) < TILE:
                tile_QB = np.empty((len(queries_QF), len(tile_BF)), np.float32)
            np.matmul(queries_QF, tile_BF.T, out=tile_QB)
            collect_tile(
                tile_QB,
                base,
                first,
                allowed.seen_start_Q1,
                allowed.seen_S,
                allowed.among_T,
                found.ids_QM,
                found.score_QM,
                found.size_Q,
                found.due_Q,
                found.floor_Q,
                found.k,
                slack_Q,
            )


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """What a screen has collected: who may be among the k best, in order of id; size -1 is more than there is room."""

    k: int
    ids_QM: NDArray[np.int32]
    score_QM: NDArray[np.float32]
    size_Q: NDArray[np.int64]
    due_Q: NDArray[np.int64]  # the size at which the floor is raised next
    floor_Q: NDArray[np.float32]

    @classmethod
    def empty(cls, n_queries: int, k: int) -> _Found:
        shape = (n_queries, max(_PLACES, 4 * k))
        floor_Q = np.full(n_queries, -np.inf, np.float32)
        size_Q, due_Q = np.zeros(n_queries, np.int64), np.full(n_queries, 4 * k)
        return cls(k, np.empty(shape, np.int32), np.empty(shape, np.float32), size_Q, due_Q, floor_Q)


def _slack(margin: float) -> np.float32:
    """Return twice a margin, never rounded down."""
    slack: np.float32 = np.nextafter(np.float32(2 * margin), np.float32(np.inf))
    return slack
