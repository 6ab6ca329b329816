"""The platform's own recommender: channels gather candidates, a noisy ranker orders them.

The ranker sees the truth plus noise that shrinks with the impressions of a note and its author: that is the cold-start
penalty. Each session reads the state at the start of its tick, so sessions may run in any order. Shapes: N notes,
T topics, C candidates, F fields of a card.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.board import draw
from simulator.heat import EVERYWHERE
from simulator.kernel import inlined, kernel
from simulator.luck import bell, mix
from simulator.response import KEY_WORD, NOISE, Cards, Model, affinity, click_logit, reading
from simulator.shelf import Shelf
from simulator.sizes import MAX_SLOTS, MAX_TRIES, N_TOPICS
from simulator.state import CLICKERS, EVER_CLICKED, FOLLOWED, HISTORY, NEWEST, State, has_seen

CHANNELS = ("follow", "popular", "item-cf", "recent", "fresh", "explore", "random", "direct", "external", "backfill")
FOLLOW_CHANNEL, POPULAR, ITEM_CF, RECENT, FRESH, EXPLORE, RANDOM, DIRECT, EXTERNAL, BACKFILL = range(10)
_FOLD = np.array([0, *((1 << (held - 1).bit_length()) - 1 for held in range(1, 65))], np.int64)
TABLE = 1024  # open-addressing set of what a session has shown and a page might show; far above their number
ROOM = 6 * MAX_TRIES + 40  # candidates of a page, and rounding
_CEILING = 11.0  # logits; the ranker tells no difference above it, nor below it by 25.6


class Candidates(NamedTuple):
    """A session's candidates: room for C, the first `n_1[0]` in use; `order_C` ranks them."""

    note_C: NDArray[np.int32]
    channel_C: NDArray[np.int8]
    liking_C: NDArray[np.float32]
    rank_C: NDArray[np.uint16]
    order_C: NDArray[np.int16]
    spare_C: NDArray[np.int16]
    count_B: NDArray[np.int32]
    table: NDArray[np.int32]
    offered_C: NDArray[np.int32]
    key_C: NDArray[np.uint64]
    row_T: NDArray[np.float32]
    chosen_K: NDArray[np.int64]
    liking_K: NDArray[np.float32]
    n_1: NDArray[np.int64]


def room() -> Candidates:
    """Allocate a session's candidates."""
    return Candidates(
        np.empty(ROOM, np.int32),
        np.empty(ROOM, np.int8),
        np.empty(ROOM, np.float32),
        np.empty(ROOM, np.uint16),
        np.empty(ROOM, np.int16),
        np.empty(ROOM, np.int16),
        np.zeros(128, np.int32),
        np.full(TABLE, -1, np.int32),
        np.empty(ROOM, np.int32),
        np.empty(ROOM, np.uint64),
        np.empty(N_TOPICS, np.float32),
        np.empty(MAX_SLOTS, np.int64),
        np.empty(MAX_SLOTS, np.float32),
        np.zeros(1, np.int64),
    )


# Kernels take tuples apart before their loops: see the remark in `simulator.response`.


@inlined
def claim(table: NDArray[np.int32], note: int) -> bool:
    """Enter a note into the session's set; False when it is there already."""
    at = (note * 2654435761) & (TABLE - 1)
    while table[at] >= 0 and table[at] != note:
        at = (at + 1) & (TABLE - 1)
    is_new = table[at] < 0
    table[at] = note
    return bool(is_new)


@inlined
def pick(key: np.uint64, held: int) -> int:
    """Map a key to a place in [0, held), held <= 64, by linear hashing (Litwin 1980).

    One more held takes draws from one place only, so that a click more leaves most walks as they were; the price is
    that a place may be drawn twice as often as another.
    """
    place = int(key >> np.uint64(32)) & _FOLD[held]
    return int(place if place < held else place & (_FOLD[held] >> 1))


