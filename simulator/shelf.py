"""What every session of a tick draws from: hot notes, and cards brought up to the hour.

Shapes: P pool (the notes born in the last days), N notes, H hours
of age.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.heat import HotNotes, heat_boards
from simulator.kernel import compiled
from simulator.notes import NoteTruth
from simulator.response import AGE, APPEAL, NOISE, TOPIC, Cards
from simulator.schema import DAY_SECONDS
from simulator.spec import Logging
from simulator.state import EVER_SHOWN, EXPOSED, TODAY, YESTERDAY, State

HOUR_SECONDS = 3_600


class Shelf(NamedTuple):
    """The lists of a tick. Notes from `oldest` on are in the pool."""

    hot: HotNotes
    label_N: NDArray[np.int16]
    author_N: NDArray[np.int32]
    oldest: int


def stock(spec: Logging, state: State, notes: NoteTruth, oldest: int, last: int) -> Shelf:
    """Fill the shelf with the notes oldest <= note < last that were clicked today (twice the heat) or yesterday."""
    heat_P = 2 * state.count_N4[oldest:last, TODAY] + state.count_N4[oldest:last, YESTERDAY]
    hot = heat_boards(spec.popular_power, heat_P, notes.label_N[oldest:last], notes.key_N[oldest:last], oldest)
    return Shelf(hot, notes.label_N, notes.author_N, oldest)


def age_table(max_hours: int) -> NDArray[np.float32]:
    """Return log(1 + age in days) by age in whole hours, taken at the middle of the hour."""
    table_H: NDArray[np.float32] = np.log1p((np.arange(max_hours + 1) + 0.5) / 24.0).astype(np.float32)
    return table_H


def log_age(age_seconds_N: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return log(1 + age in days) as the platform counts age, in hours begun; nothing is younger than new."""
    hours_N = np.maximum(age_seconds_N, 0) // HOUR_SECONDS
    aged_N: NDArray[np.float32] = age_table(int(hours_N.max(initial=0)))[hours_N]
    return aged_N


@compiled
def refresh(  # noqa: PLR0913 - a kernel takes its arrays one by one
    cards: Cards,
    quality_N: NDArray[np.float32],
    lift_T: NDArray[np.float32],
    age_H: NDArray[np.float32],
    born_time_N: NDArray[np.int64],
    now: int,
    notes: tuple[int, int],
) -> None:
    """Write appeal and age at `now` onto the cards of notes[0] <= note < notes[1]."""
    card_NF = cards.card_NF
    for note in range(notes[0], notes[1]):
        card_NF[note, APPEAL] = quality_N[note] + lift_T[int(card_NF[note, TOPIC])]
        card_NF[note, AGE] = age_H[max(now - born_time_N[note], 0) // HOUR_SECONDS]


@compiled
def doubt(  # noqa: PLR0913 - a kernel takes its arrays one by one
    cards: Cards, state: State, author_N: NDArray[np.int32], noise: float, halving: float, notes: tuple[int, int]
) -> None:
    """Write the standard deviation of the ranker's error: it shrinks with the impressions of note and author."""
    card_NF, count_N4, count_AL = cards.card_NF, state.count_N4, state.count_AL
    for note in range(notes[0], notes[1]):
        evidence = count_N4[note, EXPOSED] + 0.1 * count_AL[author_N[note], EVER_SHOWN]
        card_NF[note, NOISE] = noise * np.sqrt(halving / (halving + evidence))


def pool_bounds(spec: Logging, born_time_N: NDArray[np.int64], now: int) -> tuple[int, int]:
    """Return (first, last) of the notes born in [now - pool days, now)."""
    start = now - int(spec.pool_days * DAY_SECONDS)
    first, last = np.searchsorted(born_time_N, [start, now])
    return int(first), int(last)
