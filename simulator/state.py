"""What the platform remembers: integer counts, rings of recent ids and boards, nothing else.

Everything real-valued is computed from these, so no order of summation can change a byte. Rings keep the newest
entries: entry i of a ring of size R lies at i % R. Shapes: U users, A authors, N notes (grown by doubling), B words of
two Bloom filters, L counts of an author, M cells of a board.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.board import Board, blank_board, pin, unpin
from simulator.kernel import compiled, inlined, kernel
from simulator.response import CLICK, FOLLOW

HISTORY, CLICKERS, NEWEST, FOLLOWED, BLOOM_WORDS = 32, 16, 8, 64, 64
GENERATION = 600  # notes in one of the two filters of what a user saw, before the older one starts afresh
EXPOSED, CLICKED, TODAY, YESTERDAY = range(4)  # what is counted of a note
DAY, SHOWN, PLEASED = range(3)  # of a user's latest visit
EVER_SHOWN, EVER_CLICKED = 14, 15  # of an author; before them clicks and impressions of the week by day % 7


class State(NamedTuple):
    """Counts, rings and boards at the start of a tick."""

    count_N4: NDArray[np.int32]
    at_pool_N: NDArray[np.int32]
    at_young_N: NDArray[np.int32]
    at_fresh_N: NDArray[np.int32]
    count_AL: NDArray[np.int32]
    newest_AR: NDArray[np.int32]
    n_notes_A: NDArray[np.int32]
    clicker_AR: NDArray[np.int32]
    followed_UR: NDArray[np.int32]
    n_followed_U: NDArray[np.int32]
    history_UR: NDArray[np.int32]
    n_history_U: NDArray[np.int32]
    seen_UB: NDArray[np.uint64]
    n_seen_U: NDArray[np.int32]
    visit_U3: NDArray[np.int32]
    pool: Board
    young: Board
    fresh: Board


_BOARDS = ("pool", "young", "fresh")


def empty_state(n_users: int, n_authors: int) -> State:
    """Return the state before anything happened."""

    def counts(*shape: int) -> NDArray[np.int32]:
        return np.zeros(shape, np.int32)

    def ids(*shape: int) -> NDArray[np.int32]:
        return np.full(shape, -1, np.int32)

    visit_U3 = counts(n_users, 3)
    visit_U3[:, DAY] = -1
    return State(
        count_N4=counts(1024, 4),
        at_pool_N=ids(1024),
        at_young_N=ids(1024),
        at_fresh_N=ids(1024),
        count_AL=counts(n_authors, 16),
        newest_AR=ids(n_authors, NEWEST),
        n_notes_A=counts(n_authors),
        clicker_AR=ids(n_authors, CLICKERS),
        followed_UR=ids(n_users, FOLLOWED),
        n_followed_U=counts(n_users),
        history_UR=ids(n_users, HISTORY),
        n_history_U=counts(n_users),
        seen_UB=np.zeros((n_users, 2 * BLOOM_WORDS), np.uint64),
        n_seen_U=counts(n_users),
        visit_U3=visit_U3,
        pool=blank_board(256),
        young=blank_board(256),
        fresh=blank_board(256),
    )


def copy_state(state: State) -> State:
    """Return a state of one's own."""
    return state_of({name: array.copy() for name, array in state_arrays(state).items()})


def state_arrays(state: State) -> dict[str, NDArray[Any]]:
    """Return every array by name, those of boards as `pool.cell_M`."""
    arrays: dict[str, NDArray[Any]] = {name: getattr(state, name) for name in State._fields if name not in _BOARDS}
    for name in _BOARDS:
        arrays |= {f"{name}.{inner}": array for inner, array in getattr(state, name)._asdict().items()}
    return arrays


def state_of(arrays: dict[str, NDArray[Any]]) -> State:
    """Return the state that `state_arrays` took apart."""
    parts: dict[str, Any] = {name: arrays[name] for name in State._fields if name not in _BOARDS}
    for name in _BOARDS:
        parts[name] = Board(*(arrays[f"{name}.{inner}"] for inner in Board._fields))
    return State(**parts)


