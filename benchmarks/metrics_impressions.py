"""GAUC in other ways: numpy on sorted columns, torch, scikit-learn; polars and pandas where they are installed.

Shapes: E impressions, U users.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score


@dataclass(frozen=True)
class Impressions:
    """User, score and label of each impression, users 0 to `n_users` - 1; `is_part` where it stands for more."""

    user_E: NDArray[np.int32]
    score_E: NDArray[np.float32]
    label_E: NDArray[np.bool_]
    n_users: int
    is_part: bool = False


def draw(n_impressions: int, n_users: int) -> Impressions:
    """Draw users by a heavy tail, and scores that tell labels apart a little and tie here and there."""
    rng = np.random.default_rng(0)
    weight_U = np.minimum(rng.pareto(1.0, n_users) + 1, 1_000)
    user_E = rng.choice(n_users, n_impressions, p=weight_U / weight_U.sum()).astype(np.int32)
    label_E = rng.random(n_impressions) < 0.1
    score_E = np.round(rng.standard_normal(n_impressions, np.float32) + 0.5 * label_E, 3).astype(np.float32)
    return Impressions(user_E, score_E, label_E, n_users)


def of_some_users(work: Impressions, n: int) -> Impressions:
    """Return the impressions of the first `n` users."""
    own_E = work.user_E < n
    return Impressions(work.user_E[own_E], work.score_E[own_E], work.label_E[own_E], n, is_part=True)


def packed_reduceat(work: Impressions) -> float:
    """Sort the same packed keys, then take average ranks with numpy."""
    bits_E = (work.score_E + np.float32(0)).view(np.uint32)
    bits_E = np.where(bits_E >> 31, ~bits_E, bits_E | np.uint32(1 << 31))
    key_E = (work.user_E.astype(np.uint64) << 33) | (bits_E.astype(np.uint64) << 1) | work.label_E
    key_E.sort()
    return _from_sorted((key_E >> 33).astype(np.int64), key_E >> 1, (key_E & 1).astype(np.bool_), work.n_users)


def lexsort(work: Impressions) -> float:
    """Sort by user and score with np.lexsort, then take average ranks."""
    order = np.lexsort((work.score_E, work.user_E))
    user_E, score_E = work.user_E[order], work.score_E[order]
    changed_E = np.append(True, (user_E[1:] != user_E[:-1]) | (score_E[1:] != score_E[:-1]))
    return _from_sorted(user_E, np.cumsum(changed_E), work.label_E[order], work.n_users)


def with_torch(work: Impressions) -> float:
    """Sort packed int64 keys with torch, then take average ranks."""
    bits_E = torch.from_numpy(work.score_E + np.float32(0)).view(torch.int32)
    order_E = torch.where(bits_E < 0, bits_E ^ 0x7FFFFFFF, bits_E).to(torch.int64) + (1 << 31)
    user_E, label_E = torch.from_numpy(work.user_E).to(torch.int64), torch.from_numpy(work.label_E)
    key_E = torch.sort((user_E << 33) | (order_E << 1) | label_E)[0].numpy()
    return _from_sorted(key_E >> 33, key_E >> 1, (key_E & 1).astype(np.bool_), work.n_users)


def with_polars(work: Impressions) -> float:
    """Rank scores within users with polars."""
    pl: Any = import_module("polars")
    frame = pl.DataFrame({"user": work.user_E, "score": work.score_E, "label": work.label_E})
    rank = pl.col("score").rank("average").over("user")
    grouped = frame.with_columns(rank=rank).group_by("user")
    sums = grouped.agg(n=pl.len(), positive=pl.col("label").sum(), ranks=pl.col("rank").filter(pl.col("label")).sum())
    return _of_sums(*(sums[name].to_numpy().astype(np.float64) for name in ("n", "positive", "ranks")))


def with_pandas(work: Impressions) -> float:
    """Rank scores within users with pandas."""
    pd: Any = import_module("pandas")
    scores = pd.Series(work.score_E).groupby(work.user_E)
    rank_E = scores.rank(method="average").to_numpy()
    columns = (np.ones(len(rank_E)), work.label_E, rank_E * work.label_E)
    return _of_sums(*(np.bincount(work.user_E, column_E, work.n_users) for column_E in columns))


def _of_sums(n_U: NDArray[Any], positive_U: NDArray[Any], rank_sum_U: NDArray[Any]) -> float:
    """Return GAUC of users' impressions, clicks, and the sum of the ranks of these."""
    pairs_U = positive_U * (n_U - positive_U)
    kept_U = pairs_U > 0
    auc_U = (rank_sum_U - positive_U * (positive_U + 1) / 2)[kept_U] / pairs_U[kept_U]
    return float((auc_U * n_U[kept_U]).sum() / n_U[kept_U].sum())


def _from_sorted(
    user_E: NDArray[np.integer], tie_E: NDArray[np.integer], label_E: NDArray[np.bool_], n_users: int
) -> float:
    """Return GAUC by the rank sum of positives, ties by average rank."""
    first_X = np.flatnonzero(np.append(True, tie_E[1:] != tie_E[:-1]))
    size_X = np.diff(np.append(first_X, len(tie_E)))
    positive_X = np.add.reduceat(label_E.astype(np.int64), first_X)
    user_X = user_E[first_X]
    n_U = np.bincount(user_E, minlength=n_users)
    start_U = np.cumsum(n_U) - n_U
    rank_X = first_X - start_U[user_X] + (size_X + 1) / 2
    positive_U = np.bincount(user_X, positive_X, n_users)
    rank_sum_U = np.bincount(user_X, positive_X * rank_X, n_users)
    return _of_sums(n_U.astype(np.float64), positive_U, rank_sum_U)


def sklearn_per_user(work: Impressions) -> float:
    """Call roc_auc_score on each user's impressions."""
    order = np.argsort(work.user_E, kind="stable")
    edges = np.cumsum(np.bincount(work.user_E, minlength=work.n_users))[:-1]
    total, n = 0.0, 0
    for own in np.split(order, edges):
        label_E = work.label_E[own]
        if label_E.any() and not label_E.all():
            total += len(own) * roc_auc_score(label_E, work.score_E[own])
            n += len(own)
    return total / n


WAYS: dict[str, Callable[[Impressions], float]] = {
    "the same keys, numpy reduceat": packed_reduceat,
    "the same keys, torch.sort": with_torch,
    "numpy lexsort": lexsort,
    "scikit-learn per user": sklearn_per_user,
}
if find_spec("polars"):
    WAYS["polars, rank over users"] = with_polars
if find_spec("pandas"):
    WAYS["pandas, rank in groups"] = with_pandas
SLOW = ("scikit-learn per user",)
