"""Triangles and distances of an undirected graph, in time that hubs do not spoil.

A graph is a symmetric sparse matrix without loops. Triangles by the forward algorithm (Schank and Wagner 2005,
doi:10.1007/11427186_54): edges point from the smaller to the greater degree, so no node has many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numba
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from bench.realism.finding import Whole

Graph: TypeAlias = "sp.csr_array[np.float64]"


@dataclass(frozen=True, slots=True)
class Clustering:
    """Mean local clustering (nodes of one neighbour count as 0), transitivity, and the density of the graph."""

    mean_local: float
    transitivity: float
    density: float


def clustering(graph: Graph) -> Clustering:
    """Measure over the nodes that have a neighbour; 0 where there is none."""
    degree_X = np.diff(graph.indptr).astype(np.int64)
    triangles_X = triangles(graph)
    pairs_X = degree_X * (degree_X - 1) / 2
    n = int((degree_X > 0).sum())
    if n < 2:
        return Clustering(0.0, 0.0, 0.0)
    local = triangles_X[pairs_X > 0] / pairs_X[pairs_X > 0]
    transitivity = float(triangles_X.sum() / pairs_X.sum()) if pairs_X.sum() else 0.0
    return Clustering(float(local.sum()) / n, transitivity, float(degree_X.sum()) / (n * (n - 1)))


def triangles(graph: Graph) -> Whole:
    """Return in how many triangles each node is."""
    degree_X = np.diff(graph.indptr)
    order_X = np.argsort(degree_X, kind="stable")
    place_X = np.empty(len(order_X), np.int64)
    place_X[order_X] = np.arange(len(order_X))
    pairs = graph.tocoo()
    one, other = place_X[pairs.row], place_X[pairs.col]
    up = one < other
    upward = sp.csr_array((np.ones(int(up.sum()), np.int8), (one[up], other[up])), shape=graph.shape)
    return _count(upward.indptr.astype(np.int64), upward.indices.astype(np.int64))[place_X]


@numba.njit(cache=True)
def _count(start_X1: Whole, to_E: Whole) -> Whole:
    n = len(start_X1) - 1
    count_X, mark_X = np.zeros(n, np.int64), np.full(n, -1, np.int64)
    for u in range(n):
        for i in range(start_X1[u], start_X1[u + 1]):
            mark_X[to_E[i]] = u
        for i in range(start_X1[u], start_X1[u + 1]):
            v = to_E[i]
            for j in range(start_X1[v], start_X1[v + 1]):
                w = to_E[j]
                if mark_X[w] == u:
                    count_X[u] += 1
                    count_X[v] += 1
                    count_X[w] += 1
    return count_X


def mean_distance(graph: Graph, sources: Whole) -> float:
    """Return the mean number of steps from the sources to the other nodes that they reach; 0 where to none."""
    total, reached = _walk(graph.indptr.astype(np.int64), graph.indices.astype(np.int64), sources)
    return float(total / reached) if reached else 0.0


@numba.njit(cache=True)
def _walk(start_X1: Whole, to_E: Whole, sources: Whole) -> tuple[int, int]:
    n = len(start_X1) - 1
    queue_X = np.empty(n, np.int64)
    total, reached = 0, 0
    for source in sources:
        distance_X = np.full(n, -1, np.int64)
        distance_X[source] = 0
        queue_X[0] = source
        head, tail = 0, 1
        while head < tail:
            u = queue_X[head]
            head += 1
            for i in range(start_X1[u], start_X1[u + 1]):
                v = to_E[i]
                if distance_X[v] < 0:
                    distance_X[v] = distance_X[u] + 1
                    total += distance_X[v]
                    queue_X[tail] = v
                    tail += 1
        reached += tail - 1
    return total, reached


def undirected(one: NDArray[np.integer], other: NDArray[np.integer], n: int) -> Graph:
    """Return the graph of the edges, each counted once however often it is given, loops left out."""
    apart = one != other
    one, other = one[apart], other[apart]
    ends = np.concatenate([one, other]), np.concatenate([other, one])
    graph = sp.csr_array((np.ones(2 * len(one)), ends), shape=(n, n))
    graph.sum_duplicates()
    graph.data[:] = 1.0
    return graph


def largest_part(graph: Graph) -> Whole:
    """Return the nodes of the largest connected part."""
    _, label_X = sp.csgraph.connected_components(graph, directed=False)
    return np.flatnonzero(label_X == np.bincount(label_X).argmax())