def grown(state: State, n_notes: int) -> State:
    """Return the state with room for `n_notes` notes."""
    capacity = len(state.count_N4)
    if n_notes <= capacity:
        return state
    extra = max(n_notes, 2 * capacity) - capacity

    def longer(column: NDArray[np.int32], fill: int) -> NDArray[np.int32]:
        return np.concatenate([column, np.full((extra, *column.shape[1:]), fill, np.int32)])

    return state._replace(
        count_N4=longer(state.count_N4, 0),
        at_pool_N=longer(state.at_pool_N, -1),
        at_young_N=longer(state.at_young_N, -1),
        at_fresh_N=longer(state.at_fresh_N, -1),
    )


def turn_day(state: State, day: int) -> None:
    """Make today's clicks yesterday's and clear the oldest day of the week."""
    state.count_N4[:, YESTERDAY] = state.count_N4[:, TODAY]
    state.count_N4[:, TODAY] = 0
    state.count_AL[:, day % 7] = 0
    state.count_AL[:, 7 + day % 7] = 0


def add_notes(state: State, first_id: int, author_N: NDArray[np.int32], key_N: NDArray[np.uint64]) -> State:
    """Enter the notes from `first_id` on, in order of birth, into their authors' rings and onto the boards.

    `author_N` and `key_N` are those of all notes up to the last one to enter.
    """
    note_X = np.arange(first_id, len(author_N), dtype=np.int32)
    _enter(state.newest_AR, state.n_notes_A, note_X, author_N)

    def pinned(board: Board, at_N: NDArray[np.int32]) -> Board:
        roomy = _roomy(board, len(note_X), key_N, at_N)
        pin(roomy, note_X, key_N[first_id:], at_N)
        return roomy

    return state._replace(
        pool=pinned(state.pool, state.at_pool_N),
        young=pinned(state.young, state.at_young_N),
        fresh=pinned(state.fresh, state.at_fresh_N),
    )


def _roomy(board: Board, n_more: int, key_N: NDArray[np.uint64], at_N: NDArray[np.int32]) -> Board:
    """Return the board, or one of a better size with the same notes pinned in order of birth."""
    n = int(board.n_1[0]) + n_more
    if len(board.cell_M) <= 6 * max(n, 4) and 4 * n <= 3 * len(board.cell_M):
        return board
    other = blank_board(n)
    note_X = np.sort(board.cell_M[board.cell_M >= 0])
    pin(other, note_X, key_N[note_X], at_N)
    return other


@compiled
def _enter(
    newest_AR: NDArray[np.int32], n_notes_A: NDArray[np.int32], note_X: NDArray[np.int32], author_N: NDArray[np.int32]
) -> None:
    for note in note_X:
        author = author_N[note]
        newest_AR[author, n_notes_A[author] % NEWEST] = note
        n_notes_A[author] += 1


def retire(state: State, oldest: int, first_young: int, guarantee: int) -> None:
    """Take off the boards the notes before `oldest`, those before `first_young`, and those that had the guarantee."""
    unpin(state.pool, _ids(state.at_pool_N[:oldest] >= 0), state.at_pool_N)
    unpin(state.young, _ids(state.at_young_N[:first_young] >= 0), state.at_young_N)
    is_gone_N = state.at_fresh_N >= 0
    is_gone_N[first_young:] &= state.count_N4[first_young:, EXPOSED] >= guarantee
    unpin(state.fresh, _ids(is_gone_N), state.at_fresh_N)


def _ids(mask_N: NDArray[np.bool_]) -> NDArray[np.int32]:
    return np.flatnonzero(mask_N).astype(np.int32)


@kernel
def add_follow(state: State, user: int, author: int) -> bool:
    """Add a follow edge to the user's ring; False when it is there already."""
    followed_R, n = state.followed_UR[user], state.n_followed_U[user]
    for i in range(min(n, FOLLOWED)):
        if followed_R[i] == author:
            return False
    followed_R[n % FOLLOWED] = author
    state.n_followed_U[user] = n + 1
    return True


