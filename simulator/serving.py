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
from simulator.response import CLICK, Model, NoteView, affinity, click_logit, sigmoid, topic_affinities
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


@numba.njit(cache=True)
def answer(  # noqa: PLR0913 - a kernel takes its arrays one by one
    model: Model, notes: NoteView, user: int, note: int, liking: float, key: np.uint64
) -> tuple[int, float]:
    """Draw the responses to an examined note as a bit mask, and the dwell in seconds."""
    logit = click_logit(model, notes, liking, user, note)
    if uniform(mix(key, np.uint64(0))) >= sigmoid(logit):
        return 0, 0.0
    mask = CLICK
    for r in range(len(model.engage_bias_R)):
        chance = sigmoid(model.engage_bias_R[r] + model.engage_slope * liking)
        if uniform(mix(key, np.uint64(r + 1))) < chance:
            mask |= 2 << r
    spread = model.dwell_log_sd * bell(mix(key, np.uint64(9)))
    return mask, np.exp(model.dwell_log_mean + 0.25 * liking + spread)


@numba.njit(cache=True)
def n_examined(habits: Habits, user: int, key: np.uint64) -> int:
    """Draw how many slots of a page the user looks at: a geometric cascade from the top (Craswell et al. 2008)."""
    return 1 + int(np.log(uniform(key)) / np.log(habits.examine_U[user]))


@numba.njit(cache=True)
def _next_of(found: Candidates, order_C: NDArray[np.int64], start: int, only_fresh: bool) -> int:
    """Return the next place in the ranked list that is free, and fresh where that is asked."""
    at = start
    while at < len(order_C):
        channel = found.channel_C[order_C[at]]
        if channel >= 0 and (channel == FRESH or not only_fresh):
            return at
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
    n_fresh = 0
    for slot in range(rules.page_size):
        at = len(order_C)
        if slot % _FRESH_EVERY == _FRESH_EVERY - 1 and n_fresh < rules.fresh_slots:
            at = cursor_2[1] = _next_of(found, order_C, cursor_2[1], True)
            n_fresh += 1
        if at == len(order_C):
            at = cursor_2[0] = _next_of(found, order_C, cursor_2[0], False)
        if at == len(order_C):
            return slot
        chosen_K[slot] = order_C[at]
        found.channel_C[order_C[at]] -= _TAKEN
    return rules.page_size


@numba.njit(cache=True)
def _maybe_uniform(tick: Tick, found: Candidates, user: int, key: np.uint64) -> tuple[int, int]:
    """Give a small share of slots to a uniform draw from the pool: (note, channel), or (-1, 0) to keep the ranking."""
    lot = uniform(key)
    if lot >= tick.rules.explore_share + tick.rules.random_share:
        return -1, 0
    pool_P = tick.shelf.pool_P
    note = pool_P[int(uniform(mix(key, np.uint64(1))) * len(pool_P))]
    if has_seen(tick.state, user, note) or not claim(found, note):
        return -1, 0
    return note, RANDOM if lot < tick.rules.random_share else EXPLORE


@numba.njit(cache=True)
def _serve_page(  # noqa: PLR0913 - a kernel takes its arrays one by one
    tick: Tick,
    found: Candidates,
    row_T: NDArray[np.float32],
    chosen_K: NDArray[np.int64],
    user: int,
    page: int,
    s: int,
    out: Impressions,
) -> None:
    key = mix(mix(tick.luck.serve, np.uint64(user)), np.uint64(1_000 + page))
    n_read = n_examined(tick.habits, user, mix(mix(tick.luck.read, np.uint64(user)), np.uint64(page)))
    for slot, c in enumerate(chosen_K):
        note, channel = _maybe_uniform(tick, found, user, mix(key, np.uint64(slot)))
        n = out.n_S[s]
        if note >= 0:
            liking = affinity(tick.model, tick.notes, row_T, user, note)
            out.propensity_SR[s, n] = 1.0 / len(tick.shelf.pool_P)
        else:
            note, channel, liking = found.note_C[c], found.channel_C[c] + _TAKEN, found.liking_C[c]
        out.note_SR[s, n], out.channel_SR[s, n] = note, channel
        out.position_SR[s, n], out.page_SR[s, n] = slot, page
        if slot < n_read:
            answer_key = mix(mix(tick.luck.respond, np.uint64(user)), np.uint64(note))
            out.responses_SR[s, n], out.dwell_SR[s, n] = answer(tick.model, tick.notes, user, note, liking, answer_key)
        out.n_S[s] = n + 1


@numba.njit(cache=True)
def serve(tick: Tick, user_S: NDArray[np.int32], found: Candidates, out: Impressions) -> None:
    """Serve every session of a tick; each reads the tick and writes its own row of `out`."""
    rules = tick.rules
    row_T = np.empty(tick.model.topic_DT.shape[1], np.float32)
    chosen_K = np.empty(rules.page_size, np.int64)
    for s, user in enumerate(user_S):
        topic_affinities(tick.model, user, row_T)
        gather(found, tick.shelf, tick.state, user, mix(tick.luck.serve, np.uint64(user)), rules.tries)
        score(found, tick.shelf, tick.model, tick.notes, row_T, user, mix(tick.luck.rank, np.uint64(user)))
        order_C = np.argsort(-found.score_C[: found.n[0]], kind="mergesort")
        cursor_2 = np.zeros(2, np.int64)
        for page in range(rules.max_pages):
            n_filled = _fill_page(rules, found, order_C, cursor_2, chosen_K)
            _serve_page(tick, found, row_T, chosen_K[:n_filled], user, page, s, out)
            go_on_key = mix(mix(tick.luck.read, np.uint64(user)), np.uint64(1_000 + page))
            if n_filled < rules.page_size or uniform(go_on_key) >= tick.habits.go_on_U[user]:
                break


@numba.njit(cache=True)
def show_slates(tick: Tick, user_Q: NDArray[np.int32], ids_QK: NDArray[np.int32], out: Impressions) -> None:
    """Show given slates, one page a request; they are examined and answered as the platform's own are."""
    row_T = np.empty(tick.model.topic_DT.shape[1], np.float32)
    for q, user in enumerate(user_Q):
        topic_affinities(tick.model, user, row_T)
        n_read = n_examined(tick.habits, user, mix(mix(tick.luck.read, np.uint64(user)), np.uint64(0)))
        for slot, note in enumerate(ids_QK[q]):
            if note < 0:
                break
            out.note_SR[q, slot], out.position_SR[q, slot], out.page_SR[q, slot] = note, slot, 0
            out.channel_SR[q, slot] = EXTERNAL
            if slot < n_read:
                liking = affinity(tick.model, tick.notes, row_T, user, note)
                key = mix(mix(tick.luck.respond, np.uint64(user)), np.uint64(note))
                out.responses_SR[q, slot], out.dwell_SR[q, slot] = answer(
                    tick.model, tick.notes, user, note, liking, key
                )
            out.n_S[q] = slot + 1