@kernel
def _followed(  # noqa: PLR0913 - a kernel takes its arrays one by one
    state: State, oldest: int, user: int, key: np.uint64, tries: int, offered_C: NDArray[np.int32]
) -> int:
    """Draw recent notes of authors the user follows; return how many."""
    followed_R, n_notes_A, newest_AR = state.followed_UR[user], state.n_notes_A, state.newest_AR
    held = min(state.n_followed_U[user], FOLLOWED)
    n = 0
    for i in range(tries if held else 0):
        draw_key = mix(key, np.uint64(i))
        author = followed_R[pick(draw_key, held)]
        n_notes = n_notes_A[author]
        if n_notes:
            newest = n_notes - 1 - pick(mix(draw_key, np.uint64(1)), min(n_notes, 4))
            note = newest_AR[author, newest % NEWEST]
            if note >= oldest:
                offered_C[n] = note
                n += 1
    return n


@kernel
def _walked(  # noqa: PLR0913 - a kernel takes its arrays one by one
    state: State, shelf: Shelf, found: Candidates, user: int, key: np.uint64, tries: int
) -> int:
    """Walk over clicks: a note of mine -> a clicker of its author -> a note of that user; return how many.

    A random walk visits in proportion to co-clicks, as item-CF counts them (Eksombatchai et al. 2018,
    doi:10.1145/3178876.3186183). All walks take a step before the next, so that their waits for memory overlap.
    """
    history_UR, n_history_U, author_N = state.history_UR, state.n_history_U, shelf.author_N
    clicker_AR, count_AL, oldest = state.clicker_AR, state.count_AL, shelf.oldest
    at_C, key_C, held, n = found.offered_C, found.key_C, min(n_history_U[user], HISTORY), 0
    if held == 0:
        return 0
    for i in range(tries):
        draw_key = mix(key, np.uint64(i))
        at_C[i] = author_N[history_UR[user, pick(draw_key, held)]]
        key_C[i] = mix(draw_key, np.uint64(1))
    for i in range(tries):
        author = at_C[i]
        at_C[i] = clicker_AR[author, pick(key_C[i], min(count_AL[author, EVER_CLICKED], CLICKERS))]
    for i in range(tries):
        other = at_C[i]
        note = history_UR[other, pick(mix(key_C[i], np.uint64(2)), min(n_history_U[other], HISTORY))]
        at_C[n] = note
        n += note >= oldest
    return n


@kernel
def _from_board(cell_M: NDArray[np.int32], key: np.uint64, tries: int, offered_C: NDArray[np.int32]) -> int:
    """Draw uniformly from a board; return how many."""
    for i in range(tries):
        offered_C[i] = draw(cell_M, mix(key, np.uint64(i)))
    return tries


@kernel
def _popular(  # noqa: PLR0913 - a kernel takes its arrays one by one
    state: State, shelf: Shelf, user: int, key: np.uint64, tries: int, offered_C: NDArray[np.int32]
) -> int:
    """Draw from what is hot, by turns everywhere and in the category of a note that the user clicked.

    Returns how many were drawn.
    """
    history_R, held, n = state.history_UR[user], min(state.n_history_U[user], HISTORY), 0
    label_N, cell_CM, is_hot_C = shelf.label_N, shelf.hot.cell_CM, shelf.hot.is_hot_C
    for i in range(tries):
        draw_key = mix(key, np.uint64(i))
        c = int(label_N[history_R[pick(draw_key, held)]]) if held > 0 and i & 1 else EVERYWHERE
        if is_hot_C[c]:
            offered_C[n] = draw(cell_CM[c], mix(draw_key, np.uint64(1)))
            n += 1
    return n


@kernel
def _keep_new(
    found: Candidates, word_NW: NDArray[np.uint64], seen_B: NDArray[np.uint64], n_offered: int, channel: int
) -> None:
    """Keep what was offered, has not been seen and is not there yet."""
    note_C, channel_C, table, offered_C, n = found.note_C, found.channel_C, found.table, found.offered_C, found.n_1[0]
    n_unseen = 0
    for i in range(n_offered):
        note = offered_C[i]
        offered_C[n_unseen] = note
        n_unseen += not has_seen(seen_B, word_NW[note, KEY_WORD])
    for i in range(min(n_unseen, ROOM - n)):
        note = offered_C[i]
        if claim(table, note):
            note_C[n] = note
            channel_C[n] = channel
            n += 1
    found.n_1[0] = n


