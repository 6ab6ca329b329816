"""What the platform remembers: integer counts and rings of recent ids, nothing else.

Everything real-valued is computed from these, so no order of summation can change a byte. Rings keep the newest
entries: entry i of a ring of size R lies at i % R. Shapes: U users, A authors, N notes (grown by doubling), B words of
a Bloom filter.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from simulator.response import CLICK, FOLLOW

HISTORY, CLICKERS, NEWEST, FOLLOWED, BLOOM_WORDS = 32, 16, 8, 64, 32
BLOOM_RESET = 700  # notes after which the filter of what a user saw starts afresh


class State(NamedTuple):
    """Counts and rings at the start of a tick."""

    exposures_N: NDArray[np.int32]
    clicks_N: NDArray[np.int32]
    clicks_today_N: NDArray[np.int32]
    clicks_yesterday_N: NDArray[np.int32]
    exposures_A: NDArray[np.int32]
    followers_A: NDArray[np.int32]
    clicks_week_7A: NDArray[np.int32]
    newest_AR: NDArray[np.int32]
    n_notes_A: NDArray[np.int32]
    clicker_AR: NDArray[np.int32]
    n_clicks_A: NDArray[np.int32]
    followed_UR: NDArray[np.int32]
    n_followed_U: NDArray[np.int32]
    history_UR: NDArray[np.int32]
    n_history_U: NDArray[np.int32]
    seen_UB: NDArray[np.uint64]
    n_seen_U: NDArray[np.int32]
    visit_day_U: NDArray[np.int32]
    visit_shown_U: NDArray[np.int32]
    visit_clicks_U: NDArray[np.int32]


def empty_state(n_users: int, n_authors: int) -> State:
    """Return the state before anything happened."""

    def counts(*shape: int) -> NDArray[np.int32]:
        return np.zeros(shape, np.int32)

    return State(
        counts(1024),
        counts(1024),
        counts(1024),
        counts(1024),
        counts(n_authors),
        counts(n_authors),
        counts(7, n_authors),
        np.full((n_authors, NEWEST), -1, np.int32),
        counts(n_authors),
        np.full((n_authors, CLICKERS), -1, np.int32),
        counts(n_authors),
        np.full((n_users, FOLLOWED), -1, np.int32),
        counts(n_users),
        np.full((n_users, HISTORY), -1, np.int32),
        counts(n_users),
        np.zeros((n_users, BLOOM_WORDS), np.uint64),
        counts(n_users),
        np.full(n_users, -1, np.int32),
        counts(n_users),
        counts(n_users),
    )


def grown(state: State, n_notes: int) -> State:
    """Return the state with room for `n_notes` notes."""
    capacity = len(state.exposures_N)
    if n_notes <= capacity:
        return state
    extra = np.zeros(max(n_notes, 2 * capacity) - capacity, np.int32)
    note_columns = ("exposures_N", "clicks_N", "clicks_today_N", "clicks_yesterday_N")
    return state._replace(**{name: np.concatenate([getattr(state, name), extra]) for name in note_columns})


def turn_day(state: State, day: int) -> None:
    """Make today's clicks yesterday's and clear the oldest day of the week."""
    state.clicks_yesterday_N[:] = state.clicks_today_N
    state.clicks_today_N[:] = 0
    state.clicks_week_7A[day % 7] = 0


def add_notes(state: State, first_id: int, author_N: NDArray[np.int32]) -> None:
    """Enter new notes, in order of birth, into their authors' rings."""
    _add_notes(state, first_id, author_N)


@numba.njit(cache=True)
def _add_notes(state: State, first_id: int, author_N: NDArray[np.int32]) -> None:
    for i, author in enumerate(author_N):
        state.newest_AR[author, state.n_notes_A[author] % NEWEST] = first_id + i
        state.n_notes_A[author] += 1


@numba.njit(cache=True)
def add_follow(state: State, user: int, author: int) -> bool:
    """Add a follow edge to the rings; False when it is there already."""
    for held in state.followed_UR[user]:
        if held == author:
            return False
    state.followed_UR[user, state.n_followed_U[user] % FOLLOWED] = author
    state.n_followed_U[user] += 1
    state.followers_A[author] += 1
    return True


@numba.njit(cache=True)
def absorb(  # noqa: PLR0913 - a kernel takes its arrays one by one
    state: State,
    author_N: NDArray[np.int32],
    user_E: NDArray[np.int32],
    note_E: NDArray[np.int32],
    responses_E: NDArray[np.uint8],
    day: int,
) -> NDArray[np.bool_]:
    """Take the impressions of one tick into the counts; return which rows made a new follow edge."""
    is_new_E = np.zeros(len(user_E), np.bool_)
    for e in range(len(user_E)):
        user, note = user_E[e], note_E[e]
        author = author_N[note]
        state.exposures_N[note] += 1
        state.exposures_A[author] += 1
        _remember_visit(state, user, note, day, responses_E[e] & CLICK)
        if responses_E[e] & CLICK:
            state.clicks_N[note] += 1
            state.clicks_today_N[note] += 1
            state.clicks_week_7A[day % 7, author] += 1
            state.clicker_AR[author, state.n_clicks_A[author] % CLICKERS] = user
            state.n_clicks_A[author] += 1
            state.history_UR[user, state.n_history_U[user] % HISTORY] = note
            state.n_history_U[user] += 1
        if responses_E[e] & FOLLOW:
            is_new_E[e] = add_follow(state, user, author)
    return is_new_E


@numba.njit(cache=True)
def _remember_visit(state: State, user: int, note: int, day: int, clicked: int) -> None:
    """Count the user's latest day, and mark the note as seen."""
    if state.visit_day_U[user] != day:
        state.visit_day_U[user] = day
        state.visit_shown_U[user] = 0
        state.visit_clicks_U[user] = 0
    state.visit_shown_U[user] += 1
    state.visit_clicks_U[user] += clicked
    if state.n_seen_U[user] >= BLOOM_RESET:
        state.seen_UB[user, :] = 0
        state.n_seen_U[user] = 0
    for bit in bloom_bits(note):
        state.seen_UB[user, bit >> 6] |= np.uint64(1) << np.uint64(bit & 63)
    state.n_seen_U[user] += 1


@numba.njit(cache=True, inline="always")
def bloom_bits(note: int) -> tuple[int, int]:
    """Return the two bits of a note in a user's filter (multiplicative hashing, Knuth 6.4)."""
    x = np.uint64(note) * np.uint64(0x9E3779B97F4A7C15)
    n_bits = np.uint64(64 * BLOOM_WORDS - 1)
    return int((x >> np.uint64(32)) & n_bits), int((x >> np.uint64(48)) & n_bits)


@numba.njit(cache=True, inline="always")
def has_seen(seen_B: NDArray[np.uint64], note: int) -> bool:
    """Whether a user's filter holds the note; rarely a false yes, which only hides a candidate."""
    first, second = bloom_bits(note)
    hits = (seen_B[first >> 6] >> np.uint64(first & 63)) & (seen_B[second >> 6] >> np.uint64(second & 63))
    return bool(hits & np.uint64(1))
