"""The world keeps its laws: same bytes whoever runs it, nothing lost or shown too early, time half-open."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.crew import Hand, live_hour, packed, unpacked
from simulator.policy import room
from simulator.schema import DAY_SECONDS
from simulator.serving import serve
from simulator.shelf import HOUR_SECONDS, pool_bounds
from simulator.spec import Logging, find_world
from simulator.state import CLICKED, DAY, EVER_CLICKED, EVER_SHOWN, EXPOSED, PLEASED, SHOWN, TODAY, absorb, copy_state
from simulator.tick import Impressions, blank, joined, of_columns
from simulator.world import World
from tests.world_examples import PRESETS, digest, lived, present, seen

WEEK = 7 * 24
ROOT = Path(__file__).parents[1]
CALLER = """
import numpy as np
from simulator.kernel import kernel
from simulator.luck import mix
@kernel
def ask(part):
    return mix(np.uint64(1), np.uint64(part))
"""
ELSEWHERE = """
from tests.world_examples import digest, lived
import sys
sys.stdout.write(digest(lived("tiny", seed=3, hours=48)))
"""


@pytest.mark.parametrize("name", PRESETS)
def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(name: str) -> None:
    first, again, other = (World(lived(name, seed=3, hours=0).spec, seed=seed) for seed in (3, 3, 4))
    for world in (first, again, other):
        for _ in range(48):
            world.step()
    assert digest(first) == digest(again)
    assert digest(first) != digest(other)


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_another_process_gives_the_same_bytes(hash_seed: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", ELSEWHERE],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == digest(lived("tiny", seed=3, hours=48))


def test_compiled_code_on_disk_follows_an_edit_of_what_it_calls(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "simulator", tmp_path / "simulator", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "simulator" / "caller.py").write_text(CALLER)
    env = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}

    def run(**more: str) -> str:
        command = [sys.executable, "-c", "from simulator.caller import ask; print(ask(3))"]
        return subprocess.run(command, cwd=tmp_path, env=env | more, capture_output=True, text=True, check=True).stdout

    before = run()
    assert [*(tmp_path / "simulator" / "__pycache__").glob("kernels-*/**/caller.ask-*.nbc")]
    edited = tmp_path / "simulator" / "luck.py"
    edited.write_text(edited.read_text().replace("0x9E3779B97F4A7C15", "0x9E3779B97F4A7C17"))
    after = run()
    assert after != before
    assert after == run(NUMBA_CACHE_DIR=str(tmp_path / "fresh"))


def test_a_longer_life_begins_with_the_same_events() -> None:
    short, longer = seen("tiny", seed=3, hours=WEEK), seen("tiny", seed=3, hours=WEEK + 48)
    n, n_notes = len(short.events), len(short.catalog.notes)
    assert np.array_equal(longer.events.note_E[:n], short.events.note_E)
    assert np.array_equal(longer.events.dwell_seconds_E[:n], short.events.dwell_seconds_E)
    assert np.array_equal(longer.catalog.notes.born_time_N[:n_notes], short.catalog.notes.born_time_N)


# Sessions of an hour can be served anywhere


def busy_hour(name: str) -> World:
    """Return a world in an hour of the evening."""
    return lived(f"{name}:n_users=2000", seed=3, hours=4 * 24 + 20)


def same(ours: Impressions, theirs: Impressions) -> bool:
    """Whether impressions are the same to the byte."""
    return all(np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("name", PRESETS)
@given(data=st.data())
def test_any_split_of_the_visitors_serves_the_same(name: str, data: st.DataObject) -> None:
    world = busy_hour(name)
    n = len(world.visitors())
    cuts = sorted(data.draw(st.lists(st.integers(0, n), max_size=6)))
    shares = list(zip([0, *cuts], [*cuts, n], strict=True))
    assert n > 8
    assert same(joined([world.serve(first, last) for first, last in shares]), world.serve(0, n))


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("spare", [0, 1, 57, 1_000])
def test_any_size_of_scratch_serves_the_same(name: str, spare: int) -> None:
    world, rules = busy_hour(name), busy_hour(name)._inputs().rules
    whole = world.serve(0, len(world.visitors()))
    world._scratch = blank(rules.max_slots + rules.opened + spare)
    assert same(world.serve(0, len(world.visitors())), whole)


@pytest.mark.parametrize("name", PRESETS)
def test_sessions_of_an_hour_can_run_in_any_order(name: str) -> None:
    world = busy_hour(name)
    user_S, tick = np.arange(80, dtype=np.int32), world._inputs()
    order_S = np.random.default_rng(0).permutation(80)
    forward = serve(tick, user_S, room(), blank(50_000))
    shuffled = serve(tick, user_S[order_S], room(), blank(50_000))
    back_E = np.argsort(order_S[shuffled.session_E], kind="stable")
    sorted_back = of_columns(column[back_E] for column in shuffled)
    assert same(sorted_back._replace(session_E=forward.session_E), forward)


@given(st.integers(0, 2**32 - 1))
def test_counts_do_not_depend_on_the_order_of_impressions(seed: int) -> None:
    world = busy_hour("tiny")
    shown, user_S, notes = world.serve(0, len(world.visitors())), world.visitors(), world._notes
    order_E = np.random.default_rng(seed).permutation(len(shown.note_E))
    states = [copy_state(world._state) for _ in range(2)]
    for state, rows in zip(states, (np.arange(len(order_E)), order_E), strict=True):
        user_E, note_E = user_S[shown.session_E[rows]], shown.note_E[rows]
        absorb(state, notes.author_N, notes.key_N, user_E, note_E, shown.responses_E[rows], 4)
    for name in ("count_N4", "count_AL", "visit_U3", "seen_UB", "n_seen_U", "n_history_U"):
        assert np.array_equal(getattr(states[0], name), getattr(states[1], name)), name


class Table:
    """Hands at one table: a crew without processes between them (those are in test_simulate)."""

    def __init__(self, name: str, count: int) -> None:
        self._hands = [Hand(find_world(name), 3, None, (index, count)) for index in range(1, count)]
        self._served: list[bytes] = []

    def ask(self) -> None:
        """Have every hand serve its share."""
        self._served = [hand.serve() for hand in self._hands]

    def collect(self) -> list[Impressions]:
        """Return what they served."""
        return [unpacked(data) for data in self._served]

    def tell(self, shown: Impressions) -> None:
        """Let every hand enter the whole hour."""
        for hand in self._hands:
            hand.settle(packed(shown))


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("count", [2, 7])
def test_any_number_of_hands_gives_the_same_log_and_the_same_state(name: str, count: int) -> None:
    world, crew = World(find_world(name), seed=3), Table(name, count)
    for _ in range(48):
        live_hour(world, crew, count)
    assert digest(world) == digest(lived(name, seed=3, hours=48))


# Nothing is lost, nothing comes too early


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("seed", [3, 4])
def test_counts_of_the_platform_are_those_of_the_log(name: str, seed: int) -> None:
    world = lived(name, seed=seed, hours=WEEK + 5)
    state = world._state
    events, notes, spec = world.observe().events, world._notes, world.spec
    n, author_E, day_E = len(notes.author_N), notes.author_N[events.note_E], events.time_E // DAY_SECONDS
    clicks = events.take(events.click_E)
    today = clicks.between(7 * DAY_SECONDS, 8 * DAY_SECONDS)
    assert np.array_equal(state.count_N4[:n, EXPOSED], np.bincount(events.note_E, minlength=n))
    assert np.array_equal(state.count_N4[:n, CLICKED], np.bincount(clicks.note_E, minlength=n))
    assert np.array_equal(state.count_N4[:n, TODAY], np.bincount(today.note_E, minlength=n))
    assert np.array_equal(state.count_AL[:, EVER_SHOWN], np.bincount(author_E, minlength=spec.n_authors))
    assert np.array_equal(state.n_history_U, np.bincount(clicks.user_E, minlength=spec.n_users))
    author_clicks_A = np.bincount(author_E[events.click_E], minlength=spec.n_authors)
    assert np.array_equal(state.count_AL[:, EVER_CLICKED], author_clicks_A)
    for day in range(1, 8):
        exposures_A = np.bincount(author_E[day_E == day], minlength=spec.n_authors)
        assert np.array_equal(state.count_AL[:, 7 + day % 7], exposures_A)
    follows = world.observe().follows
    assert np.array_equal(state.n_followed_U, np.bincount(follows.user_F, minlength=spec.n_users))


def test_the_latest_visit_is_that_of_the_log() -> None:
    world = lived("tiny", seed=3, hours=WEEK)
    events, visit_U3 = world.observe().events, world._state.visit_U3
    for user in present(world):
        mine = events.take(events.user_E == user)
        if not len(mine):
            assert visit_U3[user, DAY] == -1
            continue
        day = int(mine.time_E[-1] // DAY_SECONDS)
        latest = mine.between(day * DAY_SECONDS, (day + 1) * DAY_SECONDS)
        assert visit_U3[user].tolist() == [day, len(latest), int(latest.click_E.sum())]
    assert (DAY, SHOWN, PLEASED) == (0, 1, 2)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("seed", [3, 4, 5])
def test_nothing_is_shown_before_it_is_born_or_to_who_has_not_joined(name: str, seed: int) -> None:
    observed = seen(name, seed=seed, hours=WEEK)
    events, catalog = observed.events, observed.catalog
    author_E = catalog.notes.author_N[events.note_E]
    assert (events.time_E >= catalog.notes.born_time_N[events.note_E]).all()
    assert (events.time_E >= catalog.users.joined_time_U[events.user_E]).all()
    assert (events.time_E >= catalog.authors.joined_time_A[author_E]).all()
    assert (catalog.notes.born_time_N >= catalog.authors.joined_time_A[catalog.notes.author_N]).all()


def test_a_session_never_shows_a_note_twice() -> None:
    for name in PRESETS:
        events = seen(name, seed=3, hours=WEEK).events
        pair_E = events.session_E.astype(np.int64) << 32 | events.note_E
        assert len(np.unique(pair_E)) == len(pair_E)


# Intervals are half-open


def test_the_rows_of_an_hour_lie_in_it() -> None:
    world = lived("tiny-video", seed=3, hours=24)
    for _ in range(24):
        start = world.now
        world.drain()
        world.step()
        time_E = world.drain()["time"]
        assert len(time_E) == 0 or start <= time_E.min() <= time_E.max() < start + HOUR_SECONDS


def test_the_pool_is_half_open_at_both_ends() -> None:
    now, days = 10 * DAY_SECONDS, 2.0
    start = now - 2 * DAY_SECONDS
    born_time_N = np.array([start - 1, start, now - 1, now])
    assert pool_bounds(Logging(pool_days=days), born_time_N, now) == (1, 3)


def test_an_observation_ends_before_now() -> None:
    world = lived("tiny", seed=3, hours=30)
    observed = world.observe()
    assert observed.now == world.now == 30 * HOUR_SECONDS
    assert len(observed.events) == len(observed.events.between(0, world.now))
    edge = int(observed.events.time_E[len(observed.events) // 2])
    before, after = observed.events.between(0, edge), observed.events.between(edge, world.now)
    assert before.time_E.max() < edge == after.time_E.min()
    assert len(before) + len(after) == len(observed.events)
