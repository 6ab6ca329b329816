"""Hard negatives: what is mined is what a slow search would take, and nobody who may be a positive."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from methods.author_encoder import hard
from methods.author_encoder.contrast import NOBODY, PairColumns
from methods.author_encoder.hard import HardConfig, hard_negatives
from simulator.schema import SchemaError

N_AUTHORS = 40


def pairs_of(ends: list[tuple[int, int]], n_authors: int = N_AUTHORS) -> PairColumns:
    first_P, second_P = (np.array([end[side] for end in ends], np.int32) for side in (0, 1))
    return PairColumns(first_P, second_P, n_authors)


def vectors(seed: int, n: int = N_AUTHORS) -> NDArray[np.float32]:
    vectors_AD = np.random.default_rng(seed).standard_normal((n, 6)).astype(np.float32)
    return np.asarray(vectors_AD / np.linalg.norm(vectors_AD, axis=1, keepdims=True), np.float32)


def allowed(
    vectors_AD: NDArray[np.float32], pairs: PairColumns, sharing: PairColumns, config: HardConfig, row: int
) -> set[int]:
    """Say by the definition who may be drawn for a pair."""
    ends_2K = np.hstack([(table.first_P, table.second_P) for table in (pairs, sharing)])
    known = {frozenset(ends) for ends in ends_2K.T.tolist()}
    with_readers = sorted({author for ends in known for author in ends})
    first, second = int(pairs.first_P[row]), int(pairs.second_P[row])
    nearest = sorted(with_readers, key=lambda other: -float(vectors_AD[first] @ vectors_AD[other]))[: config.depth]
    strangers = [
        other
        for other in nearest
        if other not in (first, second) and not {frozenset((first, other)), frozenset((second, other))} & known
    ]
    return {other for other in strangers if not config.margin or far(vectors_AD, first, second, other, config.margin)}


def far(vectors_AD: NDArray[np.float32], first: int, second: int, other: int, margin: float) -> bool:
    """Whether another is less like both than they are like each other, by a share of that, be it above zero or not."""
    cosine = float(vectors_AD[first] @ vectors_AD[second])
    bound = margin * cosine if cosine > 0 else cosine * (2 - margin)
    return max(float(vectors_AD[end] @ vectors_AD[other]) for end in (first, second)) <= bound


@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(4, 50), st.sampled_from([0.0, 0.5, 0.95, 1.0]))
def test_they_are_those_of_the_definition(seed: int, n: int, depth: int, margin: float) -> None:
    luck = np.random.default_rng(seed)
    ends = [tuple(sorted(luck.choice(30, 2, replace=False))) for _ in range(25)]  # ten authors have no readers
    pairs, sharing = pairs_of(ends[:15]), pairs_of(ends)
    config, vectors_AD = HardConfig(n, depth, margin), vectors(seed)
    found_PN = hard_negatives(vectors_AD, pairs, sharing, config, seed=seed)
    for row, found_N in enumerate(found_PN):
        drawn = [int(author) for author in found_N if author != NOBODY]
        fit = allowed(vectors_AD, pairs, sharing, config, row)
        assert set(drawn) <= fit
        if margin:
            ends_2D = vectors_AD[[pairs.first_P[row], pairs.second_P[row]]]
            assert (ends_2D @ vectors_AD[drawn].T <= ends_2D[0] @ ends_2D[1] + 1e-6).all()
        assert len(set(drawn)) == len(drawn) == min(n, len(fit))


def test_pairs_are_looked_at_in_blocks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    luck = np.random.default_rng(3)
    pairs = pairs_of([tuple(sorted(luck.choice(N_AUTHORS, 2, replace=False))) for _ in range(50)])
    config = HardConfig(3, N_AUTHORS)
    whole_PN = hard_negatives(vectors(3), pairs, pairs, config, seed=5)
    monkeypatch.setattr(hard, "_BLOCK", 7)
    np.testing.assert_array_equal(hard_negatives(vectors(3), pairs, pairs, config, seed=5), whole_PN)
    assert (hard_negatives(vectors(3), pairs, pairs, config, seed=6) != whole_PN).any()


def test_without_pairs_or_wish_there_are_none() -> None:
    none, one = pairs_of([]), pairs_of([(0, 1)])
    assert hard_negatives(vectors(1), none, one, HardConfig(2), seed=1).shape == (0, 2)
    assert hard_negatives(vectors(1), one, one, HardConfig(0), seed=1).shape == (1, 0)
    assert (hard_negatives(vectors(1), one, one, HardConfig(2), seed=1) == NOBODY).all()


def test_bad_input_is_named() -> None:
    one = pairs_of([(0, 1)])
    with pytest.raises(SchemaError, match=r"vectors: expected one of each of 40 authors, got \(39, 6\)"):
        hard_negatives(vectors(1, 39), one, one, HardConfig(2), seed=1)
    with pytest.raises(ValueError, match=r"HardConfig\.n: expected at least 0, got -1"):
        HardConfig(-1)
    with pytest.raises(ValueError, match=r"HardConfig\.depth: expected at least 5, got 4"):
        HardConfig(5, 4)
    with pytest.raises(ValueError, match=r"HardConfig\.margin: expected a number from 0 to 1, got 1.5"):
        HardConfig(1, margin=1.5)
