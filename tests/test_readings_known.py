"""Readings whose answer is known: textbook curves, closed forms, and the edges of half-open spans."""

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.readings import Config, Readings, readings
from bench.readings.concentration import excess, gini, random_gini
from bench.readings.survival import NEVER, kaplan_meier
from simulator.schema import DAY_SECONDS, Follows
from tests.readings_examples import EARLY, a_log, a_world, no_follows
from tests.readings_slow_formulas import chance_gini, pairwise_gini

DAY, HOUR = DAY_SECONDS, 3_600
# Remission of 21 children on 6-MP, weeks, + censored: Freireich et al. 1963, the example of every textbook.
ENDED = (6, 6, 6, 7, 10, 13, 16, 22, 23)
CENSORED = (6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35)
TEXTBOOK = {6: 0.8571, 7: 0.8067, 10: 0.7529, 13: 0.6902, 16: 0.6275, 22: 0.5378, 23: 0.4482}


def freireich() -> Any:
    wait_X = np.array([*ENDED, *(NEVER for _ in CENSORED)])
    return kaplan_meier(wait_X, np.array([*ENDED, *CENSORED]))


def test_kaplan_meier_gives_the_textbook_curve() -> None:
    curve = freireich()
    assert dict(zip(curve.time_S.tolist(), curve.waiting_S.round(4).tolist(), strict=True)) == TEXTBOOK
    assert (curve.n, curve.n_censored, curve.quantile(0.5)) == (21, 12, 23)
    assert curve.quantile(0.25) == 13
    assert math.isnan(curve.quantile(0.75))


def test_a_curve_is_known_up_to_the_last_observed() -> None:
    curve = freireich()
    assert curve.at(np.array([0, 5, 6, 35])).round(4).tolist() == [1.0, 1.0, 0.8571, 0.4482]
    assert np.isnan(curve.at(np.array([36]))).all()
    assert math.isnan(curve.restricted_mean(36))
    assert curve.restricted_mean(7) == pytest.approx(6 + 0.857142857142857)


