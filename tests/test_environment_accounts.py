"""What an hour's accounts say is what its log and catalog say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from simulator.gym_env.booked import gini
from simulator.gym_env.policies import RandomPolicy
from simulator.schema import DAY_SECONDS, Observation
from tests.environment_examples import nothing, platform


@given(arrays(np.int64, st.integers(0, 20), elements=st.integers(0, 50)))
def test_gini_is_half_the_relative_mean_difference(count_N: np.ndarray) -> None:
    if count_N.sum() == 0:
        assert gini(count_N) == 0.0
        return
    differences = np.abs(count_N[:, None] - count_N[None, :]).sum()
    assert gini(count_N) == pytest.approx(differences / (2 * len(count_N) * count_N.sum()), abs=1e-12)


@pytest.mark.parametrize(("counts", "expected"), [([3, 3, 3], 0.0), ([0, 0, 0, 8], 0.75), ([], 0.0), ([0, 0], 0.0)])
def test_gini_of_known_cases(counts: list[int], expected: float) -> None:
    assert gini(np.array(counts, np.int64)) == pytest.approx(expected)


def recounted(known: Observation, start: int) -> dict[str, float]:
    """Count the hour [start, start + 3600) plainly from all that happened."""
    end = start + 3_600
    notes, authors, events = known.catalog.notes, known.catalog.authors, known.events
    hour, day = events.between(start, end), events.between(end - DAY_SECONDS, end)
    last_day_N = notes.born_time_N >= end - DAY_SECONDS
    return {
        "consumer/impressions": len(hour),
        "consumer/dwell_minutes": float(hour.dwell_seconds_E.astype(np.float64).sum()) / 60,
        "author/births": int((notes.born_time_N >= start).sum()),
        "author/publishers": len(set(notes.author_N[last_day_N].tolist())),
        "author/new_authors": int((authors.joined_time_A >= start).sum()),
        "author/new_share": float(
            np.mean(hour.time_E - authors.joined_time_A[notes.author_N[hour.note_E]] < 7 * DAY_SECONDS)
        ),
        "corpus/notes": len(notes),
        "corpus/fresh_share": float(np.mean(hour.time_E - notes.born_time_N[hour.note_E] < DAY_SECONDS)),
        "corpus/gini": gini(np.bincount(day.note_E, minlength=len(notes)).astype(np.int64)),
    }


def test_accounts_are_what_the_log_and_the_catalog_say() -> None:
    env, policy = platform(days=4, warmup_days=9, keep_log=True, batch=30), RandomPolicy(rng=np.random.default_rng(2))
    seen, _ = env.reset(seed=8)
    checked = 0
    for _ in range(60):
        start, users = env.world.now, env.world.visitors()
        seen, _, _, _, info = env.step(policy.recommend(seen))
        assert info["consumer/visitors"] == len(users)
        if info["consumer/impressions"]:
            expected = recounted(env.observe(), start)
            assert {key: info[key] for key in expected} == pytest.approx(expected)
            checked += 1
    assert checked > 20
    assert 0 < info["author/new_share"] < 1


def test_notes_that_reach_a_hundred_impressions_in_a_day_are_counted_once() -> None:
    env = platform(world="tiny:n_users=1200", days=5, warmup_days=2, keep_log=True, batch=2)
    policy = RandomPolicy(rng=np.random.default_rng(2))
    seen, _ = env.reset(seed=8)
    before = env.observe().events
    n_reached = 0.0
    for _ in range(120):
        seen, _, _, _, info = env.step(policy.recommend(seen))
        n_reached += info["corpus/reached_100"]
    known = env.observe()
    born_time_N = known.catalog.notes.born_time_N

    def reached(events: object) -> int:
        is_young_E = events.time_E - born_time_N[events.note_E] < DAY_SECONDS  # type: ignore[attr-defined]
        return int((np.bincount(events.note_E[is_young_E]) >= 100).sum())  # type: ignore[attr-defined]

    assert n_reached == reached(known.events) - reached(before) > 0


def test_the_hundredth_impression_counts_and_neither_the_one_before_nor_the_next() -> None:
    env = platform(world="tiny:n_users=3000", batch=400, slate=1, warmup_days=0, days=3)
    seen, _ = env.reset(seed=2)
    while seen["now"][0] != 12 or seen["n_notes"] == 0:
        seen, *_ = env.step(nothing(env))
    note, wanted, reached = int(seen["new_id"][0]), [60, 99, 100, 101], []
    n_shown = 0
    for upto in wanted:
        while n_shown < upto:
            action, n = nothing(env), min(upto - n_shown, int(seen["request_mask"].sum()))
            action[:n] = note
            seen, _, _, _, info = env.step(action)
            n_shown += int(info["consumer/impressions"])
            reached.append((n_shown, info["corpus/reached_100"]))
    assert [n for n, _ in reached] == sorted(n for n, _ in reached)
    assert {n for n, _ in reached} >= set(wanted)
    assert all(count == (n == 100) for n, count in reached)


def test_active_users_are_those_of_the_last_day() -> None:
    env = platform(days=3)
    env.reset(seed=1)
    came = []
    for _ in range(60):
        came.append(set(env.world.visitors().tolist()))
        *_, info = env.step(nothing(env))
    assert info["consumer/active_users"] == len(set().union(*came[-24:]))
