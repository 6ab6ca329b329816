"""The platform's own recommender: channels gather candidates, a noisy ranker orders them, pages are served.

The ranker sees the truth plus noise that shrinks with the impressions of a note and its author: that is the cold-start
penalty. Each session reads the state at the start of its tick, so sessions may run in any order. Shapes: S sessions,
P pool, G popular list, F fresh list, N notes, T topics, C candidates.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from simulator.luck import bell, mix, uniform
from simulator.response import Model, NoteView, affinity, click_logit
from simulator.spec import Logging
from simulator.state import CLICKERS, FOLLOWED, HISTORY, NEWEST, State, has_seen

CHANNELS = ("follow", "popular", "item-cf", "fresh", "explore", "random", "external")
FOLLOW_CHANNEL, POPULAR, ITEM_CF, FRESH, EXPLORE, RANDOM, EXTERNAL = range(7)
_TABLE = 1024  # open-addressing set of a session's candidates; far above their number


class Shelf(NamedTuple):
    """The lists every session of a tick draws from."""

    pool_P: NDArray[np.int32]
    popular_G: NDArray[np.int32]
    fresh_F: NDArray[np.int32]
    noise_N: NDArray[np.float32]  # standard deviation of the ranker's error, from the note's impressions
    author_N: NDArray[np.int32]
    born_time_N: NDArray[np.int64]


class Candidates(NamedTuple):
    """A session's candidates: room for C, the first `n[0]` in use."""

    note_C: NDArray[np.int32]
    channel_C: NDArray[np.int8]
    score_C: NDArray[np.float64]
    liking_C: NDArray[np.float64]
    table: NDArray[np.int32]
    n: NDArray[np.int64]


def stock(spec: Logging, state: State, born_time_N: NDArray[np.int64], author_N: NDArray[np.int32], now: int) -> Shelf:
    """Fill the shelf from the counts at `now`."""
    first = int(np.searchsorted(born_time_N, now - int(spec.pool_days * 86_400)))
    last = int(np.searchsorted(born_time_N, now))
    pool_P = np.arange(first, last, dtype=np.int32)
    heat_P = 2 * state.clicks_today_N[first:last].astype(np.int64) + state.clicks_yesterday_N[first:last]
    popular_G = pool_P[np.argsort(-heat_P, kind="stable")[: spec.popular_size]]
    is_fresh_P = (born_time_N[first:last] >= now - 86_400) & (state.exposures_N[first:last] < spec.fresh_guarantee)
    noise_N = np.zeros(last, np.float32)
    halving = spec.ranker_halving
    evidence_P = state.exposures_N[first:last] + 0.1 * state.exposures_A[author_N[first:last]]
    noise_N[first:] = spec.ranker_noise * np.sqrt(halving / (halving + evidence_P))
    return Shelf(pool_P, popular_G, pool_P[is_fresh_P], noise_N, author_N, born_time_N)


def room(capacity: int) -> Candidates:
    """Allocate a session's candidates."""
    return Candidates(
        np.empty(capacity, np.int32),
        np.empty(capacity, np.int8),
        np.empty(capacity, np.float64),
        np.empty(capacity, np.float64),
        np.full(_TABLE, -1, np.int32),
        np.zeros(1, np.int64),
    )


# Kernels take tuples apart before their loops: see the remark in `simulator.response`.


@numba.njit(cache=True, inline="always")
def claim(table: NDArray[np.int32], note: int) -> bool:
    """Enter a note into the session's set; False when it is there already."""
    at = (note * 2654435761) & (_TABLE - 1)
    while table[at] >= 0 and table[at] != note:
        at = (at + 1) & (_TABLE - 1)
    is_new = table[at] < 0
    table[at] = note
    return bool(is_new)


@numba.njit(cache=True, inline="always")
def _pick(key: np.uint64, n: int) -> int:
    return int(uniform(key) * n)


@numba.njit(cache=True)
def _sampled(list_L: NDArray[np.int32], key: np.uint64, offered_C: NDArray[np.int32]) -> int:
    """Draw uniformly from a list; return how many notes were drawn."""
    if len(list_L) == 0:
        return 0
    for i in range(len(offered_C)):
        offered_C[i] = list_L[_pick(mix(key, np.uint64(i)), len(list_L))]
    return len(offered_C)


