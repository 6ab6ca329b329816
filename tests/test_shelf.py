"""The shelf counts heat as it says, and age in hours begun."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from simulator.heat import heat_boards
from simulator.shelf import log_age, stock
from simulator.spec import Logging
from simulator.state import TODAY, YESTERDAY, empty_state
from tests.world_examples import lived

CLICKS = st.lists(st.tuples(st.integers(0, 90), st.integers(0, 40)), min_size=1, max_size=90)


@given(CLICKS, st.integers(0, 10), st.sampled_from([0.5, 1.0]))
def test_heat_is_twice_the_clicks_of_today_and_those_of_yesterday(
    clicks: list[tuple[int, int]], oldest: int, power: float
) -> None:
    state, notes = empty_state(1, 1), lived("tiny", seed=3, hours=24 * 7)._notes
    last = oldest + len(clicks)
    state.count_N4[: last + 5, [TODAY, YESTERDAY]] = 200  # of notes that are not in the pool
    state.count_N4[oldest:last, [TODAY, YESTERDAY]] = clicks
    hot = stock(Logging(popular_power=power), state, notes, oldest, last).hot
    heat_P = np.array([2 * today + yesterday for today, yesterday in clicks], np.int32)
    expected = heat_boards(power, heat_P, notes.label_N[oldest:last], notes.key_N[oldest:last], oldest)
    assert np.array_equal(hot.cell_CM, expected.cell_CM)
    assert np.array_equal(hot.is_hot_C, expected.is_hot_C)


def test_age_is_counted_in_hours_begun() -> None:
    ages = log_age(np.array([-5, 0, 3_599, 3_600, 86_400]))
    assert ages[0] == ages[1] == ages[2] < ages[3]
    assert abs(ages[4] - np.log(2 + 0.5 / 24)) < 1e-6
