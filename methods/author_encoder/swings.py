"""Swing of pairs, exactly: two readers who share few other authors say more about those that they do share.

    s(a, b) = sum over {u, v} of readers of both, u != v, of w_u w_v / (alpha + |I_u and I_v|)

each {u, v} once; I_u are the authors that u read. Plain: w = 1. Weighted: w_u = (n_u + weight_alpha) ** -beta. Readers
of an author are its newest `swing_users`, on both sides, so that s(a, b) = s(b, a). For one author, with X its readers'
rows, O = X X', W = w w' / (alpha + O) with a zero diagonal, s(a, .) is half the column sum of X * (W X).

Reference: Yang et al. 2020, arXiv:2010.05525. Shapes: P pairs, R readers of an author, B its partners, A authors.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from methods.author_encoder.pairs import PairConfig
from methods.author_encoder.readers import Readers
from methods.author_encoder.scores import Numbers, Sums
from methods.groups import place_in_group


def swing_scores(readers: Readers, sums: Sums, config: PairConfig, *, weighted: bool) -> Numbers:
    """Return the swing of each pair; 0 where the newest readers share too few."""
    read_UA = readers.matrix(np.ones(len(readers.author_X), np.float32))
    newest_UA = readers.matrix(_is_newest(readers, config.swing_users).astype(np.float32))
    newest_UA.eliminate_zeros()
    newest_AU = newest_UA.T.tocsr()
    weight_U = np.ones(len(readers.n_read_U))
    if weighted:
        weight_U = (np.maximum(readers.n_read_U, 1) + config.swing_weight_alpha) ** -config.swing_beta
    swing_P = np.zeros(len(sums.first_P))
    first_A, start_A, n_A = np.unique(sums.first_P, return_index=True, return_counts=True)
    for author, start, end in zip(first_A, start_A, start_A + n_A, strict=True):
        user_R = newest_AU.indices[newest_AU.indptr[author] : newest_AU.indptr[author + 1]]
        pair_RR = _pair_weights(read_UA[user_R], weight_U[user_R], config.swing_alpha)
        both_BR = newest_AU[sums.second_P[start:end]][:, user_R]
        swing_P[start:end] = 0.5 * np.asarray(both_BR.multiply(both_BR @ pair_RR).sum(axis=1)).ravel()
    return swing_P


def _pair_weights(read_RA: sp.csr_matrix, weight_R: Numbers, alpha: float) -> Numbers:
    """Return w_u w_v / (alpha + shared authors) of every two readers, 0 for a reader with itself."""
    shared_RR = (read_RA @ read_RA.T).toarray().astype(np.float64)
    pair_RR = np.outer(weight_R, weight_R) / (alpha + shared_RR)  # all share the author itself: never 0
    np.fill_diagonal(pair_RR, 0.0)
    return np.asarray(pair_RR)


def _is_newest(readers: Readers, most: int) -> NDArray[np.bool_]:
    """Mark the edges of each author's newest readers; of two as new the one with the greater id."""
    newest_first = np.lexsort((-readers.user_X, -readers.newest_X, readers.author_X))
    place_X = np.empty(len(newest_first), np.int64)
    place_X[newest_first] = place_in_group(readers.author_X[newest_first])
    return place_X < most