@kernel
def gather(  # noqa: PLR0913 - a kernel takes its arrays one by one
    found: Candidates,
    shelf: Shelf,
    cards: Cards,
    state: State,
    user: int,
    key: np.uint64,
    numbers: tuple[int, int],
) -> None:
    """Let every channel offer its candidates for a page; the first to offer a note has it.

    `numbers` are the tries of a channel, and how many fresh notes are drawn: as many as have slots, since a guarantee
    is no contest.
    """
    tries, n_fresh = numbers
    seen_B, word_NW, offered_C = state.seen_UB[user], cards.word_NW, found.offered_C
    n = _followed(state, shelf.oldest, user, mix(key, np.uint64(FOLLOW_CHANNEL)), (tries + 1) // 2, offered_C)
    _keep_new(found, word_NW, seen_B, n, FOLLOW_CHANNEL)
    n = _walked(state, shelf, found, user, mix(key, np.uint64(ITEM_CF)), 2 * tries)
    _keep_new(found, word_NW, seen_B, n, ITEM_CF)
    if state.fresh.n_1[0] > 0:
        n = _from_board(state.fresh.cell_M, mix(key, np.uint64(FRESH)), n_fresh, offered_C)
        _keep_new(found, word_NW, seen_B, n, FRESH)
    if state.young.n_1[0] > 0:
        n = _from_board(state.young.cell_M, mix(key, np.uint64(RECENT)), (tries + 11) // 12, offered_C)
        _keep_new(found, word_NW, seen_B, n, RECENT)
    n = _popular(state, shelf, user, mix(key, np.uint64(POPULAR)), 2 * tries, offered_C)
    _keep_new(found, word_NW, seen_B, n, POPULAR)


@kernel
def score(  # noqa: PLR0913 - a kernel takes its arrays one by one
    found: Candidates, model: Model, cards: Cards, row_T: NDArray[np.float32], user: int, key: np.uint64
) -> None:
    """Rank the candidates by the true click logit plus noise keyed by (user, day, note), to 1/160 of a logit."""
    weights, style_S, reads = model.weights, model.style_US[user], reading(model, user)
    second_share = np.float32(model.weights.second_share)
    card_NF, word_NW, note_C, rank_C = cards.card_NF, cards.word_NW, found.note_C, found.rank_C
    liking_C = found.liking_C
    for c in range(found.n_1[0]):
        note = note_C[c]
        liking = affinity(row_T, style_S, second_share, card_NF, note)
        error = card_NF[note, NOISE] * bell(mix(key, word_NW[note, KEY_WORD]))
        total = click_logit(weights, reads, liking, card_NF, note) + error
        liking_C[c] = liking
        rank_C[c] = np.uint16(min(max(int((_CEILING - total) * 160.0), 0), 4_095))
    _sort(found)


@kernel
def _sort(found: Candidates) -> None:
    """Order the candidates by rank, equal ones as gathered: two passes of a counting sort over six bits."""
    n, rank_C, order_C, spare_C, count_B = found.n_1[0], found.rank_C, found.order_C, found.spare_C, found.count_B
    count_B[:] = 0
    for c in range(n):
        count_B[rank_C[c] & 63] += 1
        count_B[64 + (rank_C[c] >> 6)] += 1
    low, high = 0, 0
    for b in range(64):
        n_low, n_high = count_B[b], count_B[64 + b]
        count_B[b], count_B[64 + b] = low, high
        low, high = low + n_low, high + n_high
    for c in range(n):
        b = rank_C[c] & 63
        spare_C[count_B[b]] = c
        count_B[b] += 1
    for i in range(n):
        b = 64 + (rank_C[spare_C[i]] >> 6)
        order_C[count_B[b]] = spare_C[i]
        count_B[b] += 1
