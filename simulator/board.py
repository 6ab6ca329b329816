"""A board: notes pinned at hashed cells, from which each is drawn with the same chance.

A draw picks random cells until one holds a note. One note more or less changes only the draws that fall on its cell,
so two arms of an experiment that differ in a note go on drawing the same ones; an index into a list would shift for
all. Cells are tried one after another from a note's hash on (linear probing). Shapes: M cells, a power of two.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.kernel import compiled, inlined
from simulator.luck import mix


class Board(NamedTuple):
    """Cells with a note or -1; `n_1[0]` notes are pinned."""

    cell_M: NDArray[np.int32]
    n_1: NDArray[np.int64]


def blank_board(capacity: int) -> Board:
    """Return an empty board with room for `capacity` notes at a load of at most three quarters."""
    size = 1 << max(4, int(4 * capacity // 3).bit_length())
    return Board(np.full(size, -1, np.int32), np.zeros(1, np.int64))


@compiled
def pin(board: Board, note_X: NDArray[np.int32], key_X: NDArray[np.uint64], at_N: NDArray[np.int32]) -> None:
    """Pin notes and remember their cells in `at_N`."""
    cell_M = board.cell_M
    mask = len(cell_M) - 1
    for x in range(len(note_X)):
        at = int(key_X[x] >> np.uint64(20)) & mask
        while cell_M[at] >= 0:
            at = (at + 1) & mask
        cell_M[at] = note_X[x]
        at_N[note_X[x]] = at
    board.n_1[0] += len(note_X)


@compiled
def unpin(board: Board, note_X: NDArray[np.int32], at_N: NDArray[np.int32]) -> None:
    """Take notes off the board; nobody looks notes up, so a gap is only a gap."""
    for note in note_X:
        board.cell_M[at_N[note]] = -1
        at_N[note] = -1
    board.n_1[0] -= len(note_X)


@inlined
def draw(cell_M: NDArray[np.int32], key: np.uint64) -> int:
    """Draw a note uniformly from a board that holds one at least."""
    mask = np.uint64(len(cell_M) - 1)
    word = key
    note = cell_M[int((word >> np.uint64(20)) & mask)]
    while note < 0:
        word = mix(word, np.uint64(1))
        note = cell_M[int((word >> np.uint64(20)) & mask)]
    return int(note)
