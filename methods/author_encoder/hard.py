"""Hard negatives: authors who read like the first of a pair, and whose readers are others.

Of the authors nearest to a pair's first by some vectors, these are no negatives: the two of the pair, whoever shares a
reader with either, and who shares readers with nobody: of newcomers nothing is known, good or bad. With a `margin` so
is who is nearer to either than the pair is, by that share, for such a one may be a positive that was not seen; text
alone holds most co-readers for less alike than many others, so that it leaves few. Of the rest `n` are drawn, so that
two pairs of one author do not always get the same.

References: Xiong et al. 2021, arXiv:2007.00808 (ANCE: the model's own nearest); Moreira et al. 2024,
arXiv:2407.15831 (the bound relative to the positive).
Shapes: P pairs, B pairs of a block, N negatives of a pair, A authors, D dimensions, F distinct first authors,
C candidates, K nearest.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from methods.author_encoder.contrast import NOBODY, PairTable
from methods.retrieval import IndexConfig, build, search
from simulator.schema import SchemaError

_BLOCK = 4_096  # pairs whose nearest authors, and these authors' vectors, are in memory at once


@dataclass(frozen=True, slots=True)
class HardConfig:
    """How many hard negatives a pair gets, and where they are looked for."""

    n: int = 0  # a pair; 0 mines none
    depth: int = 100  # nearest candidates that are looked at
    margin: float = 0.0  # .95: none whose cosine is above .95 of the pair's own; 0 sets no bound
    index: IndexConfig = field(default_factory=IndexConfig)

    def __post_init__(self) -> None:
        if self.n < 0:
            raise ValueError(f"HardConfig.n: expected at least 0, got {self.n}")
        if self.depth < max(self.n, 1):
            raise ValueError(f"HardConfig.depth: expected at least {max(self.n, 1)}, got {self.depth}")
        if not 0 <= self.margin <= 1:
            raise ValueError(f"HardConfig.margin: expected a number from 0 to 1, got {self.margin}")


def hard_negatives(
    vectors_AD: NDArray[np.float32], pairs: PairTable, sharing: PairTable, config: HardConfig, *, seed: int
) -> NDArray[np.int32]:
    """Return author ids (P, N), NOBODY where fewer were found.

    `vectors_AD` are unit vectors; `sharing` are all pairs that share a reader, those of `pairs` or not. Raises
    SchemaError for vectors of another number of authors.
    """
    n_pairs = len(pairs.first_P)
    if vectors_AD.ndim != 2 or len(vectors_AD) != pairs.n_authors:
        raise SchemaError("vectors", f"one of each of {pairs.n_authors} authors", vectors_AD.shape)
    hard_PN = np.empty((n_pairs, config.n), np.int32)
    if hard_PN.size == 0:
        return hard_PN
    key_S = np.sort(np.concatenate([_keys(sharing), _keys(pairs)]))
    candidates_C = np.unique(np.concatenate(np.divmod(key_S, pairs.n_authors))).astype(np.int32)
    index = build(np.ascontiguousarray(vectors_AD[candidates_C]), config.index)
    luck = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, config.n, config.depth))))
    for start in range(0, n_pairs, _BLOCK):
        first_B, second_B = pairs.first_P[start : start + _BLOCK], pairs.second_P[start : start + _BLOCK]
        first_F, place_B = np.unique(first_B, return_inverse=True)
        near_FK, _ = search(index, np.ascontiguousarray(vectors_AD[first_F]), k=config.depth)
        near_BK = np.where(near_FK < 0, np.int32(NOBODY), candidates_C[near_FK])[place_B]
        fit_BK = near_BK != NOBODY
        for own_B in (first_B, second_B):
            fit_BK &= (near_BK != own_B[:, None]) & ~_among(own_B[:, None], near_BK, key_S, pairs.n_authors)
        if config.margin:
            fit_BK &= _far_enough(vectors_AD, first_B, second_B, near_BK, config.margin)
        hard_PN[start : start + _BLOCK] = _drawn(near_BK, fit_BK, config.n, luck)
    return hard_PN


def _far_enough(
    vectors_AD: NDArray[np.float32],
    first_B: NDArray[np.int32],
    second_B: NDArray[np.int32],
    near_BK: NDArray[np.int32],
    margin: float,
) -> NDArray[np.bool_]:
    """Whether each is less like both of a pair than these are like each other, by the margin."""
    first_BD, second_BD, near_BKD = vectors_AD[first_B], vectors_AD[second_B], vectors_AD[near_BK]
    cosine_B = np.einsum("bd,bd->b", first_BD, second_BD)
    bound_B1 = (cosine_B - (1 - margin) * np.abs(cosine_B))[:, None]
    likeness_BK = np.maximum(*(np.einsum("bd,bkd->bk", own_BD, near_BKD) for own_BD in (first_BD, second_BD)))
    return np.asarray(likeness_BK <= bound_B1)


def _drawn(
    near_BK: NDArray[np.int32], fit_BK: NDArray[np.bool_], n: int, luck: np.random.Generator
) -> NDArray[np.int32]:
    """Draw `n` of the fitting in each row, or all where they are fewer."""
    order_BK = np.argsort(np.where(fit_BK, luck.random(fit_BK.shape), np.inf), axis=1)[:, :n]
    return np.take_along_axis(np.where(fit_BK, near_BK, np.int32(NOBODY)), order_BK, axis=1)


def _keys(pairs: PairTable) -> NDArray[np.int64]:
    return _key(pairs.first_P, pairs.second_P, pairs.n_authors)


def _key(one_X: NDArray[np.int32], other_X: NDArray[np.int32], n_authors: int) -> NDArray[np.int64]:
    return np.minimum(one_X, other_X).astype(np.int64) * n_authors + np.maximum(one_X, other_X)


def _among(
    one_B1: NDArray[np.int32], other_BK: NDArray[np.int32], key_S: NDArray[np.int64], n_authors: int
) -> NDArray[np.bool_]:
    """Whether each two are a pair whose key is in `key_S`, ascending."""
    key_BK = _key(one_B1, other_BK, n_authors)
    at_BK = np.minimum(np.searchsorted(key_S, key_BK), len(key_S) - 1)
    return np.asarray(key_S[at_BK] == key_BK)
