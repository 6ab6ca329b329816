"""GAUC: the AUC of each user's own impressions, and its means over users; exact, ties by average rank.

One sort of uint64 keys, user << 33 | order of the score << 1 | label, puts all users' impressions in order at once; a
scan counts the pairs won, in halves, as integers. -0.0 equals +0.0; NaN and infinite scores are refused.
Shapes: E impressions, U users with impressions, ascending by id.
References: Zhu et al. 2017, doi:10.1145/3219819.3219823 (impression-weighted); Fawcett 2006,
doi:10.1016/j.patrec.2005.10.010 (AUC and ties).
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from bench.ratios import linearised
from bench.readings.result import NAN, ratio
from simulator.schema.checks import SchemaError, check_column, check_range

_MAX_USERS = 1 << 31

Scores = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class UserAucs:
    """Each user's impressions, positives and AUC, NaN for users of one class; `pooled` is the AUC over all as one."""

    user_U: NDArray[np.int64]
    n_U: NDArray[np.int64]
    n_positive_U: NDArray[np.int64]
    auc_U: NDArray[np.float64]
    pooled: float

    @property
    def gauc(self) -> float:
        """The mean weighted by impressions, over users with both classes."""
        return _mean(self.auc_U, self.n_U)

    @property
    def gauc_user(self) -> float:
        """The mean over users with both classes."""
        return _mean(self.auc_U, np.ones_like(self.n_U))

    @property
    def gauc_pos(self) -> float:
        """The mean weighted by positives, over users with both classes."""
        return _mean(self.auc_U, self.n_positive_U)

    @property
    def user_coverage(self) -> float:
        """The share of users that have both classes."""
        return ratio(int((~np.isnan(self.auc_U)).sum()), len(self.n_U))

    @property
    def impression_coverage(self) -> float:
        """The share of impressions that users with both classes have."""
        return ratio(int(self.n_U[~np.isnan(self.auc_U)].sum()), int(self.n_U.sum()))


def user_aucs(user_E: NDArray[np.int32], score_E: Scores, label_E: NDArray[np.bool_]) -> UserAucs:
    """Return the AUC of every user that has impressions, and the pooled one."""
    # Views, since a check makes what it checks read-only.
    user_E, score_E, label_E = user_E.view(), score_E.view(), label_E.view()
    check_column("Impressions.user", user_E, "int32")
    check_range("Impressions.user", user_E, 0, _MAX_USERS)
    check_column("Impressions.label", label_E, "bool", len(user_E))
    order_E = _orders(score_E, len(user_E))
    pooled_key_E, key_E = np.empty(len(user_E), np.uint64), np.empty(len(user_E), np.uint64)
    _pack(user_E, order_E, label_E, (pooled_key_E, key_E))
    key_E.sort()
    user_U, n_U, n_positive_U, halves_U = _scan(key_E)
    auc_U = _auc(n_U, n_positive_U, halves_U)
    pooled_key_E.sort()
    pooled_1 = _auc(*_scan(pooled_key_E)[1:])
    return UserAucs(user_U, n_U, n_positive_U, auc_U, float(pooled_1[0]) if len(pooled_1) else NAN)


def gauc(aucs: UserAucs) -> NDArray[np.float64]:
    """Return a value a user whose plain mean is the impression-weighted GAUC; see `linearised`."""
    return linearised(aucs.auc_U, aucs.n_U)


def gauc_user(aucs: UserAucs) -> NDArray[np.float64]:
    """Return the AUC of each user."""
    return aucs.auc_U


def gauc_pos(aucs: UserAucs) -> NDArray[np.float64]:
    """Return a value a user whose plain mean is the GAUC weighted by positives; see `linearised`."""
    return linearised(aucs.auc_U, aucs.n_positive_U)


def gauc_users(aucs: UserAucs) -> float:
    """Return the share of users that have both classes."""
    return aucs.user_coverage


def gauc_impressions(aucs: UserAucs) -> float:
    """Return the share of impressions that users with both classes have."""
    return aucs.impression_coverage


