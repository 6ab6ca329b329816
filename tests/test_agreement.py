"""Families agree as Kendall's tau-b says, and resampling methods is what scipy finds on the resample itself."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from bench.report import load_run, write_report
from bench.report.agreement import FEWEST, Agreement, agreements, resampled_taus
from bench.report.overview import overview
from bench.tasks import TASKS
from tests.report_examples import Made, text_of, write_run
from tests.test_overview import WARM, a_table

AGE, PUBLISH, LEAKY = "note-cold/u2n/age-0h@v1", "publish/n2u@v1", "beauty/leave-one-out-leaky@v1"
A_TO_F = {"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4, "e": 0.5, "f": 0.6}
VALUES = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=9)


def only(found: tuple[Agreement, ...]) -> Agreement:
    (one,) = found
    return one


def test_one_swap_of_neighbours_among_six_costs_two_pairs_of_fifteen() -> None:
    swapped = A_TO_F | {"a": 0.2, "b": 0.1}
    one = only(agreements(overview([a_table(WARM, **A_TO_F), a_table(AGE, **swapped)])))
    assert (one.first.name, one.second.name, one.n_methods) == ("warm", "note-cold/u2n", 6)
    assert one.tau == pytest.approx(1 - 2 / 15)
    assert one.low is not None
    assert one.high is not None
    assert -1 <= one.low < 1 - 2 / 15 <= one.high <= 1


def test_the_same_order_agrees_and_the_reverse_disagrees() -> None:
    reverse = {method: 1 - value for method, value in A_TO_F.items()}
    found = agreements(overview([a_table(WARM, **A_TO_F), a_table(AGE, **A_TO_F), a_table(PUBLISH, **reverse)]))
    assert [one.tau for one in found] == pytest.approx([1, -1, -1])
    assert len(found) == 3


def test_bounds_and_methods_that_one_lacks_are_left_out() -> None:
    bounds = {"oracle": 0.9, "random": 0.0}
    swapped = A_TO_F | {"a": 0.2, "b": 0.1}
    one = only(agreements(overview([a_table(WARM, **A_TO_F, **bounds, g=0.7), a_table(AGE, **swapped, **bounds)])))
    assert one.n_methods == 6
    assert one.tau == pytest.approx(1 - 2 / 15)


def test_too_few_methods_or_all_equal_say_nothing() -> None:
    few = dict(list(A_TO_F.items())[: FEWEST - 1])
    assert only(agreements(overview([a_table(WARM, **few), a_table(AGE, **few)]))).tau is None
    equal = dict.fromkeys(A_TO_F, 0.5)
    assert only(agreements(overview([a_table(WARM, **A_TO_F), a_table(AGE, **equal)]))).tau is None
    assert agreements(overview([a_table(WARM, **A_TO_F), a_table(LEAKY, **A_TO_F)])) == ()


@given(VALUES)
def test_a_resample_has_the_tau_of_its_copies(rows: list[tuple[int, int, int]]) -> None:
    x_M, y_M, times_M = (np.array(column) for column in zip(*rows, strict=True))
    assume(times_M.sum() >= 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of scipy, where all are ties
        expected = stats.kendalltau(np.repeat(x_M, times_M), np.repeat(y_M, times_M)).statistic
    (found,) = resampled_taus(x_M.astype(float), y_M.astype(float), times_M[None, :])
    assert found == pytest.approx(expected, nan_ok=True)


def test_the_interval_of_unrelated_orders_holds_zero() -> None:
    rng = np.random.default_rng(5)
    names = [f"m{i}" for i in range(12)]
    held = 0
    for _ in range(40):
        x, y = (dict(zip(names, rng.random(12).tolist(), strict=True)) for _ in range(2))
        one = only(agreements(overview([a_table(WARM, **x), a_table(AGE, **y)])))
        assert one.low is not None
        assert one.high is not None
        held += one.low <= 0 <= one.high
    assert held >= 34  # 38 are expected of a true 95 %; 12 methods give a percentile bootstrap about 90 %


def test_terminal_and_page_show_it(tmp_path: Path) -> None:
    quality = {name: 0.1 * (n + 1) for n, name in enumerate(("popular", "als", "bpr", "swing", "item-cf", "oracle"))}
    folder = write_run(tmp_path / "run", Made((TASKS[WARM], TASKS[AGE], TASKS[PUBLISH]), quality))
    text = text_of(load_run(folder))
    assert "agreement of families  Kendall's tau-b" in text
    (line,) = [line for line in text.splitlines() if line.startswith("note-cold/u2n  publish")]
    page = write_report(load_run(folder), TASKS, tmp_path / "r.html", reference="popular").read_text("utf-8")
    assert f">{line.split()[2]} <span" in page[page.index('id="agreement"') :]
    one_family = write_run(tmp_path / "one", Made((TASKS[WARM],), quality))
    assert "agreement of families" not in text_of(load_run(one_family))
