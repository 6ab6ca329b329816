"""Mine pairs: the sparse product of readers with themselves, a block of authors at a time, so that memory is bounded.

Work is the sum over users of (authors kept) squared / 2. Shapes: U users, A authors with enough readers, P pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from methods.author_encoder.pairs import PairConfig, Pairs
from methods.author_encoder.readers import Readers
from methods.author_encoder.scores import SUMS, SWINGS, Numbers, Sums, checked
from methods.author_encoder.swings import swing_scores


def mine(readers: Readers, config: PairConfig) -> Pairs:
    """Return every pair with at least `min_count` shared readers, with its score.

    Raises ValueError for a score that is not in `SCORES`.
    """
    checked(config.score, "PairConfig.score")
    weight = SUMS[config.score].weight if config.score in SUMS else None
    sums = added_up(readers, config, None if weight is None else weight(readers))
    if config.score in SWINGS:
        score_P = swing_scores(readers, sums, config, weighted=SWINGS[config.score])
    else:
        score_P = SUMS[config.score].finish(sums, readers)
    return Pairs(sums.first_P, sums.second_P, score_P.astype(np.float32), sums.count_P, readers.n_authors)


def added_up(readers: Readers, config: PairConfig, weight_U: Numbers | None) -> Sums:
    """Return the pairs with enough shared readers and sum_u weight_u x_ua x_ub; without weights the sum is the count.

    Nobody else can be in a pair: authors with fewer readers than a pair needs are left out from the start.
    """
    author_A = np.flatnonzero(readers.readers_A() >= config.min_count).astype(np.int32)
    ones_UA = readers.matrix(np.ones(len(readers.author_X), np.int32))[:, author_A]
    weighted_UA = None
    if weight_U is not None:
        root_X = np.sqrt(weight_U)[readers.user_X] * readers.weight_X
        weighted_UA = readers.matrix(root_X)[:, author_A]
    blocks = [_no_sums(), *_blocks(ones_UA, weighted_UA, config)]
    first, second, count, total = (np.concatenate(column) for column in zip(*blocks, strict=True))
    return Sums(author_A[first], author_A[second], count, total)


_Block = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32], Numbers]


def _no_sums() -> _Block:
    return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.float64)


def _blocks(ones_UA: sp.csr_matrix, weighted_UA: sp.csr_matrix | None, config: PairConfig) -> Iterator[_Block]:
    """Yield rows, columns, counts and sums of the upper triangle, a block of rows at a time, in order."""
    ones_AU = ones_UA.T.tocsr()
    weighted_AU = None if weighted_UA is None else weighted_UA.T.tocsr()
    for first, last in _ranges(ones_AU @ np.diff(ones_UA.indptr).astype(np.int64), config.block_pairs):
        both = _rows(ones_AU, ones_UA, first, last)
        row = np.repeat(np.arange(first, last), np.diff(both.indptr))
        column = both.indices.astype(np.int64) + first
        keep = (both.data >= config.min_count) & (column > row)
        total = both.data[keep].astype(np.float64)
        if weighted_AU is not None and weighted_UA is not None:
            total = _rows(weighted_AU, weighted_UA, first, last).data[keep]  # no weight is 0: the same entries
        yield row[keep], column[keep], both.data[keep], total


def _rows(left_AU: sp.csr_matrix, right_UA: sp.csr_matrix, first: int, last: int) -> sp.csr_matrix:
    """Return rows [first, last) of the product, its columns from `first` on, in order."""
    product: sp.csr_matrix = left_AU[first:last] @ right_UA[:, first:]
    product.sort_indices()
    return product


def _ranges(work_A: NDArray[np.int64], most: int) -> Iterator[tuple[int, int]]:
    """Cut authors into ranges of about `most` co-occurrences, each of one author at least."""
    block_A = np.cumsum(work_A) // most
    edges = np.concatenate([[0], np.flatnonzero(np.diff(block_A)) + 1, [len(work_A)]])
    yield from ((int(a), int(b)) for a, b in pairwise(edges) if a < b)
