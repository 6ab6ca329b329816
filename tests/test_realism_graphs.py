"""Graph measures agree with networkx and with hand-made graphs; null models keep what they say they keep."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.realism.coclicks import (
    Clicks,
    capped,
    click_matrix,
    common_users,
    modularity,
    redrawn,
    related,
    rewired,
    strongest,
)
from bench.realism.following import people_of
from bench.realism.triangles import Graph, clustering, largest_part, mean_distance, triangles, undirected


def of_pairs(pairs: list[tuple[int, int]], n: int) -> Graph:
    ends = np.array(pairs, np.int64).reshape(-1, 2)
    return undirected(ends[:, 0], ends[:, 1], n)


@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=60))
def test_triangles_and_clustering_agree_with_networkx(pairs: list[tuple[int, int]]) -> None:
    graph = of_pairs(pairs, 12)
    reference = nx.Graph([pair for pair in pairs if pair[0] != pair[1]])
    found = clustering(graph)
    expected = nx.triangles(reference)
    assert triangles(graph).tolist() == [expected.get(x, 0) for x in range(12)]
    if reference.number_of_edges():
        assert found.mean_local == pytest.approx(nx.average_clustering(reference))
        assert found.transitivity == pytest.approx(nx.transitivity(reference))
        assert found.density == pytest.approx(nx.density(reference))
    else:
        assert found.mean_local == found.transitivity == 0.0


def test_known_graphs_have_their_clustering() -> None:
    complete = of_pairs([(a, b) for a in range(6) for b in range(a)], 6)
    assert clustering(complete).mean_local == clustering(complete).transitivity == 1.0
    star = of_pairs([(0, leaf) for leaf in range(1, 6)], 6)
    assert clustering(star).transitivity == 0.0
    # A ring where each knows two to either side: 3 (k - 2) / 4 (k - 1) with k = 4 (Watts and Strogatz 1998).
    ring = of_pairs([(a, (a + step) % 30) for a in range(30) for step in (1, 2)], 30)
    assert clustering(ring).mean_local == pytest.approx(0.5)


def test_distances_are_those_of_a_path_and_unreached_nodes_do_not_count() -> None:
    path = of_pairs([(0, 1), (1, 2), (2, 3), (5, 6)], 7)
    assert mean_distance(path, np.array([0])) == pytest.approx(2.0)
    assert mean_distance(path, np.array([0, 1])) == pytest.approx((1 + 2 + 3 + 1 + 1 + 2) / 6)
    assert mean_distance(path, np.array([4])) == 0.0
    assert largest_part(path).tolist() == [0, 1, 2, 3]


def test_a_random_graph_clusters_as_its_density() -> None:
    reference = nx.gnm_random_graph(2_000, 20_000, seed=3)
    graph = of_pairs(list(reference.edges()), 2_000)
    found = clustering(graph)
    # Triangles are Poisson with mean n^3 p^3 / 6 = 1,333: four sigma of the ratio is 11 %.
    assert found.transitivity == pytest.approx(found.density, rel=4 / np.sqrt(1_333))


def test_modularity_of_cliques_in_a_ring_is_known() -> None:
    # Ten cliques of five joined in a ring: 110 edges, each part 10 inside and degree sum 22 of 220.
    pairs = [(5 * c + a, 5 * c + b) for c in range(10) for a in range(5) for b in range(a)]
    pairs += [(5 * c, (5 * c + 6) % 50) for c in range(10)]
    found = modularity(of_pairs(pairs, 50), np.random.default_rng(1))
    assert found == pytest.approx(10 * (10 / 110 - (22 / 220) ** 2))


def a_matrix(seed: int, *, n_users: int = 300, n_items: int = 80, n: int = 3_000) -> tuple[Clicks, np.random.Generator]:
    rng = np.random.default_rng(seed)
    weight = 1.0 / np.arange(1, n_items + 1)
    items = rng.choice(n_items, n, p=weight / weight.sum())
    return click_matrix(rng.integers(0, n_users, n), items, (n_users, n_items)), rng


def test_common_users_are_counted_once_however_often_they_click() -> None:
    matrix = click_matrix(np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 0, 1, 1]), (3, 2))
    one, other, weight = common_users(matrix)
    assert (one.tolist(), other.tolist(), weight.tolist()) == ([0], [1], [2.0])


@pytest.mark.parametrize("k", [1, 3])
def test_related_items_are_those_of_greatest_cosine(k: int) -> None:
    matrix, rng = a_matrix(4)
    dense = matrix.toarray()
    size = dense.sum(axis=0)
    common = dense.T @ dense
    cosine = common / np.sqrt(np.maximum(np.outer(size, size), 1.0))
    np.fill_diagonal(cosine, 0.0)
    graph = related(matrix, k, least=2, rng=rng).toarray() > 0
    assert (graph == graph.T).all()
    cosine[common < 2] = 0.0
    for item in range(len(size)):
        at_least = np.sort(cosine[item])[::-1][k - 1]
        must = (cosine[item] > at_least) & (cosine[item] > 0)
        assert graph[item][must].all()  # the k best are neighbours
        chosen = graph[item] & (cosine[item] < at_least)
        for other in np.flatnonzero(chosen):  # any other neighbour chose this item
            assert cosine[other, item] >= np.sort(cosine[other])[::-1][k - 1]


def test_a_cap_keeps_some_of_the_busy_and_all_of_the_rest() -> None:
    matrix, rng = a_matrix(5)
    before = np.diff(matrix.indptr)
    after = capped(matrix, 8, rng)
    assert np.diff(after.indptr).tolist() == np.minimum(before, 8).tolist()
    assert ((after.toarray() > 0) <= (matrix.toarray() > 0)).all()


def test_redrawn_pairs_keep_both_margins_but_for_doubles() -> None:
    matrix, rng = a_matrix(6)
    null = redrawn(matrix, rng)
    assert (null.sum(axis=0) <= matrix.sum(axis=0)).all()
    assert (null.sum(axis=1) <= matrix.sum(axis=1)).all()
    assert null.nnz > 0.7 * matrix.nnz
    assert abs(null - matrix).sum() > 0.3 * matrix.nnz


def test_a_rewired_graph_keeps_degrees_but_for_loops_and_doubles() -> None:
    reference = nx.barabasi_albert_graph(500, 4, seed=2)
    graph = of_pairs(list(reference.edges()), 500)
    null = rewired(graph, np.random.default_rng(8))
    before, after = np.diff(graph.indptr), np.diff(null.indptr)
    assert (after <= before).all()
    assert after.sum() > 0.9 * before.sum()
    assert abs(null - graph).sum() > 0.5 * graph.nnz
    assert null.diagonal().sum() == 0


def test_the_strongest_pairs_are_those_of_most_common_users() -> None:
    matrix, rng = a_matrix(7)
    _, _, weight = common_users(matrix)
    graph = strongest(matrix, 40, rng)
    assert graph.nnz == 80
    one, other = np.triu(graph.toarray()).nonzero()
    common = (matrix.T @ matrix).toarray()[one, other]
    assert sorted(common.tolist()) == sorted(np.sort(weight)[::-1][:40].tolist())


def test_authors_who_are_users_are_one_person() -> None:
    assert people_of(np.array([-1, 2, -1], np.int32), 3).tolist() == [3, 4, 1]
