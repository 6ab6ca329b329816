"""What a method's description of notes gives the probe's ranker: how a note lies to what was done before T.

Vectors, at unit length, give three: the cosine with the mean of the user's latest clicked notes, the greatest cosine
with one of them, and the click rate of the nearest other notes that were shown. Codes give four a level, as the ranker
has of a category: impressions and click rate of all notes that share the code up to there, and the same of this user.
A click rate is shrunk to the overall one (`bench.probe.shrunk`), and its logarithm is the column. Whatever a method
writes into its description, it has not seen the window.
Shapes: I impressions, H past impressions, N notes, D numbers a note, L levels, X columns, M notes asked about, C codes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bench.answer import Description
from bench.probe import Impressions, count, history, overall_rate, shrunk
from methods.factors import unit
from simulator.schema import Observation, Requests

MOST_NUMBERS = {"vectors": 1_024, "codes": 16}  # of a note
LATEST_CLICKS = 50  # of a user; those without a vector count too
NEAREST = 20  # notes, and all that are as near as the last of them
_DECIMALS = 4  # of a cosine, beyond which two notes are equally near
_LEAST_LENGTH = 1e-4  # of a mean of unit vectors; a shorter one is rounding
_BLOCK = 256


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """Before T: impressions of the users who ask, in order of time, by request; and of every note, to anybody."""

    row_H: NDArray[np.int32]
    note_H: NDArray[np.int32]
    click_H: NDArray[np.bool_]
    n_shown_N: NDArray[np.int64]
    n_clicked_N: NDArray[np.int64]

    @classmethod
    def of(cls, known: Observation, requests: Requests) -> Past:
        """Take what `known` holds of the users who ask."""
        events, n_notes = known.events, len(known.catalog.notes)
        mine = events.take(np.isin(events.user_E, requests.ids_Q))
        return cls(
            np.searchsorted(requests.ids_Q, mine.user_E).astype(np.int32),
            mine.note_E.copy(),
            mine.click_E.copy(),
            np.bincount(events.note_E, minlength=n_notes),
            np.bincount(events.note_E[events.click_E], minlength=n_notes),
        )

    @property
    def rate(self) -> float:
        """The overall click rate."""
        return overall_rate(int(self.n_shown_N.sum()), int(self.n_clicked_N.sum()))


def check_description(described_TD: Description, n_targets: int) -> None:
    """Raise ValueError unless it is a row for each target, of finite numbers or of codes, none after a -1."""
    if described_TD is None:
        return
    is_codes, (n_rows, n_numbers) = np.issubdtype(described_TD.dtype, np.integer), described_TD.shape
    most = MOST_NUMBERS["codes" if is_codes else "vectors"]
    if n_rows != n_targets or not 1 <= n_numbers <= most:
        raise ValueError(f"describe: expected shape ({n_targets}, 1 to {most}), got {described_TD.shape}")
    if not np.isfinite(described_TD).all():
        raise ValueError("describe: expected finite numbers, got NaN or infinity")
    if is_codes and (described_TD < -1).any():
        raise ValueError(f"describe: expected codes from 0, or -1 for none, got {described_TD.min()}")
    if is_codes and ((described_TD[:, :-1] < 0) & (described_TD[:, 1:] >= 0)).any():
        raise ValueError("describe: expected no code after a -1, got one")


def description_columns(
    described_ND: NDArray[np.float32] | NDArray[np.int32], shown: Impressions, past: Past
) -> NDArray[np.float32]:
    """Return the columns (I, X) that vectors or codes give each impression."""
    if np.issubdtype(described_ND.dtype, np.integer):
        columns: list[NDArray[np.floating]] = [*_of_codes(described_ND.astype(np.int64), shown, past)]
    else:
        unit_ND = unit(described_ND.astype(np.float64))  # float32 would overflow in squares
        with threadpool_limits(1):
            columns = [*_likeness(unit_ND, shown, past), _rate_of_nearest(unit_ND, shown, past)]
    return np.column_stack(columns).astype(np.float32)


def _likeness(unit_ND: NDArray[np.float32], shown: Impressions, past: Past) -> Iterator[NDArray[np.float32]]:
    """Yield the cosine with the mean of the latest clicked notes and the greatest with one; 0 without a click."""
    clicked_row_H, clicked_note_H = past.row_H[past.click_H], past.note_H[past.click_H]
    by_user_H = np.argsort(clicked_row_H, kind="stable")
    edges = np.searchsorted(clicked_row_H[by_user_H], np.arange(int(shown.row_I.max(initial=-1)) + 2))
    mean_I, greatest_I = np.zeros((2, len(shown.row_I)), np.float32)
    for row in np.unique(shown.row_I):
        latest = clicked_note_H[by_user_H[edges[row] : edges[row + 1]]][-LATEST_CLICKS:]
        if len(latest):
            mine = shown.row_I == row
            cosine = unit_ND[shown.note_I[mine]] @ unit_ND[latest].T
            length = float(np.linalg.norm(unit_ND[latest].mean(axis=0)))
            mean_I[mine] = cosine.mean(axis=1) / length if length > _LEAST_LENGTH else 0
            greatest_I[mine] = cosine.max(axis=1)
    yield mean_I
    yield greatest_I


def _rate_of_nearest(unit_ND: NDArray[np.float32], shown: Impressions, past: Past) -> NDArray[np.float64]:
    """Return the click rate of the nearest other notes that were shown and have a vector; the overall one of none."""
    note_M, at_I = np.unique(shown.note_I, return_inverse=True)
    known_N = np.flatnonzero((past.n_shown_N > 0) & unit_ND.any(axis=1))
    rate_M = np.full(len(note_M), np.log(past.rate))
    if len(known_N) == 0:
        return rate_M[at_I]
    known_ND, last = unit_ND[known_N], max(0, len(known_N) - NEAREST)
    counts_N2 = np.column_stack([past.n_shown_N, past.n_clicked_N])[known_N].astype(np.float64)
    for first in range(0, len(note_M), _BLOCK):
        block_M = note_M[first : first + _BLOCK]
        cosine_MN = (unit_ND[block_M] @ known_ND.T).round(_DECIMALS)
        is_other_MN = block_M[:, None] != known_N
        cosine_MN[~is_other_MN] = -np.inf
        is_near_MN = is_other_MN & unit_ND[block_M].any(axis=1, keepdims=True)
        is_near_MN &= cosine_MN >= np.partition(cosine_MN, last, axis=1)[:, last : last + 1]
        n_shown_M, n_clicked_M = (is_near_MN.astype(np.float64) @ counts_N2).T
        rate_M[first : first + _BLOCK] = shrunk(n_clicked_M, n_shown_M, past.rate)
    return rate_M[at_I]


def _of_codes(codes_NL: NDArray[np.int64], shown: Impressions, past: Past) -> Iterator[NDArray[np.float64]]:
    """Yield, level by level, impressions and click rate of the code up to there, then of this user with it."""
    code_N = np.zeros(len(codes_NL), np.int64)
    for level_N in codes_NL.T:
        own, own_N = np.unique(level_N, return_inverse=True)
        prefixes, code_N = np.unique(code_N * len(own) + own_N, return_inverse=True)
        n_codes, has_code_I = len(prefixes), level_N[shown.note_I] >= 0
        n_shown_C, n_clicked_C = (
            np.bincount(code_N, count_N, minlength=n_codes) for count_N in (past.n_shown_N, past.n_clicked_N)
        )
        yield from _history(n_shown_C[code_N[shown.note_I]], n_clicked_C[code_N[shown.note_I]], has_code_I, past.rate)
        key_H = past.row_H.astype(np.int64) * n_codes + code_N[past.note_H]
        key_I = shown.row_I.astype(np.int64) * n_codes + code_N[shown.note_I]
        yield from _history(count(key_H, key_I), count(key_H[past.click_H], key_I), has_code_I, past.rate)


def _history(
    n_shown_I: NDArray[np.number], n_clicked_I: NDArray[np.number], has_code_I: NDArray[np.bool_], rate: float
) -> Iterator[NDArray[np.float64]]:
    return history(np.where(has_code_I, n_shown_I, 0), np.where(has_code_I, n_clicked_I, 0), rate)
