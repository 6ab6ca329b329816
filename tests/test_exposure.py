"""Who gets the places of lists, against slow references, and what pure chance gives."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.exposure import coverage, exposure_gini, exposure_share, hours_to
from bench.readings.concentration import gini, random_list_gini
from bench.readings.survival import NEVER, kaplan_meier

N_TARGETS, K = 12, 6
LISTS = st.lists(st.lists(st.integers(0, N_TARGETS - 1), unique=True, max_size=K), min_size=1, max_size=5)
BUCKETS = st.lists(st.booleans(), min_size=N_TARGETS, max_size=N_TARGETS)


def padded(lists: list[list[int]]) -> NDArray[np.int32]:
    return np.array([ids + [-1] * (K - len(ids)) for ids in lists], np.int32).reshape(len(lists), K)


def random_lists(rng: np.random.Generator, n_lists: int, n_targets: int, k: int) -> NDArray[np.int32]:
    return np.argsort(rng.random((n_lists, n_targets)), axis=1)[:, :k].astype(np.int32)


@given(LISTS, BUCKETS, st.integers(1, K + 2))
def test_exposure_share_and_coverage_equal_the_slow_reference(
    lists: list[list[int]], bucket: list[bool], k: int
) -> None:
    ids_QK, bucket_T = padded(lists), np.array(bucket)
    shares = [sum(bucket[i] for i in ids[:k]) / len(ids[:k]) if ids else math.nan for ids in lists]
    np.testing.assert_allclose(exposure_share(ids_QK, bucket_T, k=k), shares)
    shown = {i for ids in lists for i in ids[:k] if bucket[i]}
    np.testing.assert_equal(coverage(ids_QK, bucket_T, k=k), len(shown) / sum(bucket) if any(bucket) else math.nan)


@given(LISTS, BUCKETS, st.integers(1, K + 2), st.permutations(range(N_TARGETS)), st.permutations(range(5)))
def test_gini_is_that_of_counted_places_whatever_the_names_and_the_order(
    lists: list[list[int]], bucket: list[bool], k: int, new_name: list[int], order: list[int]
) -> None:
    bucket_T = np.array(bucket)
    found = exposure_gini(padded(lists), bucket_T, k=k)
    places = [sum(i in ids[:k] for ids in lists) for i in range(N_TARGETS) if bucket[i]]
    by_chance = random_list_gini(len(places), np.array([sum(bucket[i] for i in ids[:k]) for ids in lists]))
    room = 1 - 1 / len(places) - by_chance if sum(places) else 0.0
    if room > 1e-9:
        pairs = sum(abs(x - y) for x in places for y in places) / (2 * len(places) * sum(places))
        assert found == pytest.approx((pairs - by_chance) / room, abs=1e-9)
    else:
        assert math.isnan(found)
    moved = [[new_name[i] for i in lists[q]] for q in order if q < len(lists)]
    np.testing.assert_equal(exposure_gini(padded(moved), bucket_T[np.argsort(new_name)], k=k), found)


@pytest.mark.parametrize(("n_targets", "k"), [(40, 10), (40, 35), (500, 10)])
def test_random_lists_have_a_gini_of_0_after_normalisation(n_targets: int, k: int) -> None:
    rng = np.random.default_rng(4)
    bucket_T = np.ones(n_targets, np.bool_)
    found = np.array([exposure_gini(random_lists(rng, 60, n_targets, k), bucket_T, k=k) for _ in range(200)])
    assert abs(found.mean()) < 4 * found.std() / np.sqrt(200)


def test_the_expected_gini_of_two_short_lists_is_that_of_all_their_outcomes() -> None:
    n, pairs = 4, [[i, j] for i in range(4) for j in range(i)]
    every = [gini(np.bincount(a + b, minlength=n)) for a in pairs for b in pairs]
    assert random_list_gini(n, np.array([2, 2])) == pytest.approx(np.mean(every))


def test_one_target_in_every_list_has_a_gini_of_1_and_every_target_in_every_list_one_of_0() -> None:
    bucket_T = np.ones(30, np.bool_)
    assert exposure_gini(np.full((20, 1), 3, np.int32), bucket_T, k=1) == pytest.approx(1)
    assert exposure_gini(np.tile(np.arange(30, dtype=np.int32), (20, 1)), bucket_T, k=30) == 0


def test_hours_to_is_the_restricted_mean_of_notes_old_enough_and_undefined_for_others() -> None:
    hour = 3_600
    wait_J = np.array([0, 2 * hour, NEVER, 80 * hour, NEVER, hour])
    age_J = np.array([72, 100, 90, 100, 71, 3]) * hour
    found_J = hours_to(wait_J, age_J)
    np.testing.assert_array_equal(found_J, [0, 2, 72, 72, np.nan, np.nan])
    old_J = age_J >= 72 * hour
    curve = kaplan_meier(wait_J[old_J], age_J[old_J])
    assert np.nanmean(found_J) == pytest.approx(curve.restricted_mean(72 * hour) / hour)
