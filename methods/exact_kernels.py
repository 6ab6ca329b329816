"""The loops of exact search: round the vectors, collect who may be among the best, score and order those.

Legend: Q queries, T targets, F features, B targets of a tile, M places to collect in, K list length, S seen entries.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from methods.kernel import compiled
from methods.neighbours import take_best
from methods.ranking import tie_hash

TILE = 2_048  # targets whose scores stay in cache
_GROUP = 32  # targets compared with the floor at once


@compiled
def shrink(
    vectors_TF: NDArray[np.float32], small_TF: NDArray[np.int8], scale_T: NDArray[np.float32]
) -> tuple[float, float]:
    """Fill the small vectors and scales; return the greatest length and error."""
    length, error = 0.0, 0.0
    for t in range(len(vectors_TF)):
        greatest = np.float32(0)
        for f in range(vectors_TF.shape[1]):
            greatest = max(greatest, abs(vectors_TF[t, f]))
        scale = greatest / np.float32(127)
        scale_T[t] = scale
        squares, errors = 0.0, 0.0
        for f in range(vectors_TF.shape[1]):
            value = np.float64(vectors_TF[t, f])
            # A scale that underflowed to 0 leaves zeros, and the error says so.
            small = min(max(np.rint(value / scale), -127.0), 127.0) if scale > 0 else 0.0
            small_TF[t, f] = np.int8(small)
            squares += value * value
            errors += (value - small * np.float64(scale)) ** 2
        length, error = max(length, squares), max(error, errors)
    # The sums are rounded too, each by less than F units of float64.
    return np.sqrt(length) * (1 + 1e-9), np.sqrt(error) * (1 + 1e-9)


@compiled
def _is_free(target: int, seen_S: NDArray[np.int32], among_T: NDArray[np.bool_]) -> bool:
    if not among_T[target]:
        return False
    at = np.searchsorted(seen_S, target)
    return bool(at >= len(seen_S) or seen_S[at] != target)


@compiled
def _thin(
    ids_M: NDArray[np.int32], score_M: NDArray[np.float32], size: int, k: int, slack: np.float32
) -> tuple[int, np.float32]:
    """Drop who is too far below the k-th best; return how many are left, in the same order, and the floor."""
    floor = np.partition(score_M[:size], size - k)[size - k] - slack
    n = 0
    for i in range(size):
        if score_M[i] >= floor:
            ids_M[n], score_M[n] = ids_M[i], score_M[i]
            n += 1
    return n, floor


@compiled
def _collect(  # noqa: PLR0913 - a kernel takes its arrays one by one
    score_B: NDArray[np.float32],
    base: int,
    seen_S: NDArray[np.int32],
    among_T: NDArray[np.bool_],
    ids_M: NDArray[np.int32],
    score_M: NDArray[np.float32],
    size: int,
    due: int,
    floor: np.float32,
    k: int,
    slack: np.float32,
) -> tuple[int, int, np.float32]:
    """Take what reaches the floor, and raise it when `due` are there; return size or -1, due and floor.

    Most groups of targets have nobody and leave after one comparison of vectors.
    """
    n = len(score_B)
    for start in range(0, n, _GROUP):
        if start + _GROUP <= n:
            hits = 0
            for i in range(_GROUP):
                hits += score_B[start + i] >= floor
            if hits == 0:
                continue
        for i in range(start, min(start + _GROUP, n)):
            if score_B[i] < floor or not _is_free(base + i, seen_S, among_T):
                continue
            if size == due:
                size, floor = _thin(ids_M, score_M, size, k, slack)
                due = 2 * size + k
                if due > len(ids_M):
                    return -1, due, floor
                if score_B[i] < floor:
                    continue
            ids_M[size], score_M[size] = base + i, score_B[i]
            size += 1
    return size, due, floor


@compiled
def collect_tile(  # noqa: PLR0913 - a kernel takes its arrays one by one
    tile_QB: NDArray[np.float32],
    base: int,
    first: int,
    seen_start_Q1: NDArray[np.int64],
    seen_S: NDArray[np.int32],
    among_T: NDArray[np.bool_],
    ids_QM: NDArray[np.int32],
    score_QM: NDArray[np.float32],
    size_Q: NDArray[np.int64],
    due_Q: NDArray[np.int64],
    floor_Q: NDArray[np.float32],
    k: int,
    slack_Q: NDArray[np.float32],
) -> None:
    """Collect from the scores of a tile, for queries `first` and on."""
    for q in range(len(tile_QB)):
        if size_Q[q] >= 0:
            seen = seen_S[seen_start_Q1[first + q] : seen_start_Q1[first + q + 1]]
            size_Q[q], due_Q[q], floor_Q[q] = _collect(
                tile_QB[q], base, seen, among_T, ids_QM[q], score_QM[q], size_Q[q], due_Q[q], floor_Q[q], k, slack_Q[q]
            )


@compiled
def collect_small(  # noqa: PLR0913 - a kernel takes its arrays one by one
    small_TF: NDArray[np.int8],
    scale_T: NDArray[np.float32],
    query_F: NDArray[np.int16],
    query_scale: np.float32,
    q: int,
    at: int,
    seen_start_Q1: NDArray[np.int64],
    seen_S: NDArray[np.int32],
    among_T: NDArray[np.bool_],
    ids_QM: NDArray[np.int32],
    score_QM: NDArray[np.float32],
    size_Q: NDArray[np.int64],
    due_Q: NDArray[np.int64],
    floor_Q: NDArray[np.float32],
    k: int,
    slack: np.float32,
) -> None:
    """Collect for one query, number `at` of all and `q` of those collected for, by products of small integers."""
    seen = seen_S[seen_start_Q1[at] : seen_start_Q1[at + 1]]
    score_B = np.empty(TILE, np.float32)
    for base in range(0, len(small_TF), TILE):
        n = min(TILE, len(small_TF) - base)
        for i in range(n):
            product = np.int32(0)
            for f in range(small_TF.shape[1]):
                product += np.int32(small_TF[base + i, f]) * np.int32(query_F[f])
            score_B[i] = np.float32(product) * scale_T[base + i] * query_scale
        size_Q[q], due_Q[q], floor_Q[q] = _collect(
            score_B[:n], base, seen, among_T, ids_QM[q], score_QM[q], size_Q[q], due_Q[q], floor_Q[q], k, slack
        )
        if size_Q[q] < 0:
            return


@compiled
def _scores(
    vectors_TF: NDArray[np.float32], query_F: NDArray[np.float32], ids: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Return the true scores; four at a time, since the sum of each waits for itself."""
    scores, last = np.empty(len(ids), np.float32), len(ids) - 1
    for i in range(0, len(ids), 4):
        j, m, n = min(i + 1, last), min(i + 2, last), min(i + 3, last)
        a, b, c, d = vectors_TF[ids[i]], vectors_TF[ids[j]], vectors_TF[ids[m]], vectors_TF[ids[n]]
        sum_a, sum_b, sum_c, sum_d = 0.0, 0.0, 0.0, 0.0
        for f in range(len(query_F)):
            weight = np.float64(query_F[f])
            sum_a += weight * np.float64(a[f])
            sum_b += weight * np.float64(b[f])
            sum_c += weight * np.float64(c[f])
            sum_d += weight * np.float64(d[f])
        scores[i], scores[j], scores[m], scores[n] = sum_a, sum_b, sum_c, sum_d
    return scores


