"""Hard negatives: authors who read like the first of a pair, and of whom nothing is known to say that they go with it.

Of the authors nearest to a pair's first by some vectors, these are no negatives: itself, whoever it shares readers
with, who shares readers with nobody (of newcomers nothing is known, good or bad), and who is nearer than `margin`
times the pair's second, for such a one is likely a positive that was not seen. Of the others `n` are drawn, so that
two pairs of one author do not always get the same.

References: Xiong et al. 2021, arXiv:2007.00808 (ANCE: the model's own nearest); Moreira et al. 2024,
arXiv:2407.15831 (the bound relative to the positive).
Shapes: P pairs, N negatives of a pair, A authors, D dimensions, F distinct first authors, C candidates, K nearest.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from methods.author_encoder.contrast import NOBODY, PairTable
from methods.retrieval import IndexConfig, build, search
from simulator.schema import SchemaError

_BLOCK = 65_536  # pairs looked at at a time


@dataclass(frozen=True, slots=True)
class HardConfig:
    """How many hard negatives a pair gets, and where they are looked for."""

    n: int = 0  # a pair; 0 mines none
    depth: int = 100  # nearest candidates that are looked at
    margin: float = 0.95  # of the cosine of a pair; whoever is nearer is left out
    index: IndexConfig = field(default_factory=IndexConfig)

    def __post_init__(self) -> None:
        if self.n < 0:
            raise ValueError(f"HardConfig.n: expected at least 0, got {self.n}")
        if self.depth < max(self.n, 1):
            raise ValueError(f"HardConfig.depth: expected at least {max(self.n, 1)}, got {self.depth}")
        if not 0 < self.margin <= 1:
            raise ValueError(f"HardConfig.margin: expected a number in (0, 1], got {self.margin}")


def hard_negatives(
    vectors_AD: NDArray[np.float32], pairs: PairTable, sharing: PairTable, config: HardConfig, *, seed: int
) -> NDArray[np.int32]:
    """Return author ids (P, N), NOBODY where fewer were found.

    `vectors_AD` are unit vectors; `sharing` are all pairs known to share readers, those of `pairs` or not. Raises
    SchemaError for vectors of another number of authors.
    """
    n_pairs = len(pairs.first_P)
    if len(vectors_AD) != pairs.n_authors:
        raise SchemaError("vectors", f"one of each of {pairs.n_authors} authors", vectors_AD.shape)
    if config.n == 0 or n_pairs == 0:
        return np.empty((n_pairs, config.n), np.int32)
    key_S = np.sort(np.concatenate([_keys(sharing), _keys(pairs)]))
    candidates_C = np.unique(np.concatenate([np.divmod(key_S, pairs.n_authors)]).ravel()).astype(np.int32)
    first_F, place_P = np.unique(pairs.first_P, return_inverse=True)
    index = build(np.ascontiguousarray(vectors_AD[candidates_C]), config.index)
    near_FK, cosine_FK = search(index, np.ascontiguousarray(vectors_AD[first_F]), k=config.depth)
    near_FK = np.where(near_FK < 0, np.int32(NOBODY), candidates_C[near_FK])
    own_FK = np.broadcast_to(first_F[:, None], near_FK.shape)
    fit_FK = (near_FK != NOBODY) & (near_FK != own_FK) & ~_among(own_FK, near_FK, key_S, pairs.n_authors)
    luck = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, config.n, config.depth))))
    hard_PN = np.empty((n_pairs, config.n), np.int32)
    for start in range(0, n_pairs, _BLOCK):
        block = slice(start, start + _BLOCK)
        first_B, second_B, place_B = pairs.first_P[block], pairs.second_P[block], place_P[block]
        bound_B = config.margin * np.einsum("bd,bd->b", vectors_AD[first_B], vectors_AD[second_B])
        fit_BK = fit_FK[place_B] & (cosine_FK[place_B] <= bound_B[:, None])
        hard_PN[block] = _drawn(near_FK[place_B], fit_BK, config.n, luck)
    return hard_PN


def _drawn(
    near_BK: NDArray[np.int32], fit_BK: NDArray[np.bool_], n: int, luck: np.random.Generator
) -> NDArray[np.int32]:
    """Draw `n` of the fitting in each row, or all where they are fewer."""
    order_BK = np.argsort(np.where(fit_BK, luck.random(fit_BK.shape), np.inf), axis=1)[:, :n]
    drawn_BN = np.take_along_axis(np.where(fit_BK, near_BK, np.int32(NOBODY)), order_BK, axis=1)
    missing = n - drawn_BN.shape[1]
    return np.pad(drawn_BN, ((0, 0), (0, missing)), constant_values=NOBODY) if missing else drawn_BN


def _keys(pairs: PairTable) -> NDArray[np.int64]:
    low_P, high_P = np.minimum(pairs.first_P, pairs.second_P), np.maximum(pairs.first_P, pairs.second_P)
    return low_P.astype(np.int64) * pairs.n_authors + high_P


def _among(
    one_FK: NDArray[np.int32], other_FK: NDArray[np.int32], key_S: NDArray[np.int64], n_authors: int
) -> NDArray[np.bool_]:
    """Whether each two are a pair whose key is in `key_S`, ascending."""
    low_FK, high_FK = np.minimum(one_FK, other_FK), np.maximum(one_FK, other_FK)
    key_FK = low_FK.astype(np.int64) * n_authors + high_FK
    at_FK = np.minimum(np.searchsorted(key_S, key_FK), len(key_S) - 1)
    return np.asarray(key_S[at_FK] == key_FK)
