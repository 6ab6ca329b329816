"""Logs planted with a known answer get it, with the verdict that goes with it, and no number that they cannot tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.realism import TARGETS
from bench.realism.target import PRESETS
from simulator.schema import DAY_SECONDS
from tests.realism_worlds import Planted, ageing_notes, card_of, lines, rates, visits

ROWS = {target.id: target for target in TARGETS}


def test_rates_are_counted_and_judged_in_their_preset() -> None:
    found = lines(card_of(rates().seen(), preset="single-column"))
    expected = {
        "click/impression": 0.46,
        "long-view/impression": 0.3318,
        "like/impression": 0.0185,
        "comment/impression": 0.0026,
        "share/impression": 0.001,
        "follow/impression": 0.0011,
        "P(like|click)": 0.0185 / 0.46,
        "P(long-view|click)": 0.3318 / 0.46,
        "P(follow|like)": 11 / 185,
        "P(click|like)": 1.0,
        "like-rate/single-column": 0.0185,
        "like-rate/note-feed": 0.0185 / 0.46,
        "responses/order": 0.0,
    }
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value), name
    # Here likes fall on clicks alone, and every follow on a like, which is not what was published.
    failed = {name for name in expected if found[name].verdict != "pass"}
    assert failed == {"P(follow|like)", "P(click|like)", "like-rate/note-feed"}


def test_the_click_rate_of_a_feed_has_its_own_band_and_says_that_it_is_assumed() -> None:
    feed, column = (card_of(rates().seen(), preset=preset) for preset in PRESETS)
    assert {line.target.id: line.verdict for line in feed.lines}["click/impression/note-feed"] == "FAIL"
    assert "click/impression" in {line.target.id for line in feed.compared}
    assert {line.target.id: line.verdict for line in column.lines}["click/impression"] == "pass"
    row = ROWS["click/impression/note-feed"]
    assert (row.low, row.high, row.remark, row.source) == (0.05, 0.15, "assumption", "assumption")


def test_more_follows_than_comments_break_the_order_once() -> None:
    planted = rates()
    planted.flags["follow"] = np.arange(10_000) < 100
    line = lines(card_of(planted.seen()))["responses/order"]
    assert line.value == 1.0
    assert line.detail == "here click > long-view > like > follow > comment > share"


def test_as_many_follows_as_comments_are_not_strictly_fewer() -> None:
    planted = rates()
    planted.flags["follow"] = planted.flags["comment"]
    assert lines(card_of(planted.seen()))["responses/order"].value == 1.0


@pytest.mark.parametrize("seed", [1, 2])
def test_weibull_returns_pass_and_geometric_returns_fail(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sticky = np.ceil((np.log(rng.random((500, 40))) / np.log(0.385)) ** (1 / 0.67)).astype(np.int64)
    found = lines(card_of(visits(np.maximum(sticky, 1), 500).seen()))
    assert [found[name].verdict for name in ("gap/weibull", "gap/geometric")] == ["pass", "pass"]
    # KS of 20,000 draws exceeds 1.63 / sqrt(n) = 0.012 with a chance of 1 %.
    assert (found["gap/published"].value or 1.0) < 0.02
    assert (found["gap/weibull"].value or 1.0) < 0.012
    found = lines(card_of(visits(rng.geometric(0.5, (500, 40)), 500).seen()))
    assert [found[name].verdict for name in ("gap/weibull", "gap/geometric")] == ["pass", "FAIL"]


@pytest.mark.parametrize(("is_power", "verdict"), [(True, "pass"), (False, "FAIL")])
def test_ageing_by_a_power_law_passes_and_by_an_exponential_fails(is_power: bool, verdict: str) -> None:
    age = np.arange(30, dtype=np.float64) + 0.5
    means = 60 * age**-1.2 if is_power else 60 * 2.0 ** (-age / 6)
    found = lines(card_of(ageing_notes(means, n_notes=120, n_days=40).seen()))
    assert found["ageing/power-law"].verdict == verdict
    if is_power:
        # Counts are rounded to whole views, which leaves the slope within a few percent.
        assert found["ageing/exponent"].value == pytest.approx(1.2, abs=0.1)


def test_the_half_life_is_the_age_of_the_middle_click() -> None:
    views = np.zeros(14)
    views[[0, 1, 2]] = 4, 3, 5  # half of the twelve by the second of them
    line = lines(card_of(ageing_notes(views, n_notes=200, n_days=30).seen()))["ageing/half-life"]
    assert line.value == 24 + 12
    assert line.verdict == "pass"


def test_exposure_counts_only_unassisted_rows_and_all_settled_notes() -> None:
    # 100 notes shown once by a boost; one of them 99 times more by merit.
    note = np.concatenate([np.arange(100), np.zeros(99, np.int64)])
    planted = Planted(
        user_E=np.arange(199) % 30,
        note_E=note,
        time_E=np.arange(199) * 10_000,
        born_N=np.zeros(100, np.int64),
        author_N=np.full(100, -1),
        flags={"click": np.arange(199) % 2 == 0},
        channel_E=(np.arange(199) < 100).astype(np.int64),
    )
    found = lines(card_of(planted.seen()))
    assert found["exposure/gini-unassisted"].value == pytest.approx(0.99)
    assert found["exposure/gini-unassisted"].verdict == "FAIL"  # above the band as well
    assert found["exposure/gini"].value == pytest.approx(99 / 199 * 0.99)
    assert "without fresh (50% of impressions)" in found["exposure/gini-unassisted"].detail


def test_impressions_on_young_notes_end_at_24_hours() -> None:
    born = np.array([0, 0, 6 * DAY_SECONDS])
    time = np.array([1, DAY_SECONDS - 1, DAY_SECONDS, 6 * DAY_SECONDS + 5, 7 * DAY_SECONDS])
    note = np.array([0, 1, 0, 2, 1])
    planted = Planted(np.arange(5), note, time, born, np.full(3, -1), flags={"click": np.arange(5) == 0})
    assert lines(card_of(planted.seen()))["exposure/young"].value == pytest.approx(3 / 5)


def test_publishing_is_counted_by_day_over_active_users() -> None:
    # Ten users a day for ten days; each day author 0 publishes twice and author 1 once, and 1 once before the log.
    user, day = np.tile(np.arange(10), 10), np.repeat(np.arange(10), 10)
    born = np.sort(np.concatenate([np.arange(10) * DAY_SECONDS + second for second in (0, 1, 2)]))
    planted = Planted(
        user_E=user,
        note_E=day * 3 + 1,
        time_E=(day + 3) * DAY_SECONDS + 100,
        born_N=np.append(0, born + 3 * DAY_SECONDS),
        author_N=np.append(1, np.tile([0, 1, 0], 10)),
        flags={"click": user == 0},
        author_U=np.array([-1, 1, *[-1] * 8]),
    )
    found = lines(card_of(planted.seen()))
    assert found["publishing/penetration"].value == pytest.approx(20 / 100)
    assert found["publishing/notes-per-dau"].value == pytest.approx(30 / 100)
    assert found["publishing/ever"].value == pytest.approx(1 / 10)
    assert found["overlap/authors"].value == pytest.approx(1 / 2)
    assert found["publishing/penetration"].verdict == "FAIL"


def test_categories_are_counted_over_labelled_notes() -> None:
    planted = replace(rates(), category_N=np.array([*range(16), 0, -1, -1, -1]))
    found = lines(card_of(planted.seen()))
    assert found["category/hhi"].value == pytest.approx((15 + 4) / 17**2)
    assert found["category/hhi"].verdict == "pass"
    assert found["category/top"].value == pytest.approx(2 / 17)


def test_a_follow_given_twice_is_one_and_people_are_merged() -> None:
    # A ring of 150 users each of whom is an author, each following the next two: the lattice clusters at 1/2.
    edges = [(user, (user + step) % 150) for user in range(150) for step in (1, 2)]
    planted = replace(rates(), n_users=150, n_authors=150, author_U=np.arange(150), follows=tuple([*edges, edges[0]]))
    found = lines(card_of(planted.seen()))
    density = 300 / (150 * 149 / 2)
    assert found["follow-graph/clustering"].value == pytest.approx(0.5 / density)
    assert found["follow-graph/clustering"].verdict == "pass"
    assert found["fans/gini"].value == pytest.approx(0.0)
    assert found["fans/median"].value == 2.0
    assert found["fans/hill"].verdict == "not measurable"  # all have as many fans
    # Steps of one and two reach 149 others: two at each distance 1 to 37 twice over, and the last one at 38.
    assert found["follow-graph/distance"].value == pytest.approx((4 * sum(range(1, 38)) + 38) / 149)


def test_a_log_of_clicks_alone_gives_no_number_that_needs_impressions() -> None:
    planted = rates()
    planted.flags["click"] = np.ones(10_000, bool)  # likes and follows are recorded, what was not clicked is not
    card = card_of(planted.seen(), is_recorded=True)
    needs = [name for name in ROWS if name.startswith(("exposure/", "day/", "publishing/")) or "/impression" in name]
    for name in (*needs, "responses/order", "P(click|like)", "hate/impression", "watch-ratio"):
        line = lines(card)[name]
        assert (line.value, line.verdict) == (None, "not measurable"), name
        assert line.detail
    assert lines(card)["like-rate/note-feed"].value == pytest.approx(0.0185)
    assert card.size.startswith("10,000 clicks, ")
    assert lines(card)["elasticity/boost"].detail == "a recorded log has no arms"


def test_times_that_are_places_in_a_list_are_no_days() -> None:
    planted = rates()
    found = lines(card_of(replace(planted, time_E=np.arange(10_000) % 40).seen()))
    for name in ("gap/weibull", "day/median", "ageing/half-life", "exposure/young"):
        assert found[name].detail == "the log's times span 1 of the 7 days needed"


def test_births_taken_from_first_events_are_no_births() -> None:
    planted = rates()
    found = lines(card_of(replace(planted, born_N=np.arange(20) * 100).seen()))
    for name in ("ageing/power-law", "publishing/penetration", "exposure/young", "productivity/one-in-3-days"):
        assert found[name].value is None
    assert found["ageing/power-law"].detail == "the notes' births are those of their first events"
