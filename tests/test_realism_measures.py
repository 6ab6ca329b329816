"""Tails, fits and ageing have known answers on samples of known laws; tolerances are in standard errors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bench.realism.ageing import age_curve, decay, half_lives
from bench.realism.finding import Measured, ccdf, curve, rank_size
from bench.realism.fits import (
    DiscreteWeibull,
    Geometric,
    LogNormal,
    Zeta,
    distance,
    distance_of,
    geometric,
    log_normal,
    mass,
    weibull,
    zeta_law,
)
from bench.realism.tails import gini, herfindahl, hill, power_law, power_law_from, rank_slope, top_share
from simulator.schema import DAY_SECONDS

SEEDS = (1, 2, 3)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("alpha", [1.8, 2.3, 3.0])
def test_hill_recovers_a_pareto_exponent_within_4_errors(alpha: float, seed: int) -> None:
    values = np.random.default_rng(seed).pareto(alpha - 1.0, 20_000) + 1.0
    found = hill(values)
    assert found is not None
    assert found.n == 2_000
    assert found.error == pytest.approx((found.alpha - 1.0) / np.sqrt(2_000))
    assert abs(found.alpha - alpha) < 4 * found.error
    assert found.ks < 2.0 / np.sqrt(found.n)  # beyond 1.63 / sqrt(n) with a chance below 1 %


def test_hill_is_exact_on_two_levels() -> None:
    # Half of the tail at its threshold, half e times as high: mean log excess 1/2, index 2, exponent 3.
    found = hill(np.repeat([np.e, 1.0], [50, 950]), top_share=0.1)
    assert found is not None
    assert found.n == 1_000  # ties of the threshold belong to the tail
    assert found.alpha == pytest.approx(1.0 + 1_000 / 50)


@pytest.mark.parametrize("seed", SEEDS)
def test_hill_of_whole_numbers_allows_for_their_rounding(seed: int) -> None:
    values = np.round(3.0 * (np.random.default_rng(seed).pareto(1.2, 50_000) + 1.0)).astype(np.int64)
    found = hill(values, whole=True)
    assert found is not None
    assert abs(found.alpha - 2.2) < 4 * found.error


def test_too_few_or_equal_values_have_no_tail() -> None:
    assert hill(np.arange(1, 300)) is None
    assert hill(np.full(10_000, 7)) is None
    assert power_law(np.full(10_000, 7)) is None
    assert power_law(np.arange(1, 40)) is None
    assert power_law(np.zeros(100, np.int64)) is None


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("alpha", [1.9, 2.5, 3.2])
def test_a_discrete_power_law_is_recovered_within_4_errors(alpha: float, seed: int) -> None:
    counts = np.random.default_rng(seed).zipf(alpha, 5_000)
    whole = power_law_from(counts, 1)
    assert whole is not None
    assert abs(whole.alpha - alpha) < 4 * whole.error
    assert whole.ks < 1.63 / np.sqrt(whole.n)
    best = power_law(counts)
    assert best is not None
    assert best.ks <= whole.ks
    assert abs(best.alpha - alpha) < 4 * best.error


def test_a_power_law_tail_is_found_above_another_law() -> None:
    rng = np.random.default_rng(5)
    body, tail = rng.integers(1, 20, 5_000), np.round(20 * (rng.pareto(1.5, 5_000) + 1.0)).astype(np.int64)
    found = power_law(np.concatenate([body, tail]))
    assert found is not None
    assert found.start >= 15
    assert abs(found.alpha - 2.5) < 4 * found.error


def test_gini_has_its_closed_forms() -> None:
    assert gini(np.full(10, 3)) == pytest.approx(0.0)
    assert gini(np.array([0, 0, 0, 5])) == pytest.approx(3 / 4)
    assert gini(np.arange(1, 101)) == pytest.approx((100**2 - 1) / (3 * 100 * 101))
    assert gini(np.zeros(5)) == 0.0
    # Quantiles of a Pareto of index 3: Gini 1 / (2 * 3 - 1).
    quantiles = (1.0 - (np.arange(200_000) + 0.5) / 200_000) ** (-1 / 3)
    assert gini(quantiles) == pytest.approx(0.2, abs=1e-3)


def test_shares_and_the_herfindahl_index_have_closed_forms() -> None:
    assert top_share(np.array([5, 1, 1, 1, 1, 1]), 1 / 6) == pytest.approx(0.5)
    assert top_share(np.full(10, 2), 0.25) == pytest.approx(0.25)
    assert herfindahl(np.full(20, 4)) == pytest.approx(1 / 20)
    assert herfindahl(np.array([3, 1])) == pytest.approx(10 / 16)
    assert rank_slope(1_000.0 * np.arange(1, 1_001) ** -0.7) == pytest.approx(-0.7)


def counts_of(values: np.ndarray[tuple[int], np.dtype[np.int64]]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.bincount(values)[1:]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("q", "b"), [(0.385, 0.67), (0.6, 0.7), (0.5, 1.3)])
def test_a_discrete_weibull_is_recovered(q: float, b: float, seed: int) -> None:
    n = 20_000
    luck = np.random.default_rng(seed).random(n)
    # P(K > k) = q^(k^b): the least k with u >= q^(k^b).
    gaps = np.maximum(np.ceil((np.log(luck) / np.log(q)) ** (1 / b)), 1).astype(np.int64)
    found = weibull(counts_of(gaps))
    # sd of q is that of the share of gaps above 1; sd of b is below 1.2 b / sqrt(n (1 - q) q), about a Weibull's own.
    assert abs(found.q - q) < 4 * np.sqrt(q * (1 - q) / n)
    assert abs(found.b - b) < 4 * 1.2 * b / np.sqrt(n * q * (1 - q))
    assert distance(gaps, found) < 1.63 / np.sqrt(n)


@pytest.mark.parametrize("seed", SEEDS)
def test_geometric_gaps_are_geometric_and_weibull_gaps_are_not(seed: int) -> None:
    n = 20_000
    rng = np.random.default_rng(seed)
    forgetful = rng.geometric(0.5, n)
    found = geometric(counts_of(forgetful))
    assert abs(found.q - 0.5) < 4 * np.sqrt(0.5 * 0.25 / n)  # delta method on the mean, variance q / p^2
    assert distance(forgetful, found) < 1.63 / np.sqrt(n)
    assert weibull(counts_of(forgetful)).b == pytest.approx(1.0, abs=4 * 1.2 / np.sqrt(n * 0.25))
    sticky = np.ceil((np.log(rng.random(n)) / np.log(0.385)) ** (1 / 0.67)).astype(np.int64)
    assert distance(sticky, geometric(counts_of(sticky))) == pytest.approx(
        0.117, abs=0.117 / 4
    )  # as published, over longer gaps


def test_the_published_gap_fits_are_ours() -> None:
    """The notes' own fits to the published shares: Weibull KS .004, power law .019, geometric .117."""
    published = np.array([0.617, 0.165, 0.079, 0.047, 0.031, 0.021, 0.014, 0.009])
    k = np.arange(1, 9)
    upto = np.cumsum(published)
    for law, ks, room in ((DiscreteWeibull(0.385, 0.67), 0.004, 0.003), (Geometric(0.5), 0.117, 0.002)):
        assert distance_of(k, upto, law) == pytest.approx(ks, abs=room)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_zeta_law_is_recovered_within_4_errors(seed: int) -> None:
    counts = counts_of(np.minimum(np.random.default_rng(seed).zipf(2.5, 20_000), 10**6))
    tail = power_law_from(np.repeat(np.arange(1, len(counts) + 1), counts), 1)
    assert tail is not None
    assert abs(zeta_law(counts).a - 2.5) < 4 * tail.error


