"""One session told slowly: channels offer notes, a ranker orders them, pages are filled, the user reads and answers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from simulator.policy import CHANNELS, ROOM
from tests.slow_luck import bell, mix, pick, uniform
from tests.slow_memory import DAY, HOUR, Filter, Impression, Note, Ring

if TYPE_CHECKING:
    from simulator.spec import Logging
    from tests.slow_world import SlowWorld

single = np.float32  # the platform's precision for tastes, styles and cards
Slot = tuple[int, str, float]  # note, channel, propensity
RING, LENGTH, SLOTS, BACKFILL = (
    500,
    501,
    502,
    503,
)  # what a session's keys are mixed with, besides the numbers of channels


def serve(world: SlowWorld, user: int) -> list[Impression]:
    """Serve one session of a user, page by page; the world is only read."""
    logging, hour = world.spec.logging, world.now // HOUR
    key = world.luck("serve", hour, user)
    shown = list(open_mates(world, user, mix(key, RING)))
    n_left, page = slots_wanted(world, user, world.luck("read", hour, user, LENGTH)), 0
    while n_left > 0:
        size = min(n_left, logging.page_size)
        plan = plan_page(world, user, mix(key, page), size, taken={it.note for it in shown})
        answered = list(read_page(world, user, page, plan, len(shown)))
        shown += answered
        is_full = len(plan) == size
        clicks = sum("click" in it.responses for it in answered)
        leaves = clicks == 0 and uniform(world.luck("read", hour, user, page, 1)) < world.spec.living.boredom
        n_left, page = (n_left - size if is_full and not leaves else 0), page + 1
    return shown


def plan_page(world: SlowWorld, user: int, key: int, size: int, *, taken: set[int]) -> list[Slot]:
    """Choose the notes of a page; none is among those `taken` by the session's earlier pages."""
    seen = world.memory.seen_by.get(user, Filter())
    drawn = draw_slots(world, mix(key, SLOTS), size, taken)
    found = keep_new(world, offers(world, user, key), seen, taken)
    rank_of = {note: noisy_rank(world, user, note) for note in found}
    ranked = sorted(found, key=lambda note: rank_of[note])  # equal ones stay as they were gathered
    fresh = [(note, "fresh", math.nan) for note in ranked if found[note] == "fresh"]
    other = [(note, found[note], math.nan) for note in ranked if found[note] != "fresh"]
    logging, page = world.spec.logging, list[Slot]()
    for slot in range(size):
        queue = (fresh or other) if slot in kept_slots(logging) else (other or fresh)
        if slot in drawn:
            page.append(drawn[slot])
        elif queue:
            page.append(queue.pop(0))
        else:
            more = backfill(world, mix(key, BACKFILL, slot), seen, taken)
            if not more:
                break
            page += more
    return page


def open_mates(world: SlowWorld, user: int, key: int) -> Iterator[Impression]:
    """Let a member of a ring open the newest notes of ring mates and like them, whatever they are."""
    rings, memory = world.population.rings, world.memory
    ring, me = int(rings.ring_U[user]), int(world.population.people.author_U[user])
    if ring < 0:
        return
    members, seen = [int(author) for author in rings.member_IM[ring]], memory.seen_by.get(user, Filter())
    start = int(uniform(key) * len(members))
    slot = 0
    for author in members[start:] + members[:start]:
        if slot == world.spec.rings.opened:
            return
        if author == me or author not in memory.newest_of:
            continue
        newest = memory.newest_of[author]
        note = newest.at(newest.n - 1)
        note_key = world.notes[note].key
        if world.in_pool(note) and not seen.holds(note_key):
            comments = {"comment"} if uniform(mix(key, note_key)) < 0.3 else set()
            yield Impression(user, note, slot, slot, "direct", math.nan, frozenset({"click", "like"} | comments), 2.0)
            slot += 1


def slots_wanted(world: SlowWorld, user: int, key: int) -> int:
    """Say for how many slots the user has time."""
    living, logging = world.spec.living, world.spec.logging
    patience = float(world.population.people.patience_U[user])
    n = int(math.exp(patience + living.length_log_sd_session * bell(key))) + 1
    if logging.whole_pages:
        n = math.ceil(n / logging.page_size) * logging.page_size
    return min(n, logging.max_slots)


# Channels


