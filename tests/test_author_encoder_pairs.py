"""Pairs of authors: every score against a slow reference, whatever the blocks, the parts of the log, the cap."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.author_encoder.mining import mine
from methods.author_encoder.pairs import PairConfig, Pairs, Repeats
from methods.author_encoder.readers import readers_in, readers_of
from methods.author_encoder.scores import SCORES
from simulator.schema import (
    DAY_SECONDS,
    Authors,
    Catalog,
    EventLog,
    Follows,
    Notes,
    Observation,
    SchemaError,
    StoredTexts,
    Users,
)
from tests.author_pair_references import pairs_of, slow_degrees, slow_edges, slow_scores
from tests.world_examples import seen

NOW = 30 * DAY_SECONDS
Click = tuple[int, int, int]  # user, author, time


def observed(clicks: list[Click], *, n_users: int = 8, n_authors: int = 6, likes: bool = False) -> Observation:
    """One note an author; one event a click, in order of time."""
    clicks = sorted(clicks, key=lambda click: click[2])
    none, n = np.zeros(len(clicks), bool), len(clicks)
    texts = StoredTexts.of([""] * n_authors)
    author_N = np.arange(n_authors, dtype=np.int32)
    labels = (author_N % 2).astype(np.int16)
    notes = Notes(author_N, np.zeros(n_authors, np.int64), np.zeros(n_authors, bool), labels, texts, texts)
    users = Users(np.zeros(n_users, np.int64), np.full(n_users, -1, np.int32))
    authors = Authors(np.zeros(n_authors, np.int64), labels, texts)
    log = EventLog(
        user_E=np.array([c[0] for c in clicks], np.int32),
        note_E=np.array([c[1] for c in clicks], np.int32),
        time_E=np.array([c[2] for c in clicks], np.int64),
        session_E=np.zeros(n, np.int32),
        position_E=np.zeros(n, np.int16),
        channel_E=np.zeros(n, np.int8),
        propensity_E=np.full(n, np.nan, np.float32),
        click_E=~none if not likes else none.copy(),
        like_E=none.copy() if not likes else ~none,
        collect_E=none.copy(),
        comment_E=none.copy(),
        share_E=none.copy(),
        follow_E=none.copy(),
        dwell_seconds_E=np.zeros(n, np.float32),
        channels=("popular",),
    )
    edges = Follows(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.int64))
    return Observation(NOW, Catalog(users, authors, notes, ("food", "home")), log, edges)


# Few users, and often many clicks: else caps, ties and blocks are hardly met.
a_click = st.tuples(st.integers(0, 4), st.integers(0, 5), st.integers(20 * DAY_SECONDS, 29 * DAY_SECONDS))
clicks = st.lists(a_click, max_size=10) | st.lists(a_click, min_size=25, max_size=50)
configs = st.builds(
    PairConfig,
    window_days=st.sampled_from([7.0, 28.0]),
    tau_days=st.sampled_from([3.0, math.inf]),
    repeats=st.sampled_from(["once", "sum"]),
    cap=st.sampled_from([2, 3, 50]),
    min_count=st.integers(1, 3),
    swing_alpha=st.sampled_from([0.0, 1.0]),
    swing_users=st.sampled_from([2, 3, 1_000]),
    block_pairs=st.sampled_from([1, 7, 4_000_000]),
)


def as_dict(pairs: Pairs) -> dict[tuple[int, int], tuple[float, int]]:
    rows = zip(pairs.first_P, pairs.second_P, pairs.score_P, pairs.count_P, strict=True)
    return {(int(a), int(b)): (float(score), int(count)) for a, b, score, count in rows}


@pytest.mark.parametrize("score", SCORES)
@given(clicks=clicks, config=configs)
@settings(max_examples=25)
def test_a_score_is_that_of_the_slow_reference(score: str, clicks: list[Click], config: PairConfig) -> None:
    check_scores(observed(clicks), replace(config, score=score))


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("repeats", ["once", "sum"])
def test_a_score_of_a_busy_log_is_that_of_the_slow_reference(score: str, repeats: Repeats) -> None:
    """No vacuous case: 150 clicks of 8 users on 6 authors, caps and windows that cut."""
    rng = np.random.default_rng(0)
    drawn = np.stack([rng.integers(0, 8, 150), rng.integers(0, 6, 150), rng.integers(0, 29, 150) * DAY_SECONDS], axis=1)
    busy = PairConfig(window_days=20.0, tau_days=4.0, repeats=repeats, score=score, min_count=2, block_pairs=9)
    for config in (busy, replace(busy, cap=4), replace(busy, cap=3, swing_users=3, swing_alpha=0.0, min_count=1)):
        assert check_scores(observed([(int(u), int(a), int(t)) for u, a, t in drawn]), config) > 5


def check_scores(seen: Observation, config: PairConfig) -> int:
    """Hold all pairs to the slow reference; return how many there are."""
    found, expected = as_dict(mine(readers_of(seen, config), config)), slow_scores(seen, config)
    assert found.keys() == expected.keys()
    for pair, (value, count) in expected.items():
        assert found[pair][1] == count
        assert found[pair][0] == pytest.approx(value, rel=1e-5, abs=1e-6)
    return len(expected)


@given(clicks=clicks, config=configs, cuts=st.lists(st.integers(0, 60), max_size=4))
def test_a_log_in_parts_gives_the_same_readers(clicks: list[Click], config: PairConfig, cuts: list[int]) -> None:
    seen = observed(clicks)
    whole = readers_of(seen, config)
    edges = [0, *sorted(min(cut, len(clicks)) for cut in cuts), len(clicks)]
    logs = [seen.events.take(slice(a, b)) for a, b in pairwise(edges)]
    parts = readers_in(seen.catalog, reversed(logs), now=seen.now, config=config)
    np.testing.assert_array_equal(parts.author_X, whole.author_X)
    np.testing.assert_array_equal(parts.start_U1, whole.start_U1)
    np.testing.assert_array_equal(parts.newest_X, whole.newest_X)
    np.testing.assert_allclose(parts.weight_X, whole.weight_X, rtol=1e-12)
    np.testing.assert_array_equal(parts.exposure_N, whole.exposure_N)


@given(clicks=clicks, config=configs)
def test_the_cap_counts_the_users_and_the_authors_that_it_cuts(clicks: list[Click], config: PairConfig) -> None:
    seen = observed(clicks)
    readers, degrees = readers_of(seen, config), slow_degrees(seen, config)
    assert readers.n_users == len(degrees)
    assert readers.n_truncated == sum(n > config.cap for n in degrees.values())
    assert readers.n_cut == sum(max(0, n - config.cap) for n in degrees.values())
    assert readers.readers_A().sum() == sum(len(kept) for kept in slow_edges(seen, config).values())


def test_the_newest_authors_of_a_user_stay_and_of_two_as_new_the_greater_id() -> None:
    clicked = [(0, 4, 100), (0, 0, 300), (0, 1, 200), (0, 2, 200), (0, 3, 50), (1, 5, 10)]
    for cap, kept in ((1, [0]), (2, [0, 2]), (3, [0, 1, 2]), (5, [0, 1, 2, 3, 4])):
        readers = readers_of(observed(clicked), PairConfig(window_days=30.0, cap=cap))
        assert readers.author_X.tolist() == [*kept, 5]
        assert readers.start_U1.tolist()[:3] == [0, len(kept), len(kept) + 1]
        assert (readers.n_truncated, readers.n_cut) == (int(cap < 5), 5 - cap)
        assert readers.n_read_U.tolist()[:2] == [5, 1]


def test_the_window_begins_with_its_first_second_and_ends_before_now() -> None:
    start = NOW - 7 * DAY_SECONDS
    config = PairConfig(window_days=7.0)
    for time, known in ((start - 1, 0), (start, 1), (NOW - 1, 1)):
        assert readers_of(observed([(0, 0, time)]), config).n_positives == known
    cut = readers_in(observed([]).catalog, [observed([(0, 0, 5)]).events], now=5, config=config)
    assert cut.n_positives == 0


def test_swing_of_the_worked_example_in_print() -> None:
    """fun-rec's chapter on Swing, alpha 1, no weights: s(h, p) = 1/5 + 1/3 + 1/3 = 13/15, s(h, t) = 1/5."""
    h, t, r, p = range(4)
    read = {0: (h, t, r, p), 1: (h, t, r, p), 2: (h, p)}
    clicked = [(u, a, 100) for u, authors in read.items() for a in authors]
    config = PairConfig(score="swing", min_count=1, swing_alpha=1.0, window_days=30.0)
    found = as_dict(mine(readers_of(observed(clicked), config), config))
    assert found[h, p][0] == pytest.approx(13 / 15)
    assert found[h, t][0] == pytest.approx(1 / 5)


