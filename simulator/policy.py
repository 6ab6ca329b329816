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


@numba.njit(cache=True)
def claim(found: Candidates, note: int) -> bool:
    """Enter a note into the session's set; False when it is there already."""
    at = (note * 2654435761) & (_TABLE - 1)
    while found.table[at] >= 0:
        if found.table[at] == note:
            return False
        at = (at + 1) & (_TABLE - 1)
    found.table[at] = note
    return True


@numba.njit(cache=True)
def _offer(found: Candidates, state: State, user: int, note: int, channel: int) -> None:
    """Add a candidate that the user has not seen and that is not there yet."""
    n = found.n[0]
    if note < 0 or n >= len(found.note_C) or has_seen(state, user, note) or not claim(found, note):
        return
    found.note_C[n] = note
    found.channel_C[n] = channel
    found.n[0] = n + 1


@numba.njit(cache=True, inline="always")
def _pick(key: np.uint64, n: int) -> int:
    return int(uniform(key) * n)


@numba.njit(cache=True)
def _offer_sampled(  # noqa: PLR0913 - a kernel takes its arrays one by one
    found: Candidates, state: State, user: int, list_L: NDArray[np.int32], channel: int, key: np.uint64, tries: int
) -> None:
    """Offer uniform draws from a list."""
    for i in range(tries if len(list_L) else 0):
        _offer(found, state, user, list_L[_pick(mix(key, np.uint64(i)), len(list_L))], channel)


@numba.njit(cache=True)
def _offer_followed(found: Candidates, state: State, user: int, key: np.uint64, tries: int) -> None:
    """Offer recent notes of authors the user follows."""
    held = min(state.n_followed_U[user], FOLLOWED)
    for i in range(tries if held else 0):
        draw = mix(key, np.uint64(i))
        author = state.followed_UR[user, _pick(draw, held)]
        n_recent = min(state.n_notes_A[author], 3)
        if n_recent:
            newest = state.n_notes_A[author] - 1 - _pick(mix(draw, np.uint64(1)), n_recent)
            _offer(found, state, user, state.newest_AR[author, newest % NEWEST], FOLLOW_CHANNEL)


@numba.njit(cache=True)
def _offer_walked(  # noqa: PLR0913 - a kernel takes its arrays one by one
    found: Candidates, shelf: Shelf, state: State, user: int, key: np.uint64, tries: int
) -> None:
    """Offer notes by a walk over clicks: my note -> a clicker of its author -> a note of that user.

    A random walk visits in proportion to co-clicks, as item-CF counts them (Eksombatchai et al. 2018,
    doi:10.1145/3178876.3186183).
    """
    held = min(state.n_history_U[user], HISTORY)
    for i in range(tries if held else 0):
        draw = mix(key, np.uint64(i))
        mine = state.history_UR[user, _pick(draw, held)]
        author = shelf.author_N[mine]
        n_clickers = min(state.n_clicks_A[author], CLICKERS)
        draw = mix(draw, np.uint64(1))
        other = state.clicker_AR[author, _pick(draw, n_clickers)]
        n_theirs = min(state.n_history_U[other], HISTORY)
        draw = mix(draw, np.uint64(2))
        note = state.history_UR[other, _pick(draw, n_theirs)]
        if note >= shelf.pool_P[0]:
            _offer(found, state, user, note, ITEM_CF)


@numba.njit(cache=True)
def gather(  # noqa: PLR0913 - a kernel takes its arrays one by one
    found: Candidates, shelf: Shelf, state: State, user: int, key: np.uint64, tries: int
) -> None:
    """Let every channel offer its candidates."""
    found.n[0] = 0
    found.table[:] = -1
    _offer_followed(found, state, user, mix(key, np.uint64(FOLLOW_CHANNEL)), tries)
    _offer_walked(found, shelf, state, user, mix(key, np.uint64(ITEM_CF)), tries)
    _offer_sampled(found, state, user, shelf.fresh_F, FRESH, mix(key, np.uint64(FRESH)), tries)
    _offer_sampled(found, state, user, shelf.popular_G, POPULAR, mix(key, np.uint64(POPULAR)), 2 * tries)


@numba.njit(cache=True)
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
    for c in range(found.n[0]):
        note = found.note_C[c]
        liking = affinity(model, notes, row_T, user, note)
        error = shelf.noise_N[note] * bell(mix(key, np.uint64(note)))
        found.liking_C[c] = liking
        found.score_C[c] = click_logit(model, notes, liking, user, note) + error
