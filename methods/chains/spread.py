"""The middle hop: from a query's weighted middles over their weighted lists to ends, each scored by all its paths.

A path from query q over middle m to end e weighs w(q, m) * w(m, e). What all paths to an end make together:

    max          the best path
    sum          the sum over paths
    multi-decay  .1 max + sum over i of path_i * .8 ** i + .1 n, paths i = 0, 1, ... best first, n of them

The last is an aggregator of Twitter's follow recommendations (SimsExpansion, the-algorithm). Each end remembers its
best path's middle, the earlier of equals. Shapes: Q queries, P middles of all queries, M rows of the table, V its
entries, E ends there are, X ends reached.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from methods.chains.lists import Lists
from methods.kernel import compiled
from simulator.schema import SchemaError

Aggregate = Literal["max", "sum", "multi-decay"]
AGGREGATES: tuple[Aggregate, ...] = ("max", "sum", "multi-decay")
_MAX, _SUM, _MULTI = range(3)
DECAY, SHARE_OF_MAX, SHARE_OF_COUNT = 0.8, 0.1, 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Reached:
    """The ends that each query reaches, in order of first contact, with score, best middle and number of paths."""

    start_Q1: NDArray[np.int64]
    end_X: NDArray[np.int32]
    score_X: NDArray[np.float32]
    middle_X: NDArray[np.int32]
    n_paths_X: NDArray[np.int32]


def check_aggregate(field: str, aggregate: str) -> None:
    """Refuse an aggregator that there is not."""
    if aggregate not in AGGREGATES:
        raise SchemaError(field, f"one of {', '.join(AGGREGATES)}", repr(aggregate))


def spread(middles: Lists, table: Lists, *, n_ends: int, aggregate: Aggregate) -> Reached:
    """Follow every query's middles into `table`, whose rows are middles and whose ids are ends below `n_ends`."""
    check_aggregate("aggregate", aggregate)
    degree_M = np.diff(table.start_R1)
    if len(middles.ids_P) and middles.ids_P.max() >= len(table):
        raise SchemaError("middles", f"ids < {len(table)}", int(middles.ids_P.max()))
    path_Q1 = np.concatenate([[0], np.cumsum(degree_M[middles.ids_P])])[middles.start_R1]
    n_paths_Q = np.diff(path_Q1)
    room = int(np.minimum(n_paths_Q, n_ends).sum())
    ends, best = np.empty(room, np.int32), np.empty(room, np.int32)
    scores, n_paths = np.empty(room, np.float32), np.empty(room, np.int32)
    start_Q1 = np.zeros(len(middles) + 1, np.int64)
    _spread(
        middles.start_R1,
        middles.ids_P,
        middles.weights_P,
        table.start_R1,
        table.ids_P,
        table.weights_P,
        np.zeros(n_ends, np.int32),  # made here: numpy's zeros cost only what is touched
        AGGREGATES.index(aggregate),
        int(n_paths_Q.max(initial=0)),
        start_Q1,
        ends,
        scores,
        best,
        n_paths,
    )
    n = start_Q1[-1]
    return Reached(start_Q1, ends[:n], scores[:n], best[:n], n_paths[:n])


@compiled
def _spread(  # noqa: PLR0913 - a kernel takes its arrays one by one
    start_Q1: NDArray[np.int64],
    middle_P: NDArray[np.int32],
    weight_P: NDArray[np.float32],
    start_M1: NDArray[np.int64],
    end_V: NDArray[np.int32],
    weight_V: NDArray[np.float32],
    slot_E: NDArray[np.int32],
    aggregate: int,
    most_paths: int,
    out_start_Q1: NDArray[np.int64],
    out_end: NDArray[np.int32],
    out_score: NDArray[np.float32],
    out_middle: NDArray[np.int32],
    out_n: NDArray[np.int32],
) -> None:
    """Fill what each query reaches; `slot_E` is 0 for an end not yet met, else 1 + its place, and 0 again after."""
    path_end, path_middle = np.empty(most_paths, np.int32), np.empty(most_paths, np.int32)
    path_score, total = np.empty(most_paths, np.float64), np.empty(most_paths, np.float64)
    for q in range(len(start_Q1) - 1):
        n_paths = 0
        for p in range(start_Q1[q], start_Q1[q + 1]):
            for v in range(start_M1[middle_P[p]], start_M1[middle_P[p] + 1]):
                path_end[n_paths], path_middle[n_paths] = end_V[v], middle_P[p]
                path_score[n_paths] = np.float64(weight_P[p]) * np.float64(weight_V[v])
                n_paths += 1
        if aggregate == _MULTI:
            order = np.argsort(-path_score[:n_paths], kind="mergesort")
        else:
            order = np.arange(n_paths)
        first = out_start_Q1[q]
        size = _gather(order, path_end, path_score, slot_E, aggregate, first, total, out_end, out_middle, out_n)
        for x in range(size):
            best = path_score[out_middle[first + x]]
            score = best if aggregate == _MAX else total[x]
            if aggregate == _MULTI:
                score += SHARE_OF_MAX * best + SHARE_OF_COUNT * out_n[first + x]
            out_score[first + x] = score
            out_middle[first + x] = path_middle[out_middle[first + x]]
            slot_E[out_end[first + x]] = 0
        out_start_Q1[q + 1] = first + size


@compiled
def _gather(  # noqa: PLR0913 - a kernel takes its arrays one by one
    order: NDArray[np.int64],
    path_end: NDArray[np.int32],
    path_score: NDArray[np.float64],
    slot_E: NDArray[np.int32],
    aggregate: int,
    first: int,
    total: NDArray[np.float64],
    out_end: NDArray[np.int32],
    out_best: NDArray[np.int32],
    out_n: NDArray[np.int32],
) -> int:
    """Sum one query's paths by end; `out_best` gets the best path's place. Return the number of ends."""
    size = 0
    for path in order:
        end = path_end[path]
        if slot_E[end] == 0:
            size += 1
            slot_E[end] = size
            out_end[first + size - 1], out_best[first + size - 1] = end, path
            out_n[first + size - 1], total[size - 1] = 0, 0.0
        at = slot_E[end] - 1
        weight = DECAY ** out_n[first + at] if aggregate == _MULTI else 1.0
        total[at] += weight * path_score[path]
        out_n[first + at] += 1
        if path_score[path] > path_score[out_best[first + at]]:
            out_best[first + at] = path
    return size