def auc(aucs: UserAucs) -> float:
    """Return the AUC over all impressions as if they were one user's."""
    return aucs.pooled


def _mean(auc_U: NDArray[np.float64], weight_U: NDArray[np.int64]) -> float:
    both_U = ~np.isnan(auc_U)
    return ratio(float((auc_U[both_U] * weight_U[both_U]).sum()), int(weight_U[both_U].sum()))


def _auc(n_U: NDArray[np.int64], n_positive_U: NDArray[np.int64], halves_U: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return pairs won over pairs, NaN where there is none."""
    n_pairs_U = n_positive_U * (n_U - n_positive_U)
    out_U = np.full(len(n_U), np.nan)
    np.divide(halves_U, 2 * n_pairs_U, out=out_U, where=n_pairs_U > 0)
    return out_U


def _orders(score_E: Scores, length: int) -> NDArray[np.uint32]:
    """Return 32 bits a score that sort and tie as the scores do: float32 by its bits, float64 by its dense rank."""
    name = "Impressions.score"
    check_column(name, score_E, "float64" if score_E.dtype == np.float64 else "float32", length)
    if not bool(np.isfinite(score_E).all()):
        row = int(np.argmin(np.isfinite(score_E)))
        raise SchemaError(name, "finite scores", f"{score_E[row]} at row {row}")
    if score_E.dtype == np.float64:
        return np.unique(score_E, return_inverse=True)[1].astype(np.uint32)
    bits_E = (score_E + np.float32(0)).view(np.uint32)  # the sum turns -0.0 into +0.0
    _to_order(bits_E)
    return bits_E


@numba.njit(cache=True)
def _to_order(bits_E: NDArray[np.uint32]) -> None:
    """Turn the bits of floats into numbers that sort as they do: negative ones descend with their bits."""
    sign = np.uint32(1 << 31)
    for e in range(len(bits_E)):
        bits_E[e] = ~bits_E[e] if bits_E[e] & sign else bits_E[e] | sign


@numba.njit(cache=True)
def _pack(
    user_E: NDArray[np.int32],
    order_E: NDArray[np.uint32],
    label_E: NDArray[np.bool_],
    out: tuple[NDArray[np.uint64], NDArray[np.uint64]],
) -> None:
    """Write the keys of one user of all, and of each user."""
    pooled_key_E, key_E = out
    for e in range(len(user_E)):
        key = (np.uint64(order_E[e]) << np.uint64(1)) | np.uint64(label_E[e])
        pooled_key_E[e] = key
        key_E[e] = (np.uint64(user_E[e]) << np.uint64(33)) | key


@numba.njit(cache=True)
def _scan(
    key_E: NDArray[np.uint64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return user, impressions, positives and twice the pairs won of each user, from sorted keys.

    A positive wins over each negative below it, and half over each it ties with: those come right before it.
    """
    n_users = 0
    for e in range(len(key_E)):
        n_users += e == 0 or key_E[e] >> np.uint64(33) != key_E[e - 1] >> np.uint64(33)
    user_U, n_U = np.empty(n_users, np.int64), np.zeros(n_users, np.int64)
    n_positive_U, halves_U = np.zeros(n_users, np.int64), np.zeros(n_users, np.int64)
    u, n_negative, n_tied = -1, 0, 0
    for e in range(len(key_E)):
        user = key_E[e] >> np.uint64(33)
        if e == 0 or user != key_E[e - 1] >> np.uint64(33):
            u += 1
            user_U[u] = user
            n_negative, n_tied = 0, 0
        elif key_E[e] >> np.uint64(1) != key_E[e - 1] >> np.uint64(1):
            n_tied = 0
        n_U[u] += 1
        if key_E[e] & np.uint64(1):
            n_positive_U[u] += 1
            halves_U[u] += 2 * n_negative - n_tied
        else:
            n_negative += 1
            n_tied += 1
    return user_U, n_U, n_positive_U, halves_U
