"""Readings against plain loops over rows, however the log is cut, and at the edges of half-open windows."""

import json
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.readings import Accumulator, Config, Readings, difference, readings, window_of
from simulator.schema import DAY_SECONDS, EventLog, Observation, SchemaError
from tests.readings_examples import DAYS, EARLY, a_dense_run, a_log, a_world, no_follows, read_whole
from tests.readings_slow import Slow
from tests.readings_slow_formulas import known_until, still_waiting
from tests.schema_strategies import observations

SEEDS = st.integers(0, 2**32 - 1)
WINDOWS = st.tuples(st.integers(-DAY_SECONDS, 5 * DAY_SECONDS), st.integers(1, 8 * DAY_SECONDS))
MIDNIGHTS = st.tuples(st.integers(0, 4), st.integers(3, DAYS)).map(
    lambda days: (days[0] * DAY_SECONDS, (days[1] - min(days[0], 2)) * DAY_SECONDS)
)


def assert_same(fast: Readings, slow: Slow) -> None:
    expected = slow.readings()
    for name, values in slow.bucket_cells().items():
        (table,) = (table for table in fast.tables if table.name == name.partition("/")[0])
        expected |= {f"{name}/{label}": value for label, value in zip(table.labels, values, strict=True)}
    found = {name: reading.value for name, reading in fast.flat().items()}
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)


@settings(deadline=None, max_examples=60)
@given(SEEDS, WINDOWS | MIDNIGHTS)
def test_every_reading_is_what_loops_over_rows_say(seed: int, window: tuple[int, int]) -> None:
    seen, (start, span) = a_dense_run(seed), window
    end = min(start + span, seen.now)
    assert_same(read_whole(seen, start=start, end=end), Slow(seen, start, end, EARLY))


@settings(deadline=None, max_examples=60)
@given(observations(), st.sampled_from([EARLY, Config(), replace(EARLY, founded_time=-1)]))
def test_any_observation_is_read_as_loops_read_it(seen: Observation, config: Config) -> None:
    fast = read_whole(seen, start=0, end=seen.now, config=config)
    assert_same(fast, Slow(seen, 0, seen.now, config))


@settings(deadline=None, max_examples=40)
@given(SEEDS, WINDOWS)
def test_a_share_is_undefined_where_it_is_over_none(seed: int, window: tuple[int, int]) -> None:
    seen, (start, span) = a_dense_run(seed), window
    for reading in read_whole(seen, start=start, end=min(start + span, seen.now)).scalars:
        if not reading.name.startswith(("time_to", "gini")) or reading.name.endswith("censored"):
            assert math.isnan(reading.value) == (reading.n == 0), reading.name


@settings(deadline=None, max_examples=40)
@given(SEEDS)
def test_curves_are_kaplan_meier_on_the_hour(seed: int) -> None:
    seen = a_dense_run(seed)
    slow = Slow(seen, 0, seen.now, EARLY)
    waits = {**slow.note_waits(), "second_note": slow.second_notes()}
    curves = read_whole(seen, start=0, end=seen.now).curves
    assert [curve.name for curve in curves] == list(waits)
    for curve in curves:
        own, times = waits[curve.name], curve.hours_T * 3_600
        expected = [float(still_waiting(own, t)) if known_until(own, t) else math.nan for t in times]
        np.testing.assert_allclose(curve.waiting_T, expected, rtol=1e-12)


@settings(deadline=None, max_examples=40)
@given(SEEDS, st.lists(st.integers(0, 120), max_size=9), WINDOWS)
def test_cutting_the_log_elsewhere_changes_no_bit(seed: int, cuts: list[int], window: tuple[int, int]) -> None:
    seen, (start, span) = a_dense_run(seed), window
    end = min(start + span, seen.now)
    edges = [0, *sorted(min(cut, len(seen.events)) for cut in cuts), len(seen.events)]
    chunks = [seen.events.take(slice(a, b)) for a, b in pairwise(edges)]
    whole = read_whole(seen, start=start, end=end)
    pieces = readings(seen.catalog, seen.follows, chunks, start=start, end=end, config=EARLY)
    assert json.dumps(pieces.as_dict()) == json.dumps(whole.as_dict())


@pytest.mark.parametrize("seed", range(20))
def test_a_log_may_come_row_by_row(seed: int) -> None:
    seen = a_dense_run(seed)
    rows = [seen.events.take(slice(e, e + 1)) for e in range(len(seen.events))]
    pieces = readings(seen.catalog, seen.follows, rows, start=0, end=seen.now, config=EARLY)
    assert json.dumps(pieces.as_dict()) == json.dumps(read_whole(seen, start=0, end=seen.now).as_dict())


