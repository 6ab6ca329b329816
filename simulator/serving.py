"""Serve the sessions of one tick: pages of slots, examined from the top, answered with keyed luck.

Shapes: S sessions, R room for the impressions of one session, C candidates, K slots of a page, T topics.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from simulator.luck import bell, mix, uniform
from simulator.policy import EXPLORE, EXTERNAL, FRESH, RANDOM, Candidates, Shelf, claim, gather, score
from simulator.response import CLICK, Model, NoteView, Weights, affinity, click_logit, sigmoid, topic_affinities
from simulator.spec import Logging
from simulator.state import State, has_seen

_FRESH_EVERY = 4  # fresh notes may hold slots 3, 7, ... of a page
_TAKEN = 100  # subtracted from the channel of a candidate once it has a slot


class Rules(NamedTuple):
    """The constants of serving."""

    page_size: int
    max_pages: int
    tries: int
    fresh_slots: int
    explore_share: float
    random_share: float


class Habits(NamedTuple):
    """How users read: chance to examine the next position, chance to ask for another page."""

    examine_U: NDArray[np.float32]
    go_on_U: NDArray[np.float32]


class Luck(NamedTuple):
    """The keys of the streams, mixed with the tick (the day for rank and respond)."""

    serve: np.uint64
    rank: np.uint64
    read: np.uint64
    respond: np.uint64


class Tick(NamedTuple):
    """All that sessions read during one tick; none of it changes before the tick is over."""

    rules: Rules
    habits: Habits
    shelf: Shelf
    state: State
    model: Model
    notes: NoteView
    luck: Luck


class Impressions(NamedTuple):
    """What was shown and answered: one row a session, room for R impressions each, `n_S` in use."""

    note_SR: NDArray[np.int32]
    position_SR: NDArray[np.int16]
    page_SR: NDArray[np.int16]
    channel_SR: NDArray[np.int8]
    propensity_SR: NDArray[np.float32]
    responses_SR: NDArray[np.uint8]
    dwell_SR: NDArray[np.float32]
    n_S: NDArray[np.int64]


def serving_rules(spec: Logging) -> Rules:
    """Gather the constants of serving."""
    return Rules(
        spec.page_size,
        spec.max_pages,
        spec.candidates_per_channel,
        spec.fresh_slots,
        spec.explore_share,
        spec.random_share,
    )


def blank(n_sessions: int, capacity: int) -> Impressions:
    """Allocate room for the impressions of `n_sessions`."""
    shape = (n_sessions, capacity)
    return Impressions(
        np.empty(shape, np.int32),
        np.empty(shape, np.int16),
        np.empty(shape, np.int16),
        np.empty(shape, np.int8),
        np.full(shape, np.nan, np.float32),
        np.zeros(shape, np.uint8),
        np.zeros(shape, np.float32),
        np.zeros(n_sessions, np.int64),
    )


@numba.njit(cache=True, error_model="numpy")
def answer(
    weights: Weights, odds_R: NDArray[np.float64], logit: float, liking: float, key: np.uint64
) -> tuple[int, float]:
    """Draw the responses to an examined note as a bit mask, and the dwell in seconds."""
    if uniform(mix(key, np.uint64(0))) >= sigmoid(logit):
        return 0, 0.0
    mask, odds = CLICK, np.exp(weights.engage_slope * liking)
    for r in range(len(odds_R)):
        chance = odds_R[r] * odds / (1.0 + odds_R[r] * odds)
        if uniform(mix(key, np.uint64(r + 1))) < chance:
            mask |= 2 << r
    spread = weights.dwell_log_sd * bell(mix(key, np.uint64(9)))
    return mask, np.exp(weights.dwell_log_mean + 0.25 * liking + spread)


@numba.njit(cache=True)
def n_examined(habits: Habits, user: int, key: np.uint64) -> int:
    """Draw how many slots of a page the user looks at: a geometric cascade from the top (Craswell et al. 2008)."""
    return 1 + int(np.log(uniform(key)) / np.log(habits.examine_U[user]))


@numba.njit(cache=True, inline="always")
def _next_of(channel_C: NDArray[np.int8], order_C: NDArray[np.int64], start: int, only_fresh: bool) -> int:
    """Return the next place in the ranked list that is free, and fresh where that is asked."""
    at = start
    while at < len(order_C):
        channel = channel_C[order_C[at]]
        if channel >= 0 and (channel == FRESH or not only_fresh):
            break
        at += 1
    return at


@numba.njit(cache=True)
def _fill_page(
    rules: Rules,
    found: Candidates,
    order_C: NDArray[np.int64],
    cursor_2: NDArray[np.int64],
    chosen_K: NDArray[np.int64],
) -> int:
    """Merge with quotas: fresh notes keep some slots, the rest go by score. Return the number filled."""
    channel_C, n_fresh = found.channel_C, 0
    for slot in range(rules.page_size):
        at = len(order_C)
        if slot % _FRESH_EVERY == _FRESH_EVERY - 1 and n_fresh < rules.fresh_slots:
            at = cursor_2[1] = _next_of(channel_C, order_C, cursor_2[1], True)
            n_fresh += 1
        if at == len(order_C):
            at = cursor_2[0] = _next_of(channel_C, order_C, cursor_2[0], False)
        if at == len(order_C):
            return slot
        chosen_K[slot] = order_C[at]
        channel_C[order_C[at]] -= _TAKEN
    return rules.page_size


@numba.njit(cache=True)
def _plan_page(  # noqa: PLR0913 - a kernel takes its arrays one by one
    tick: Tick,
    found: Candidates,
    chosen_K: NDArray[np.int64],
    user: int,
    key: np.uint64,
    out: Impressions,
    at: int,
    s: int,
) -> None:
    """Write the notes and channels of a page; a small share of slots goes to a uniform draw from the pool."""
    note_R, channel_R, propensity_R = out.note_SR[s], out.channel_SR[s], out.propensity_SR[s]
    pool_P, seen_B, table = tick.shelf.pool_P, tick.state.seen_UB[user], found.table
    note_C, channel_C = found.note_C, found.channel_C
    random_share, uniform_share = tick.rules.random_share, tick.rules.random_share + tick.rules.explore_share
    for slot in range(len(chosen_K)):
        c = chosen_K[slot]
        note_R[at + slot], channel_R[at + slot] = note_C[c], channel_C[c] + _TAKEN
        slot_key = mix(key, np.uint64(slot))
        lot = uniform(slot_key)
        if lot < uniform_share:
            note = pool_P[int(uniform(mix(slot_key, np.uint64(1))) * len(pool_P))]
            if not has_seen(seen_B, note) and claim(table, note):
                note_R[at + slot], channel_R[at + slot] = note, RANDOM if lot < random_share else EXPLORE
                propensity_R[at + slot] = 1.0 / len(pool_P)


@numba.njit(cache=True, error_model="numpy")
def _read_page(  # noqa: PLR0913 - a kernel takes its arrays one by one
    tick: Tick, row_T: NDArray[np.float32], user: int, page: int, n_slots: int, out: Impressions, at: int, s: int
) -> None:
    """Let the user look at the first slots of a page and answer what is there."""
    weights, odds_R, style_S = tick.model.weights, tick.model.engage_odds_R, tick.model.style_US[user]
    video_taste, topic_N, second_N = tick.model.video_taste_U[user], tick.notes.topic_N, tick.notes.second_N
    style_NS, appeal_N, is_video_N = tick.notes.style_NS, tick.notes.appeal_N, tick.notes.is_video_N
    note_R, responses_R, dwell_R = out.note_SR[s], out.responses_SR[s], out.dwell_SR[s]
    position_R, page_R = out.position_SR[s], out.page_SR[s]
    n_read = n_examined(tick.habits, user, mix(mix(tick.luck.read, np.uint64(user)), np.uint64(page)))
    respond_key = mix(tick.luck.respond, np.uint64(user))
    for slot in range(n_slots):
        n = at + slot
        position_R[n], page_R[n] = slot, page
        if slot < n_read:
            note = note_R[n]
            liking = affinity(row_T, style_S, weights.second_share, topic_N[note], second_N[note], style_NS, note)
            logit = click_logit(weights, liking, appeal_N[note], is_video_N[note], video_taste)
            responses_R[n], dwell_R[n] = answer(weights, odds_R, logit, liking, mix(respond_key, np.uint64(note)))


@numba.njit(cache=True)
def _serve_session(  # noqa: PLR0913 - a kernel takes its arrays one by one
    tick: Tick,
    found: Candidates,
    row_T: NDArray[np.float32],
    chosen_K: NDArray[np.int64],
    user: int,
    out: Impressions,
    s: int,
) -> None:
    rules, model = tick.rules, tick.model
    serve_key, read_key = mix(tick.luck.serve, np.uint64(user)), mix(tick.luck.read, np.uint64(user))
    topic_affinities(model.taste_UD[user], model.topic_DT, model.topic_mean, row_T)
    gather(found, tick.shelf, tick.state, user, serve_key, rules.tries)
    score(found, tick.shelf, model, tick.notes, row_T, user, mix(tick.luck.rank, np.uint64(user)))
    order_C = np.argsort(-found.score_C[: found.n[0]], kind="mergesort")
    cursor_2, n = np.zeros(2, np.int64), 0
    for page in range(rules.max_pages):
        n_filled = _fill_page(rules, found, order_C, cursor_2, chosen_K)
        page_key = mix(serve_key, np.uint64(1_000 + page))
        _plan_page(tick, found, chosen_K[:n_filled], user, page_key, out, n, s)
        _read_page(tick, row_T, user, page, n_filled, out, n, s)
        n += n_filled
        is_over = uniform(mix(read_key, np.uint64(1_000 + page))) >= tick.habits.go_on_U[user]
        if n_filled < rules.page_size or is_over:
            break
    out.n_S[s] = n


@numba.njit(cache=True)
def serve(tick: Tick, user_S: NDArray[np.int32], found: Candidates, out: Impressions) -> None:
    """Serve every session of a tick; each reads the tick and writes its own row of `out`."""
    row_T = np.empty(tick.model.topic_DT.shape[1], np.float32)
    chosen_K = np.empty(tick.rules.page_size, np.int64)
    for s in range(len(user_S)):
        _serve_session(tick, found, row_T, chosen_K, user_S[s], out, s)


@numba.njit(cache=True)
def show_slates(tick: Tick, user_Q: NDArray[np.int32], ids_QK: NDArray[np.int32], out: Impressions) -> None:
    """Show given slates, one page a request; they are examined and answered as the platform's own are."""
    model = tick.model
    row_T = np.empty(model.topic_DT.shape[1], np.float32)
    for q in range(len(user_Q)):
        user, n_slots = user_Q[q], int((ids_QK[q] >= 0).sum())
        out.note_SR[q, :n_slots] = ids_QK[q, :n_slots]
        out.channel_SR[q, :n_slots] = EXTERNAL
        topic_affinities(model.taste_UD[user], model.topic_DT, model.topic_mean, row_T)
        _read_page(tick, row_T, user, 0, n_slots, out, 0, q)
        out.n_S[q] = n_slots
