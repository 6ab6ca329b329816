"""The area under a few-shot curve is the trapezium rule on log(1 + j), and stands in the overview."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.report.few_shot import area, clicks_known
from bench.report.overview import overview
from bench.tasks import TASKS
from tests.test_overview import WARM, a_table, means_of

SHARES = st.floats(0, 1)


def test_the_area_of_a_known_curve_is_the_one_worked_out_by_hand() -> None:
    steps = [math.log(2), math.log(6 / 2), math.log(21 / 6)]
    heights = [(0.0 + 0.2) / 2, (0.2 + 0.4) / 2, (0.4 + 0.6) / 2]
    by_hand = sum(step * height for step, height in zip(steps, heights, strict=True)) / math.log(21)
    assert area({0: 0.0, 1: 0.2, 5: 0.4, 20: 0.6}) == pytest.approx(by_hand)


@given(SHARES, SHARES, SHARES, SHARES)
def test_the_area_is_what_numpy_integrates_and_a_mean_height(a: float, b: float, c: float, d: float) -> None:
    curve = {20: d, 0: a, 5: c, 1: b}
    x = np.log1p(sorted(curve))
    y = np.array([curve[j] for j in sorted(curve)])
    assert area(curve) == pytest.approx(float(np.trapezoid(y, x) / x[-1]), abs=1e-12)
    assert min(y) - 1e-12 <= area(curve) <= max(y) + 1e-12


def test_one_point_has_no_area() -> None:
    with pytest.raises(ValueError, match="curve: expected at least two points, got 1"):
        area({5: 0.3})


def test_the_clicks_known_are_read_from_the_id() -> None:
    assert clicks_known("author-cold/u2a/j20@v1") == 20
    assert clicks_known("note-cold/u2n/age-24h@v1") is None
    families = {TASKS[name].family for name in TASKS if clicks_known(name) is not None}
    assert {"author-cold/u2a", "author-cold/a2a", "user-cold/u2n"} <= families


def test_the_overview_ends_with_the_area_of_each_curve_in_j() -> None:
    tables = [a_table(f"author-cold/u2a/j{j}@v1", als=0.1 * n) for n, j in enumerate((0, 1, 5, 20))]
    ages = [a_table(f"note-cold/u2n/age-{age}@v1", als=0.2) for age in ("0h", "24h")]
    seen = overview([*tables, *ages, a_table(WARM, als=0.5)])
    assert [(family.name, family.is_area) for family in seen.families] == [
        ("author-cold/u2a", False),
        ("note-cold/u2n", False),
        ("warm", False),
        ("author-cold/u2a", True),
    ]
    assert means_of(seen, "als")[-1] == pytest.approx(area({0: 0.0, 1: 0.1, 5: 0.2, 20: 0.3}))


def test_a_method_without_a_setting_has_no_area() -> None:
    tables = [a_table("author-cold/u2a/j0@v1", als=0.1, bpr=0.2), a_table("author-cold/u2a/j1@v1", als=0.3)]
    assert dict(overview(tables).rows)["bpr"] == (None, None)


def test_the_area_does_not_decide_the_order_twice() -> None:
    tables = [a_table("author-cold/u2a/j0@v1", als=0.0, bpr=0.3), a_table("author-cold/u2a/j1@v1", als=0.8, bpr=0.3)]
    tables += [a_table(WARM, als=0.1, bpr=0.2)]
    # Shares of the best: als 1 and 1/2, bpr 3/4 and 1.
    assert [method for method, _ in overview(tables).rows] == ["bpr", "als"]
