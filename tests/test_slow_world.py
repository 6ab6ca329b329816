"""The fast world does, row by row, what the slow one tells."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.journal import Rows
from simulator.luck import bell, mix, poisson, stream, uniform
from simulator.policy import CHANNELS, pick
from simulator.schema import RESPONSES
from simulator.spec import find_world
from simulator.world import World
from tests import slow_luck
from tests.slow_memory import Row
from tests.slow_world import SlowWorld

SMALL = "n_users=120,n_authors=40,days=6"
# Small worlds that between them reach every branch: growing boards, retired notes, rings, trends, forgetful filters.
BUSY = "active_alpha=20,notes_per_author_day=3,length_log_median=5,more_sessions=2,click_bias=0,follow_bias=3,boredom=0"
WORLDS = (
    (f"tiny:{SMALL}", 1, 6),
    (f"tiny-video:{SMALL}", 2, 6),
    (f"tiny:{SMALL},per_week=40,pool_days=2,fresh_guarantee=15,text_alignment=0.2,explore_share=0.3", 3, 5),
    (f"tiny-video:{SMALL},author_share=0.5,authors_among_users=1,per_week=60,random_share=0.2", 4, 4),
    ("tiny:n_users=40,n_authors=120,days=6,notes_per_author_day=1.5,elastic_share=1,boredom=0.9", 5, 5),
    (f"tiny-video:n_users=8,n_authors=180,days=9,{BUSY}", 6, 8),
)


def compare(fast: Rows, slow: list[Row]) -> None:
    """Check that the rows of both worlds are the same."""
    shown = [row.shown for row in slow]
    whole: dict[str, list[int] | list[bool]] = {
        "time": [row.time for row in slow],
        "session": [row.session for row in slow],
        "user": [s.user for s in shown],
        "note": [s.note for s in shown],
        "position": [s.position for s in shown],
        "channel": [CHANNELS.index(s.channel) for s in shown],
        **{name: [name in s.responses for s in shown] for name in RESPONSES},
    }
    for name, column in whole.items():
        assert fast[name].tolist() == column, name
    np.testing.assert_allclose(fast["propensity"], np.array([s.propensity for s in shown]), rtol=1e-6)
    np.testing.assert_allclose(fast["dwell_seconds"], np.array([s.dwell for s in shown]), rtol=1e-6)


@cache
def slow_life(name: str, seed: int, days: int) -> tuple[SlowWorld, list[list[Row]]]:
    """Live the slow world; return it and its rows, hour by hour."""
    slow = SlowWorld(find_world(name), seed)
    return slow, [slow.hour() for _ in range(24 * days)]


@pytest.mark.parametrize(("name", "seed", "days"), WORLDS)
def test_the_fast_world_shows_and_hears_what_the_slow_one_does(name: str, seed: int, days: int) -> None:
    slow, rows_of_hours = slow_life(name, seed, days)
    fast = World(find_world(name), seed=seed)
    for rows in rows_of_hours:
        fast.step()
        compare(fast.drain(), rows)
    follows = fast.observe().follows
    assert list(zip(follows.user_F.tolist(), follows.author_F.tolist(), strict=True)) == list(slow.follow_time)
    assert follows.time_F.tolist() == list(slow.follow_time.values())
    assert [note.author for note in slow.notes] == fast._notes.author_N.tolist()
    assert [note.born for note in slow.notes] == fast._born_time_N.tolist()


def test_these_worlds_reach_every_branch() -> None:
    lives = [slow_life(*world) for world in WORLDS]
    rows = [row.shown for _, hours in lives for hour in hours for row in hour]
    assert {row.channel for row in rows} == set(CHANNELS) - {"external"}
    assert {name for row in rows for name in row.responses} == set(RESPONSES)
    assert any("like" in row.responses and "click" not in row.responses for row in rows)
    memories = [slow.memory for slow, _ in lives]
    assert any(len(memory.pool.cells) > 512 for memory in memories)
    assert any(slow.memory.pool.n < 0.7 * len(slow.notes) for slow, _ in lives)  # some left the pool
    for rings in ("newest_of", "clickers_of", "history_of", "followed_by"):
        assert any(ring.n > ring.size for memory in memories for ring in getattr(memory, rings).values()), rings
    assert any(held.n > 2 * 600 for held in memories[-1].seen_by.values())  # somebody forgot


WORDS = st.integers(0, 2**64 - 1)


@given(WORDS, WORDS, st.integers(1, 64), st.floats(0.0, 60.0))
def test_slow_luck_is_the_fast_luck(key: int, part: int, held: int, mean: float) -> None:
    word = np.uint64(key)
    assert int(mix(word, np.uint64(part))) == slow_luck.mix(key, part)
    assert uniform(word) == slow_luck.uniform(key)
    assert bell(word) == slow_luck.bell(key)
    assert pick(word, held) == slow_luck.pick(key, held)
    assert poisson(uniform(word), mean) == slow_luck.poisson(slow_luck.uniform(key), mean)


@given(st.integers(0, 2**63), st.text(max_size=20))
def test_slow_streams_are_the_fast_streams(seed: int, name: str) -> None:
    assert int(stream(seed, name)) == slow_luck.stream(seed, name)
