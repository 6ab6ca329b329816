"""Merging channels, whose work a hit is, what is watched, and who is given which note."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

from methods.chains.attribution import Relevant, overlap, report, shapley, values_of_sets
from methods.chains.delivery import BudgetConfig, deliver
from methods.chains.merge import Channel, Order, calibrated, merge, quotas
from methods.chains.monitor import readings
from simulator.schema import SchemaError

ORDERS: tuple[Order, ...] = ("interleave", "snake", "score")


def channel(name: str, *rows: list[int], quota: int = 9, chance: list[float] | None = None) -> Channel:
    length = max(len(row) for row in rows)
    ids_QL = np.array([[*row, *[-1] * (length - len(row))] for row in rows], np.int32)
    return Channel(name, ids_QL, quota, None if chance is None else np.array(chance, np.float32))


def drawn(rng: np.random.Generator, n_channels: int, n_queries: int) -> tuple[list[Channel], Relevant]:
    """Draw channels over twelve targets with quotas and falling chances, and what is relevant."""
    channels = []
    for c in range(n_channels):
        length = int(rng.integers(1, 7))
        ids_QL = np.stack([rng.permutation(12)[:length] for _ in range(n_queries)]).astype(np.int32)
        ids_QL[np.arange(length) >= rng.integers(0, length + 1, (n_queries, 1))] = -1
        chance_L = np.sort(rng.random(length))[::-1].astype(np.float32)
        channels.append(Channel(f"c{c}", ids_QL, int(rng.integers(0, 7)), chance_L))
    wanted = [np.flatnonzero(rng.random(12) < 0.4).astype(np.int32) for _ in range(n_queries)]
    start_Q1 = np.concatenate([[0], np.cumsum([len(ids) for ids in wanted])]).astype(np.int64)
    return channels, Relevant(start_Q1, np.concatenate([*wanted, np.empty(0, np.int32)]))


def slow_merge(channels: list[Channel], q: int, k: int, order: Order) -> list[tuple[int, int]]:
    """Return (candidate, channel that brought it), by lists that are popped."""
    left = [[int(i) for i in c.ids_QL[q, : c.quota] if i >= 0] for c in channels]
    out: list[tuple[int, int]] = []
    if order == "score":
        chances = [[] if c.chance_L is None else c.chance_L.tolist() for c in channels]
        offers = [(-chances[c][i], c, i, left[c][i]) for c in range(len(left)) for i in range(len(left[c]))]
        for _, c, _, target in sorted(offers):
            if target not in [taken for taken, _ in out]:
                out.append((target, c))
        return out[:k]
    backwards = False
    while any(left):
        for c in reversed(range(len(left))) if backwards else range(len(left)):
            while left[c]:
                target = left[c].pop(0)
                if target not in [taken for taken, _ in out]:
                    out.append((target, c))
                    break
        backwards = not backwards and order == "snake"
    return out[:k]


def test_a_snake_turns_round_at_the_end_of_each_round() -> None:
    channels = [channel("a", [1, 2, 3]), channel("b", [11, 12, 13]), channel("c", [21, 22, 23])]
    assert merge(channels, k=9, order="snake").ids_QK.tolist() == [[1, 11, 21, 22, 12, 2, 3, 13, 23]]
    assert merge(channels, k=9, order="interleave").ids_QK.tolist() == [[1, 11, 21, 2, 12, 22, 3, 13, 23]]


def test_a_candidate_of_many_channels_is_taken_once_and_keeps_them_all() -> None:
    merged = merge([channel("a", [1, 2]), channel("b", [1, 2], quota=1), channel("c", [3, 1])], k=5, order="interleave")
    assert merged.ids_QK.tolist() == [[1, 3, 2, -1, -1]]
    assert merged.channels_QK.tolist() == [[0b111, 0b100, 0b001, 0, 0]]
    assert merged.taken_from_QK.tolist() == [[0, 2, 0, -1, -1]]


@settings(deadline=None, max_examples=100)
@given(seed=st.integers(0, 10_000), n_channels=st.integers(1, 4), k=st.integers(1, 14), order=st.sampled_from(ORDERS))
def test_a_merge_is_what_popping_lists_gives(seed: int, n_channels: int, k: int, order: Order) -> None:
    channels, _ = drawn(np.random.default_rng(seed), n_channels, 3)
    merged = merge(channels, k=k, order=order)
    for q in range(3):
        wanted = slow_merge(channels, q, k, order)
        ids = merged.ids_QK[q][merged.ids_QK[q] >= 0].tolist()
        assert list(zip(ids, merged.taken_from_QK[q].tolist(), strict=False)) == wanted
        for place, target in enumerate(ids):
            gave = [target in c.ids_QL[q, : c.quota].tolist() for c in channels]
            assert merged.channels_QK[q, place] == sum(1 << c for c, does in enumerate(gave) if does)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10_000), n_players=st.integers(1, 5))
def test_shapley_values_are_the_mean_over_all_orders_of_joining(seed: int, n_players: int) -> None:
    values_S = np.random.default_rng(seed).random(1 << n_players)
    wanted = np.zeros(n_players)
    for joining in itertools.permutations(range(n_players)):
        there = 0
        for player in joining:
            wanted[player] += values_S[there | 1 << player] - values_S[there]
            there |= 1 << player
    np.testing.assert_allclose(shapley(values_S), wanted / math.factorial(n_players))


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), order=st.sampled_from(ORDERS), k=st.integers(1, 6))
def test_the_value_of_a_set_is_the_recall_of_merging_it_and_values_add_up(seed: int, order: Order, k: int) -> None:
    channels, relevant = drawn(np.random.default_rng(seed), 3, 4)
    if len(relevant.ids_R) == 0:
        return
    values_S = values_of_sets(channels, relevant, k=k, order=order)
    for subset in range(1, 8):
        chosen = [c for i, c in enumerate(channels) if subset >> i & 1]
        recall = []
        for q in range(4):
            wanted = set(relevant.ids_R[relevant.start_Q1[q] : relevant.start_Q1[q + 1]].tolist())
            if wanted:
                recall.append(len(wanted & {t for t, _ in slow_merge(chosen, q, k, order)}) / len(wanted))
        assert values_S[subset] == pytest.approx(np.mean(recall))
    merged = merge(channels, k=k, order=order)
    assert sum(s.shapley for s in report(channels, merged, relevant, order=order)) == pytest.approx(
        relevant.recall(merged.ids_QK)
    )


def test_without_a_limit_the_shapley_value_is_the_fractional_share_of_recall() -> None:
    channels, _ = drawn(np.random.default_rng(3), 4, 50)
    one_each = Relevant(np.arange(51), np.random.default_rng(4).integers(0, 12, 50).astype(np.int32))
    merged = merge(channels, k=12, order="snake")
    shares, recall = report(channels, merged, one_each, order="snake"), one_each.recall(merged.ids_QK)
    assert recall > 0.2
    np.testing.assert_allclose([s.shapley for s in shares], [s.fractional * recall for s in shares])
    assert sum(s.fractional for s in shares) == pytest.approx(1.0)


def test_with_a_limit_a_copy_of_a_channel_halves_its_worth_and_one_of_no_use_costs_recall() -> None:
    good, copied, useless = channel("a", [1, 2]), channel("b", [1, 2]), channel("c", [8, 9])
    relevant = Relevant(np.array([0, 2]), np.array([1, 2], np.int32))
    channels = [good, copied, useless]
    shares = report(channels, merge(channels, k=2, order="interleave"), relevant, order="interleave")
    assert shares[0].shapley == pytest.approx(shares[1].shapley)
    assert shares[2].shapley < 0
    assert (shares[0].exclusive, shares[0].any_touch, shares[0].fractional) == (0.0, 1.0, 0.5)


def test_overlap_is_the_share_of_a_channels_candidates_that_another_gives() -> None:
    shared_CC = overlap([channel("a", [1, 2, 3, 4], [5]), channel("b", [3, 4], [1], quota=2), channel("c", [], [])])
    np.testing.assert_allclose(shared_CC[:2], [[1, 0.4, 0], [2 / 3, 1, 0]])
    assert np.isnan(shared_CC[2]).all()


def test_readings_count_what_was_given_and_what_entered() -> None:
    channels = [channel("a", [0, 1, 2], [], quota=4), channel("b", [0], [3], quota=1)]
    merged = merge(channels, k=2, order="interleave")
    author_T, is_cold_T = np.array([0, 0, 1, -1], np.int32), np.array([True, False, True, True])
    first, second = readings(channels, merged, author_T=author_T, is_cold_T=is_cold_T)
    assert (first.fill_rate, first.empty_rate, first.quota_use) == (3 / 8, 1 / 2, 2 / 8)
    assert (first.n_targets, first.n_authors, first.cold_share, first.top_author_share) == (3, 2, 2 / 3, 2 / 3)
    assert (second.fill_rate, second.quota_use, second.kept_rate, second.n_authors) == (1.0, 1 / 2, 1.0, 1)


def test_chances_are_hit_rates_by_place_that_never_rise() -> None:
    lists_QL = np.array([[1, 2, 3], [4, 5, 6], [7, 8, -1], [9, 1, 2]], np.int32)
    relevant = np.array([1, 5, 8, 9, 2], np.int32)
    chance_L = calibrated(lists_QL, np.array([0, 1, 2, 3, 5]), relevant)
    np.testing.assert_allclose(chance_L, [0.5, 0.5, 1 / 3], rtol=1e-5)


@given(shares=st.lists(st.floats(0.01, 9), min_size=1, max_size=6), k=st.integers(0, 500))
def test_quotas_add_up(shares: list[float], k: int) -> None:
    split = quotas({str(i): share for i, share in enumerate(shares)}, k)
    assert sum(split.values()) == k
    assert all(abs(split[str(i)] - k * share / sum(shares)) <= 1 for i, share in enumerate(shares))


def best_total(scores_QK: NDArray[np.float32], users_QK: NDArray[np.int32], config: BudgetConfig) -> float:
    """The greatest total score within both budgets, by an integer program."""
    row_P, place_P = np.nonzero(users_QK >= 0)
    user_P = users_QK[row_P, place_P]
    if len(user_P) == 0:
        return 0.0
    of_note = (np.arange(len(users_QK))[:, None] == row_P).astype(float)
    of_user = (np.unique(user_P)[:, None] == user_P).astype(float)
    limits = [LinearConstraint(of_note, ub=config.per_note), LinearConstraint(of_user, ub=config.per_user)]
    ones = np.ones(len(user_P), np.int64)
    score_P = scores_QK[row_P, place_P].astype(float)
    solved = milp(-score_P, integrality=ones, bounds=Bounds(0, 1), constraints=limits)
    return float(score_P @ solved.x)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), per_user=st.integers(1, 3), per_note=st.integers(1, 4))
def test_deliveries_keep_both_budgets_and_reach_half_of_the_best_at_least(
    seed: int, per_user: int, per_note: int
) -> None:
    rng, config = np.random.default_rng(seed), BudgetConfig(per_user, per_note)
    users_QK = np.stack([rng.permutation(8)[:6] for _ in range(5)]).astype(np.int32)
    users_QK[np.arange(6) >= rng.integers(0, 7, (5, 1))] = -1
    scores_QK = rng.random((5, 6)).astype(np.float32)
    notes_Q = np.array([3, 9, 10, 44, 60], np.int32)
    found = deliver(notes_Q, users_QK, scores_QK, config)
    assert np.bincount(found.user_D, minlength=1).max() <= per_user
    assert np.bincount(found.note_D, minlength=1).max() <= per_note
    pairs = set(zip(found.note_D.tolist(), found.user_D.tolist(), strict=True))
    assert len(pairs) == len(found.user_D)
    assert pairs <= {(int(notes_Q[q]), int(u)) for q in range(5) for u in users_QK[q] if u >= 0}
    assert (np.diff(found.user_D) >= 0).all()
    best = best_total(scores_QK, users_QK, config)
    assert best / 2 - 1e-5 <= found.score_D.sum() <= best + 1e-5


def test_what_cannot_be_merged_is_refused_by_name() -> None:
    one, other = channel("a", [1]), channel("a", [2])
    with pytest.raises(SchemaError, match="channels: expected distinct names"):
        merge([one, other], k=3)
    with pytest.raises(SchemaError, match="channels: expected as many requests each"):
        merge([one, channel("b", [1], [2])], k=3)
    with pytest.raises(SchemaError, match="calibrated chance_L each"):
        merge([one], k=3, order="score")
    with pytest.raises(SchemaError, match="expected 1 to 12 for exact Shapley values, got 13"):
        values_of_sets([one] * 13, Relevant(np.array([0, 0]), np.empty(0, np.int32)), k=1, order="snake")
    with pytest.raises(SchemaError, match=r"Channel\(a\).ids_QL: expected int32\(Q, L\), got int64"):
        Channel("a", np.zeros((1, 1), np.int64), 1)  # type: ignore[arg-type,unused-ignore]
