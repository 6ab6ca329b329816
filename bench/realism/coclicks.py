"""Graphs of what the same users click: related items, and authors in common, with random counterparts.

Shapes: U users, I items (notes or authors). A matrix user x item holds 1 where the user clicked the item.
"""

from __future__ import annotations

from typing import TypeAlias

import networkx as nx
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from bench.realism.finding import Numbers, Whole
from bench.realism.triangles import Graph, undirected

Clicks: TypeAlias = "sp.csr_array[np.float64]"
_ROWS = 1_000  # of the product at a time


def click_matrix(user_E: NDArray[np.integer], item_E: NDArray[np.integer], shape: tuple[int, int]) -> Clicks:
    """Return who clicked what, once however often."""
    matrix = sp.csr_array((np.ones(len(user_E)), (user_E, item_E)), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def capped(matrix: Clicks, most: int, rng: np.random.Generator) -> Clicks:
    """Keep at most `most` items of each user, drawn at random: pairs grow as their square."""
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((rng.random(len(row)), row))
    kept = order[np.arange(len(row)) - matrix.indptr[row] < most]
    return click_matrix(row[kept], matrix.indices[kept], matrix.shape)


def related(matrix: Clicks, k: int, *, least: int, rng: np.random.Generator) -> Graph:
    """Join each item to the k of greatest cosine with it among those of at least `least` common users.

    Equals are told apart at random, not by id. An edge that either end chose counts.
    """
    by_item, size_I = sp.csr_array(matrix.T), np.maximum(matrix.sum(axis=0), 1.0)
    ones, others = [], []
    for start in range(0, matrix.shape[1], _ROWS):
        common = (by_item[start : start + _ROWS] @ matrix).tocoo()
        row, col = common.row + start, common.col
        kept = (row != col) & (common.data >= least)
        row, col, data = row[kept], col[kept], common.data[kept]
        score = data / np.sqrt(size_I[row] * size_I[col]) + 1e-9 * rng.random(len(row))
        order = np.lexsort((-score, row))
        row, col = row[order], col[order]
        place = np.arange(len(row)) - np.searchsorted(row, row)
        ones.append(row[place < k])
        others.append(col[place < k])
    return undirected(np.concatenate(ones), np.concatenate(others), matrix.shape[1])


def common_users(matrix: Clicks) -> tuple[Whole, Whole, Numbers]:
    """Return every pair of items (one < other) with common users, and how many."""
    common = sp.triu(sp.csr_array(matrix.T) @ matrix, k=1).tocoo()
    return common.row.astype(np.int64), common.col.astype(np.int64), common.data


def strongest(matrix: Clicks, n_edges: int, rng: np.random.Generator) -> Graph:
    """Return the graph of the `n_edges` pairs with most common users, equals told apart at random."""
    one, other, weight = common_users(matrix)
    top = np.argsort(-(weight + 0.5 * rng.random(len(weight))), kind="stable")[:n_edges]
    return undirected(one[top], other[top], matrix.shape[1])


def redrawn(matrix: Clicks, rng: np.random.Generator) -> Clicks:
    """Return the bipartite configuration model: who clicks how often and what is clicked how often stay, pairs do not.

    A pair drawn twice is one, which costs the busiest a little.
    """
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return click_matrix(row, rng.permutation(matrix.indices), matrix.shape)


def rewired(graph: Graph, rng: np.random.Generator) -> Graph:
    """Return the configuration model of a graph: its degrees, other edges; loops and doubles are dropped."""
    stubs = rng.permutation(np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr)))
    return undirected(stubs[::2], stubs[1::2], graph.shape[0])


def modularity(graph: Graph, rng: np.random.Generator) -> float:
    """Return the modularity of the best partition that Louvain finds (Blondel et al. 2008)."""
    network = nx.from_scipy_sparse_array(graph[np.diff(graph.indptr) > 0][:, np.diff(graph.indptr) > 0])
    parts = nx.community.louvain_communities(network, seed=int(rng.integers(2**31)))
    return float(nx.community.modularity(network, parts))