@numba.njit(cache=True)
def _followed(state: State, user: int, key: np.uint64, offered_C: NDArray[np.int32]) -> int:
    """Draw recent notes of authors the user follows."""
    followed_R, n_notes_A, newest_AR = state.followed_UR[user], state.n_notes_A, state.newest_AR
    held = min(state.n_followed_U[user], FOLLOWED)
    n = 0
    for i in range(len(offered_C) if held else 0):
        draw = mix(key, np.uint64(i))
        author = followed_R[_pick(draw, held)]
        n_recent = min(n_notes_A[author], 3)
        if n_recent:
            newest = n_notes_A[author] - 1 - _pick(mix(draw, np.uint64(1)), n_recent)
            offered_C[n] = newest_AR[author, newest % NEWEST]
            n += 1
    return n


@numba.njit(cache=True)
def _walked(state: State, shelf: Shelf, user: int, key: np.uint64, offered_C: NDArray[np.int32]) -> int:
    """Walk over clicks: a note of mine -> a clicker of its author -> a note of that user.

    A random walk visits in proportion to co-clicks, as item-CF counts them (Eksombatchai et al. 2018,
    doi:10.1145/3178876.3186183).
    """
    history_UR, n_history_U, author_N = state.history_UR, state.n_history_U, shelf.author_N
    clicker_AR, n_clicks_A, oldest = state.clicker_AR, state.n_clicks_A, shelf.pool_P[0]
    held = min(n_history_U[user], HISTORY)
    n = 0
    for i in range(len(offered_C) if held else 0):
        draw = mix(key, np.uint64(i))
        author = author_N[history_UR[user, _pick(draw, held)]]
        draw = mix(draw, np.uint64(1))
        other = clicker_AR[author, _pick(draw, min(n_clicks_A[author], CLICKERS))]
        draw = mix(draw, np.uint64(2))
        note = history_UR[other, _pick(draw, min(n_history_U[other], HISTORY))]
        if note >= oldest:
            offered_C[n] = note
            n += 1
    return n


@numba.njit(cache=True)
def _keep_new(found: Candidates, seen_B: NDArray[np.uint64], offered_C: NDArray[np.int32], channel: int) -> None:
    """Keep what was offered, has not been seen, and is not there yet."""
    note_C, channel_C, table, n = found.note_C, found.channel_C, found.table, found.n[0]
    for note in offered_C:
        if n < len(note_C) and not has_seen(seen_B, note) and claim(table, note):
            note_C[n] = note
            channel_C[n] = channel
            n += 1
    found.n[0] = n


@numba.njit(cache=True)
def gather(  # noqa: PLR0913 - a kernel takes its arrays one by one
    found: Candidates, shelf: Shelf, state: State, user: int, key: np.uint64, tries: int
) -> None:
    """Let every channel offer its candidates; the first to offer a note has it."""
    found.n[0] = 0
    found.table[:] = -1
    seen_B, offered_C = state.seen_UB[user], np.empty(2 * tries, np.int32)
    n = _followed(state, user, mix(key, np.uint64(FOLLOW_CHANNEL)), offered_C[:tries])
    _keep_new(found, seen_B, offered_C[:n], FOLLOW_CHANNEL)
    n = _walked(state, shelf, user, mix(key, np.uint64(ITEM_CF)), offered_C[:tries])
    _keep_new(found, seen_B, offered_C[:n], ITEM_CF)
    n = _sampled(shelf.fresh_F, mix(key, np.uint64(FRESH)), offered_C[:tries])
    _keep_new(found, seen_B, offered_C[:n], FRESH)
    n = _sampled(shelf.popular_G, mix(key, np.uint64(POPULAR)), offered_C)
    _keep_new(found, seen_B, offered_C[:n], POPULAR)


@numba.njit(cache=True, error_model="numpy")
def score(  # noqa: PLR0913 - a kernel takes its arrays one by one
    found: Candidates,
    shelf: Shelf,
    model: Model,
    notes: NoteView,
    row_T: NDArray[np.float32],
    user: int,
    key: np.uint64,
) -> None:
    """Score the candidates: the true click logit plus noise keyed by (user, day, note)."""
    weights, style_S, video_taste = model.weights, model.style_US[user], model.video_taste_U[user]
    topic_N, second_N, style_NS = notes.topic_N, notes.second_N, notes.style_NS
    appeal_N, is_video_N, noise_N = notes.appeal_N, notes.is_video_N, shelf.noise_N
    note_C, liking_C, score_C = found.note_C, found.liking_C, found.score_C
    for c in range(found.n[0]):
        note = note_C[c]
        liking = affinity(row_T, style_S, weights.second_share, topic_N[note], second_N[note], style_NS, note)
        error = noise_N[note] * bell(mix(key, np.uint64(note)))
        liking_C[c] = liking
        score_C[c] = click_logit(weights, liking, appeal_N[note], is_video_N[note], video_taste) + error
