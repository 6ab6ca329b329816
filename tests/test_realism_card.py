"""The card judges by fixed bands, is the same each time, and has every row of its table."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np
import pytest

from bench.realism import SOURCES, TARGETS, Measured
from bench.realism.card import SUBJECTS, line_of
from bench.realism.target import PRESETS, Target, shown
from bench.realism.traffic import Traffic
from simulator.schema import Observation
from simulator.simulate import live
from simulator.spec import TINY
from tests.realism_worlds import card_of, lines, rates
from tests.schema_examples import an_observation

ROWS = {target.id: target for target in TARGETS}
SOME = Target("x", "x", "ratio", "p", "none", PRESETS, low=1.0, high=2.0)


@pytest.fixture(scope="module")
def tiny() -> Observation:
    return live(TINY, seed=3)


@pytest.mark.parametrize(
    ("value", "verdict"), [(1.0, "pass"), (1.999, "pass"), (2.0, "FAIL"), (0.999, "FAIL"), (None, "not measurable")]
)
def test_a_band_holds_its_lower_end_and_not_its_upper(value: float | None, verdict: str) -> None:
    line = line_of(SOME, Measured("x", value, "why"), is_recorded=False)
    assert (line.value, line.verdict) == (value, verdict)


def test_no_band_is_no_verdict() -> None:
    line = line_of(replace(SOME, low=-inf, high=inf), Measured("x", 5.0), is_recorded=False)
    assert line.verdict == "no target"


def test_what_is_not_modelled_fails_in_a_world_and_is_not_measurable_in_a_log() -> None:
    row = replace(SOME, origin="absent", remark="no such thing")
    assert line_of(row, None, is_recorded=False).verdict == "FAIL"
    assert line_of(row, None, is_recorded=False).detail == "not modelled: no such thing"
    assert line_of(row, None, is_recorded=True).verdict == "not measurable"


def test_a_row_that_nobody_measured_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a number or a reason for x, got neither"):
        line_of(SOME, None, is_recorded=False)


def test_arms_are_judged_when_given(tiny: Observation) -> None:
    without = lines(card_of(tiny))
    assert {without[name].verdict for name in ("elasticity/boost", "consumer/boost-cost")} == {"run the arms"}
    given = (Measured("elasticity/boost", 0.06, "3 seeds"), Measured("consumer/boost-cost", 0.01))
    found = lines(card_of(tiny, extra=given))
    assert [found[one.id].verdict for one in given] == ["pass", "FAIL"]
    assert found["elasticity/boost"].detail == "3 seeds"
    with pytest.raises(ValueError, match=r"extra: expected ids among .*, got fans/gini"):
        card_of(tiny, extra=(Measured("fans/gini", 0.9),))


@pytest.mark.parametrize("seen", [an_observation(), rates(50).seen()], ids=["three events", "fifty events"])
def test_a_small_log_has_reasons_and_no_error(seen: Observation) -> None:
    for preset in PRESETS:
        card = card_of(seen, preset=preset)
        assert len(card.lines) + len(card.compared) == len(TARGETS)
        assert all(line.value is not None or line.detail for line in card.lines)


def test_an_empty_log_is_refused() -> None:
    seen = an_observation()
    nothing = seen.events.take(slice(0, 0))
    with pytest.raises(ValueError, match="expected at least one event"):
        card_of(Observation(seen.now, seen.catalog, nothing, seen.follows))


def test_every_row_that_a_log_can_tell_is_measured_once(tiny: Observation) -> None:
    traffic, rng = Traffic.of(tiny), np.random.default_rng(0)
    ids = [number.id for subject in SUBJECTS for number in subject(traffic, rng).measured]
    assert sorted(ids) == sorted(target.id for target in TARGETS if target.origin == "log")


def test_the_same_seed_gives_the_same_card(tiny: Observation) -> None:
    one, again, other = (card_of(tiny, seed=seed) for seed in (1, 1, 2))
    assert one == again
    drawn = ("related/", "follow-graph/", "author-graph/")  # what is drawn while measuring; the rest is exact
    for name, line in lines(one).items():
        assert name.startswith(drawn) or lines(other)[name] == line


def test_the_tiny_world_counts_its_verdicts(tiny: Observation) -> None:
    card = card_of(tiny)
    assert sum(card.counts().values()) == len(card.lines)
    assert card.counts()["run the arms"] == 3
    assert lines(card)["click/impression"].value == pytest.approx(float(tiny.events.click_E.mean()))
    assert lines(card)["related/times-random"].verdict == "not measurable"
    assert {drawing.anchor for drawing in card.drawings} >= {
        "exposure",
        "fans",
        "followees",
        "activity",
        "gaps",
        "days",
    }


def test_the_table_of_targets_is_whole() -> None:
    assert len(ROWS) == len(TARGETS)
    for target in TARGETS:
        assert target.source in SOURCES
        assert target.presets
        assert target.low < target.high
        assert target.origin == "log" or target.has_band
        assert (target.origin == "absent") <= bool(target.remark)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("click/impression", 0.35, 0.55),
        ("like-rate/single-column", 0.005, 0.04),
        ("like-rate/note-feed", 0.005, 0.04),
        ("gap/weibull", -inf, 0.05),
        ("gap/geometric", 0.05, inf),
        ("day/mean-to-median", 1.4, 1.8),
        ("activity/tail", 1.5, 3.0),
        ("followees/log-normal", -inf, 0.1),
        ("fans/hill", 1.9, 2.6),
        ("fans/gini", 0.85, 0.95),
        ("publishing/penetration", 0.02, 0.08),
        ("publishing/notes-per-dau", 0.05, 0.2),
        ("productivity/top-10", 0.4, 0.8),
        ("productivity/lotka", 2.0, 3.0),
        ("outcome/tail", 1.8, 2.5),
        ("exposure/gini-unassisted", 0.85, 0.95),
        ("ageing/power-law", 0.0, inf),
        ("ageing/half-life", 12.0, 72.0),
        ("category/hhi", 0.03, 0.1),
        ("related/clustering", 0.1, 0.5),
        ("related/times-random", 100.0, inf),
        ("follow-graph/in-degree", 2.0, 2.6),
        ("follow-graph/clustering", 5.0, inf),
        ("elasticity/boost", 0.03, 0.15),
    ],
)
def test_bands_are_those_of_the_notes(name: str, low: float, high: float) -> None:
    assert (ROWS[name].low, ROWS[name].high) == (low, high)


def test_values_are_written_with_three_digits_and_their_unit() -> None:
    assert [shown(0.04567, "share"), shown(12_345.6, "count"), shown(3.14159, "ratio")] == [
        "4.57 %",
        "12,346",
        "3.14 x",
    ]
    assert [ROWS[name].band() for name in ("gap/weibull", "gap/geometric", "ageing/half-life", "gap/mean")] == [
        "< 0.05",
        "≥ 0.05",
        "12 to 72 h",
        "",
    ]


def test_bands_of_25_percent_are_around_what_was_published() -> None:
    row = ROWS["like/impression"]
    assert (row.low, row.high) == pytest.approx((0.0185 * 0.75, 0.0185 * 1.25))
