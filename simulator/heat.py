"""Hot notes on boards: a note holds cells in proportion to its heat, so that a draw of a cell is a draw by popularity.

A list sorted by heat would shift under every note that climbs; here one click more moves a cell or two, so arms of an
experiment that differ in a click go on drawing the same notes. Every note throws its own hashed cells, as many as its
share says; of two notes in one cell the greater hash stays. Shapes: P pool, C categories, M cells, H heats.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.kernel import compiled
from simulator.luck import mix, uniform
from simulator.sizes import N_CATEGORIES

CELLS = 512
EVERYWHERE = N_CATEGORIES  # the board of all categories, after those of each
_THROWN = CELLS / 2  # cells thrown for a board: between a quarter of all and half


class HotNotes(NamedTuple):
    """The boards of each category and of all: cells with a note or -1, and whether there is a note at all."""

    cell_CM: NDArray[np.int32]
    is_hot_C: NDArray[np.bool_]


def heat_boards(
    power: float, heat_P: NDArray[np.int32], label_P: NDArray[np.int16], key_P: NDArray[np.uint64], oldest: int
) -> HotNotes:
    """Put notes on the board of their category and on that of all, in proportion to heat ** power; `oldest` is P 0."""
    hot = HotNotes(np.full((N_CATEGORIES + 1, CELLS), -1, np.int32), np.zeros(N_CATEGORIES + 1, np.bool_))
    greatest = int(heat_P.max(initial=0))
    _throw(_weights(power, 1 << greatest.bit_length()), heat_P, label_P, key_P, oldest, hot)
    return hot


@lru_cache(maxsize=64)
def _weights(power: float, n: int) -> NDArray[np.float64]:
    """Return heat ** power by heat, 0 for none."""
    weight_H = np.arange(n, dtype=np.float64) ** power
    weight_H[0] = 0.0
    return weight_H


@compiled
def _throw(  # noqa: PLR0913 - a kernel takes its arrays one by one
    weight_H: NDArray[np.float64],
    heat_P: NDArray[np.int32],
    label_P: NDArray[np.int16],
    key_P: NDArray[np.uint64],
    oldest: int,
    hot: HotNotes,
) -> None:
    cell_CM, is_hot_C = hot.cell_CM, hot.is_hot_C
    total_C, hash_CM = np.zeros(len(cell_CM)), np.zeros(cell_CM.shape, np.uint64)
    for place in range(len(heat_P)):
        total_C[label_P[place]] += weight_H[heat_P[place]]
        total_C[EVERYWHERE] += weight_H[heat_P[place]]
    # A power of two: were it exact, every click anywhere would change how many cells each note throws.
    scale_C = 2.0 ** np.floor(np.log2(_THROWN / total_C))
    for place in range(len(heat_P)):
        if heat_P[place] == 0:
            continue
        rounding = uniform(mix(key_P[place], np.uint64(0)))
        for c in (np.int64(label_P[place]), np.int64(EVERYWHERE)):
            for dart in range(int(scale_C[c] * weight_H[heat_P[place]] + rounding)):
                word = mix(key_P[place], np.uint64(dart + 1))
                cell = int(word >> np.uint64(20)) & (CELLS - 1)
                if word > hash_CM[c, cell]:
                    hash_CM[c, cell], cell_CM[c, cell], is_hot_C[c] = word, oldest + place, True