@given(st.lists(st.integers(0, 9), min_size=1), st.integers(1, 12))
def test_without_censoring_all_is_plain(waits: list[int], horizon: int) -> None:
    wait_X = np.array(waits)
    curve = kaplan_meier(wait_X, np.full(len(waits), 10))
    assert curve.restricted_mean(horizon) == pytest.approx(np.minimum(wait_X, horizon).mean())
    assert curve.at(np.arange(12)).tolist() == pytest.approx([(wait_X > t).mean() for t in range(12)])
    assert curve.quantile(0.5) == np.sort(wait_X)[(len(waits) - 1) // 2]


@pytest.mark.parametrize("n", [1, 2, 7, 100])
def test_gini_has_its_closed_forms(n: int) -> None:
    assert gini(np.full(n, 3)) == 0
    assert gini(np.array([0] * (n - 1) + [5])) == pytest.approx((n - 1) / n)
    assert gini(np.arange(1, n + 1)) == pytest.approx((n - 1) / (3 * n))
    assert math.isnan(gini(np.zeros(n, np.int64)))


@given(st.lists(st.integers(0, 50), max_size=12))
def test_gini_is_the_mean_difference_over_twice_the_mean(counts: list[int]) -> None:
    assert gini(np.array(counts, np.int64)) == pytest.approx(pairwise_gini(counts), abs=1e-12, nan_ok=True)


@given(st.integers(1, 9), st.integers(1, 25))
def test_the_gini_of_chance_is_that_of_the_multinomial(n: int, total: int) -> None:
    assert random_gini(n, total) == pytest.approx(chance_gini(n, total), rel=1e-10)


def test_the_gini_of_chance_is_what_throwing_shows() -> None:
    thrown = np.random.default_rng(1).multinomial(3_000, np.full(500, 1 / 500), size=400)
    ginis = np.array([gini(row) for row in thrown])
    assert abs(ginis.mean() - random_gini(500, 3_000)) < 4 * ginis.std() / 20


def test_the_gini_of_chance_falls_with_the_root_of_the_mean() -> None:
    """Two Poissons of mean m are 2 sqrt(m / pi) apart, so G is near 1 / sqrt(pi m)."""
    assert random_gini(10**6, 10**9) == pytest.approx(1 / math.sqrt(math.pi * 1_000), rel=1e-3)
    assert random_gini(10**6, 10) == pytest.approx(1 - 1e-5, abs=2e-5)


def test_excess_is_zero_by_chance_and_one_at_most() -> None:
    assert excess(0.1, 0.1, 50) == 0
    assert excess(49 / 50, 0.1, 50) == pytest.approx(1)
    assert math.isnan(excess(0.0, 0.0, 1))
    assert math.isnan(excess(2 / 3, random_gini(3, 1), 3))


def read(notes: list[tuple[int, int]], rows: list[tuple[int, int, int]], **changed: Any) -> Readings:
    """Readings of four days of three users and two authors, all rows clicked."""
    catalog = a_world([0, 0, 0], [1, 1], notes)
    config = replace(Config(), **changed)
    return readings(catalog, no_follows(), [a_log(rows, clicked=True)], start=0, end=4 * DAY, config=config)


@pytest.mark.parametrize(("second", "expected"), [(DAY - 1, 1.0), (DAY, 0.0)])
def test_within_a_span_means_before_its_end(second: int, expected: float) -> None:
    rows = [(0, 0, 10), (1, 0, 10 + second)]
    found = read([(0, 10)], rows, guarantee_impressions=2, effective_viewers=2, heat_clicks=2, heat_days=1)
    for name in ("guarantee_success", "effective_notes", "high_heat"):
        assert found.value(name) == expected


@pytest.mark.parametrize(("born", "n"), [(3 * DAY, 1), (3 * DAY + 1, 0)])
def test_a_note_counts_when_its_whole_span_was_seen(born: int, n: int) -> None:
    flat = read([(0, born)], [], heat_days=1).flat()
    assert [flat[name].n for name in ("guarantee_success", "effective_notes", "high_heat")] == [n, n, n]
    assert flat["time_to_impression_1/censored"].n == 1


@pytest.mark.parametrize(("born", "is_known"), [(3 * DAY, True), (3 * DAY + 1, False)])
def test_a_note_is_watched_to_the_end_of_the_window(born: int, is_known: bool) -> None:
    assert math.isnan(read([(0, born)], []).value("time_to_impression_1/mean_24h")) != is_known


def test_a_viewer_who_comes_twice_is_one() -> None:
    assert read([(0, 10)], [(0, 0, 20), (0, 0, 30)], effective_viewers=2).value("effective_notes") == 0


def test_events_between_the_edges_of_the_window_count() -> None:
    catalog, log = a_world([0], [0], [(0, 0)]), a_log([(0, 0, time) for time in (9, 10, DAY + 9, DAY + 10)])
    found = readings(catalog, no_follows(), [log], start=10, end=DAY + 10)
    assert found.value("impressions_per_user_day") == 2
    assert found.flat()["exposure_fresh"].n == 2


@pytest.mark.parametrize(("age", "bucket"), [(HOUR - 1, "<1h"), (HOUR, "1-6h"), (6 * HOUR, "6-24h"), (DAY, "1-7d")])
def test_a_bucket_of_age_has_its_lower_edge(age: int, bucket: str) -> None:
    found = read([(0, 5)], [(0, 0, 5 + age)])
    assert found.value(f"note_age/exposure/{bucket}") == 1
    assert found.value(f"note_age/ctr/{bucket}") == 1


def test_even_exposure_of_one_note_follows_its_time() -> None:
    """One note through the window, shown every half hour: every bucket gets what its time is worth."""
    rows = [(0, 0, time) for time in range(0, 4 * DAY, HOUR // 2)]
    (table, _) = read([(-1, 0)], rows).tables
    assert table.columns["available"][:4].tolist() == pytest.approx([1 / 96, 5 / 96, 18 / 96, 72 / 96])
    assert table.columns["ratio"][:4].tolist() == pytest.approx([1, 1, 1, 1])


def test_founders_are_in_the_last_bucket_of_tenure_and_never_new() -> None:
    catalog = a_world([0], [0, 1], [(0, 2), (1, 3)])
    edges = Follows(np.zeros(3, np.int32), np.array([0, 0, 1], np.int32), np.array([0, 6, 6]))
    log = a_log([(0, 0, 4), (0, 0, 4), (0, 1, 4)], clicked=True)
    flat = readings(catalog, edges, [log], start=0, end=9 * DAY).flat()
    assert flat["author_tenure/exposure/>30d"].value == pytest.approx(2 / 3)
    assert flat["author_tenure/exposure/<1d"].value == pytest.approx(1 / 3)
    assert (flat["follows_to_new_authors"].value, flat["follows_to_new_authors"].n) == (0.5, 2)
    assert flat["retention_day_1"].n == 0
    assert flat["publish_survival_7d"].n == 1


@pytest.mark.parametrize(("gap", "expected"), [(DAY - 1, 0.0), (DAY, 1.0), (4 * DAY - 1, 1.0), (4 * DAY, 0.0)])
def test_an_author_survives_from_day_one_on_and_before_the_end(gap: int, expected: float) -> None:
    catalog = a_world([], [1], [(0, 10), (0, 10 + gap)])
    found = readings(catalog, no_follows(), [], start=0, end=9 * DAY, config=EARLY)
    assert found.value("publish_survival_3d") == expected
    assert found.value("time_to_second_note/median") == gap / HOUR


@pytest.mark.parametrize(("debut", "n"), [(5 * DAY, 1), (5 * DAY + 1, 0)])
def test_an_author_counts_who_was_seen_long_enough(debut: int, n: int) -> None:
    found = readings(a_world([], [1], [(0, debut)]), no_follows(), [], start=0, end=9 * DAY, config=EARLY)
    assert found.flat()["publish_survival_3d"].n == n
    assert found.flat()["time_to_second_note/censored"].n == 1


@pytest.mark.parametrize(("time", "expected"), [(DAY + 6, [1, 0]), (DAY + 7, [0, 1]), (2 * DAY + 7, [0, 0])])
def test_a_day_of_retention_runs_from_the_second_of_joining(time: int, expected: list[int]) -> None:
    catalog = a_world([7], [1], [(0, 1)])
    found = readings(catalog, no_follows(), [a_log([(0, 0, time)])], start=0, end=9 * DAY)
    assert [found.value("retention_day_0"), found.value("retention_day_1")] == expected


def test_lifetime_counts_active_days_from_each_matured_one() -> None:
    rows = [(0, 0, day * DAY + 5) for day in (0, 0, 2, 3)]
    found = read([(0, 1)], rows, lifetime_days=2)
    assert found.value("lt2") == pytest.approx((1 + 2) / 2)  # from days 0 and 2; day 3 has not matured
    assert found.flat()["lt2"].n == 2
    assert np.array_equal(found.daily["users"], [1, 0, 1, 1])


def test_publishing_is_over_the_users_of_the_day() -> None:
    notes = [(0, 5), (0, 6), (1, 7), (-1, 8), (1, DAY), (1, 3 * DAY)]
    found = read(notes, [(0, 0, 10), (1, 0, 10), (0, 4, DAY)], effective_viewers=1)
    assert found.value("publishing_penetration") == pytest.approx((2 / 2 + 1 / 1) / 2)
    assert found.value("notes_per_dau") == pytest.approx((4 / 2 + 1 / 1) / 2)
    assert found.value("notes_per_user_day") == pytest.approx(6 / 3)
    assert found.value("publishers") == pytest.approx((2 + 1 + 0 + 1) / 4)
    assert found.value("dap") == pytest.approx((1 + 1 + 0) / 3)  # the notes of day 3 are not yet 24 h old


def test_authors_are_linked_by_users_who_clicked_both_lately() -> None:
    catalog = a_world([0, 0, 0], [1, 1, 1], [(0, 5), (1, 5), (2, 5)])
    clicks = [(user, note, 10 + i) for i, (user, note) in enumerate([(0, 0), (0, 1), (1, 1), (1, 0), (2, 0), (2, 2)])]
    found = {
        cap: readings(catalog, no_follows(), [a_log(rows, clicked=True)], start=0, end=DAY, config=config)
        for cap, rows in (("all", clicks), ("late", [*clicks, (1, 2, 90)]))
        for config in [replace(EARLY, co_click_cap=2)]
    }
    assert found["all"].value("co_click_degree/mean") == pytest.approx(2 / 3)  # 0 - 1 by two users
    assert found["all"].value("co_click_alone") == pytest.approx(1 / 3)
    assert found["late"].value("co_click_degree/mean") == pytest.approx(2 / 3)  # user 1 drops 1 for 2: now 0 - 2
    assert Fraction(found["late"].value("co_click_degree/median")) == 1
