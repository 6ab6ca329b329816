"""One door to search by inner product: build an index of vectors, ask it for the best of each query.

exact     every target, in a fraction of the reading: `methods.exact`; lists that depend on nothing but the vectors
flat      every target, by FAISS
ivf       FAISS IVF-Flat: k-means lists, the nearest few are read (Jégou et al. 2011, doi:10.1109/TPAMI.2010.57)
hnsw      FAISS HNSW: a graph that is walked (Malkov and Yashunin 2018, doi:10.1109/TPAMI.2018.2889473)

Equals go in order of id in every kind; which of them an approximate kind, or flat at the last place, finds is FAISS's
choice. Exact answers are those of `methods.ranking.rank` over all scores. Q queries, T targets, F features, K places.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from types import ModuleType
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from methods.exact import Allowed, ExactIndex
from methods.ranking import tie_hash
from simulator.schema import Requests, SchemaError, Slates

IndexKind = Literal["exact", "flat", "ivf", "hnsw"]


@dataclass(frozen=True, slots=True)
class IndexConfig:
    """Which index, and what its kind needs; the other settings are not looked at."""

    kind: IndexKind = "exact"
    n_lists: int = 1_024  # ivf
    n_probes: int = 16  # ivf: lists read a query
    links: int = 16  # hnsw: M
    build_width: int = 100  # hnsw: efConstruction
    search_width: int = 100  # hnsw: efSearch
    seed: int = 0  # ivf: of k-means
    threads: int = 1  # of FAISS

    def __post_init__(self) -> None:
        if self.kind not in ("exact", "flat", "ivf", "hnsw"):
            raise SchemaError("IndexConfig.kind", "one of exact, flat, ivf, hnsw", repr(self.kind))
        for name in ("n_lists", "n_probes", "links", "build_width", "search_width", "threads"):
            if getattr(self, name) < 1:
                raise SchemaError(f"IndexConfig.{name}", "at least 1", getattr(self, name))
        if self.n_probes > self.n_lists:
            raise SchemaError("IndexConfig.n_probes", f"at most n_lists = {self.n_lists}", self.n_probes)


class _Searcher(Protocol):
    @property
    def n_bytes(self) -> int: ...

    def search(
        self, queries_QF: NDArray[np.float32], allowed: Allowed | None, *, k: int
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """Vectors that can be asked; copies and pickles by value."""

    config: IndexConfig
    n_targets: int
    n_features: int
    searcher: _Searcher

    @property
    def n_bytes(self) -> int:
        """Bytes that the index holds."""
        return self.searcher.n_bytes


def build(vectors_TF: NDArray[np.float32], config: IndexConfig = IndexConfig()) -> Index:
    """Make an index of one vector a target; target t is row t."""
    _check_vectors("vectors", vectors_TF)
    vectors_TF = np.ascontiguousarray(vectors_TF)
    if config.kind == "ivf" and config.n_lists > len(vectors_TF):
        raise SchemaError("IndexConfig.n_lists", f"at most {len(vectors_TF)} vectors", config.n_lists)
    searcher: _Searcher = ExactIndex.of(vectors_TF) if config.kind == "exact" else _build_faiss(vectors_TF, config)
    return Index(config, len(vectors_TF), vectors_TF.shape[1], searcher)


def retuned(index: Index, config: IndexConfig) -> Index:
    """Return the same vectors asked with another `n_probes`, `search_width` or `threads`, without building anew."""
    asked = {name: getattr(config, name) for name in ("n_probes", "search_width", "threads")}
    if replace(index.config, **asked) != config:
        raise SchemaError("config", "the one it was built with but for n_probes, search_width and threads", config)
    searcher = index.searcher
    return replace(
        index,
        config=config,
        searcher=replace(searcher, config=config) if isinstance(searcher, _FaissIndex) else searcher,
    )


def search(
    index: Index, queries_QF: NDArray[np.float32], *, k: int, exclude: Allowed | None = None
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return ids (Q, K) and scores of the best targets of each query, -1 and -inf where there are fewer than `k`."""
    _check_vectors("queries", queries_QF)
    if queries_QF.shape[1] != index.n_features:
        raise SchemaError("queries", f"(Q, {index.n_features})", queries_QF.shape)
    if k < 1:
        raise SchemaError("k", "at least 1", k)
    fitting = ((len(queries_QF) + 1,), (index.n_targets,))
    if exclude is not None and (exclude.seen_start_Q1.shape, exclude.among_T.shape) != fitting:
        got = f"{exclude.seen_start_Q1.shape} and {exclude.among_T.shape}"
        raise SchemaError("exclude", f"{fitting[0]} offsets and {fitting[1]} targets", got)
    return index.searcher.search(np.ascontiguousarray(queries_QF), exclude, k=k)


def recommend(index: Index, queries_QF: NDArray[np.float32], requests: Requests, *, k: int) -> Slates:
    """Answer requests with one query vector each: unseen candidates only, ties broken as `rank` does."""
    if requests.candidates_C.size and requests.candidates_C[-1] >= index.n_targets:
        raise SchemaError("candidates", f"ids < {index.n_targets}", requests.candidates_C[-1])
    among_T = np.zeros(index.n_targets, np.bool_)
    among_T[requests.candidates_C] = True
    seen = (requests.seen_start_Q1, requests.seen_S)
    return Slates(*search(index, queries_QF, k=k, exclude=Allowed(*seen, among_T, requests.ids_Q, requests.tie_seed)))