@pytest.mark.parametrize("seed", range(5))
def test_co_clicks_counted_in_many_blocks_are_the_same(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = a_dense_run(seed)
    whole = read_whole(seen, start=0, end=seen.now)
    monkeypatch.setattr("bench.readings.co_clicking._BLOCK_PAIRS", 3)
    assert read_whole(seen, start=0, end=seen.now).as_dict() == whole.as_dict()


@settings(deadline=None, max_examples=20)
@given(SEEDS)
def test_what_lies_at_or_after_the_end_changes_nothing(seed: int) -> None:
    seen, end = a_dense_run(seed), 5 * DAY_SECONDS + 17
    before = Observation(end, seen.catalog.before(end), seen.events.between(0, end), seen.follows.before(end))
    assert read_whole(seen, start=7, end=end).as_dict() == read_whole(before, start=7, end=end).as_dict()


def test_a_result_can_be_read_midway_and_again() -> None:
    seen = a_dense_run(5)
    taken = Accumulator(seen.catalog, seen.follows, start=0, end=seen.now, config=EARLY)
    half = len(seen.events) // 2
    taken.absorb(seen.events.take(slice(0, half)))
    early = taken.result().as_dict()
    taken.absorb(seen.events.take(slice(half, len(seen.events))))
    assert early != taken.result().as_dict() == read_whole(seen, start=0, end=seen.now).as_dict()


def test_an_empty_world_has_no_values_but_counts() -> None:
    nothing = readings(a_world(), no_follows(), [], start=0, end=DAY_SECONDS)
    flat = nothing.flat()
    undefined = {name for name, reading in flat.items() if math.isnan(reading.value)}
    assert flat.keys() - undefined == {"dau", "publishers"}
    assert {flat[name].n for name in undefined} == {0}
    json.dumps(nothing.as_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        ([a_log([(0, 0, 9)]), a_log([(0, 0, 8)])], "chunks in order, from 9 on, got 8"),
        ([a_log([(2, 0, 9)])], r"EventLog.user: expected values in \[0, 2\)"),
        ([a_log([(0, 1, 9)])], r"EventLog.note: expected values in \[0, 1\)"),
        ([a_log([(0, 0, 4)])], "no event before its note was born"),
        ([a_log([(1, 0, 6)])], "no event before its user joined"),
    ],
)
def test_what_does_not_fit_the_catalog_is_refused(chunks: list[EventLog], message: str) -> None:
    catalog = a_world([0, 7], [0], [(0, 5)])
    with pytest.raises(SchemaError, match=message):
        readings(catalog, no_follows(), chunks, start=0, end=10)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"age_hours": (1, 2)}, "Config.age_hours: expected edges ascending from 0"),
        ({"tenure_days": (0, 0)}, "Config.tenure_days: expected edges ascending from 0"),
        ({"lifetime_days": 65}, "Config.lifetime_days: expected 1 to 64, got 65"),
        ({"co_click_cap": 0}, "Config.co_click_cap: expected at least 1, got 0"),
        ({"impression_marks": (0,)}, "Config.impression_marks: expected numbers from 1"),
    ],
)
def test_a_config_that_means_nothing_is_refused(changed: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(EARLY, **changed)  # type: ignore[arg-type]


def test_an_empty_window_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected start < end, got \[5, 5\)"):
        readings(a_world(), no_follows(), [], start=5, end=5)


def test_two_arms_differ_reading_by_reading() -> None:
    one, other = (read_whole(a_dense_run(seed), start=0, end=DAYS * DAY_SECONDS) for seed in (1, 2))
    rows = {row.name: row for row in difference(one, other)}
    assert list(rows) == list(one.flat())
    dau = rows["dau"]
    assert (dau.a, dau.b) == (one.value("dau"), other.value("dau"))
    assert (dau.absolute, dau.relative) == (dau.b - dau.a, (dau.b - dau.a) / dau.a)
    assert all(row.absolute == 0 for row in difference(one, one) if not math.isnan(row.a))


def test_a_relative_difference_to_zero_is_undefined() -> None:
    empty = readings(a_world([0]), no_follows(), [], start=0, end=DAY_SECONDS)
    rows = {row.name: row for row in difference(empty, empty)}
    assert rows["dau"].absolute == 0
    assert math.isnan(rows["dau"].relative)


def test_arms_of_other_windows_or_configs_are_not_compared() -> None:
    seen = a_dense_run(1)
    one = read_whole(seen, start=0, end=seen.now)
    with pytest.raises(ValueError, match=r"expected the window \[0, 777600\)"):
        difference(one, read_whole(seen, start=1, end=seen.now))
    with pytest.raises(ValueError, match="expected the same readings in both arms"):
        difference(one, read_whole(seen, start=0, end=seen.now, config=replace(EARLY, heat_clicks=4)))


def test_days_count_from_the_start_of_a_world_or_the_first_event_of_a_log() -> None:
    day = DAY_SECONDS
    world = Observation(9 * day, a_world([0], [0], [(0, 3 * day)]), a_log([(0, 0, 3 * day)]), no_follows())
    log = Observation(9 * day, a_world([5], [0], [(0, 9)]), a_log([(0, 0, 3 * day + 5)]), no_follows())
    assert window_of(world.catalog, world.now, None, None) == (0, 9 * day)
    assert window_of(world.catalog, world.now, 2, 4) == (2 * day, 4 * day)
    assert window_of(log.catalog, log.now, None, None, first_time=int(log.events.time_E[0])) == (3 * day, 9 * day)
    assert window_of(log.catalog, log.now, 2, 4, first_time=int(log.events.time_E[0])) == (5 * day, 7 * day)
    with pytest.raises(ValueError, match="expected days 0 <= since < until <= 9, got 4, 10"):
        window_of(world.catalog, world.now, 4, 10)
