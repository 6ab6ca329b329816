"""Recall and NDCG of lists in other ways. Shapes: Q requests, K places, R relevant entries, S cutoffs, T targets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import ir_measures
import numba
import numpy as np
import pytrec_eval
from numpy.typing import NDArray

from bench.relevant import Relevant

N_TARGETS = 40_009  # a prime, so that every stride below visits distinct targets
KS = (10, 50, 100, 1_000)
_AT_A_TIME = 500  # requests whose dicts are in memory at once

Values = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Lists:
    """Lists of distinct targets, and what is relevant to each request."""

    ids_QK: NDArray[np.int32]
    relevant: Relevant
    ks: tuple[int, ...] = KS

    def first(self, n: int) -> Lists:
        """Return the first `n` requests."""
        return self.between(0, min(n, len(self.relevant)))

    def between(self, first: int, last: int) -> Lists:
        """Return requests first <= q < last."""
        start_Q1 = self.relevant.start_Q1[first : last + 1]
        ids_R = self.relevant.ids_R[start_Q1[0] : start_Q1[-1]].copy()
        return Lists(self.ids_QK[first:last], Relevant(start_Q1 - start_Q1[0], ids_R), self.ks)


def draw(n_requests: int, *, n_relevant: int = 20) -> Lists:
    """Draw lists, and relevant sets half of which are listed, so that there are hits to be found."""
    rng = np.random.default_rng(0)
    name_T = rng.permutation(N_TARGETS).astype(np.int32)
    start_Q, stride_Q = rng.integers(0, N_TARGETS, n_requests), rng.integers(1, N_TARGETS, n_requests)
    ids_QK = np.empty((n_requests, max(KS)), np.int32)
    for q in range(n_requests):
        ids_QK[q] = name_T[(start_Q[q] + stride_Q[q] * np.arange(max(KS))) % N_TARGETS]
    place_QR = rng.integers(0, max(KS), (n_requests, n_relevant // 2))
    listed_QR = np.take_along_axis(ids_QK, place_QR, axis=1)
    drawn_QR = rng.integers(0, N_TARGETS, (n_requests, n_relevant - n_relevant // 2))
    sets = [np.unique(row) for row in np.hstack([listed_QR, drawn_QR])]
    start_Q1 = np.cumsum([0, *map(len, sets)]).astype(np.int64)
    return Lists(ids_QK, Relevant(start_Q1, np.concatenate(sets).astype(np.int32)))


def binary_search(work: Lists) -> Values:
    """Look every listed id up in the sorted relevant ids of its request, compiled: the quickest that was on record."""
    discount_K = 1 / np.log2(np.arange(2, work.ids_QK.shape[1] + 2))
    ideal_K1 = np.append(0.0, np.cumsum(discount_K))
    ks = np.array(work.ks)
    recall_QS, gain_QS = _search(work.ids_QK, work.relevant.start_Q1, work.relevant.ids_R, discount_K, ks)
    count_Q = work.relevant.count_Q
    out = {f"recall@{k}": recall_QS[:, s] / count_Q for s, k in enumerate(work.ks)}
    return out | {f"ndcg@{k}": gain_QS[:, s] / ideal_K1[np.minimum(k, count_Q)] for s, k in enumerate(work.ks)}


@numba.njit(cache=True)
def _search(
    ids_QK: NDArray[np.int32],
    start_Q1: NDArray[np.int64],
    ids_R: NDArray[np.int32],
    discount_K: NDArray[np.float64],
    ks: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    hits_QS, gain_QS = np.zeros((len(ids_QK), len(ks))), np.zeros((len(ids_QK), len(ks)))
    for q in range(len(ids_QK)):
        hits, gain, s = 0, 0.0, 0
        for k in range(ids_QK.shape[1]):
            low, high = start_Q1[q], start_Q1[q + 1]
            while low < high:
                middle = (low + high) >> 1
                if ids_R[middle] < ids_QK[q, k]:
                    low = middle + 1
                else:
                    high = middle
            if low < start_Q1[q + 1] and ids_R[low] == ids_QK[q, k]:
                hits += 1
                gain += discount_K[k]
            if k + 1 == ks[s]:
                hits_QS[q, s], gain_QS[q, s] = hits, gain
                s += 1
    return hits_QS, gain_QS


def searchsorted(work: Lists) -> Values:
    """Look keys request * N + id up with numpy, a block of requests at a time."""
    parts = [_searchsorted(part) for part in _blocks(work)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _searchsorted(work: Lists) -> Values:
    row_Q = np.arange(len(work.ids_QK), dtype=np.int64) * N_TARGETS
    key_R = np.repeat(row_Q, work.relevant.count_Q) + work.relevant.ids_R
    key_QK = row_Q[:, None] + work.ids_QK
    place_QK = np.minimum(np.searchsorted(key_R, key_QK), len(key_R) - 1)
    return _scored(key_R[place_QK] == key_QK, work)


def isin_per_request(work: Lists) -> Values:
    """Mark hits one request at a time with np.isin."""
    starts = work.relevant.start_Q1
    hits = [np.isin(ids_K, work.relevant.ids_R[starts[q] : starts[q + 1]]) for q, ids_K in enumerate(work.ids_QK)]
    return _scored(np.stack(hits), work)


def _scored(hit_QK: NDArray[np.bool_], work: Lists) -> Values:
    discount_K, count_Q = 1 / np.log2(np.arange(2, hit_QK.shape[1] + 2)), work.relevant.count_Q
    ideal_K1 = np.append(0.0, np.cumsum(discount_K))
    out = {f"recall@{k}": hit_QK[:, :k].sum(axis=1) / count_Q for k in work.ks}
    return out | {f"ndcg@{k}": hit_QK[:, :k] @ discount_K[:k] / ideal_K1[np.minimum(k, count_Q)] for k in work.ks}


def _blocks(work: Lists) -> Iterator[Lists]:
    for first in range(0, len(work.ids_QK), _AT_A_TIME):
        yield work.between(first, min(first + _AT_A_TIME, len(work.ids_QK)))


def _dicts(work: Lists) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, float]]]:
    """Return the dicts that libraries want: what is judged, what is listed."""
    starts, ids_R = work.relevant.start_Q1.tolist(), work.relevant.ids_R.tolist()
    judged = {str(q): {str(i): 1 for i in ids_R[starts[q] : starts[q + 1]]} for q in range(len(starts) - 1)}
    listed = {
        str(q): {str(i): float(-rank) for rank, i in enumerate(ids)} for q, ids in enumerate(work.ids_QK.tolist())
    }
    return judged, listed


def trec(work: Lists) -> Values:
    """Score with pytrec_eval."""
    cutoffs = ",".join(map(str, work.ks))
    names = {f"{o}@{k}": f"{t}_{k}" for o, t in (("recall", "recall"), ("ndcg", "ndcg_cut")) for k in work.ks}
    out: dict[str, list[float]] = {name: [] for name in names}
    for part in _blocks(work):
        judged, listed = _dicts(part)
        evaluator = pytrec_eval.RelevanceEvaluator(judged, {f"recall.{cutoffs}", f"ndcg_cut.{cutoffs}"})
        scores = evaluator.evaluate(listed)
        for name, theirs in names.items():
            out[name] += [scores[q][theirs] for q in judged]
    return {name: np.array(column) for name, column in out.items()}


def measures(work: Lists) -> Values:
    """Score with ir_measures."""
    asked = {ir_measures.R @ k: f"recall@{k}" for k in work.ks} | {ir_measures.nDCG @ k: f"ndcg@{k}" for k in work.ks}
    out = {name: np.full(len(work.ids_QK), np.nan) for name in asked.values()}
    for b, part in enumerate(_blocks(work)):
        for metric in ir_measures.iter_calc(list(asked), *_dicts(part)):
            out[asked[metric.measure]][b * _AT_A_TIME + int(metric.query_id)] = metric.value
    return out


def ranx(work: Lists) -> Values:
    """Score with ranx, which is compiled; its own structures are made from dicts."""
    module: Any = import_module("ranx")
    asked = {f"{name}@{k}": f"{name}@{k}" for name in ("recall", "ndcg") for k in work.ks}
    out: dict[str, list[float]] = {name: [] for name in asked}
    for part in _blocks(work):
        judged, listed = _dicts(part)
        run = module.Run(listed)
        module.evaluate(module.Qrels(judged), run, list(asked))
        for name in asked:
            out[name] += [run.scores[name][q] for q in judged]
    return {name: np.array(column) for name, column in out.items()}
