"""Intervals cover what they promise; differences are paired; corrections are those of the textbook."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bench.stats import (
    Interval,
    detectable,
    given_worlds,
    holm,
    labels,
    mean_interval,
    over_seeds,
    paired_difference,
    paired_differences,
    resampled_means,
)


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


def test_methods_compared_together_get_what_each_gets_alone() -> None:
    rng = np.random.default_rng(6)
    base = {seed: rng.random(50) for seed in (1, 2, 3)}
    values = {
        "a": {seed: rng.random(50) for seed in (1, 2, 3)},
        "two seeds": {seed: rng.random(50) for seed in (2, 3)},
        "one seed": {3: rng.random(50)},
        "none": {},
    }
    together = paired_differences(values, base, rng=np.random.default_rng(7))
    for method in ("a", "two seeds", "none"):
        assert together[method] == paired_difference(values[method], base, rng=np.random.default_rng(8))
    assert [found.n_seeds for found in together.values()] == [3, 2, 1, 0]
    assert together["one seed"].mean == pytest.approx((values["one seed"][3] - base[3]).mean())
    assert together["one seed"].low is not None


def test_given_its_worlds_a_difference_is_uncertain_by_its_requests_alone() -> None:
    """Two worlds that disagree: over worlds nothing is known, given them the difference is."""
    rng = np.random.default_rng(9)
    noise = {seed: rng.normal(0, 1, 4_000) for seed in (1, 2)}
    base = {seed: np.zeros(4_000) for seed in (1, 2)}
    values = {"a": {1: noise[1] + 1, 2: noise[2] + 3}, "one": {1: noise[1] + 1}}
    over, given = (f(values, base, rng=np.random.default_rng(10)) for f in (paired_differences, given_worlds))
    assert over["a"].mean == given["a"].mean
    assert over["a"].low is not None
    assert over["a"].low < 0
    # The mean of two means of 4,000 values: 1 / sqrt(8,000). A quantile is uncertain by 0.06 of that; 4 sigma.
    error = 1 / np.sqrt(8_000)
    mean = float(np.mean([noise[1].mean() + 1, noise[2].mean() + 3]))
    assert given["a"].low == pytest.approx(mean - 1.96 * error, abs=0.25 * error)
    assert given["a"].high == pytest.approx(mean + 1.96 * error, abs=0.25 * error)
    assert (given["a"].n_seeds, given["one"].n_seeds) == (2, 1)
    assert over["one"].mean == given["one"].mean


def test_resampled_means_are_those_of_the_drawn_counts() -> None:
    values = np.random.default_rng(1).random((40, 3))
    values[::4, 1] = np.nan
    values[:, 2] = np.nan
    uniform = np.random.default_rng(2).integers(0, 1 << 16, (9, 40), dtype=np.uint16)
    counts = stats.poisson.ppf((uniform + 0.5) / (1 << 16), 1)
    found = resampled_means(values, np.random.default_rng(2), n_resamples=9)
    for b in range(9):
        for m in (0, 1):
            drawn = np.repeat(values[:, m], counts[b].astype(int))
            assert found[b, m] == pytest.approx(np.nanmean(drawn), rel=1e-6)
    assert (found[:, 2] == 0).all()


def test_the_detectable_difference_is_that_of_tables_of_power() -> None:
    """Effect sizes of the paired t-test at 80 %, two-sided 5 %: G*Power 3.1 for n = 3, 5, 10, 27, 34, 128."""
    for n, effect in ((3, 3.2640), (5, 1.6820), (10, 0.9960), (27, 0.5601), (34, 0.4950), (128, 0.2495)):
        units = np.resize([-1.0, 1.0], n)
        assert detectable(units) == pytest.approx(effect * units.std(ddof=1), rel=3e-4)
    many = np.resize([-1.0, 1.0], 100_000)
    assert detectable(many) == pytest.approx((stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) / np.sqrt(100_000), rel=1e-4)


def test_the_detectable_difference_is_found_8_times_in_10() -> None:
    rng, n_trials = np.random.default_rng(11), 2_000
    for n in (3, 8):
        effect = detectable(np.resize([-1.0, 1.0], n))
        assert effect is not None
        effect /= np.resize([-1.0, 1.0], n).std(ddof=1)
        p_values = np.asarray(stats.ttest_1samp(rng.normal(effect, 1, (n_trials, n)), 0, axis=1).pvalue)
        assert abs((p_values <= 0.05).mean() - 0.8) < 4 * np.sqrt(0.16 / n_trials)


def test_nothing_is_detectable_without_spread_to_tell_and_undefined_units_do_not_count() -> None:
    assert detectable(np.array([1.0, np.nan])) is None
    assert detectable(np.array([])) is None
    assert detectable(np.ones(3)) == 0.0
    assert detectable(np.array([1.0, np.nan, 3.0])) == detectable(np.array([1.0, 3.0]))