@compiled
def finish(  # noqa: PLR0913 - a kernel takes its arrays one by one
    vectors_TF: NDArray[np.float32],
    queries_QF: NDArray[np.float32],
    first: int,
    ids_QM: NDArray[np.int32],
    size_Q: NDArray[np.int64],
    seen_start_Q1: NDArray[np.int64],
    seen_S: NDArray[np.int32],
    among_T: NDArray[np.bool_],
    id_Q: NDArray[np.int32],
    tie_seed: np.uint64,
    ids_QK: NDArray[np.int32],
    best_QK: NDArray[np.float32],
) -> None:
    """Score what was collected, or everybody where there was no room, and write the best."""
    for q in range(len(size_Q)):
        at = first + q
        if size_Q[q] >= 0:
            ids = ids_QM[q, : size_Q[q]].copy()
        else:
            seen = seen_S[seen_start_Q1[at] : seen_start_Q1[at + 1]]
            ids = np.array([t for t in range(len(vectors_TF)) if _is_free(t, seen, among_T)], np.int32)
        if len(id_Q):
            ties = np.array([tie_hash(tie_seed, np.uint64(id_Q[at]), np.uint64(t)) for t in ids], np.uint64)
            ids = ids[np.argsort(ties)]
        take_best(ids, _scores(vectors_TF, queries_QF[at], ids), ids_QK[at], best_QK[at])
