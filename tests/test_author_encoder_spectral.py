"""Token vectors: together in texts, together in space; a plain dense decomposition gives the same."""

from __future__ import annotations

import numpy as np

from methods.author_encoder.spectral import token_vectors

# Tokens 0, 1, 2 stand in texts of one kind and 3, 4, 5 in those of another; 6 stands in all and 7 in none.
LUCK = np.random.default_rng(1)
ROWS = [[6, *(3 * (i % 2) + LUCK.integers(0, 3, 6)).tolist()] for i in range(40)]


def made(n_dimensions: int, seed: int = 2) -> np.ndarray:
    return token_vectors(ROWS, 8, n_dimensions, luck=np.random.default_rng(seed))


def test_tokens_of_the_same_texts_point_the_same_way() -> None:
    likeness = made(2) @ made(2).T
    same = [likeness[a, b] for a in range(6) for b in range(a) if a // 3 == b // 3]
    other = [likeness[a, b] for a in range(3) for b in range(3, 6)]
    assert min(same) > 0.9 > 0.5 > max(other)
    np.testing.assert_allclose(np.diag(likeness), 1, rtol=1e-5)


def test_the_cosines_are_those_of_a_dense_decomposition() -> None:
    n_RV = np.zeros((len(ROWS), 8))
    for row, ids in enumerate(ROWS):
        np.add.at(n_RV[row], ids, 1)
    idf_V = np.log((1 + len(ROWS)) / (1 + (n_RV > 0).sum(0))) + 1
    weight_RV = np.where(n_RV > 0, 1 + np.log(np.maximum(n_RV, 1)), 0) * idf_V
    weight_RV /= np.linalg.norm(weight_RV, axis=1, keepdims=True)
    _, singular, right = np.linalg.svd(weight_RV, full_matrices=False)
    wanted = (right[:3] * singular[:3, None]).T[:7]
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    got = made(3)[:7]
    np.testing.assert_allclose(got @ got.T, wanted @ wanted.T, atol=1e-3)


def test_more_dimensions_than_texts_can_fill_and_no_texts_at_all() -> None:
    assert made(32).shape == (8, 32)
    np.testing.assert_allclose(np.linalg.norm(made(32), axis=1), 1, rtol=1e-5)
    nothing = token_vectors([], 8, 4, luck=np.random.default_rng(1))
    np.testing.assert_allclose(np.linalg.norm(nothing, axis=1), 1, rtol=1e-5)


def test_the_same_luck_gives_the_same_vectors() -> None:
    np.testing.assert_array_equal(made(4), made(4))