def _check_vectors(name: str, rows_RF: NDArray[np.float32]) -> None:
    if rows_RF.dtype != np.float32 or rows_RF.ndim != 2 or 0 in rows_RF.shape:
        raise SchemaError(name, "float32(R, F) with R and F at least 1", f"{rows_RF.dtype}{rows_RF.shape}")
    if not np.isfinite(rows_RF).all():
        raise SchemaError(name, "finite numbers", "NaN or infinity")


def _faiss(config: IndexConfig) -> ModuleType:
    """Load FAISS, which nothing else needs, and set its threads, which it keeps for the calling thread."""
    import faiss

    faiss.omp_set_num_threads(config.threads)
    module: ModuleType = faiss
    return module


def _build_faiss(vectors_TF: NDArray[np.float32], config: IndexConfig) -> _FaissIndex:
    faiss, n_features = _faiss(config), vectors_TF.shape[1]
    if config.kind == "flat":
        index = faiss.IndexFlatIP(n_features)
    elif config.kind == "hnsw":
        index = faiss.IndexHNSWFlat(n_features, config.links, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = config.build_width
    else:
        centres = faiss.IndexFlatIP(n_features)
        index = faiss.IndexIVFFlat(centres, n_features, config.n_lists, faiss.METRIC_INNER_PRODUCT)
        index.cp.seed, index.cp.min_points_per_centroid = config.seed, 1
        index.train(vectors_TF)
    index.add(vectors_TF)
    return _FaissIndex(config, index)


@dataclass(frozen=True, slots=True, eq=False)
class _FaissIndex:
    """An index of the library; who was seen is asked for too, then dropped."""

    config: IndexConfig
    index: Any

    @property
    def n_bytes(self) -> int:
        """Bytes of the index as the library would save it."""
        return int(_faiss(self.config).serialize_index(self.index).nbytes)

    def search(
        self, queries_QF: NDArray[np.float32], allowed: Allowed | None, *, k: int
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Ask for as many more as the query with the longest history could lose."""
        if allowed is None and k <= self.index.ntotal:
            _faiss(self.config)
            scores_QK, ids_QK = self.index.search(queries_QF, k, params=_parameters(self.config))
            # Most lists stand as the library gives them: no equals, and as many as asked for.
            if (ids_QK[:, -1] >= 0).all() and (scores_QK[:, 1:] != scores_QK[:, :-1]).all():
                return ids_QK.astype(np.int32), scores_QK
        return self._sorted_out(queries_QF, allowed, k=k)

    def _sorted_out(
        self, queries_QF: NDArray[np.float32], allowed: Allowed | None, *, k: int
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        n_seen_Q = np.zeros(len(queries_QF), np.int64) if allowed is None else np.diff(allowed.seen_start_Q1)
        wanted = min(k + int(n_seen_Q.max(initial=0)), self.index.ntotal)
        scores_QW, ids_QW = self.index.search(queries_QF, wanted, params=_choice(self.config, allowed))
        ids_QK = np.full((len(queries_QF), k), -1, np.int32)
        best_QK = np.full((len(queries_QF), k), -np.inf, np.float32)
        ids_QK[:, :wanted] = ids_QW[:, :k]
        best_QK[:, :wanted] = np.where(ids_QW[:, :k] < 0, -np.inf, scores_QW[:, :k])
        tied_Q = ((scores_QW[:, 1:] == scores_QW[:, :-1]) & (ids_QW[:, 1:] >= 0)).any(axis=1)
        for q in np.flatnonzero(tied_Q | (n_seen_Q > 0)).tolist():  # the others are the library's lists as they are
            ids_W, scores_W = ids_QW[q], scores_QW[q]
            kept_W = ids_W >= 0
            if allowed is not None:
                kept_W &= ~np.isin(ids_W, allowed.seen_S[allowed.seen_start_Q1[q] : allowed.seen_start_Q1[q + 1]])
            ids, scores = ids_W[kept_W].astype(np.int32), scores_W[kept_W]
            best = np.lexsort((_ties(ids, allowed, q), -scores))[:k]
            ids_QK[q], best_QK[q] = -1, -np.inf
            ids_QK[q, : len(best)], best_QK[q, : len(best)] = ids[best], scores[best]
        return ids_QK, best_QK


@lru_cache(maxsize=64)
def _parameters(config: IndexConfig) -> Any:
    """Return what a search without limits is told; the library only reads it."""
    return _limited(config, {})


def _limited(config: IndexConfig, chosen: dict[str, Any]) -> Any:
    faiss = _faiss(config)
    if config.kind == "ivf":
        return faiss.SearchParametersIVF(nprobe=config.n_probes, **chosen)
    if config.kind == "hnsw":
        return faiss.SearchParametersHNSW(efSearch=config.search_width, **chosen)
    return faiss.SearchParameters(**chosen)


def _choice(config: IndexConfig, allowed: Allowed | None) -> Any:
    if allowed is None or allowed.among_T.all():
        return _parameters(config)
    return _limited(config, {"sel": _faiss(config).IDSelectorBatch(np.flatnonzero(allowed.among_T))})


def _ties(ids: NDArray[np.int32], allowed: Allowed | None, q: int) -> NDArray[np.uint64]:
    """Return what equals are ordered by: the hash, or the id itself."""
    if allowed is None or len(allowed.id_Q) == 0:
        return ids.astype(np.uint64)
    query = np.uint64(allowed.id_Q[q])
    return np.array([tie_hash(np.uint64(allowed.tie_seed), query, np.uint64(t)) for t in ids], np.uint64)
