"""A board draws each of its notes with the same chance, and one note more or less changes few draws."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import chi2

from simulator.board import Board, blank_board, draw, pin, unpin
from simulator.luck import keys, stream
from simulator.state import add_notes, empty_state, retire

KEY_N = keys(stream(1, "board"), np.arange(4_000))


def pinned(note_X: NDArray[np.int32], capacity: int) -> tuple[Board, NDArray[np.int32]]:
    """Return a board of notes and where they are."""
    board, at_N = blank_board(capacity), np.full(len(KEY_N), -1, np.int32)
    pin(board, note_X, KEY_N[note_X], at_N)
    return board, at_N


def draws(board: Board, n: int, salt: int) -> NDArray[np.int64]:
    """Draw `n` times."""
    return np.array([draw(board.cell_M, key) for key in keys(stream(salt, "draws"), np.arange(n))])


def check_uniform(board: Board, note_X: NDArray[np.int32], salt: int) -> None:
    """Check by chi-square, at the one-sided level of four standard deviations, that the notes come equally often."""
    n = 200 * len(note_X)
    drawn = draws(board, n, salt)
    assert np.isin(drawn, note_X).all()
    count_X = np.bincount(drawn, minlength=len(KEY_N))[note_X]
    assert ((count_X - 200) ** 2 / 200).sum() < chi2.isf(3.2e-5, len(note_X) - 1)


def test_each_note_is_drawn_equally_often() -> None:
    note_X = np.arange(100, dtype=np.int32)
    check_uniform(pinned(note_X, 100)[0], note_X, 1)  # crowded: many notes lie beside their own cell
    check_uniform(pinned(note_X, 2_000)[0], note_X, 2)


def test_each_note_is_drawn_equally_often_after_others_are_gone() -> None:
    note_X = np.arange(256, dtype=np.int32)
    board, at_N = pinned(note_X, 256)
    unpin(board, note_X[::2], at_N)
    check_uniform(board, note_X[1::2], 3)


def test_one_note_more_changes_only_the_draws_that_fall_on_it() -> None:
    note_X = np.arange(300, dtype=np.int32)
    board, at_N = pinned(note_X, 512)
    fuller = Board(board.cell_M.copy(), board.n_1.copy())
    pin(fuller, np.array([300], np.int32), KEY_N[300:301], at_N)
    before, after = draws(board, 40_000, 4), draws(fuller, 40_000, 4)
    assert (after[before != after] == 300).all()
    share, expected = np.mean(before != after), 1 / 301
    assert abs(share - expected) < 4 * np.sqrt(expected / 40_000)


def test_renaming_the_notes_renames_the_draws() -> None:
    # Ids depend on what everybody else publishes, keys do not: two arms that number a note differently draw it alike.
    note_X, key_N = np.arange(300, dtype=np.int32), KEY_N[:1_000].copy()
    name_X = np.random.default_rng(0).permutation(1_000)[:300].astype(np.int32)
    board, _ = pinned(note_X, 512)
    renamed, at_N = blank_board(512), np.full(1_000, -1, np.int32)
    key_N[name_X] = KEY_N[note_X]
    pin(renamed, name_X, key_N[name_X], at_N)
    assert np.array_equal(draws(renamed, 5_000, 6), name_X[draws(board, 5_000, 6)])


def test_one_note_less_changes_only_its_own_draws() -> None:
    note_X = np.arange(300, dtype=np.int32)
    board, at_N = pinned(note_X, 512)
    emptier = Board(board.cell_M.copy(), board.n_1.copy())
    unpin(emptier, np.array([7], np.int32), at_N)
    before, after = draws(board, 20_000, 5), draws(emptier, 20_000, 5)
    assert (before[before != after] == 7).all()
    assert not (after == 7).any()


@given(st.lists(st.sets(st.integers(0, 59), min_size=1), max_size=20), st.integers(16, 60))
def test_pins_and_gaps_balance(changes: list[set[int]], capacity: int) -> None:
    board, at_N = blank_board(60), np.full(len(KEY_N), -1, np.int32)
    up: set[int] = set()
    for some in changes:  # what is up comes down, what is down goes up
        unpin(board, np.array(sorted(some & up), np.int32), at_N)
        new_X = np.array(sorted(some - up), np.int32)
        pin(board, new_X, KEY_N[new_X], at_N)
        up ^= some
        on_board = board.cell_M[board.cell_M >= 0]
        assert sorted(on_board.tolist()) == sorted(up)
        assert board.n_1[0] == len(up)
        assert set(np.flatnonzero(at_N >= 0).tolist()) == up
        assert (board.cell_M[at_N[sorted(up)]] == sorted(up)).all()
    assert 3 * len(blank_board(capacity).cell_M) >= 4 * capacity


@given(st.lists(st.integers(0, 200), min_size=1, max_size=12), st.integers(0, 100), st.integers(0, 2**31))
def test_boards_grow_with_their_notes_and_keep_them(births: list[int], guarantee: int, seed: int) -> None:
    n = sum(births)
    state, rng = empty_state(4, 5), np.random.default_rng(seed)
    state = state._replace(
        count_N4=rng.integers(0, 120, (n, 4)).astype(np.int32),
        at_pool_N=np.full(n, -1, np.int32),
        at_young_N=np.full(n, -1, np.int32),
        at_fresh_N=np.full(n, -1, np.int32),
    )
    author_N, upto = rng.integers(0, 5, n).astype(np.int32), 0
    for n_new in births:
        state, upto = add_notes(state, upto, author_N[: upto + n_new], KEY_N[: upto + n_new]), upto + n_new
        for board in (state.pool, state.young, state.fresh):
            assert 4 * board.n_1[0] <= 3 * len(board.cell_M)
        assert sorted(state.pool.cell_M[state.pool.cell_M >= 0].tolist()) == list(range(upto))
    retire(state, n // 3, n // 2, guarantee)
    assert sorted(state.pool.cell_M[state.pool.cell_M >= 0].tolist()) == list(range(n // 3, n))
    assert sorted(state.young.cell_M[state.young.cell_M >= 0].tolist()) == list(range(n // 2, n))
    fresh = [note for note in range(n // 2, n) if state.count_N4[note, 0] < guarantee]
    assert sorted(state.fresh.cell_M[state.fresh.cell_M >= 0].tolist()) == fresh
    assert state.fresh.n_1[0] == len(fresh)