@pytest.mark.parametrize("seed", SEEDS)
def test_rounded_log_normal_values_are_near_their_law(seed: int) -> None:
    n = 20_000
    values = np.maximum(np.round(np.random.default_rng(seed).lognormal(4.95, 1.62, n)), 1).astype(np.int64)
    found = log_normal(values)
    assert abs(found.mean - 4.95) < 4 * 1.62 / np.sqrt(n)
    assert abs(found.sd - 1.62) < 4 * 1.62 / np.sqrt(2 * n)
    assert distance(values, found) < 1.63 / np.sqrt(n)


def test_a_log_normal_rounds_half_up() -> None:
    assert LogNormal(float(np.log(2.5)), 0.7).upto(np.array([2])) == pytest.approx(0.5)


def test_every_law_sums_to_one_and_agrees_with_scipy() -> None:
    k = np.arange(1, 2_000)
    laws = (Geometric(0.7), DiscreteWeibull(0.7, 1.0), Zeta(2.5), LogNormal(1.0, 0.5), DiscreteWeibull(0.5, 0.7))
    for law in laws:
        assert float(law.upto(k)[-1]) == pytest.approx(1.0, abs=1e-4)
        assert (mass(law, k) >= 0).all()
    assert mass(Geometric(0.7), k) == pytest.approx(stats.geom.pmf(k, 0.3))
    assert mass(DiscreteWeibull(0.7, 1.0), k) == pytest.approx(stats.geom.pmf(k, 0.3))
    assert mass(Zeta(2.5), k) == pytest.approx(stats.zipf.pmf(k, 2.5), abs=1e-12)


