"""Intervals cover what they promise; differences are paired; corrections are those of the textbook."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bench.stats import Interval, holm, labels, mean_interval, over_seeds, paired_difference


def test_the_mean_leaves_undefined_requests_out_and_counts_them() -> None:
    value = mean_interval(np.array([0.0, np.nan, 1.0, 0.5, np.nan], np.float32))
    assert (value.mean, value.n, value.n_undefined) == (0.5, 3, 2)
    half = 1.959964 * 0.5 / np.sqrt(3)
    assert value.low == pytest.approx(0.5 - half)
    assert value.high == pytest.approx(0.5 + half)


@pytest.mark.parametrize(("values", "mean"), [([0.25], 0.25), ([np.nan], None), ([], None), ([np.nan, 0.25], 0.25)])
def test_fewer_than_two_defined_requests_have_no_bounds(values: list[float], mean: float | None) -> None:
    value = mean_interval(np.array(values, np.float64))
    assert (value.mean, value.low, value.high) == (mean, None, None)
    assert value.n + value.n_undefined == len(values)


def test_the_normal_interval_covers_the_mean_95_times_in_100() -> None:
    rng = np.random.default_rng(1)
    found = [mean_interval(rng.beta(1, 4, 200)) for _ in range(1_000)]
    covered = sum(v.low < 0.2 < v.high for v in found if v.low is not None and v.high is not None)
    assert abs(covered - 950) < 4 * np.sqrt(1_000 * 0.95 * 0.05)


def test_seeds_are_the_unit_of_a_t_interval() -> None:
    means = [0.1, 0.2, 0.4]
    found = over_seeds(means)
    low, high = stats.t.interval(0.95, 2, loc=np.mean(means), scale=stats.sem(means))
    assert found.low == pytest.approx(low)
    assert found.high == pytest.approx(high)
    assert found.mean == pytest.approx(0.7 / 3)
    assert found.n_seeds == 3


def test_one_seed_has_a_mean_without_bounds_and_none_has_nothing() -> None:
    assert over_seeds([0.3]) == Interval(0.3, None, None, 1)
    assert over_seeds([]) == Interval(None, None, None, 0)
    with pytest.raises(ValueError, match="expected no NaN"):
        over_seeds([0.1, float("nan")])


def test_a_difference_is_paired_request_by_request_and_seed_by_seed() -> None:
    rng = np.random.default_rng(2)
    base = {seed: rng.random(100) for seed in (1, 2, 3, 9)}
    better = {seed: base[seed] + 0.01 * seed for seed in (1, 2, 3)}  # seed 9 is not there to be compared
    found = paired_difference(better, base, rng=rng)
    expected = stats.ttest_1samp([0.01, 0.02, 0.03], 0)
    assert found.mean == pytest.approx(0.02)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.low == pytest.approx(expected.confidence_interval().low)
    assert found.n_seeds == 3


def test_a_request_counts_only_where_both_are_defined() -> None:
    a, b = np.array([1.0, np.nan, 3.0, 5.0]), np.array([0.0, 0.0, np.nan, 2.0])
    found = paired_difference({1: a, 2: a}, {1: b, 2: b}, rng=np.random.default_rng(0))
    assert (found.mean, found.low, found.high, found.p) == (2.0, 2.0, 2.0, 0.0)


def test_nothing_in_common_gives_nothing() -> None:
    a = {1: np.array([np.nan, 1.0])}
    assert paired_difference(a, {1: np.array([1.0, np.nan])}, rng=np.random.default_rng(0)).mean is None
    assert paired_difference(a, {2: np.array([1.0, 1.0])}, rng=np.random.default_rng(0)).n_seeds == 0


def test_other_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="seed 1: expected the same requests"):
        paired_difference({1: np.zeros(3)}, {1: np.zeros(1)}, rng=np.random.default_rng(0))


def test_one_seed_is_bootstrapped_and_the_same_generator_gives_the_same_interval() -> None:
    rng = np.random.default_rng(3)
    a = rng.normal(0.1, 1, 5_000)
    found = [paired_difference({1: a}, {1: np.zeros(5_000)}, rng=np.random.default_rng(4)) for _ in range(2)]
    assert found[0] == found[1]
    low, high, error = found[0].low, found[0].high, a.std() / np.sqrt(5_000)
    assert low is not None
    assert high is not None
    # A quantile at 2.5 % of 2,000 resamples is uncertain by 0.06 standard errors; 4 sigma.
    assert low == pytest.approx(a.mean() - 1.96 * error, abs=0.25 * error)
    assert high == pytest.approx(a.mean() + 1.96 * error, abs=0.25 * error)


def test_the_bootstrap_finds_a_difference_where_there_is_none_5_times_in_100() -> None:
    rng = np.random.default_rng(5)
    found = [paired_difference({1: rng.normal(0, 1, 100)}, {1: np.zeros(100)}, rng=rng).p for _ in range(400)]
    n_false = sum(p is not None and p <= 0.05 for p in found)
    # Percentile intervals of 100 values are some 3 % too narrow: 5.7 false alarms in 100 are due.
    assert abs(n_false - 23) < 4 * np.sqrt(400 * 0.057)


def test_equal_methods_show_no_difference() -> None:
    same = {1: np.ones(9)}
    assert paired_difference(same, same, rng=np.random.default_rng(0)).p == 1.0
    twice = {1: np.ones(9), 2: np.ones(9)}
    assert paired_difference(twice, twice, rng=np.random.default_rng(0)).p == 1.0


def test_holm_steps_down_and_never_falls() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}) == pytest.approx(
        {"d": 0.02, "a": 0.03, "c": 0.06, "b": 0.06}
    )
    assert holm({"a": 0.9, "b": 0.8}) == {"b": 1.0, "a": 1.0}


def test_labels_follow_the_direction_and_the_correction() -> None:
    differences = {
        "up": Interval(0.1, 0.05, 0.15, 3, 0.001),
        "down": Interval(-0.1, -0.15, -0.05, 3, 0.002),
        "alone": Interval(0.1, 0.0, 0.2, 3, 0.04),
        "besides": Interval(0.1, 0.0, 0.2, 3, 0.04),  # 0.04 holds alone, not as one of two left
        "unbounded": Interval(0.1, None, None, 1),
        "undefined": Interval(None, None, None, 0),
    }
    none = dict.fromkeys(["alone", "besides", "unbounded", "undefined"], "no difference shown")
    assert labels(differences, direction="higher") == {"up": "better", "down": "worse"} | none
    assert labels(differences, direction="lower") == {"up": "worse", "down": "better"} | none
    assert labels({"alone": differences["alone"]}, direction="higher") == {"alone": "better"}
