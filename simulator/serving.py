"""Serve the sessions of one tick: pages of slots, examined from the top, answered with keyed luck.

Shapes: S sessions, E impressions in order of session and slot, C candidates, K slots of a page, T topics.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulator.board import draw
from simulator.kernel import compiled, inlined, kernel
from simulator.luck import bell, mix, uniform
from simulator.policy import BACKFILL, DIRECT, EXPLORE, EXTERNAL, FRESH, RANDOM, Candidates, claim, gather, score
from simulator.response import CLICK, COMMENT, KEY_WORD, LIKE, affinity, answer, click_logit, reading, topic_affinities
from simulator.sizes import N_TOPICS
from simulator.state import NEWEST, has_seen
from simulator.tick import Impressions, Rules, Tick, joined

_TAKEN = -1  # the channel of a candidate once it has a slot
_RANKED, _DRAWN = 0, 1  # how a slot is to be filled
_BACKFILL_TRIES = 8  # draws for a slot that nothing else fills
_COMMENT_IN_RING = 0.3  # chance that a member comments on a ring mate's note
_RING, _LENGTH, _SLOTS, _BACKFILL = 500, 501, 502, 503  # what a key is mixed with; channels and pages come below


@kernel
def n_examined(examine: float, key: np.uint64, page_size: int) -> int:
    """Draw how many slots of a page the user looks at: a geometric cascade from the top (Craswell et al. 2008)."""
    if examine >= 1.0:
        return page_size
    return min(1 + int(np.log(uniform(key)) / np.log(examine)), page_size)


@kernel
def n_wanted(rules: Rules, patience: float, key: np.uint64) -> int:
    """Draw how many slots the user has time for: log-normal, in whole pages where the preset says so."""
    n = int(np.exp(patience + rules.length_log_sd * bell(key))) + 1
    if rules.whole_pages:
        n = (n + rules.page_size - 1) // rules.page_size * rules.page_size
    return min(n, rules.max_slots)


@kernel
def _next_of(channel_C: NDArray[np.int8], order_C: NDArray[np.int16], n: int, start: int, fresh: bool) -> int:
    """Return the next place in the ranked list that is free, of the fresh channel or of another; n if there is none."""
    at = start
    while at < n:
        channel = channel_C[order_C[at]]
        if channel >= 0 and (channel == FRESH) == fresh:
            break
        at += 1
    return at


@kernel
def _draw_slots(  # noqa: PLR0913 - a kernel takes its arrays one by one
    tick: Tick, found: Candidates, chosen_K: NDArray[np.int64], user: int, key: np.uint64, out: Impressions, row: int
) -> None:
    """Give a small share of slots to uniform draws from the pool, before anything is ranked.

    So no note's chance depends on what the ranker makes of it, nor on what the user has seen. A note that is in the
    session already leaves its slot to rank.
    """
    note_E, channel_E, propensity_E = out.note_E, out.channel_E, out.propensity_E
    table, liking_K, row_T = found.table, found.liking_K, found.row_T
    card_NF, cell_M = tick.cards.card_NF, tick.state.pool.cell_M
    style_S, second_share = tick.model.style_US[user], np.float32(tick.model.weights.second_share)
    random_share, uniform_share = tick.rules.random_share, tick.rules.random_share + tick.rules.explore_share
    propensity = np.float32(1.0 / tick.state.pool.n_1[0])
    for k in range(len(chosen_K)):
        chosen_K[k] = _RANKED
        slot_key = mix(key, np.uint64(k))
        lot = uniform(slot_key)
        if lot < uniform_share:
            note = draw(cell_M, mix(slot_key, np.uint64(1)))
            if claim(table, note):
                chosen_K[k], note_E[row + k], propensity_E[row + k] = _DRAWN, note, propensity
                channel_E[row + k] = RANDOM if lot < random_share else EXPLORE
                liking_K[k] = affinity(row_T, style_S, second_share, card_NF, note)


@kernel
def _backfill(  # noqa: PLR0913 - a kernel takes its arrays one by one
    tick: Tick, found: Candidates, user: int, key: np.uint64, k: int, out: Impressions, row: int
) -> bool:
    """Fill slot `k`, at `row`, with a draw from the pool that the user has not seen; False where none is found."""
    cell_M, word_NW, table = tick.state.pool.cell_M, tick.cards.word_NW, found.table
    seen_B, card_NF, style_S = tick.state.seen_UB[user], tick.cards.card_NF, tick.model.style_US[user]
    second_share = np.float32(tick.model.weights.second_share)
    for turn in range(_BACKFILL_TRIES):
        note = draw(cell_M, mix(mix(key, np.uint64(k)), np.uint64(turn)))
        if not has_seen(seen_B, word_NW[note, KEY_WORD]) and claim(table, note):
            out.note_E[row], out.channel_E[row], out.propensity_E[row] = note, BACKFILL, np.nan
            found.liking_K[k] = affinity(found.row_T, style_S, second_share, card_NF, note)
            return True
    return False


@inlined
def _is_kept(slot: int, fresh_slots: int, page_size: int) -> bool:
    """Whether a slot of a page is kept for fresh notes: one in the middle of each of `fresh_slots` equal parts."""
    half = page_size // 2
    return ((slot + 1) * fresh_slots + half) // page_size > (slot * fresh_slots + half) // page_size


@kernel
def _fill(  # noqa: PLR0913 - a kernel takes its arrays one by one
    tick: Tick, found: Candidates, chosen_K: NDArray[np.int64], user: int, key: np.uint64, out: Impressions, row: int
) -> int:
    """Merge with quotas: fresh notes have some slots of the page and no others, the rest go by rank.

    Where a kind runs out the other takes its slots; with both gone the feed goes on with draws from the pool. Returns
    the number of slots filled; fewer where even the pool has nothing new.
    """
    note_C, channel_C, liking_C, order_C = found.note_C, found.channel_C, found.liking_C, found.order_C
    note_E, channel_E, propensity_E, liking_K = out.note_E, out.channel_E, out.propensity_E, found.liking_K
    n, page_size, best, best_fresh = found.n_1[0], tick.rules.page_size, 0, 0
    for k in range(len(chosen_K)):
        at = n
        if chosen_K[k] == _DRAWN:
            continue
        if _is_kept(k, tick.rules.fresh_slots, page_size):
            at = best_fresh = _next_of(channel_C, order_C, n, best_fresh, True)
        if at == n:
            at = best = _next_of(channel_C, order_C, n, best, False)
        if at == n:
            at = best_fresh = _next_of(channel_C, order_C, n, best_fresh, True)
        if at == n:
            if not _backfill(tick, found, user, key, k, out, row + k):
                return k
            continue
        c = order_C[at]
        note_E[row + k], channel_E[row + k], propensity_E[row + k] = note_C[c], channel_C[c], np.nan
        liking_K[k] = liking_C[c]
        channel_C[c] = _TAKEN
    return len(chosen_K)


@kernel
def _read_page(  # noqa: PLR0913 - a kernel takes its arrays one by one
    tick: Tick, liking_K: NDArray[np.float32], user: int, place: tuple[int, int, int, int], out: Impressions, row: int
) -> int:
    """Let the user look at a page, the rows from `row` on, and answer; return the number of clicks.

    `place` is (session, page, first slot of the page in the session, slots of the page).
    """
    session, page, first_slot, n_slots = place
    weights, odds_R = tick.model.weights, tick.model.engage_odds_R
    reads, card_NF, word_NW = reading(tick.model, user), tick.cards.card_NF, tick.cards.word_NW
    note_E, responses_E, dwell_E, session_E = out.note_E, out.responses_E, out.dwell_E, out.session_E
    slot_E, position_E, respond_key = out.slot_E, out.position_E, mix(tick.luck.respond, np.uint64(user))
    page_key = mix(mix(tick.luck.read, np.uint64(user)), np.uint64(page))
    n_read, n_clicks = n_examined(tick.habits.examine_U[user], page_key, tick.rules.page_size), 0
    for position in range(n_slots):
        e = row + position
        session_E[e], position_E[e], slot_E[e] = session, position, first_slot + position
        responses_E[e], dwell_E[e] = 0, 0.0
        if position < n_read:
            note, liking = note_E[e], liking_K[position]
            logit = click_logit(weights, reads, liking, card_NF, note)
            key = mix(respond_key, word_NW[note, KEY_WORD])
            responses_E[e], dwell_E[e] = answer(weights, odds_R, logit, liking, key)
            n_clicks += responses_E[e] & CLICK
    return n_clicks


@inlined
def _leaves(tick: Tick, user: int, page: int, n_clicks: int) -> bool:
    """Whether a user who found nothing to click on a page leaves after it."""
    key = mix(mix(tick.luck.read, np.uint64(user)), np.uint64(page))
    return bool(n_clicks == 0 and uniform(mix(key, np.uint64(1))) < tick.rules.boredom)


@kernel
def _open_mates(  # noqa: PLR0913 - a kernel takes its arrays one by one
    tick: Tick, found: Candidates, user: int, session: int, key: np.uint64, out: Impressions, row: int
) -> int:
    """Let a ring member open the newest notes of some ring mates and like them, whatever they are."""
    habits, newest_AR, n_notes_A = tick.habits, tick.state.newest_AR, tick.state.n_notes_A
    seen_B, word_NW, member_M = tick.state.seen_UB[user], tick.cards.word_NW, habits.member_IM[habits.ring_U[user]]
    start = int(uniform(key) * len(member_M))
    n = 0
    for m in range(len(member_M)):
        author = member_M[(start + m) % len(member_M)]
        if n == tick.rules.opened or author == habits.author_U[user] or n_notes_A[author] == 0:
            continue
        note = newest_AR[author, (n_notes_A[author] - 1) % NEWEST]
        if note < tick.shelf.oldest or has_seen(seen_B, word_NW[note, KEY_WORD]) or not claim(found.table, note):
            continue
        out.note_E[row + n], out.channel_E[row + n], out.propensity_E[row + n] = note, DIRECT, np.nan
        out.session_E[row + n], out.slot_E[row + n], out.position_E[row + n] = session, n, n
        comments = uniform(mix(key, word_NW[note, KEY_WORD])) < _COMMENT_IN_RING
        out.responses_E[row + n] = CLICK | LIKE | (COMMENT if comments else 0)
        out.dwell_E[row + n] = 2.0
        n += 1
    return n


@kernel
def _serve_page(  # noqa: PLR0913 - a kernel takes its arrays one by one
    tick: Tick, found: Candidates, slot_K: NDArray[np.int64], user: int, key: np.uint64, out: Impressions, row: int
) -> int:
    """Put notes on one page, from `row` on, without those of the session's earlier pages; return how many."""
    found.n_1[0] = 0
    _draw_slots(tick, found, slot_K, user, mix(key, np.uint64(_SLOTS)), out, row)
    gather(found, tick.shelf, tick.cards, tick.state, user, key, (tick.rules.tries, tick.rules.fresh_slots))
    score(found, tick.model, tick.cards, found.row_T, user, mix(tick.luck.rank, np.uint64(user)))
    return _fill(tick, found, slot_K, user, mix(key, np.uint64(_BACKFILL)), out, row)