def offers(world: SlowWorld, user: int, key: int) -> Iterator[tuple[str, list[int]]]:
    """Let every channel offer notes for a page, in the order in which they are asked."""
    memory, logging = world.memory, world.spec.logging
    key_of, tries = {channel: mix(key, number) for number, channel in enumerate(CHANNELS)}, logging.tries
    yield "follow", list(notes_of_followed(world, user, key_of["follow"], math.ceil(tries / 2)))
    yield "item-cf", list(walks(world, user, key_of["item-cf"], 2 * tries))
    for channel, board, n in (
        ("fresh", memory.fresh, logging.fresh_slots),
        ("recent", memory.young, math.ceil(tries / 12)),
    ):
        yield channel, [board.draw(mix(key_of[channel], i)) for i in range(n if board.n else 0)]
    yield "popular", list(popular_notes(world, user, key_of["popular"], 2 * tries))


def keep_new(
    world: SlowWorld, offered_by: Iterator[tuple[str, list[int]]], seen: Filter, taken: set[int]
) -> dict[int, str]:
    """Return the offered notes neither seen nor taken, with the first channel to offer each."""
    found: dict[int, str] = {}
    for channel, offered in offered_by:
        for note in offered[: ROOM - len(found)]:
            if not seen.holds(world.notes[note].key) and note not in taken:
                taken.add(note)
                found[note] = channel
    return found


def notes_of_followed(world: SlowWorld, user: int, key: int, tries: int) -> Iterator[int]:
    """Draw followed authors, and of each one of the newest four notes."""
    followed = world.memory.followed_by.get(user, Ring(64))
    for i in range(tries if followed.held else 0):
        draw = mix(key, i)
        newest = world.memory.newest_of.get(followed.held[pick(draw, len(followed.held))])
        if newest is not None:
            note = newest.at(newest.n - 1 - pick(mix(draw, 1), min(newest.n, 4)))
            if world.in_pool(note):
                yield note


def walks(world: SlowWorld, user: int, key: int, tries: int) -> Iterator[int]:
    """Walk from a note the user clicked to a clicker of its author, and on to a note that one clicked."""
    memory = world.memory
    mine = memory.history_of.get(user, Ring(32)).held
    for i in range(tries if mine else 0):
        draw = mix(key, i)
        clickers = memory.clickers_of[world.notes[mine[pick(draw, len(mine))]].author].held
        draw = mix(draw, 1)
        theirs = memory.history_of[clickers[pick(draw, len(clickers))]].held
        draw = mix(draw, 2)
        note = theirs[pick(draw, len(theirs))]
        if world.in_pool(note):
            yield note


def popular_notes(world: SlowWorld, user: int, key: int, tries: int) -> Iterator[int]:
    """Draw by turns from the hot notes everywhere and from those in the category of a note that the user clicked."""
    mine, hot = world.memory.history_of.get(user, Ring(32)).held, cache(world.hot)
    for i in range(tries):
        draw = mix(key, i)
        board = hot(world.notes[mine[pick(draw, len(mine))]].label if mine and i % 2 else None)
        if board.n:
            yield board.draw(mix(draw, 1))


# Ranking and pages


