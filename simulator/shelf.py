"""What every session of a tick draws from: the popular list, and cards brought up to the hour.

Shapes: P pool (the notes born in the last days), G popular list, N notes, C categories,
H hours of age.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.kernel import compiled, kernel
from simulator.notes import NoteTruth
from simulator.response import AGE, APPEAL, NOISE, TOPIC, Cards
from simulator.schema import DAY_SECONDS
from simulator.sizes import N_CATEGORIES
from simulator.spec import Logging
from simulator.state import EVER_SHOWN, EXPOSED, TODAY, YESTERDAY, State

HOUR_SECONDS = 3_600
_LEVELS = 463  # of heat: 16 a doubling, up to 2^31


class Shelf(NamedTuple):
    """The lists of a tick. Notes from `oldest` on are in the pool."""

    popular_G: NDArray[np.int32]  # hottest first
    popular_CG: NDArray[np.int32]  # of each category
    n_popular_C: NDArray[np.int64]
    label_N: NDArray[np.int16]
    author_N: NDArray[np.int32]
    n_popular: int  # the room of popular_G
    oldest: int


def stock(spec: Logging, state: State, notes: NoteTruth, oldest: int, last: int) -> Shelf:
    """Fill the shelf with the hottest notes among `oldest <= note < last`, by today's and yesterday's clicks."""
    heat_P = 2 * state.count_N4[oldest:last, TODAY] + state.count_N4[oldest:last, YESTERDAY]
    popular_G = _hottest(heat_P, spec.popular_size) + np.int32(oldest)
    popular_CG = np.full((N_CATEGORIES, spec.popular_in_category), -1, np.int32)
    n_popular_C = np.zeros(N_CATEGORIES, np.int64)
    _hottest_of_each(heat_P, notes.label_N[oldest:last], oldest, popular_CG, n_popular_C)
    return Shelf(popular_G, popular_CG, n_popular_C, notes.label_N, notes.author_N, spec.popular_size, oldest)


@compiled
def _hottest(heat_P: NDArray[np.int32], n: int) -> NDArray[np.int32]:
    """Return the places of the n greatest heats, hottest first and the older first among equals."""
    n_at_H = np.zeros((heat_P.max() if len(heat_P) else 0) + 1, np.int64)
    for heat in heat_P:
        n_at_H[heat] += 1
    least, n_above = len(n_at_H) - 1, 0
    while least > 0 and n_above + n_at_H[least] < n:
        n_above += n_at_H[least]
        least -= 1
    n_ties, at, best_G = min(n, len(heat_P)) - n_above, 0, np.empty(min(n, len(heat_P)), np.int32)
    for place in range(len(heat_P)):
        is_tie = heat_P[place] == least and n_ties > 0
        if heat_P[place] > least or is_tie:
            best_G[at] = place
            at += 1
            n_ties -= is_tie
    return best_G[np.argsort(-heat_P[best_G], kind="mergesort")]


@compiled
def _hottest_of_each(
    heat_P: NDArray[np.int32],
    label_P: NDArray[np.int16],
    oldest: int,
    popular_CG: NDArray[np.int32],
    n_C: NDArray[np.int64],
) -> None:
    """Write the notes of the greatest heats of each category: a counting sort by heat to 1/16, the older first."""
    n_categories, room = popular_CG.shape
    before_CH, level_P = np.zeros((n_categories, _LEVELS + 1), np.int32), np.empty(len(heat_P), np.int16)
    for place in range(len(heat_P)):
        level_P[place] = coarse(heat_P[place])
        before_CH[label_P[place], level_P[place]] += 1
    for c in range(n_categories):
        n_hotter = 0
        for level in range(_LEVELS, 0, -1):
            n_hotter, before_CH[c, level] = n_hotter + before_CH[c, level], n_hotter
        n_C[c] = min(n_hotter, room)
    for place in range(len(heat_P)):
        c, level = label_P[place], level_P[place]
        if level > 0 and before_CH[c, level] < room:
            popular_CG[c, before_CH[c, level]] = oldest + place
            before_CH[c, level] += 1


@kernel
def coarse(heat: int) -> int:
    """Return a number in [0, 463] that never falls as `heat` rises, in steps of 1/16 of it; 0 for none."""
    exponent = 0
    while heat >= 32:
        heat >>= 1
        exponent += 1
    return 16 * exponent + heat


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