@kernel
def serve_block(
    tick: Tick, found: Candidates, user_S: NDArray[np.int32], first: int, out: Impressions
) -> tuple[int, int]:
    """Serve sessions from `first` on until `out` might overflow; return (next session, rows written).

    One loop on purpose: a call for each session would copy the tick's many arrays to it.
    """
    rules, model, habits, luck = tick.rules, tick.model, tick.habits, tick.luck
    row, s, capacity = 0, first, rules.max_slots + rules.opened
    while s < len(user_S) and row + capacity <= len(out.note_E):
        user = user_S[s]
        serve_key, read_key = mix(luck.serve, np.uint64(user)), mix(luck.read, np.uint64(user))
        start = row
        if habits.ring_U[user] >= 0:
            found.table[:] = -1
            row += _open_mates(tick, found, user, s, mix(serve_key, np.uint64(_RING)), out, row)
        n_left = n_wanted(rules, habits.patience_U[user], mix(read_key, np.uint64(_LENGTH)))
        topic_affinities(model.taste_UD[user], model.topic_DT, model.topic_mean, found.row_T)
        page = 0
        while n_left > 0:
            found.table[:] = -1
            for e in range(start, row):
                claim(found.table, out.note_E[e])
            slot_K = found.chosen_K[: min(n_left, rules.page_size)]
            n = _serve_page(tick, found, slot_K, user, mix(serve_key, np.uint64(page)), out, row)
            n_clicks = _read_page(tick, found.liking_K, user, (s, page, row - start, n), out, row)
            row += n
            n_left = 0 if n < len(slot_K) or _leaves(tick, user, page, n_clicks) else n_left - n
            page += 1
        s += 1
    return s, row