def noisy_rank(world: SlowWorld, user: int, note: int) -> int:
    """Rank by the true click logit plus noise, which shrinks with the exposures of note and author: 0 is best.

    A rank is 1/160 of a logit below 11, and at most 4095.
    """
    logging, memory, it = world.spec.logging, world.memory, world.notes[note]
    evidence = memory.exposed[note] + 0.1 * memory.author_exposed[it.author]
    doubt = float(
        single(logging.ranker_noise * math.sqrt(logging.ranker_halving / (logging.ranker_halving + evidence)))
    )
    error = doubt * bell(world.luck("rank", world.now // DAY, user, it.key))
    logit = click_logit(world, user, it, affinity(world, user, it)) + error
    return min(max(int((11 - logit) * 160), 0), 4_095)


def draw_slots(world: SlowWorld, key: int, size: int, taken: set[int]) -> dict[int, Slot]:
    """Give a slot, now and then, to a uniform draw from the pool, seen or not, unless it is in the session."""
    logging, pool, drawn = world.spec.logging, world.memory.pool, dict[int, Slot]()
    for slot in range(size):
        lot = uniform(mix(key, slot))
        if lot < logging.random_share + logging.explore_share:
            note = pool.draw(mix(key, slot, 1))
            if note not in taken:
                taken.add(note)
                drawn[slot] = note, "random" if lot < logging.random_share else "explore", 1 / pool.n
    return drawn


def kept_slots(logging: Logging) -> set[int]:
    """Return the slots of a page that are for fresh notes first: the middle of each of equal parts."""
    size, n = logging.page_size, logging.fresh_slots
    return {math.ceil((part * size - size // 2) / n) - 1 for part in range(1, n + 1)}


def backfill(world: SlowWorld, key: int, seen: Filter, taken: set[int]) -> list[Slot]:
    """Draw from the pool up to eight times for a note that is new to the user; return it, or nothing."""
    for turn in range(8):
        note = world.memory.pool.draw(mix(key, turn))
        if not seen.holds(world.notes[note].key) and note not in taken:
            taken.add(note)
            return [(note, "backfill", math.nan)]
    return []


# Reading and answering


def read_page(world: SlowWorld, user: int, page: int, plan: list[Slot], first_slot: int) -> Iterator[Impression]:
    """Look at a page from the top, as far as the user looks."""
    page_size, examine = world.spec.logging.page_size, float(world.population.people.examine_U[user])
    key = world.luck("read", world.now // HOUR, user, page)
    n_read = page_size if examine >= 1 else 1 + int(math.log(uniform(key)) / math.log(examine))
    for position, (note, channel, propensity) in enumerate(plan):
        responses, dwell = answer(world, user, note) if position < n_read else (frozenset(), 0.0)
        yield Impression(user, note, first_slot + position, position, channel, propensity, responses, dwell)


def answer(world: SlowWorld, user: int, note: int) -> tuple[frozenset[str], float]:
    """Answer an examined note: the same user answers the same note the same way all day."""
    r, it = world.spec.responding, world.notes[note]
    key = world.luck("respond", world.now // DAY, user, it.key)
    liking = affinity(world, user, it)
    warmth, mood = r.engage_slope * float(liking), r.dwell_log_sd * bell(mix(key, 9))
    bias_of = {
        "like": r.like_bias,
        "collect": r.collect_bias,
        "comment": r.comment_bias,
        "share": r.share_bias,
        "follow": r.follow_bias,
    }
    if uniform(mix(key, 0)) >= sigmoid(click_logit(world, user, it, liking)):
        likes = r.unclicked_like > -20 and uniform(mix(key, 1)) < sigmoid(r.like_bias + warmth + r.unclicked_like)
        glance = math.exp(r.glance_log_mean + mood) if r.glance_log_mean > -10 else 0.0
        return frozenset({"like"} if likes else ()), glance
    responses = {"click"}
    for number, (name, bias) in enumerate(bias_of.items(), start=1):
        logit = bias + warmth + (r.follow_after_like if name == "follow" and "like" in responses else 0.0)
        if uniform(mix(key, number)) < sigmoid(logit):
            responses.add(name)
    return frozenset(responses), math.exp(r.dwell_log_mean + 0.25 * float(liking) + mood)


def sigmoid(x: float) -> float:
    """Return 1 / (1 + exp(-x))."""
    return 1 / (1 + math.exp(-x))


def click_logit(world: SlowWorld, user: int, it: Note, liking: np.float32) -> float:
    """Return the logit of a click on an examined note: the user's readiness, liking, quality, trend, age, format."""
    r, people = world.spec.responding, world.population.people
    appeal = single(r.quality_slope) * it.quality + trend(world, it.topic)
    age = single(math.log1p(((world.now - it.born) // HOUR + 0.5) / 24))
    ageing = single(r.ageing * people.novelty_U[user])
    bias = float(single(r.click_bias) + people.readiness_U[user])
    logit = bias + r.click_slope * float(liking) + float(appeal) - float(ageing * age)
    return logit + r.video_slope * float(people.video_taste_U[user]) * it.is_video


def trend(world: SlowWorld, topic: int) -> np.float32:
    """Return what trends add to a topic now: each rises from start to peak, holds until turn, fades until end."""
    lift, trends = 0.0, world.trends
    for about, height, change in zip(trends.topic_R, trends.height_R, trends.change_R4, strict=True):
        start, peak, turn, end = (int(time) for time in change)
        if about == topic and start < world.now < end:
            if world.now < peak:
                lift += height * (world.now - start) / (peak - start)
            else:
                lift += height if world.now <= turn else height * (end - world.now) / (end - turn)
    return single(lift)


def affinity(world: SlowWorld, user: int, it: Note) -> np.float32:
    """Return how much a user likes a note: its topic, a share of its second topic, its style."""
    second_share = single(world.spec.affinity.second_topic_share)
    total = topic_affinity(world, user, it.topic)
    total += second_share * (topic_affinity(world, user, it.second_topic) - total)
    for mine, its in zip(world.population.people.style_US[user], it.style, strict=True):
        total += mine * its
    return total


@cache
def topic_affinity(world: SlowWorld, user: int, topic: int) -> np.float32:
    """Return how much a user likes a topic; tastes do not change."""
    total = single(world.population.topic_mean)
    for taste, loading in zip(world.population.people.taste_UD[user], world.population.topic_DT[:, topic], strict=True):
        total += taste * loading
    return total
