"""Top-K of dense scores over the unseen candidates, ties broken by a seeded hash.

Legend: Q requests, C candidates, K slate length, T target ids, S seen entries. One pass with a bounded heap per
request: a candidate costs one comparison unless it enters the heap, and a sampled floor keeps most from trying.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from methods.kernel import compiled
from simulator.schema import Requests, SchemaError, Slates

_SAMPLE = 512  # candidates looked at to guess where the best begin


def rank(scores_QT: NDArray[np.float32], requests: Requests, *, k: int) -> Slates:
    """Return the `k` best unseen candidates of each request by (score descending, tie hash ascending).

    A score of -inf means "never"; requests with fewer than `k` finite candidates get -1 pads. One row of scores
    serves all requests.
    """
    if scores_QT.ndim != 2 or scores_QT.shape[0] not in (1, len(requests)):
        raise SchemaError("scores", f"({len(requests)}, T) or (1, T)", scores_QT.shape)
    if requests.candidates_C.size and requests.candidates_C[-1] >= scores_QT.shape[1]:
        raise SchemaError("scores", f"T > {requests.candidates_C[-1]} targets", scores_QT.shape)
    if scores_QT.dtype != np.float32:
        raise SchemaError("scores", "float32", scores_QT.dtype)
    ids_QK = np.full((len(requests), k), -1, np.int32)
    best_QK = np.full((len(requests), k), -np.inf, np.float32)
    found_nan = _select(
        np.ascontiguousarray(scores_QT),
        requests.ids_Q,
        requests.candidates_C,
        requests.seen_start_Q1,
        requests.seen_S,
        np.uint64(requests.tie_seed),
        ids_QK,
        best_QK,
    )
    if found_nan:
        raise SchemaError("scores", "no NaN", "NaN")
    return Slates(ids_QK, best_QK)


@compiled
def tie_hash(seed: np.uint64, query: np.uint64, target: np.uint64) -> np.uint64:
    """Hash (seed, query, target) by the splitmix64 finaliser (Steele et al. 2014, doi:10.1145/2660193.2660195)."""
    x = seed + ((query << np.uint64(32)) ^ target) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@compiled
def _is_worse(score_a: np.float32, tie_a: np.uint64, score_b: np.float32, tie_b: np.uint64) -> bool:
    return bool(score_a < score_b or (score_a == score_b and tie_a > tie_b))


@compiled
def _sink(score_K: NDArray[np.float32], tie_K: NDArray[np.uint64], id_K: NDArray[np.int32], at: int, size: int) -> None:
    """Restore the heap (worst on top) below `at`."""
    while True:
        worst = at
        for child in (2 * at + 1, 2 * at + 2):
            if child < size and _is_worse(score_K[child], tie_K[child], score_K[worst], tie_K[worst]):
                worst = child
        if worst == at:
            return
        score_K[at], score_K[worst] = score_K[worst], score_K[at]
        tie_K[at], tie_K[worst] = tie_K[worst], tie_K[at]
        id_K[at], id_K[worst] = id_K[worst], id_K[at]
        at = worst


@compiled
def _heapify(score_K: NDArray[np.float32], tie_K: NDArray[np.uint64], id_K: NDArray[np.int32], size: int) -> None:
    for parent in range(size // 2 - 1, -1, -1):
        _sink(score_K, tie_K, id_K, parent, size)


@compiled
def _sort_best_first(
    score_K: NDArray[np.float32], tie_K: NDArray[np.uint64], id_K: NDArray[np.int32], size: int
) -> None:
    """Turn the heap into descending order: the worst goes to the end, again and again."""
    for last in range(size - 1, 0, -1):
        score_K[0], score_K[last] = score_K[last], score_K[0]
        tie_K[0], tie_K[last] = tie_K[last], tie_K[0]
        id_K[0], id_K[last] = id_K[last], id_K[0]
        _sink(score_K, tie_K, id_K, 0, last)


@compiled
def _holds(ids_S: NDArray[np.int32], wanted: int) -> bool:
    at = np.searchsorted(ids_S, wanted)
    return bool(at < len(ids_S) and ids_S[at] == wanted)


@compiled
def _likely_floor(score_T: NDArray[np.float32], candidates_C: NDArray[np.int32], k: int) -> np.float32:
    """Guess from a sample a score that about 2 k candidates reach; -inf where there is little to skip."""
    stride = len(candidates_C) // _SAMPLE
    if stride * _SAMPLE < 4 * k or stride < 2:
        return np.float32(-np.inf)
    sample = np.empty(_SAMPLE, np.float32)
    for i in range(_SAMPLE):
        sample[i] = score_T[candidates_C[i * stride]]
    sample.sort()
    floor = sample[_SAMPLE - 1 - (2 * k * _SAMPLE) // len(candidates_C)]
    return np.float32(-np.inf) if np.isnan(floor) else floor


@compiled
def _select_row(  # noqa: PLR0913 - a kernel takes its arrays one by one
    score_T: NDArray[np.float32],
    candidates_C: NDArray[np.int32],
    seen_S: NDArray[np.int32],
    seed: np.uint64,
    query: np.uint64,
    id_K: NDArray[np.int32],
    score_K: NDArray[np.float32],
    tie_K: NDArray[np.uint64],
    floor: np.float32,
) -> int:
    """Fill one slate with what scores at least `floor`; return how many it has, -1 when a score was NaN."""
    k, size, least = len(id_K), 0, floor
    # From the newest: a method that prefers what is new then fills its heap at once.
    for c in range(len(candidates_C) - 1, -1, -1):
        target = candidates_C[c]
        score = score_T[target]
        if score < least:  # most candidates leave here; NaN does not
            continue
        if np.isnan(score):
            return -1
        if score == -np.inf or _holds(seen_S, target):
            continue
        tie = tie_hash(seed, query, np.uint64(target))
        if size < k:
            score_K[size], tie_K[size], id_K[size] = score, tie, target
            size += 1
            if size == k:
                _heapify(score_K, tie_K, id_K, k)
                least = score_K[0]
        elif _is_worse(score_K[0], tie_K[0], score, tie):
            score_K[0], tie_K[0], id_K[0] = score, tie, target
            _sink(score_K, tie_K, id_K, 0, k)
            least = score_K[0]
    if size < k:
        _heapify(score_K, tie_K, id_K, size)
    _sort_best_first(score_K, tie_K, id_K, size)
    return size


@compiled
def _select(  # noqa: PLR0913 - a kernel takes its arrays one by one
    scores_QT: NDArray[np.float32],
    query_Q: NDArray[np.int32],
    candidates_C: NDArray[np.int32],
    seen_start_Q1: NDArray[np.int64],
    seen_S: NDArray[np.int32],
    seed: np.uint64,
    ids_QK: NDArray[np.int32],
    best_QK: NDArray[np.float32],
) -> bool:
    """Fill every slate; True when a score was NaN."""
    tie_K = np.empty(ids_QK.shape[1], np.uint64)
    for q in range(len(query_Q)):
        score_T = scores_QT[q if scores_QT.shape[0] > 1 else 0]
        seen = seen_S[seen_start_Q1[q] : seen_start_Q1[q + 1]]
        query = np.uint64(query_Q[q])
        floor = _likely_floor(score_T, candidates_C, len(tie_K))
        n = _select_row(score_T, candidates_C, seen, seed, query, ids_QK[q], best_QK[q], tie_K, floor)
        if 0 <= n < len(tie_K) and floor > -np.inf:  # the guess was too high: once more without it
            ids_QK[q], best_QK[q] = -1, -np.inf
            n = _select_row(score_T, candidates_C, seen, seed, query, ids_QK[q], best_QK[q], tie_K, np.float32(-np.inf))
        if n < 0:
            return True
    return False