def serve(tick: Tick, user_S: NDArray[np.int32], found: Candidates, scratch: Impressions) -> Impressions:
    """Serve every session of a tick; each reads the tick alone, so they could come in any order."""
    parts, s = [], 0
    while s < len(user_S):
        s, n = serve_block(tick, found, user_S, s, scratch)
        parts.append(scratch.head(n))
    return joined(parts) if parts else scratch.head(0)


@compiled
def show_slates(tick: Tick, user_Q: NDArray[np.int32], ids_QK: NDArray[np.int32], out: Impressions) -> int:
    """Show given slates page by page, examined and answered as the platform's own are; return the rows used."""
    model, card_NF, second_share = tick.model, tick.cards.card_NF, np.float32(tick.model.weights.second_share)
    row_T, liking_K = np.empty(N_TOPICS, np.float32), np.empty(tick.rules.page_size, np.float32)
    row, page_size = 0, tick.rules.page_size
    for q in range(len(user_Q)):
        user, n_slots = user_Q[q], int((ids_QK[q] >= 0).sum())
        topic_affinities(model.taste_UD[user], model.topic_DT, model.topic_mean, row_T)
        for first in range(0, n_slots, page_size):
            n = min(n_slots - first, page_size)
            for k in range(n):
                note = ids_QK[q, first + k]
                liking_K[k] = affinity(row_T, model.style_US[user], second_share, card_NF, note)
                out.note_E[row + k], out.channel_E[row + k], out.propensity_E[row + k] = note, EXTERNAL, np.nan
            page = first // page_size
            n_clicks = _read_page(tick, liking_K, user, (q, page, first, n), out, row)
            row += n
            if _leaves(tick, user, page, n_clicks):
                break
    return row
