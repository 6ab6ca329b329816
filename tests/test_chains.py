"""The hops of the chains, each against a slow and obvious reference, and what ties users to authors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from methods.chains.answer import ordered, ranked
from methods.chains.engagement import AffinityConfig, ReaderConfig, SeedConfig, affinity, readers, seeds
from methods.chains.lists import Lists
from methods.chains.notes import NoteConfig, newest
from methods.chains.similar import TableSimilar
from methods.chains.spread import AGGREGATES, Aggregate, spread
from methods.chains.u2a2a2i import Candidates, Chain, HopConfig, U2A2A2IConfig, table
from methods.ranking import rank
from simulator.schema import DAY_SECONDS, Follows, Observation, Requests, SchemaError
from tests import checkerboard as board

WORLD = board.checkerboard()
NONE = np.empty((1, 0), np.int32)


def drawn_lists(rng: np.random.Generator, n_rows: int, n_ids: int, longest: int) -> Lists:
    """Rows of distinct ids; weights on a coarse grid, so that some are equal."""
    values_RT = np.zeros((n_rows, n_ids), np.float32)
    for row in values_RT:
        ids = rng.choice(n_ids, size=int(rng.integers(0, min(longest, n_ids) + 1)), replace=False)
        row[ids] = rng.integers(1, 6, len(ids)) / 5
    return Lists.best_of(sp.csr_matrix(values_RT), longest)


def rows_of(lists: Lists, r: int) -> list[tuple[int, float]]:
    part = slice(lists.start_R1[r], lists.start_R1[r + 1])
    return list(zip(lists.ids_P[part].tolist(), lists.weights_P[part].tolist(), strict=True))


def slow_spread(middles: Lists, near: Lists, aggregate: Aggregate, q: int) -> dict[int, tuple[float, int, int]]:
    """Return end -> (score, best middle, number of paths)."""
    paths: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for middle, weight in rows_of(middles, q):
        for end, similarity in rows_of(near, middle):
            paths[end].append((weight * similarity, middle))
    out = {}
    for end, found in paths.items():
        found = sorted(found, key=lambda path: -path[0])  # stable: the earlier middle of equals first
        scores = [score for score, _ in found]
        total = {
            "max": scores[0],
            "sum": sum(scores),
            "multi-decay": 0.1 * scores[0] + sum(s * 0.8**i for i, s in enumerate(scores)) + 0.1 * len(scores),
        }[aggregate]
        out[end] = (total, found[0][1], len(found))
    return out


def drawn_requests(rng: np.random.Generator, n_queries: int, n_users: int, n_notes: int) -> Requests:
    seen = [np.flatnonzero(rng.random(n_notes) < 0.3).astype(np.int32) for _ in range(n_queries)]
    start_Q1 = np.concatenate([[0], np.cumsum([len(ids) for ids in seen])]).astype(np.int64)
    candidates_C = np.flatnonzero(rng.random(n_notes) < 0.8).astype(np.int32)
    ids_Q = rng.integers(0, n_users, n_queries).astype(np.int32)
    return Requests("user", "note", ids_Q, 9, candidates_C, start_Q1, np.concatenate([*seen, candidates_C[:0]]), 5)


@settings(deadline=None, max_examples=80)
@given(seed=st.integers(0, 10_000), aggregate=st.sampled_from(AGGREGATES))
def test_paths_that_meet_add_up_as_when_walked_one_by_one(seed: int, aggregate: Aggregate) -> None:
    rng = np.random.default_rng(seed)
    n_middles, n_ends = (int(n) for n in rng.integers(1, 12, 2))
    middles, near = drawn_lists(rng, 4, n_middles, 6), drawn_lists(rng, n_middles, n_ends, 8)
    reached = spread(middles, near, n_ends=n_ends, aggregate=aggregate)
    for q in range(4):
        part = slice(reached.start_Q1[q], reached.start_Q1[q + 1])
        columns = (reached.end_X, reached.score_X, reached.middle_X, reached.n_paths_X)
        got = {end: rest for end, *rest in zip(*(column[part].tolist() for column in columns), strict=True)}
        wanted = slow_spread(middles, near, aggregate, q)
        assert got.keys() == wanted.keys()
        for end, (score, middle, n_paths) in wanted.items():
            assert got[end] == [pytest.approx(score, rel=1e-5), middle, n_paths]


def slow_candidates(chain: Chain, requests: Requests, q: int) -> dict[int, tuple[float, int, int, int]]:
    """Return note -> (score, seed, via, paths) of all notes that the chain may give, before the quota."""
    part = slice(requests.seen_start_Q1[q], requests.seen_start_Q1[q + 1])
    allowed = set(requests.candidates_C.tolist()) - set(requests.seen_S[part].tolist())
    middles, cap = chain.seeds.take(requests.ids_Q[q : q + 1]), chain.config.notes.author_cap
    out = {}
    for author, (score, seed, n) in slow_spread(middles, chain.similar, chain.config.hop.aggregate, 0).items():
        unseen = [(note, factor) for note, factor in rows_of(chain.notes, author) if note in allowed]
        for note, factor in unseen[: cap or None]:
            out[note] = (score * factor, seed, author, n)
    return out


@settings(deadline=None, max_examples=80)
@given(
    seed=st.integers(0, 10_000),
    aggregate=st.sampled_from(AGGREGATES),
    cap=st.integers(0, 3),
    quota=st.integers(1, 30),
)
def test_a_chain_gives_what_walking_every_hop_gives(seed: int, aggregate: Aggregate, cap: int, quota: int) -> None:
    rng = np.random.default_rng(seed)
    n_users, n_authors, n_notes = (int(n) for n in rng.integers(1, 12, 3))
    author_N = rng.integers(0, n_authors, n_notes)
    by_author = sp.csr_matrix((rng.integers(1, 9, n_notes) / 8, (author_N, np.arange(n_notes))), (n_authors, n_notes))
    config = U2A2A2IConfig(hop=HopConfig(aggregate=aggregate), notes=NoteConfig(author_cap=cap), quota=quota)
    near = drawn_lists(rng, n_authors, n_authors, 6)
    chain = Chain(config, drawn_lists(rng, n_users, n_authors, 5), near, Lists.best_of(by_author.astype(np.float32), 4))
    requests = drawn_requests(rng, 5, n_users, n_notes)
    found = chain.candidates(requests)
    assert found.ids_QK.shape == (5, quota)
    for q in range(5):
        wanted, got = slow_candidates(chain, requests, q), found.ids_QK[q][found.ids_QK[q] >= 0].tolist()
        best = sorted((score for score, *_ in wanted.values()), reverse=True)[:quota]
        assert len(set(got)) == len(got) == len(best)
        assert (found.ids_QK[q, len(got) :] == -1).all()
        np.testing.assert_allclose(found.scores_QK[q, : len(got)], best, rtol=1e-5)
        for place, note in enumerate(got):
            score, *origin = wanted[note]
            assert found.scores_QK[q, place] == pytest.approx(score, rel=1e-5)
            assert [int(side[q, place]) for side in (found.seed_QK, found.via_QK, found.n_paths_QK)] == origin


def test_multi_decay_is_twitters_formula() -> None:
    middles = Lists.padded(np.array([[0, 1, 2]], np.int32), np.array([[1.0, 0.5, 0.25]], np.float32))
    near = Lists.padded(np.zeros((3, 1), np.int32), np.ones((3, 1), np.float32))
    (score,) = spread(middles, near, n_ends=1, aggregate="multi-decay").score_X
    assert score == pytest.approx(0.1 * 1 + (1 + 0.5 * 0.8 + 0.25 * 0.64) + 0.1 * 3)


def test_affinity_is_the_sum_over_actions_each_faded_by_its_age() -> None:
    events = board.checkerboard().events
    like_E = events.click_E & (np.arange(len(events)) % 3 == 0)
    seen = _with(like_E=like_E)
    tied = affinity(seen, AffinityConfig(click=1.0, like=2.0, memory_days=3.0)).toarray()
    wanted = np.zeros((board.N_USERS, board.N_AUTHORS))
    for e in np.flatnonzero(events.click_E):
        fade = np.exp(-(seen.now - events.time_E[e]) / (3 * DAY_SECONDS))
        wanted[events.user_E[e], board.AUTHOR_N[events.note_E[e]]] += (1 + 2 * like_E[e]) * fade
    np.testing.assert_allclose(tied, wanted, rtol=1e-5)


def test_follows_tie_too() -> None:
    follows = Follows(np.array([7], np.int32), np.array([20], np.int32), np.array([WORLD.now - 1]))
    tied = affinity(_with(follows=follows), AffinityConfig(follow=3.0))
    assert tied[7, 20] == pytest.approx(3.0, rel=1e-4)


def _with(*, like_E: NDArray[np.bool_] | None = None, follows: Follows | None = None) -> Observation:
    events = WORLD.events if like_E is None else replace(WORLD.events, like_E=like_E)
    return replace(WORLD, events=events, follows=follows or WORLD.follows)


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10_000), n_seeds=st.integers(1, 6), cap=st.integers(0, 2))
def test_seeds_are_the_greatest_of_each_category(seed: int, n_seeds: int, cap: int) -> None:
    rng = np.random.default_rng(seed)
    tied = (rng.integers(0, 4, (5, 12)) * (rng.random((5, 12)) < 0.7)).astype(np.float32)
    category_A = rng.integers(-1, 3, 12).astype(np.int16)
    found = seeds(sp.csr_matrix(tied), category_A, SeedConfig(n_seeds=n_seeds, per_category=cap))
    for u in range(5):
        wanted: list[int] = []
        for author in sorted(np.flatnonzero(tied[u]), key=lambda a: (-tied[u, a], a)):
            alike = sum(category_A[other] == category_A[author] for other in wanted)
            if cap == 0 or category_A[author] < 0 or alike < cap:
                wanted.append(int(author))
        wanted = wanted[:n_seeds]
        assert [author for author, _ in rows_of(found, u)] == wanted
        greatest = max((tied[u, a] for a in wanted), default=1)
        assert [w for _, w in rows_of(found, u)] == pytest.approx([tied[u, a] / greatest for a in wanted])


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10_000), n_readers=st.integers(1, 6), per_user=st.integers(1, 6))
def test_readers_are_capped_per_user_and_per_author(seed: int, n_readers: int, per_user: int) -> None:
    rng = np.random.default_rng(seed)
    tied = (rng.permutation(60).reshape(10, 6) * (rng.random((10, 6)) < 0.7)).astype(np.float32)
    config = ReaderConfig(n_readers=n_readers, authors_per_user=per_user, most=20.0)
    found = readers(sp.csr_matrix(tied), config)
    for a in range(6):
        mine = [u for u in range(10) if tied[u, a] and (tied[u] > tied[u, a]).sum() < per_user]
        wanted = sorted(mine, key=lambda u: (-min(tied[u, a], 20.0), u))[:n_readers]
        assert rows_of(found, a) == [(u, min(tied[u, a], 20.0)) for u in wanted]


def test_the_newest_young_notes_of_an_author_are_looked_up_and_no_others() -> None:
    config = NoteConfig(n_notes=2, max_age_days=5.5, half_life_days=1.0, quality_power=0.0)
    found = newest(WORLD, config)
    born_N = WORLD.catalog.notes.born_time_N
    for a in range(board.N_AUTHORS):
        young = [n for n in np.flatnonzero(board.AUTHOR_N == a) if WORLD.now - born_N[n] <= 5.5 * DAY_SECONDS]
        assert sorted(n for n, _ in rows_of(found, a)) == sorted(young)[-2:]
        for note, factor in rows_of(found, a):
            assert factor == pytest.approx(0.5 ** ((WORLD.now - born_N[note]) / DAY_SECONDS), rel=1e-5)


def test_a_note_that_is_clicked_more_often_than_the_mean_counts_more_and_one_never_shown_counts_one() -> None:
    found = newest(WORLD, NoteConfig(half_life_days=1e9, quality_power=1.0, prior_impressions=10.0))
    factor = {note: weight for a in range(board.N_AUTHORS) for note, weight in rows_of(found, a)}
    events = WORLD.events
    mean = events.click_E.mean()
    for note in (3, 40, 86):
        shown = events.note_E == note
        rate = (events.click_E[shown].sum() + 10 * mean) / (shown.sum() + 10)
        assert factor[note] == pytest.approx(rate / mean, rel=1e-4)
    assert factor[86] == 1.0


def test_the_table_leads_with_the_author_itself_and_divides_by_the_best() -> None:
    similar = TableSimilar(sp.csr_matrix(np.array([[9, 4, 2], [4, 0, 0], [0, 0, 0]], np.float32)))
    near = table(similar, HopConfig(gamma=2.0, itself=0.5))
    assert rows_of(near, 0) == [(0, 0.5), (1, 1.0), (2, 0.25)]
    assert rows_of(near, 1) == [(1, 0.5), (0, 1.0)]
    assert rows_of(near, 2) == [(2, 0.5)]
    assert rows_of(table(similar, HopConfig(itself=0.0, by_best=False)), 0) == [(1, 4.0), (2, 2.0)]


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10_000), k=st.integers(1, 12))
def test_slates_are_in_the_order_of_rank_whether_the_chain_found_enough_or_not(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    requests = drawn_requests(rng, 4, 9, 30)
    scores_QT = (rng.integers(0, 4, (4, 30)) * (rng.random((4, 30)) < 0.8)).astype(np.float32)
    ids_QK, kept_QK = np.full((4, 30), -1, np.int32), np.zeros((4, 30), np.float32)
    for q in range(4):
        part = slice(requests.seen_start_Q1[q], requests.seen_start_Q1[q + 1])
        unseen = np.setdiff1d(requests.candidates_C, requests.seen_S[part])
        found = unseen[scores_QT[q, unseen] > 0]
        ids_QK[q, : len(found)], kept_QK[q, : len(found)] = found, scores_QT[q, found]
    given_ = Candidates(ids_QK, kept_QK, ids_QK, ids_QK, ids_QK)
    wanted = rank(scores_QT, requests, k=k)
    np.testing.assert_array_equal(ranked(requests, 30, lambda _: given_, k=k).ids_QK, wanted.ids_QK)
    if ((ids_QK >= 0).sum(axis=1) >= k).all():
        np.testing.assert_array_equal(ordered(given_, requests, k).ids_QK, wanted.ids_QK)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: HopConfig(aggregate=cast(Aggregate, "mean")),
            "HopConfig.aggregate: expected one of max, sum, multi",
        ),
        (lambda: HopConfig(n_similar=0), "HopConfig: expected n_similar of at least 1"),
        (lambda: NoteConfig(half_life_days=0), r"NoteConfig.half_life_days: expected more than 0, got 0"),
        (lambda: SeedConfig(n_seeds=0), "SeedConfig: expected n_seeds of at least 1"),
        (lambda: AffinityConfig(like=-1.0), r"AffinityConfig.like: expected at least 0, got -1.0"),
        (lambda: U2A2A2IConfig(quota=0), "U2A2A2IConfig.quota: expected at least 1, got 0"),
        (lambda: Lists(np.array([0, 1]), np.array([0], np.int64), np.ones(1, np.float32)), "Lists.ids_P: expected one"),
        (lambda: Lists.padded(NONE, NONE.astype(np.float32)).led_by(np.array([0]), -1.0), "positive weights"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(make: Callable[[], object], says: str) -> None:
    with pytest.raises(SchemaError, match=says):
        make()
