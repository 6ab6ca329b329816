"""Boards of hot notes are as a slow and plain one: cells in proportion to heat ** power, and a click moves few."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from simulator.heat import CELLS, EVERYWHERE, HotNotes, heat_boards
from simulator.sizes import N_CATEGORIES
from tests.slow_luck import mix, uniform

KEYS = st.integers(0, 2**32).map(lambda n: mix(0, n))  # hashed, as those of notes are
NOTES = st.lists(
    st.tuples(st.integers(0, 90), st.integers(0, 2), KEYS), min_size=1, max_size=40, unique_by=lambda n: n[2]
)
POWERS = st.sampled_from([0.0, 0.5, 1.0, 2.0])
Notes = list[tuple[int, int, int]]  # heat, category, key


def boards(power: float, notes: Notes, oldest: int = 0) -> HotNotes:
    """Return the boards of notes."""
    heats, labels, keys = zip(*notes, strict=True)
    return heat_boards(power, np.array(heats, np.int32), np.array(labels, np.int16), np.array(keys, np.uint64), oldest)


def scale(power: float, heats: list[int]) -> float:
    """Return the cells thrown for a weight of one: at most half of all cells in all, in powers of two."""
    total = sum(heat**power for heat in heats if heat)
    return 2.0 ** math.floor(math.log2(CELLS / 2 / total)) if total else 0.0


def slow_board(power: float, notes: Notes, category: int) -> list[int]:
    """Return who holds the cells of a board: each note throws its cells; of two in one the greater hash stays."""
    mine = [n for n, (heat, label, _) in enumerate(notes) if heat and category in (EVERYWHERE, label)]
    each = scale(power, [notes[n][0] for n in mine])
    hits: list[list[tuple[int, int]]] = [[] for _ in range(CELLS)]
    for n in mine:
        heat, _, key = notes[n]
        for turn in range(int(each * heat**power + uniform(mix(key, 0)))):
            word = mix(key, turn + 1)
            hits[(word >> 20) % CELLS].append((word, n))
    return [max(hit)[1] if hit else -1 for hit in hits]


@given(POWERS, NOTES, st.integers(0, 1_000))
def test_boards_of_each_category_and_of_all_are_the_slow_ones(power: float, notes: Notes, oldest: int) -> None:
    hot = boards(power, notes, oldest)
    for category in (0, 1, 2, 3, EVERYWHERE):
        expected = [note + oldest if note >= 0 else -1 for note in slow_board(power, notes, category)]
        assert hot.cell_CM[category].tolist() == expected
        assert hot.is_hot_C[category] == any(note >= 0 for note in expected)


def test_where_nobody_clicked_nothing_is_hot() -> None:
    cold, one = boards(1.0, [(0, 4, 17), (0, 5, 18)]), boards(1.0, [(0, 4, 17), (1, 5, 18)])
    assert not cold.is_hot_C.any()
    assert (cold.cell_CM == -1).all()
    assert np.flatnonzero(one.is_hot_C).tolist() == [5, EVERYWHERE]
    assert set(one.cell_CM[EVERYWHERE].tolist()) == {-1, 1}
    nothing = heat_boards(1.0, np.empty(0, np.int32), np.empty(0, np.int16), np.empty(0, np.uint64), 0)
    assert not nothing.is_hot_C.any()


@given(POWERS, NOTES, st.data())
def test_a_click_more_wins_its_note_cells_and_moves_nothing_else(
    power: float, notes: Notes, data: st.DataObject
) -> None:
    lucky = data.draw(st.integers(0, len(notes) - 1))
    heat, label, key = notes[lucky]
    warmer = [*notes[:lucky], (heat + data.draw(st.integers(1, 3)), label, key), *notes[lucky + 1 :]]
    before, after = (boards(power, those).cell_CM for those in (notes, warmer))
    for category in range(N_CATEGORIES + 1):
        scales = {scale(power, [h for h, c, _ in those if category in (EVERYWHERE, c)]) for those in (notes, warmer)}
        if len(scales) == 1:  # else all notes throw twice or half as many
            moved = before[category] != after[category]
            assert (after[category][moved] == lucky).all()


@given(NOTES, st.integers(2**33, 2**34).map(lambda n: mix(0, n)))
def test_a_note_in_one_category_leaves_the_boards_of_the_others_alone(notes: Notes, key: int) -> None:
    before, after = boards(1.0, notes).cell_CM, boards(1.0, [*notes, (50, 7, key)]).cell_CM
    assert np.array_equal(np.delete(before, [7, EVERYWHERE], axis=0), np.delete(after, [7, EVERYWHERE], axis=0))
    assert set(after[7].tolist()) == {-1, len(notes)}


def shares(power: float, heats: list[int], n_keys: int) -> NDArray[np.float64]:
    """Return the share of taken cells that each note holds, by draw of their keys."""
    rng, label_P, rows = np.random.default_rng(0), np.zeros(len(heats), np.int16), []
    for _ in range(n_keys):
        key_P = rng.integers(0, 2**64, len(heats), dtype=np.uint64)
        cell_M = heat_boards(power, np.array(heats, np.int32), label_P, key_P, 0).cell_CM[EVERYWHERE]
        rows.append(np.bincount(cell_M[cell_M >= 0], minlength=len(heats)) / (cell_M >= 0).sum())
    return np.array(rows)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 1.5])
def test_notes_hold_cells_in_proportion_to_their_heat_to_the_power(power: float) -> None:
    heats = [1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89]
    weight_P = np.array(heats, float) ** power
    share_KP = shares(power, heats, 2_000)
    z_P = (share_KP.mean(axis=0) - weight_P / weight_P.sum()) / (share_KP.std(axis=0) / np.sqrt(len(share_KP)))
    assert np.abs(z_P).max() < 4


def test_a_board_is_neither_crowded_nor_empty() -> None:
    for total in (1, 2, 3, 7, 100, 255, 256, 257, 1_000, 40_000):
        heats = np.full(max(total // 20, 1), min(total, 20), np.int32)
        key_P = np.random.default_rng(total).integers(0, 2**64, len(heats), dtype=np.uint64)
        cell_M = heat_boards(1.0, heats, np.zeros(len(heats), np.int16), key_P, 0).cell_CM[EVERYWHERE]
        # A quarter to half of all thrown at random: 1 - exp(-1/4) = 0.22 to 1 - exp(-1/2) = 0.39 are taken.
        assert 0.15 < (cell_M >= 0).mean() < 0.46
