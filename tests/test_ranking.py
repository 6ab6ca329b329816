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
