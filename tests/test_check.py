"""Slates that break one rule each are refused, and say which and where."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.check import SlateError, check_slates
from simulator.schema import Requests, Slates
from simulator.schema.checks import SchemaError

K, N_TARGETS = 4, 20
Array = NDArray[np.int32]


def requests_of(n: int = 3) -> Requests:
    """Candidates are the even ids and 19; request q has seen 2 q."""
    candidates_C = np.append(np.arange(0, N_TARGETS, 2), 19).astype(np.int32)
    seen_S = 2 * np.arange(n, dtype=np.int32)
    return Requests(
        "user", "note", np.arange(n, dtype=np.int32), 0, candidates_C, np.arange(n + 1, dtype=np.int64), seen_S, 1
    )


def valid() -> tuple[Array, NDArray[np.float32]]:
    ids_QK = np.array([[6, 8, 10, 12], [0, 19, -1, -1], [-1, -1, -1, -1]], np.int32)
    # The score of a pad is ignored, even one that rises.
    return ids_QK, np.array([[3, 2, 2, 1], [1, -np.inf, 9, 9], [0, 1, 2, 3]], np.float32)


def check(ids_QK: Array, scores_QK: NDArray[np.float32]) -> None:
    check_slates(Slates(ids_QK, scores_QK), requests_of(), k=K, n_targets=N_TARGETS)


def test_valid_slates_pass() -> None:
    check(*valid())


def test_bare_ids_pass_as_slates_of_equal_scores() -> None:
    check_slates(valid()[0], requests_of(), k=K, n_targets=N_TARGETS)


def put(row: int, place: int, value: int) -> Callable[[Array, NDArray[np.float32]], None]:
    def mutate(ids_QK: Array, _: NDArray[np.float32]) -> None:
        ids_QK[row, place] = value

    return mutate


def score(row: int, place: int, value: float) -> Callable[[Array, NDArray[np.float32]], None]:
    def mutate(_: Array, scores_QK: NDArray[np.float32]) -> None:
        scores_QK[row, place] = value

    return mutate


FUZZ = {
    "out of range": (put(0, 2, 20), "ids < 20, got id 20 at request 0, place 2"),
    "far out of range": (put(1, 0, 2**31 - 1), "ids < 20, got id 2147483647 at request 1, place 0"),
    "no candidate": (put(0, 3, 7), "candidates of the request, got id 7 at request 0, place 3"),
    "twice": (put(0, 3, 8), "distinct ids within a request, got id 8 at request 0, place 3"),
    "twice, apart": (put(0, 2, 6), "distinct ids within a request, got id 6 at request 0, place 2"),
    "seen": (put(1, 1, 2), "not seen, got id 2 at request 1, place 1"),
    "rising score": (score(0, 3, 2.5), "never rise, got 2.5 after 2.0 at request 0, place 3, id 12"),
}


@pytest.mark.parametrize("name", FUZZ)
def test_one_broken_rule_is_refused_with_field_request_and_id(name: str) -> None:
    mutate, message = FUZZ[name]
    ids_QK, scores_QK = valid()
    mutate(ids_QK, scores_QK)
    with pytest.raises(SlateError, match="Slates.(ids|scores): expected .*" + message):
        check(ids_QK, scores_QK)


@pytest.mark.parametrize("shape", [(2, K), (4, K), (3, K - 1), (3, K + 1), (0, K), (K, 3)])
def test_another_shape_is_refused(shape: tuple[int, int]) -> None:
    ids_QK = np.full(shape, -1, np.int32)
    with pytest.raises(SlateError, match=r"Slates.ids: expected shape \(3, 4\), got"):
        check(ids_QK, np.zeros(shape, np.float32))


@pytest.mark.parametrize(
    "ids_QK",
    [
        np.zeros((3, K), np.int64),
        np.zeros(3, np.int32),
        np.full((3, K), -2, np.int32),
        np.array([[-1, 0, 2, 4]], np.int32),
    ],
)
def test_bare_ids_meet_the_rules_of_slates(ids_QK: Array) -> None:
    with pytest.raises(SchemaError, match=r"Slates\.ids"):
        check_slates(ids_QK, requests_of(), k=K, n_targets=N_TARGETS)


@given(st.lists(st.lists(st.integers(-1, N_TARGETS + 1), min_size=K, max_size=K), min_size=3, max_size=3))
def test_the_verdict_is_that_of_a_slow_check(rows: list[list[int]]) -> None:
    rows = [sorted(row, key=lambda i: i < 0) for row in rows]  # pads to the right
    requests = requests_of()
    candidates = set(requests.candidates_C.tolist())

    def is_fine(q: int, ids: list[int]) -> bool:
        return len(set(ids)) == len(ids) and set(ids) <= candidates and 2 * q not in ids

    fine = all(is_fine(q, [i for i in row if i >= 0]) for q, row in enumerate(rows))
    try:
        check_slates(np.array(rows, np.int32), requests, k=K, n_targets=N_TARGETS)
    except SlateError:
        assert not fine
    else:
        assert fine


def test_a_million_ids_are_checked_in_less_than_half_a_second() -> None:
    rng = np.random.default_rng(0)
    n, k, n_targets = 2_000, 500, 40_000
    first_Q = rng.integers(0, n_targets - k, n)
    ids_QK = (first_Q[:, None] + np.arange(k)).astype(np.int32)
    seen_S = ((first_Q[:, None] + k + np.arange(100)) % n_targets).astype(np.int32)
    seen_S.sort(axis=1)
    start_Q1 = np.arange(0, 100 * n + 1, 100, dtype=np.int64)
    everyone, everything = np.arange(n, dtype=np.int32), np.arange(n_targets, dtype=np.int32)
    requests = Requests("user", "note", everyone, 0, everything, start_Q1, seen_S.ravel(), 1)
    slates = Slates(ids_QK, np.zeros((n, k), np.float32))
    start = time.process_time()
    check_slates(slates, requests, k=k, n_targets=n_targets)
    assert time.process_time() - start < 0.5  # 0.02 s where this was written
