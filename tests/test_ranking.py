"""The fast ranking against the slow one: sort all candidates by score, then by hash."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from methods.ranking import rank
from simulator.schema import Requests, SchemaError

MASK = 2**64 - 1


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, Requests, int]:
    """Scores of few distinct values (so that many tie), some -inf, over random candidates and seen sets."""
    n_targets, n_requests = draw(st.integers(1, 12)), draw(st.integers(0, 4))
    score = st.sampled_from([-np.inf, -1.0, 0.0, -0.0, 0.5, 2.0])
    n_rows = draw(st.sampled_from([1, n_requests])) if n_requests else 1
    values = draw(st.lists(score, min_size=n_rows * n_targets, max_size=n_rows * n_targets))
    subsets = st.sets(st.integers(0, n_targets - 1))
    seen = [sorted(draw(subsets)) for _ in range(n_requests)]
    requests = Requests(
        query="user",
        target="note",
        ids_Q=np.array(draw(st.lists(st.integers(0, 2**31 - 1), min_size=n_requests, max_size=n_requests)), np.int32),
        time=1,
        candidates_C=np.array(sorted(draw(subsets)), np.int32),
        seen_start_Q1=np.cumsum([0, *map(len, seen)]).astype(np.int64),
        seen_S=np.array([target for row in seen for target in row], np.int32),
        tie_seed=draw(st.integers(0, 2**62 - 1)),
    )
    return np.array(values, np.float32).reshape(n_rows, n_targets), requests, draw(st.integers(1, 15))


def slow_hash(seed: int, query: int, target: int) -> int:
    """The splitmix64 finaliser in Python's own integers."""
    x = (seed + ((query << 32) ^ target) * 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def slow_row(scores_T: np.ndarray, requests: Requests, q: int, k: int) -> list[int]:
    seen = requests.seen_S[requests.seen_start_Q1[q] : requests.seen_start_Q1[q + 1]]
    ids = np.setdiff1d(requests.candidates_C, seen)
    ids = ids[scores_T[ids] > -np.inf]
    tie = np.array([slow_hash(requests.tie_seed, int(requests.ids_Q[q]), int(target)) for target in ids], np.uint64)
    return [int(target) for target in ids[np.lexsort((tie, -scores_T[ids]))][:k]]


@given(cases())
def test_ranking_is_a_sort_by_score_then_hash(case: tuple[np.ndarray, Requests, int]) -> None:
    scores_QT, requests, k = case
    slates = rank(scores_QT, requests, k=k)
    assert slates.ids_QK.shape == (len(requests), k)
    for q in range(len(requests)):
        scores_T = scores_QT[q % len(scores_QT)]
        expected = slow_row(scores_T, requests, q, k)
        assert slates.ids_QK[q].tolist() == expected + [-1] * (k - len(expected))
        np.testing.assert_array_equal(slates.scores_QK[q, : len(expected)], scores_T[expected])


def one_request(n_candidates: int) -> Requests:
    none = np.empty(0, np.int32)
    candidates_C = np.arange(n_candidates, dtype=np.int32)
    return Requests("user", "note", np.array([5], np.int32), 1, candidates_C, np.zeros(2, np.int64), none, 3)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.zeros((2, 3), np.float32), r"scores: expected \(1, T\) or \(1, T\), got \(2, 3\)"),
        (np.zeros((1, 2), np.float32), r"scores: expected T > 2 targets, got \(1, 2\)"),
        (np.zeros((1, 3)), "scores: expected float32, got float64"),
        (np.array([[0, np.nan, 0]], np.float32), "scores: expected no NaN, got NaN"),
    ],
)
def test_wrong_scores_are_refused(scores: np.ndarray, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        rank(scores, one_request(3), k=2)


def test_ties_differ_between_seeds() -> None:
    requests = one_request(50)
    other = Requests(
        "user", "note", requests.ids_Q, 1, requests.candidates_C, np.zeros(2, np.int64), requests.seen_S, 4
    )
    flat = np.zeros((1, 50), np.float32)
    assert rank(flat, requests, k=50).ids_QK.tolist() != rank(flat, other, k=50).ids_QK.tolist()


def shapes_of_scores(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    """Score columns that a sampled floor could get wrong."""
    rare = np.zeros(n, np.float32)
    rare[rng.choice(n, 30, replace=False)] = 1.0
    hidden = np.full(n, -np.inf, np.float32)
    hidden[1::7] = rng.normal(size=len(hidden[1::7]))
    return {
        "normal": rng.normal(size=n).astype(np.float32),
        "few values": rng.integers(0, 3, n).astype(np.float32),
        "constant": np.zeros(n, np.float32),
        "few above zero": rare,
        "mostly never": hidden,
        "rising": np.arange(n, dtype=np.float32),
        "great where sampled": np.where(np.arange(n) % (n // 512) == 0, 9.0, rng.random(n)).astype(np.float32),
    }


@pytest.mark.parametrize("k", [1, 60, 400])
@pytest.mark.parametrize("share_seen", [0.01, 0.95])
def test_long_lists_of_candidates_are_ranked_as_by_sorting(k: int, share_seen: float) -> None:
    rng, n = np.random.default_rng(3), 3_000
    for scores_T in shapes_of_scores(rng, n).values():
        seen = np.flatnonzero(rng.random(n) < share_seen).astype(np.int32)
        requests = Requests(
            query="user",
            target="note",
            ids_Q=np.array([5], np.int32),
            time=1,
            candidates_C=np.arange(n, dtype=np.int32),
            seen_start_Q1=np.array([0, len(seen)], np.int64),
            seen_S=seen,
            tie_seed=11,
        )
        expected = slow_row(scores_T, requests, 0, k)
        got = rank(scores_T[None, :], requests, k=k).ids_QK[0].tolist()
        assert got == expected + [-1] * (k - len(expected))
