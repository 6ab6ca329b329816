"""Search by inner product: exact lists are those of a slow loop in any batch; approximate ones keep the rules."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from methods.exact import _BATCH, _PLACES, FEW, Allowed
from methods.exact_kernels import TILE
from methods.ranking import rank
from methods.retrieval import Index, IndexConfig, build, recommend, search
from simulator.schema import Requests, SchemaError

ANSWER = tuple[NDArray[np.int32], NDArray[np.float32]]
KINDS = {
    "exact": IndexConfig("exact"),
    "flat": IndexConfig("flat"),
    "ivf": IndexConfig("ivf", n_lists=16, n_probes=8),
    "hnsw": IndexConfig("hnsw"),
}


def true_scores(vectors_TF: NDArray[np.float32], queries_QF: NDArray[np.float32]) -> NDArray[np.float32]:
    """Add up in float64, one feature after the other, and round once."""
    products_QTF = queries_QF[:, None, :].astype(np.float64) * vectors_TF[None, :, :]
    return np.cumsum(products_QTF, axis=2)[:, :, -1].astype(np.float32)


def slowly(scores_QT: NDArray[np.float32], allowed: Allowed, k: int) -> ANSWER:
    """Sort everything that is allowed by score, equals in order of id."""
    ids_QK = np.full((len(scores_QT), k), -1, np.int32)
    best_QK = np.full((len(scores_QT), k), -np.inf, np.float32)
    for q, score_T in enumerate(scores_QT):
        seen = set(allowed.seen_S[allowed.seen_start_Q1[q] : allowed.seen_start_Q1[q + 1]].tolist())
        free = [t for t in range(len(score_T)) if allowed.among_T[t] and t not in seen]
        best = sorted(free, key=lambda t: (-score_T[t], t))[:k]
        ids_QK[q, : len(best)], best_QK[q, : len(best)] = best, score_T[best]
    return ids_QK, best_QK


def assert_same(got: ANSWER, expected: ANSWER) -> None:
    np.testing.assert_array_equal(got[0], expected[0])
    np.testing.assert_array_equal(got[1], expected[1])


def limits(n_queries: int, n_targets: int, rng: np.random.Generator, share: float) -> Allowed:
    """Forbid a share of all pairs, and of all targets."""
    rows = [np.flatnonzero(rng.random(n_targets) < share).astype(np.int32) for _ in range(n_queries)]
    start_Q1 = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    among_T = rng.random(n_targets) >= share
    return Allowed(start_Q1, np.concatenate(rows).astype(np.int32), among_T, np.empty(0, np.int32))


def clustered(n_targets: int, n_features: int, rng: np.random.Generator) -> NDArray[np.float32]:
    centres = rng.standard_normal((20, n_features))
    rows = centres[rng.integers(0, 20, n_targets)] + 0.5 * rng.standard_normal((n_targets, n_features))
    unit: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


@given(
    seed=st.integers(0, 2**32),
    shape=st.tuples(st.integers(1, 2 * FEW), st.integers(1, 90), st.integers(1, 9)),
    k=st.integers(1, 100),
    share=st.sampled_from([0.0, 0.2, 0.9]),
    values=st.sampled_from(["few integers", "normal", "wild lengths"]),
)
def test_exact_search_equals_a_slow_one(
    seed: int, shape: tuple[int, int, int], k: int, share: float, values: str
) -> None:
    rng, (n_queries, n_targets, n_features) = np.random.default_rng(seed), shape
    rows = rng.standard_normal((n_queries + n_targets, n_features))
    if values == "few integers":
        rows = rows.round()
    if values == "wild lengths":
        rows *= 10.0 ** rng.integers(-25, 15, (len(rows), 1))
    queries_QF, vectors_TF = np.split(rows.astype(np.float32), [n_queries])
    allowed = limits(n_queries, n_targets, rng, share)
    assert_same(
        search(build(vectors_TF), queries_QF, k=k, exclude=allowed),
        slowly(true_scores(vectors_TF, queries_QF), allowed, k),
    )


@pytest.mark.parametrize("n_targets", [TILE - 1, TILE, TILE + 1, 2 * TILE + 33])
def test_exact_search_over_several_tiles_equals_a_slow_one(n_targets: int) -> None:
    rng = np.random.default_rng(n_targets)
    vectors_TF, queries_QF = clustered(n_targets, 16, rng), clustered(FEW + 2, 16, rng)
    allowed, scores_QT = limits(FEW + 2, n_targets, rng, 0.1), true_scores(vectors_TF, queries_QF)
    assert_same(
        search(build(vectors_TF), queries_QF, k=50, exclude=allowed),
        slowly(scores_QT, allowed, 50),
    )


@pytest.mark.parametrize("n_queries", [1, FEW + 1])
@pytest.mark.parametrize("spread", [1e-2, 1e-4, 1e-6, 1e-7])
@pytest.mark.parametrize("k", [1, 5])
def test_scores_closer_than_a_screen_can_tell_are_told_apart(n_queries: int, spread: float, k: int) -> None:
    rng = np.random.default_rng(7)
    queries_QF, common_F = rng.standard_normal((n_queries, 32)), rng.standard_normal(32)
    # What all have in common says nothing to the queries, and its rounding is all that a screen sees.
    common_F -= np.linalg.pinv(queries_QF) @ queries_QF @ common_F
    vectors_TF = (common_F + spread * rng.standard_normal((1_500, 32))).astype(np.float32)
    asked_QF, nothing = queries_QF.astype(np.float32), limits(n_queries, 1_500, rng, 0.0)
    assert_same(search(build(vectors_TF), asked_QF, k=k), slowly(true_scores(vectors_TF, asked_QF), nothing, k))


@pytest.mark.parametrize("n_queries", [1, FEW + 1])
def test_more_equals_than_there_is_room_for_go_in_order_of_id(n_queries: int) -> None:
    vectors_TF = np.ones((2 * _PLACES, 3), np.float32)
    vectors_TF[-1] = 2
    ids_QK, scores_QK = search(build(vectors_TF), np.ones((n_queries, 3), np.float32), k=5)
    assert ids_QK.tolist() == [[2 * _PLACES - 1, 0, 1, 2, 3]] * n_queries
    assert scores_QK.tolist() == [[6, 3, 3, 3, 3]] * n_queries


def test_a_query_alone_gets_what_it_gets_in_any_batch() -> None:
    rng = np.random.default_rng(3)
    index, queries_QF = build(clustered(5_000, 24, rng)), clustered(_BATCH + 3, 24, rng)
    whole = search(index, queries_QF, k=20)
    for q in (0, 7, _BATCH, _BATCH + 2):
        assert_same(search(index, queries_QF[q : q + 1], k=20), (whole[0][[q]], whole[1][[q]]))


@pytest.mark.parametrize("kind", ["exact", "flat"])
def test_requests_are_answered_as_rank_answers_them(kind: str) -> None:
    rng = np.random.default_rng(4)
    vectors_TF = rng.integers(-2, 3, (400, 6)).astype(np.float32)
    queries_QF = rng.integers(-2, 3, (5, 6)).astype(np.float32)
    allowed = limits(5, 400, rng, 0.2)
    candidates_C = np.flatnonzero(allowed.among_T).astype(np.int32)
    ids_Q = np.arange(10, 15, dtype=np.int32)
    requests = Requests("user", "note", ids_Q, 0, candidates_C, allowed.seen_start_Q1, allowed.seen_S, tie_seed=9)
    # FAISS finds only some of those that equal the last place, so there every candidate is asked for.
    k = 30 if kind == "exact" else 400
    got = recommend(build(vectors_TF, KINDS[kind]), queries_QF, requests, k=k)
    wanted = rank(queries_QF @ vectors_TF.T, requests, k=k)
    np.testing.assert_array_equal(got.ids_QK, wanted.ids_QK)


@pytest.fixture(scope="module")
def corpus() -> NDArray[np.float32]:
    return clustered(4_000, 16, np.random.default_rng(5))


@pytest.fixture(scope="module", params=KINDS)
def index(request: pytest.FixtureRequest, corpus: NDArray[np.float32]) -> Index:
    return build(corpus, KINDS[request.param])


def test_every_kind_finds_most_and_nothing_forbidden(index: Index, corpus: NDArray[np.float32]) -> None:
    rng = np.random.default_rng(6)
    queries_QF, allowed = clustered(40, 16, rng), limits(40, len(corpus), rng, 0.05)
    ids_QK, scores_QK = search(index, queries_QF, k=10, exclude=allowed)
    expected_QK, _ = slowly(true_scores(corpus, queries_QF), allowed, 10)
    assert np.mean([len(np.intersect1d(a, b)) for a, b in zip(ids_QK, expected_QK, strict=True)]) > 9
    assert (np.diff(scores_QK, axis=1) <= 0).all()
    for q, ids_K in enumerate(ids_QK):
        seen = allowed.seen_S[allowed.seen_start_Q1[q] : allowed.seen_start_Q1[q + 1]]
        assert len(np.unique(ids_K)) == 10
        assert allowed.among_T[ids_K].all()
        assert not np.isin(ids_K, seen).any()


def test_pads_follow_where_there_are_too_few(index: Index, corpus: NDArray[np.float32]) -> None:
    few = Allowed(np.array([0, 1]), np.array([8], np.int32), np.arange(len(corpus)) < 12, np.empty(0, np.int32))
    ids_QK, scores_QK = search(index, corpus[:1], k=15, exclude=few)
    found = ids_QK[0][ids_QK[0] >= 0]
    assert set(found.tolist()) <= set(range(12)) - {8}
    assert ids_QK[0, len(found) :].tolist() == [-1] * (15 - len(found))
    assert np.isneginf(scores_QK[0, len(found) :]).all()


def test_a_copy_and_one_built_again_answer_the_same(index: Index, corpus: NDArray[np.float32]) -> None:
    expected = search(index, corpus[:9], k=20)
    for other in (copy.deepcopy(index), pickle.loads(pickle.dumps(index)), build(corpus, index.config)):
        assert_same(search(other, corpus[:9], k=20), expected)


def test_ivf_that_reads_every_list_is_exact(corpus: NDArray[np.float32]) -> None:
    everything = IndexConfig("ivf", n_lists=16, n_probes=16)
    expected_QK, _ = search(build(corpus), corpus[:20], k=30)
    ids_QK, _ = search(build(corpus, everything), corpus[:20], k=30)
    np.testing.assert_array_equal(np.sort(ids_QK, axis=1), np.sort(expected_QK, axis=1))


def test_an_index_says_its_bytes(index: Index, corpus: NDArray[np.float32]) -> None:
    raw = corpus.nbytes
    if index.config.kind == "exact":
        assert index.n_bytes == raw + raw // 4 + 4 * len(corpus)
    assert raw < index.n_bytes < 4 * raw


@pytest.mark.parametrize(
    ("vectors", "config", "message"),
    [
        (np.ones((3, 2)), {}, r"vectors: expected float32\(R, F\).*float64\(3, 2\)"),
        (np.ones((0, 2), np.float32), {}, "at least 1"),
        (np.full((3, 2), np.nan, np.float32), {}, "vectors: expected finite numbers"),
        (np.ones((3, 2), np.float32), {"kind": "ivf"}, "n_lists: expected at most 3 vectors, got 1024"),
        (np.ones((3, 2), np.float32), {"kind": "pq"}, "kind: expected one of exact, flat, ivf, hnsw, got 'pq'"),
        (np.ones((3, 2), np.float32), {"n_probes": 0}, "n_probes: expected at least 1, got 0"),
        (np.ones((3, 2), np.float32), {"n_lists": 2, "n_probes": 3}, "n_probes: expected at most n_lists = 2"),
    ],
)
def test_what_makes_no_index_is_refused(vectors: NDArray[np.float32], config: dict[str, int], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        build(vectors, IndexConfig(**config))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("queries", "k", "message"),
    [
        (np.ones((1, 3), np.float32), 1, r"queries: expected \(Q, 2\)"),
        (np.ones((1, 2), np.float32), 0, "k: expected at least 1"),
        (np.full((1, 2), np.inf, np.float32), 1, "queries: expected finite numbers"),
        (np.full((1, 2), 3e38, np.float32), 1, "queries: expected scores that fit in float32"),
    ],
)
def test_what_is_no_question_is_refused(queries: NDArray[np.float32], k: int, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        search(build(np.ones((3, 2), np.float32)), queries, k=k)


def test_limits_of_another_size_are_refused() -> None:
    index = build(np.ones((3, 2), np.float32))
    wrong = Allowed(np.zeros(2, np.int64), np.empty(0, np.int32), np.ones(4, np.bool_), np.empty(0, np.int32))
    with pytest.raises(SchemaError, match="exclude: expected"):
        search(index, np.ones((1, 2), np.float32), k=1, exclude=wrong)


def test_the_library_is_loaded_by_those_kinds_only_that_need_it() -> None:
    probe = (
        "import sys, numpy as np; from methods.retrieval import build;"
        "build(np.ones((3, 2), np.float32)); sys.exit('faiss' in sys.modules)"
    )
    root = Path(__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", probe], cwd=root, check=False).returncode == 0