@pytest.mark.parametrize("score", SCORES)
def test_mining_leaves_the_readers_as_they_were(score: str) -> None:
    config = PairConfig(window_days=10.0, min_count=2, score=score, swing_users=5)
    readers = readers_of(seen("tiny", seed=1, hours=240), config)
    before, pairs = readers.author_X.copy(), mine(readers, config)
    np.testing.assert_array_equal(readers.author_X, before)
    assert as_dict(mine(readers, config)) == as_dict(pairs)


def test_which_responses_count_is_asked() -> None:
    liked = observed([(u, a, 29 * DAY_SECONDS) for u in range(3) for a in (0, 1)], likes=True)
    for responses, n in ((("click",), 0), (("like",), 1), (("click", "like"), 1)):
        config = PairConfig(responses=responses, min_count=3)  # type: ignore[arg-type]
        assert len(mine(readers_of(liked, config), config)) == n


def test_the_counts_of_a_world_are_those_of_the_dense_product() -> None:
    world = seen("tiny", seed=1, hours=240)
    config = PairConfig(window_days=10.0, score="count", min_count=2, block_pairs=500)
    readers = readers_of(world, config)
    dense_UA = readers.matrix(np.ones(len(readers.author_X))).toarray()
    dense_AA = np.triu(dense_UA.T @ dense_UA, 1)
    pairs = mine(readers, config)
    assert len(pairs) == int((dense_AA >= 2).sum()) > 100
    np.testing.assert_array_equal(pairs.count_P, dense_AA[pairs.first_P, pairs.second_P])
    np.testing.assert_array_equal(pairs.degree_A(), ((dense_AA + dense_AA.T) >= 2).sum(axis=1))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"window_days": 0.0}, "window_days: expected more than 0"),
        ({"window_days": math.inf}, "window_days: expected a finite"),
        ({"tau_days": math.nan}, "tau_days: expected more than 0"),
        ({"cap": 0}, "cap: expected at least 1, got 0"),
        ({"swing_users": 1}, "swing_users: expected at least 2"),
        ({"responses": ()}, "responses: expected some of click"),
        ({"responses": ("clicks",)}, "responses: expected some of click"),
        ({"repeats": "twice"}, "repeats: expected one of once, sum, got twice"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(change: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        PairConfig(**change)  # type: ignore[arg-type]


def test_an_unknown_score_is_refused_with_those_there_are() -> None:
    config = PairConfig(score="cosin")
    with pytest.raises(ValueError, match=r"score: expected one of count, .*, got 'cosin'"):
        mine(readers_of(observed([]), config), config)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([(1, 0, 1.0, 1)], "first < second"),
        ([(1, 1, 1.0, 1)], "first < second"),
        ([(0, 2, 1.0, 1), (0, 1, 1.0, 1)], "sorted"),
        ([(0, 1, 1.0, 1), (0, 1, 1.0, 1)], "distinct"),
        ([(0, 10, 1.0, 1)], r"authors in \[0, 10\)"),
        ([(-1, 1, 1.0, 1)], r"authors in \[0, 10\)"),
        ([(0, 1, math.nan, 1)], "score: expected finite"),
        ([(0, 1, 1.0, 0)], "count: expected at least 1"),
    ],
)
def test_pairs_that_break_their_promise_are_refused(rows: list[tuple[int, int, float, int]], says: str) -> None:
    with pytest.raises(SchemaError, match=says):
        pairs_of(*rows)


def test_columns_of_another_type_or_length_are_refused() -> None:
    one = pairs_of((0, 1, 1.0, 1))
    with pytest.raises(SchemaError, match=r"Pairs.first: expected int32\(P,\), got int64\(1,\)"):
        replace(one, first_P=np.array([0]))
    with pytest.raises(SchemaError, match=r"Pairs.score: expected shape \(1,\), got \(2,\)"):
        replace(one, score_P=np.zeros(2, np.float32))
    with pytest.raises(ValueError, match="read-only"):
        one.score_P[0] = 2.0
