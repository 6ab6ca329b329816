"""The shelf holds the hottest notes, overall and of each category, as a plain sort would find them."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from simulator.shelf import coarse, log_age, stock
from simulator.sizes import N_CATEGORIES
from simulator.spec import Logging
from simulator.state import TODAY, YESTERDAY, empty_state
from tests.world_examples import lived

CLICKS = st.lists(st.tuples(st.integers(0, 90), st.integers(0, 40), st.integers(0, 2)), min_size=1, max_size=150)


@given(CLICKS, st.integers(1, 20), st.integers(0, 8), st.integers(0, 10))
def test_the_hottest_are_found(clicks: list[tuple[int, int, int]], n: int, n_each: int, oldest: int) -> None:
    state, notes = empty_state(1, 1), lived("tiny", seed=3, hours=24 * 7)._notes
    last = min(oldest + len(clicks), len(notes.author_N))
    label_N = notes.label_N.copy()
    for note, (today, yesterday, label) in zip(range(oldest, last), clicks, strict=False):
        state.count_N4[note, [TODAY, YESTERDAY]] = today, yesterday
        label_N[note] = label
    notes = replace(notes, label_N=label_N)
    shelf = stock(Logging(popular_size=n, popular_in_category=n_each), state, notes, oldest, last)
    heat_N = 2 * state.count_N4[:, TODAY] + state.count_N4[:, YESTERDAY]
    assert shelf.popular_G.tolist() == sorted(range(oldest, last), key=lambda note: (-heat_N[note], note))[:n]
    for c in range(N_CATEGORIES):
        mine = [note for note in range(oldest, last) if label_N[note] == c and heat_N[note] > 0]
        best = sorted(mine, key=lambda note: (-coarse(int(heat_N[note])), note))[:n_each]
        assert shelf.popular_CG[c, : shelf.n_popular_C[c]].tolist() == best


@given(st.integers(1, 2**31 - 1), st.integers(0, 2**20))
def test_coarse_heat_never_falls_and_is_fine_to_a_sixteenth(heat: int, more: int) -> None:
    warmer = min(heat + more, 2**31 - 1)
    assert 1 <= coarse(heat) <= coarse(warmer) <= 511
    if warmer > heat * 17 / 16 + 1:
        assert coarse(warmer) > coarse(heat)


def test_age_is_counted_in_hours_begun() -> None:
    ages = log_age(np.array([-5, 0, 3_599, 3_600, 86_400]))
    assert ages[0] == ages[1] == ages[2] < ages[3]
    assert abs(ages[4] - np.log(2 + 0.5 / 24)) < 1e-6
