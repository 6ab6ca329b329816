"""Slates from outside are shown as they are, or refused by name; a fork may try another recommender."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from simulator.schema import SchemaError
from tests.world_examples import asked, channel, digest, lived, n_born, one_note_each, present, show, slates

# The world is asked in a process of its own: what is not refused may write where it should not.
ELSEWHERE = """
import sys
import numpy as np
from simulator.schema import SchemaError
from tests.world_examples import lived, show
world = lived("tiny", seed=3, hours=120)
user_Q, ids_QK = np.array([{user}], np.int32), (np.arange({width}, dtype=np.int32) % 50)[None]
try:
    show(world, user_Q, ids_QK)
except SchemaError as error:
    sys.stdout.write(str(error))
"""


def test_an_unborn_note_cannot_be_exposed() -> None:
    world = lived("tiny", seed=5, hours=30)
    user_Q, n = present(world)[:3], n_born(world)
    assert len(world._born_time_N) > n  # today's notes are planned
    with pytest.raises(SchemaError, match=rf"Slates\.ids: expected notes below {n}"):
        show(world, user_Q, np.full((3, 1), n, np.int32))


def test_slates_come_one_a_user() -> None:
    world = lived("tiny", seed=5, hours=30)
    with pytest.raises(SchemaError, match=r"Slates\.ids: expected 3 rows, got 2"):
        world.expose(asked(world, present(world)[:3]), slates(np.zeros((2, 1), np.int32)))
    n = len(world.visitors())
    with pytest.raises(SchemaError, match=rf"Slates\.ids: expected at most {n} rows"):
        world.step(slates(np.zeros((n + 1, 1), np.int32)))


def test_only_notes_are_shown_and_only_to_users() -> None:
    world = lived("tiny", seed=5, hours=30)
    requests = replace(asked(world, present(world)[:1]), target="author")
    with pytest.raises(ValueError, match="expected user -> note, got user -> author"):
        world.expose(requests, slates(np.zeros((1, 1), np.int32)))


def test_nothing_is_shown_to_who_has_not_joined() -> None:
    world = lived("tiny", seed=3, hours=5 * 24)
    with pytest.raises(SchemaError, match="joined"):
        show(world, np.array([world.spec.n_users - 1], np.int32), np.zeros((1, 1), np.int32))


def refusal(user: int, width: int) -> str:
    """Return what is said against showing a slate of that width to a user."""
    run = subprocess.run(
        [sys.executable, "-c", ELSEWHERE.format(user=user, width=width)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stdout


def test_a_slate_longer_than_an_hour_is_refused() -> None:
    assert refusal(3, 1_000).startswith("Slates.ids")


def test_an_unknown_user_is_refused() -> None:
    assert refusal(600, 1).startswith("Requests.ids")


def test_what_is_exposed_is_what_the_slate_says_and_counts() -> None:
    world = lived("tiny", seed=5, hours=5 * 24)
    user_Q, ids_Q1 = one_note_each(world, 3)
    before = world._state.count_N4[:, 0].copy()
    events = show(world, user_Q, ids_Q1)
    assert dict(zip(events.user_E.tolist(), events.note_E.tolist(), strict=True)) == dict(
        zip(user_Q.tolist(), ids_Q1[:, 0].tolist(), strict=True)
    )
    assert (events.channel_E == channel("external")).all()
    assert np.isnan(events.propensity_E).all()
    assert (events.time_E >= world.now).all()
    added = np.bincount(ids_Q1[:, 0], minlength=len(before))
    assert np.array_equal(world._state.count_N4[:, 0] - before, added)
    world.step()
    assert np.isin(events.time_E, world.observe().events.time_E).all()


def test_who_is_asked_again_the_same_day_answers_the_same() -> None:
    world = lived("tiny-video", seed=5, hours=5 * 24)
    pair = one_note_each(world, 3)
    first, second = show(world, *pair), show(world, *pair)
    assert np.array_equal(first.click_E, second.click_E)
    tomorrow = lived("tiny-video", seed=5, hours=6 * 24)
    assert not np.array_equal(first.click_E, show(tomorrow, *pair).click_E[: len(first)])


def test_a_fork_may_try_another_recommender_with_the_same_luck() -> None:
    world = lived("tiny", seed=3, hours=5 * 24 + 20)
    logging = world.spec.logging
    same, other = world.fork(logging=logging), world.fork(logging=replace(logging, fresh_slots=0))
    plain = world.fork()
    assert np.array_equal(plain.visitors(), other.visitors())
    for twin in (plain, same, other):
        for _ in range(3):
            twin.step()
    assert digest(same) == digest(plain) != digest(other)
    assert world.spec.logging is logging
    assert np.array_equal(plain.visitors(), other.visitors())  # who comes today was decided at midnight