def test_the_distance_looks_on_both_sides_of_a_step() -> None:
    # All values are 3: seen 0 before 3, where the law already has 1 - q^2; at 3 it lacks q^3.
    assert distance(np.array([3, 3, 3]), Geometric(0.1)) == pytest.approx(1 - 0.1**2)
    assert distance(np.array([3, 3, 3]), Geometric(0.9)) == pytest.approx(0.9**3)


def test_views_are_counted_over_notes_watched_for_the_whole_day() -> None:
    born = np.array([0, 0, 2 * DAY_SECONDS])
    note = np.array([0, 1, 1, 2, 2])
    age = np.array([0, 5, DAY_SECONDS, 0, DAY_SECONDS])
    found = age_curve(born, note, age, now=3 * DAY_SECONDS + 10, n_days=4)
    assert found.n_notes_D.tolist() == [3, 2, 2, 0]
    assert found.views_D.tolist() == [1.0, 0.5, 0.0, 0.0]  # the last view falls on a day that is not over


@pytest.mark.parametrize(("is_power", "sign"), [(True, 1), (False, -1)])
def test_aic_prefers_the_law_that_was_planted(is_power: bool, sign: int) -> None:
    day = np.arange(30)
    means = 100.0 * (day + 0.5) ** -1.3 if is_power else 100.0 * 2.0 ** (-(day + 0.5) / 4.0)
    noise = np.exp(0.1 * np.random.default_rng(7).normal(size=30))
    views = np.repeat(day, np.round(1_000 * means * noise).astype(np.int64)) * DAY_SECONDS
    found = decay(age_curve(np.zeros(1, np.int64), np.zeros(len(views), np.int64), views, now=31 * DAY_SECONDS))
    assert found is not None
    assert sign * found.aic_gain > 20
    # sd of a slope is the noise 0.1 over the root of the sum of squares of the regressor: 5.6 and 47.4.
    if is_power:
        assert abs(found.power - 1.3) < 4 * 0.1 / 4.9
    else:
        assert abs(np.log(2) / found.half_days - np.log(2) / 4) < 4 * 0.1 / 47.4


def test_half_lives_are_the_age_at_the_middle_view() -> None:
    note = np.array([1, 0, 1, 1, 0, 1, 2])
    age = np.array([4, 7, 1, 2, 3, 9, 5]) * 3_600
    assert half_lives(note, age, 4, least=2).tolist() == [3.0, 2.0]
    assert half_lives(note, age, 4, least=1).tolist() == [3.0, 2.0, 5.0]


def test_drawn_curves_are_thin_and_keep_both_ends() -> None:
    values = np.arange(1, 10_001)
    for drawn in (ccdf("c", values, "line"), rank_size("r", values, "line"), curve("x", values, values, "points")):
        assert len(drawn.x) <= 200
        assert {min(drawn.x), max(drawn.x)} == {1.0, 10_000.0}
    assert ccdf("c", np.array([1, 1, 2, 0]), "line").y == (0.333333, 1.0)


def test_a_number_without_reason_or_meaning_is_refused() -> None:
    with pytest.raises(ValueError, match="expected the reason"):
        Measured("x", None)
    with pytest.raises(ValueError, match="expected a finite value"):
        Measured("x", float("nan"))
