"""A weighted mean as one value a unit: its mean is exact, its spread that of the weighted mean."""

from __future__ import annotations

import numpy as np
import pytest

from bench.ratios import linearised, ratios


def test_values_have_the_weighted_mean_and_leave_undefined_units_out() -> None:
    found = linearised(np.array([0.5, 1.0, np.nan, 0.2]), np.array([1, 3, 7, 0]))
    np.testing.assert_allclose(found, [0.875 - 0.375 / 2, 0.875 + 0.375 / 2, np.nan, np.nan])
    assert np.nanmean(found) == pytest.approx((0.5 + 3.0) / 4)


def test_equal_weights_change_nothing() -> None:
    values = np.random.default_rng(0).random(9)
    np.testing.assert_allclose(linearised(values, np.full(9, 4)), values)


def test_nothing_defined_has_no_value() -> None:
    assert np.isnan(linearised(np.array([np.nan, 1.0]), np.array([2, 0]))).all()
    np.testing.assert_array_equal(ratios(np.array([1, 1]), np.array([2, 0])), [0.5, np.nan])


def test_the_spread_of_values_is_that_of_the_weighted_mean() -> None:
    rng, n, n_samples = np.random.default_rng(1), 400, 2_000
    means, errors = [], []
    for _ in range(n_samples):
        weight = 1 + rng.poisson(4, n)
        value = rng.beta(2, 1 + weight / 3)  # the heavier, the lower
        means.append(np.average(value, weights=weight))
        errors.append(linearised(value, weight).std(ddof=1) / np.sqrt(n))
    # A standard deviation of 2,000 is uncertain by 1.6 %; 4 sigma.
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.065)