def absorb(  # noqa: PLR0913 - what was shown, to whom, and what came of it
    state: State,
    author_N: NDArray[np.int32],
    key_N: NDArray[np.uint64],
    user_E: NDArray[np.int32],
    note_E: NDArray[np.int32],
    responses_E: NDArray[np.uint8],
    day: int,
) -> NDArray[np.bool_]:
    """Take the impressions of one tick into the counts; return which rows made a new follow edge."""
    is_new_E = np.zeros(len(user_E), np.bool_)
    _absorb(state, author_N, key_N, user_E, note_E, responses_E, day, is_new_E)
    return is_new_E


@kernel
def _absorb(  # noqa: PLR0913 - a kernel takes its arrays one by one
    state: State,
    author_N: NDArray[np.int32],
    key_N: NDArray[np.uint64],
    user_E: NDArray[np.int32],
    note_E: NDArray[np.int32],
    responses_E: NDArray[np.uint8],
    day: int,
    is_new_E: NDArray[np.bool_],
) -> None:
    count_N4, count_AL, visit_U3 = state.count_N4, state.count_AL, state.visit_U3
    seen_UB, n_seen_U, lag = state.seen_UB, state.n_seen_U, day % 7
    for e in range(len(user_E)):
        user, note = user_E[e], note_E[e]
        author = author_N[note]
        clicked = responses_E[e] & CLICK
        count_N4[note, EXPOSED] += 1
        count_AL[author, EVER_SHOWN] += 1
        count_AL[author, 7 + lag] += 1
        if visit_U3[user, DAY] != day:
            visit_U3[user, DAY], visit_U3[user, SHOWN], visit_U3[user, PLEASED] = day, 0, 0
        visit_U3[user, SHOWN] += 1
        mark_seen(seen_UB[user], n_seen_U, user, key_N[note])
        if clicked:
            count_N4[note, CLICKED] += 1
            count_N4[note, TODAY] += 1
            count_AL[author, lag] += 1
            visit_U3[user, PLEASED] += 1
            _remember_click(state, user, note, author)
        if responses_E[e] & FOLLOW:
            is_new_E[e] = add_follow(state, user, author)


@kernel
def _remember_click(state: State, user: int, note: int, author: int) -> None:
    state.clicker_AR[author, state.count_AL[author, EVER_CLICKED] % CLICKERS] = user
    state.count_AL[author, EVER_CLICKED] += 1
    state.history_UR[user, state.n_history_U[user] % HISTORY] = note
    state.n_history_U[user] += 1


@inlined
def mark_seen(seen_B: NDArray[np.uint64], n_seen_U: NDArray[np.int32], user: int, key: np.uint64) -> None:
    """Enter a note into the younger of a user's two filters; their words lie by turns."""
    younger = n_seen_U[user] // GENERATION & 1
    if n_seen_U[user] % GENERATION == 0:
        seen_B[younger::2] = 0
    first, second = bloom_bits(key)
    seen_B[2 * (first >> 6) + younger] |= np.uint64(1) << np.uint64(first & 63)
    seen_B[2 * (second >> 6) + younger] |= np.uint64(1) << np.uint64(second & 63)
    n_seen_U[user] += 1


@inlined
def bloom_bits(key: np.uint64) -> tuple[int, int]:
    """Return the two bits of a note's key in a filter."""
    n_bits = np.uint64(64 * BLOOM_WORDS - 1)
    return int((key >> np.uint64(32)) & n_bits), int((key >> np.uint64(48)) & n_bits)


@inlined
def has_seen(seen_B: NDArray[np.uint64], key: np.uint64) -> bool:
    """Whether either filter of a user holds the note of a key; rarely a false yes, which only hides a candidate."""
    first, second = bloom_bits(key)
    at, other, bit, other_bit = 2 * (first >> 6), 2 * (second >> 6), np.uint64(first & 63), np.uint64(second & 63)
    older = (seen_B[at] >> bit) & (seen_B[other] >> other_bit)
    return bool((older | ((seen_B[at + 1] >> bit) & (seen_B[other + 1] >> other_bit))) & np.uint64(1))
