"""Compiled counters that take in events one after another: the same state however the log was cut into chunks.

Shapes: E events, J notes born in the window, M marks, U users, D days, V distinct viewers kept, C authors kept a user,
R young notes.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray


@numba.njit(cache=True)
def reach(
    note_E: NDArray[np.int32],
    time_E: NDArray[np.int64],
    first_note: int,
    marks_M: NDArray[np.int64],
    state: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> None:
    """Count events of notes from `first_note` on, and note the time at which each reaches each mark."""
    count_J, time_JM = state
    for e in range(len(note_E)):
        j = note_E[e] - first_note
        if j >= 0:
            count_J[j] += 1
            for m in range(len(marks_M)):
                if count_J[j] == marks_M[m]:
                    time_JM[j, m] = time_E[e]


@numba.njit(cache=True)
def visit(
    user_E: NDArray[np.int32],
    day_E: NDArray[np.int64],
    span: int,
    state: tuple[NDArray[np.int64], NDArray[np.uint64]],
    counts_2D: NDArray[np.int64],
) -> None:
    """Count each day's users (row 0), and its pairs (user, d1) active on both days, 0 <= d1 - day < span (row 1).

    Events of day -1 are passed over. The state is each user's last active day, -1 at first, and the days before it as
    bits: bit k says whether the user was active k days earlier.
    """
    last_day_U, past_U = state
    for e in range(len(user_E)):
        u, day = user_E[e], day_E[e]
        if day < 0 or last_day_U[u] == day:
            continue
        gap = day - last_day_U[u] if last_day_U[u] >= 0 else span
        past = past_U[u] << np.uint64(gap) if gap < span else np.uint64(0)
        past_U[u] = past | np.uint64(1)
        last_day_U[u] = day
        counts_2D[0, day] += 1
        counts_2D[1, day] += 1
        for k in range(1, min(span, day + 1)):
            if (past >> np.uint64(k)) & np.uint64(1):
                counts_2D[1, day - k] += 1


@numba.njit(cache=True)
def add_up(value_E: NDArray[np.float32], total: float) -> float:
    """Add values to a total one after another, so that chunks cannot change the rounding."""
    for e in range(len(value_E)):
        total += np.float64(value_E[e])
    return total


@numba.njit(cache=True)
def meet(
    user_E: NDArray[np.int32], row_E: NDArray[np.int64], viewer_RV: NDArray[np.int32], n_R: NDArray[np.int64]
) -> None:
    """Enter users among the distinct viewers of the note of each row, up to V of them."""
    for e in range(len(user_E)):
        r = row_E[e]
        is_known = n_R[r] == viewer_RV.shape[1]
        for v in range(n_R[r]):
            is_known = is_known or viewer_RV[r, v] == user_E[e]
        if not is_known:
            viewer_RV[r, n_R[r]] = user_E[e]
            n_R[r] += 1


@numba.njit(cache=True)
def remember(
    user_E: NDArray[np.int32], author_E: NDArray[np.int32], recent_UC: NDArray[np.int32], n_U: NDArray[np.int32]
) -> None:
    """Keep the C newest distinct authors of each user, newest last: one met again moves to the end."""
    cap = recent_UC.shape[1]
    for e in range(len(user_E)):
        u, a = user_E[e], author_E[e]
        at = 0
        while at < n_U[u] and recent_UC[u, at] != a:
            at += 1
        if at == n_U[u] and n_U[u] < cap:
            n_U[u] += 1
        for c in range(at if at < cap else 0, n_U[u] - 1):
            recent_UC[u, c] = recent_UC[u, c + 1]
        recent_UC[u, n_U[u] - 1] = a
