"""Pages are made and read as designed: quotas, rank, a feed that goes on, no note twice, readers who get bored."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr

from simulator.policy import room
from simulator.schema import EventLog
from simulator.serving import _is_kept, serve
from simulator.state import EVER_SHOWN, EXPOSED
from simulator.tick import Impressions, blank
from simulator.world import World
from tests.slow_session import affinity, click_logit
from tests.world_examples import CROWD, PRESETS, channel, lived, n_born, present, seen, show, slow_twin, z_of

WEEK = 7 * 24
UNIFORM = {channel("explore"), channel("random")}
FRESH, BACKFILL, DIRECT = channel("fresh"), channel("backfill"), channel("direct")


def split(
    session_E: NDArray[np.int32], position_E: NDArray[np.int16], channel_E: NDArray[np.int8]
) -> dict[tuple[int, int], list[int]]:
    """Return the rows of each page, by (session, page), in order of position."""
    found: dict[tuple[int, int], list[int]] = {}
    page_S: dict[int, int] = {}
    for e, (session, position) in enumerate(zip(session_E.tolist(), position_E.tolist(), strict=True)):
        if channel_E[e] != DIRECT:
            page_S[session] = page_S.get(session, -1) + (position == 0)
            found.setdefault((session, page_S[session]), []).append(e)
    return found


def pages(events: EventLog | Impressions) -> dict[tuple[int, int], list[int]]:
    """Return the channels of each page, in order of position."""
    found = split(events.session_E, events.position_E, events.channel_E)
    return {place: events.channel_E[rows].tolist() for place, rows in found.items()}


# Fresh notes


@pytest.mark.parametrize("page_size", range(1, 51))
def test_slots_for_fresh_notes_are_in_the_middle_of_equal_parts(page_size: int) -> None:
    for n in range(page_size // 2 + 1):
        kept = [slot for slot in range(page_size) if _is_kept(slot, n, page_size)]
        middle_twice = [(2 * part + 1) * page_size / n for part in range(n)]
        assert [2 * slot < twice <= 2 * slot + 2 for slot, twice in zip(kept, middle_twice, strict=True)] == [True] * n
        assert all(slot + 1 < other for slot, other in pairwise(kept))  # never side by side


@pytest.mark.parametrize("name", PRESETS)
def test_fresh_notes_hold_their_slots_of_each_page_while_there_are_any(name: str) -> None:
    n_held = 0
    for kinds in pages(seen(f"{name}:explore_share=0,random_share=0", seed=3, hours=WEEK).events).values():
        for slot in (2, 7):
            if slot < len(kinds) and kinds[slot] != FRESH:  # only when all fresh notes are used up
                assert FRESH not in kinds[slot:]
            n_held += slot < len(kinds) and kinds[slot] == FRESH
        for slot, kind in enumerate(kinds):
            if kind == FRESH and slot not in (2, 7):  # only when all others are
                assert set(kinds[slot:]) <= {FRESH, BACKFILL}
    assert n_held > 500


def test_the_quota_of_fresh_notes_is_the_specs() -> None:
    for quota, kept in ((0, []), (1, [4]), (2, [2, 7])):
        name = f"tiny:n_users=3000,explore_share=0,random_share=0,fresh_slots={quota}"
        kinds = [kinds for kinds in pages(seen(name, seed=3, hours=WEEK).events).values() if len(kinds) == 10]
        share_K = np.mean(np.array(kinds) == FRESH, axis=0)
        assert np.flatnonzero(share_K > 0.2).tolist() == kept
        assert np.delete(share_K, kept).max(initial=0.0) < 0.05


# Backfill


@pytest.mark.parametrize("name", [*PRESETS, "tiny:explore_share=0.3"])
def test_backfill_comes_when_everything_ranked_is_used_on_its_page(name: str) -> None:
    n = 0
    for kinds in pages(seen(name, seed=3, hours=WEEK).events).values():
        if BACKFILL in kinds:
            after = set(kinds[kinds.index(BACKFILL) :])
            assert after <= {BACKFILL, *UNIFORM}
            n += 1
    assert n > 100


@pytest.mark.parametrize("name", PRESETS)
def test_backfill_is_never_a_note_that_the_user_saw_lately(name: str) -> None:
    events, n = seen(name, seed=3, hours=2 * WEEK).events, 0
    hour_E = events.time_E // 3_600
    for user in np.unique(events.user_E[events.channel_E == BACKFILL]):
        mine = np.flatnonzero(events.user_E == user)
        note_X, first_X = events.note_E[mine], np.searchsorted(hour_E[mine], hour_E[mine])  # rows before the hour
        for x in np.flatnonzero(events.channel_E[mine] == BACKFILL):
            assert note_X[x] not in note_X[max(first_X[x] - 600, 0) : first_X[x]]
            n += first_X[x] > 0
    assert n > 500


def shown_evening(name: str, *, saw_all: bool = False) -> tuple[World, Impressions]:
    """Serve everybody on an evening, who may have seen everything."""
    world = lived(name, seed=3, hours=6 * 24 + 20)
    world.visitors()
    if saw_all:
        world._state.seen_UB[:] = ~np.uint64(0)
    return world, serve(world._inputs(), present(world), room(), blank(400_000))


def test_a_feed_goes_on_while_the_pool_has_anything_new() -> None:
    world, shown = shown_evening("tiny:n_authors=1500,author_share=0,boredom=0,length_log_median=5")
    before, n_pool = world.observe().events, n_born(world)
    saw_UN = np.zeros((world.spec.n_users, n_pool), np.bool_)
    saw_UN[before.user_E, before.note_E] = True
    n_S = np.bincount(shown.session_E, minlength=len(present(world)))
    is_new_S = saw_UN[present(world)].sum(axis=1) + n_S < 0.25 * n_pool
    assert (n_S[is_new_S] == 200).sum() > 10  # some have time for as many slots as there may be
    assert (n_S[is_new_S] % 10 == 0).all()  # no page breaks off: eight draws miss with a chance below 1 / 65,000
    assert (shown.channel_E == BACKFILL).sum() > 1_000


def test_who_has_seen_everything_is_shown_uniform_draws_alone_and_the_page_ends_without_one() -> None:
    _, shown = shown_evening("tiny:author_share=0,explore_share=0.3,random_share=0.3", saw_all=True)
    assert len(shown.note_E) > 100
    assert set(shown.channel_E.tolist()) == UNIFORM
    _, shown = shown_evening("tiny:author_share=0,explore_share=0,random_share=0", saw_all=True)
    assert len(shown.note_E) == 0


@pytest.mark.parametrize("name", PRESETS)
def test_pages_of_one_session_never_repeat_a_note(name: str) -> None:
    # A small pool, long sessions, many uniform draws, and ring mates: all meet the same notes.
    busy = f"{name}:author_share=0.5,explore_share=0.3,random_share=0.2,length_log_median=4,boredom=0"
    _, shown = shown_evening(busy)
    pair_E = shown.session_E.astype(np.int64) << 32 | shown.note_E
    assert len(np.unique(pair_E)) == len(pair_E)
    assert (shown.channel_E == DIRECT).sum() > 20
    assert (shown.slot_E > 40).sum() > 1_000


# Rank


BY_RANK = "tiny:n_users=6000,n_authors=1000,explore_share=0,random_share=0,fresh_slots=0,author_share=0,boredom=0"


def logits_of_pages(world: World) -> dict[tuple[int, int], list[float]]:
    """Return the true logits of the ranked slots of each page, in order of position."""
    shown, user_S, slow = world.serve(0, len(world.visitors())), world.visitors(), slow_twin(world)
    found: dict[tuple[int, int], list[float]] = {}
    for place, rows in split(shown.session_E, shown.position_E, shown.channel_E).items():
        user, ranked = int(user_S[place[0]]), [e for e in rows if shown.channel_E[e] != BACKFILL]
        mine = [slow.notes[note] for note in shown.note_E[ranked].tolist()]
        found[place] = [click_logit(slow, user, it, affinity(slow, user, it)) for it in mine]
    return found


def rank_correlation(world: World) -> float:
    """Return how well the order of ranked slots goes with the true logit: mean correlation of ranks within pages."""
    rows = [logits for logits in logits_of_pages(world).values() if len(logits) >= 5]
    assert len(rows) > 50
    return float(np.mean([spearmanr(np.arange(len(logits)), logits)[0] for logits in rows]))


def test_without_noise_the_order_of_a_page_is_the_truth_and_the_next_page_starts_anew() -> None:
    found = logits_of_pages(lived(f"{BY_RANK},ranker_noise=0", seed=3, hours=5 * 24 + 20))
    n, n_anew = 0, 0
    for (session, page), logits in found.items():
        # A rank is 1/160 of a logit, and the same for all below -14.6.
        steps = np.diff(np.maximum(logits, 11 - 4_095 / 160))
        assert (steps < 1 / 160 + 1e-4).all()
        n += len(steps)
        later = found.get((session, page + 1))
        n_anew += bool(later and logits and max(later) > min(logits))
    assert n > 500
    assert n_anew > 20


def test_noise_costs() -> None:
    sure, unsure = (
        rank_correlation(lived(f"{BY_RANK},ranker_noise={noise}", seed=3, hours=5 * 24 + 20)) for noise in (0.0, 3.0)
    )
    assert sure < -0.99  # later slots have lower logits
    assert unsure > sure + 0.2


def test_the_same_notes_are_ranked_worse_while_they_are_cold() -> None:
    order = []
    for known in (0, 20_000):
        world = lived(BY_RANK, seed=3, hours=5 * 24 + 20)
        world.visitors()
        world._state.count_N4[:, EXPOSED] = known
        world._state.count_AL[:, EVER_SHOWN] = known
        world._refresh(0, n_born(world))
        order.append(rank_correlation(world))
    assert order[1] < -0.9
    assert order[0] > order[1] + 0.1


# Boredom


@cache
def read_to_the_end() -> tuple[World, Impressions]:
    """Return an hour of a crowd, and what everybody is shown who never gets bored."""
    world = lived(CROWD, seed=3, hours=8 * 24 + 20)
    world.visitors()
    tick = world._inputs()
    patient = tick._replace(rules=tick.rules._replace(boredom=0.0))
    return world, serve(patient, present(world), room(), blank(400_000))


def left_after(boredom: float) -> tuple[list[bool], list[bool]]:
    """Return who leaves early after a page without a click, and who after one with a click."""
    world, whole = read_to_the_end()
    tick = world._inputs()
    cut = serve(tick._replace(rules=tick.rules._replace(boredom=boredom)), present(world), room(), blank(400_000))
    all_pages, read_pages = (split(part.session_E, part.position_E, part.channel_E) for part in (whole, cut))
    left: tuple[list[bool], list[bool]] = ([], [])
    for (session, page), rows in read_pages.items():
        mine = all_pages[session, page]
        assert np.array_equal(cut.note_E[rows], whole.note_E[mine])  # up to there nothing differs
        if (session, page + 1) in all_pages:
            left[bool((cut.responses_E[rows] & 1).any())].append((session, page + 1) not in read_pages)
    return left


@pytest.mark.parametrize("boredom", [0.0, 0.25, 0.7, 1.0])
def test_who_finds_nothing_to_click_leaves_with_the_specs_chance_and_others_do_not(boredom: float) -> None:
    bored, pleased = left_after(boredom)
    assert len(bored) > 500
    assert len(pleased) > 100
    assert not any(pleased)
    assert abs(z_of(sum(bored), boredom * len(bored), boredom * (1 - boredom) * len(bored) + 1e-9)) < 4


@pytest.mark.parametrize("name", PRESETS)
def test_slates_bore_as_the_platforms_own_pages_do(name: str) -> None:
    world = lived(f"{name}:n_users=3000", seed=5, hours=5 * 24 + 15)
    rng, user_Q = np.random.default_rng(0), present(world)
    ids_QK = np.stack([rng.permutation(n_born(world))[:20] for _ in user_Q]).astype(np.int32)
    events = show(world, user_Q, ids_QK)
    n_U = np.bincount(events.user_E, minlength=world.spec.n_users)
    first_notes = dict(zip(user_Q.tolist(), ids_QK[:, :10].tolist(), strict=True))
    clicks = events.take(events.click_E)
    pairs = zip(clicks.user_E.tolist(), clicks.note_E.tolist(), strict=True)
    clicked = {user for user, note in pairs if note in first_notes[user]}
    bored = np.array([n_U[user] == 10 for user in user_Q.tolist() if user not in clicked])
    assert set(n_U[user_Q].tolist()) == {10, 20}
    assert all(n_U[user] == 20 for user in clicked)
    boredom = world.spec.living.boredom
    assert abs(z_of(bored.sum(), boredom * len(bored), boredom * (1 - boredom) * len(bored))) < 4
