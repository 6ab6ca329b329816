"""Score ranked lists: pure functions, one value per request, NaN where undefined, nothing rounded.

A list holds distinct target ids, best first, -1 pads on the right; `@k` looks at its first k places.
Shapes: Q requests, K list length, R relevant entries, T targets.
Reference: Järvelin & Kekäläinen 2002, doi:10.1145/582415.582418 (NDCG); trec_eval computes the same recall and NDCG.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from simulator.schema.checks import SchemaError, check_column

_CELLS = 1 << 22  # of the membership table that is filled at a time: 4 MB, so that it stays in cache


@dataclass(frozen=True, slots=True, eq=False)
class Relevant:
    """The targets relevant to request q: `ids_R[start_Q1[q]:start_Q1[q + 1]]`, strictly ascending."""

    start_Q1: NDArray[np.int64]
    ids_R: NDArray[np.int32]

    def __post_init__(self) -> None:
        check_column("Relevant.start", self.start_Q1, "int64", max(len(self.start_Q1), 1))
        if self.start_Q1[0] != 0 or bool((np.diff(self.start_Q1) < 0).any()):
            raise SchemaError("Relevant.start", "non-decreasing offsets from 0", self.start_Q1)
        check_column("Relevant.ids", self.ids_R, "int32", int(self.start_Q1[-1]))
        if bool((self.ids_R < 0).any()):
            raise SchemaError("Relevant.ids", "ids >= 0", int(self.ids_R.min()))
        descents = np.flatnonzero(np.diff(self.ids_R) <= 0) + 1
        if not bool(np.isin(descents, self.start_Q1).all()):
            raise SchemaError("Relevant.ids", "strictly ascending ids within a request", "another order")

    def __len__(self) -> int:
        return len(self.start_Q1) - 1

    @property
    def count_Q(self) -> NDArray[np.int64]:
        """How many targets are relevant to each request."""
        return np.diff(self.start_Q1)


def contains(ids_QK: NDArray[np.int32], sets: Relevant) -> NDArray[np.bool_]:
    """Mark the listed ids that are in their request's set; pads never are.

    A block of requests shares one dense membership table, of which only the entries that were set are cleared:
    gathering from it is several times faster than a binary search for each listed id.
    """
    if len(ids_QK) != len(sets):
        raise ValueError(f"ids: expected {len(sets)} requests, got {len(ids_QK)}")
    n_targets = 1 + max(int(ids_QK.max(initial=0)), int(sets.ids_R.max(initial=0)))
    block = max(1, _CELLS // n_targets)
    table_BT = np.zeros((min(block, len(sets)), n_targets), np.bool_)
    count_Q = sets.count_Q
    found_QK = np.empty(ids_QK.shape, np.bool_)
    for first in range(0, len(sets), block):
        ids_BK = ids_QK[first : first + block]
        last = first + len(ids_BK)
        row_R = np.repeat(np.arange(len(ids_BK)), count_Q[first:last])
        ids_R = sets.ids_R[sets.start_Q1[first] : sets.start_Q1[last]]
        table_BT[row_R, ids_R] = True
        found_QK[first:last] = table_BT[np.arange(len(ids_BK))[:, None], ids_BK] & (ids_BK >= 0)
        table_BT[row_R, ids_R] = False
    return found_QK


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """Which places of the lists hold something relevant, and how much is relevant: found once, read by every metric."""

    hits_QK: NDArray[np.bool_]
    count_Q: NDArray[np.int64]


def find_hits(ids_QK: NDArray[np.int32], relevant: Relevant) -> Hits:
    """Mark the places of the lists that hold something relevant."""
    return Hits(contains(ids_QK, relevant), relevant.count_Q)


def recall_of(hits: Hits, *, k: int) -> NDArray[np.float64]:
    """Return |L[:k] ∩ G| / |G|; undefined without anything relevant. The ceiling is min(k, |G|) / |G|."""
    return _ratio(hits.hits_QK[:, :k].sum(axis=1), hits.count_Q)


def ndcg_of(hits: Hits, *, k: int) -> NDArray[np.float64]:
    """Return binary NDCG: sum of 1 / log2(r + 1) over hits at rank r <= k, over the best such sum."""
    hits_QK = hits.hits_QK[:, :k]
    discount_K = 1.0 / np.log2(np.arange(2, k + 2))
    ideal_K1 = np.append(0.0, np.cumsum(discount_K))
    return _ratio(hits_QK @ discount_K[: hits_QK.shape[1]], ideal_K1[np.minimum(k, hits.count_Q)])


def recall(ids_QK: NDArray[np.int32], relevant: Relevant, *, k: int) -> NDArray[np.float64]:
    """Return the recall of lists; see `recall_of`."""
    return recall_of(find_hits(ids_QK[:, :k], relevant), k=k)


def ndcg(ids_QK: NDArray[np.int32], relevant: Relevant, *, k: int) -> NDArray[np.float64]:
    """Return the NDCG of lists; see `ndcg_of`."""
    return ndcg_of(find_hits(ids_QK[:, :k], relevant), k=k)


def chance(n_candidates_Q: NDArray[np.int64], relevant: Relevant, *, k: int) -> NDArray[np.float64]:
    """Return the expected recall of a random list, min(k, C) / C; undefined where recall is."""
    expected_Q = _ratio(np.minimum(k, n_candidates_Q), n_candidates_Q)
    return np.where(relevant.count_Q > 0, expected_Q, np.nan)


def exposure_share(ids_QK: NDArray[np.int32], bucket_T: NDArray[np.bool_], *, k: int) -> NDArray[np.float64]:
    """Return the share of the filled places that the bucket holds; undefined for an empty list."""
    ids_QK = ids_QK[:, :k]
    filled_QK = ids_QK >= 0
    return _ratio((bucket_T[ids_QK] & filled_QK).sum(axis=1), filled_QK.sum(axis=1))


def coverage(ids_QK: NDArray[np.int32], bucket_T: NDArray[np.bool_], *, k: int) -> float:
    """Return the share of the bucket that is in at least one list; undefined for an empty bucket."""
    ids = ids_QK[:, :k].ravel()
    shown_T = np.zeros(len(bucket_T), np.bool_)
    shown_T[ids[ids >= 0]] = True
    size = int(bucket_T.sum())
    return float((shown_T & bucket_T).sum() / size) if size else float("nan")


def regret(gain_QK: NDArray[np.float32], best_QK: NDArray[np.float32], *, k: int) -> NDArray[np.float64]:
    """Return 1 - sum gain[:k] / sum best[:k]: what the list loses of the oracle's true expected gain."""
    gained_Q = gain_QK[:, :k].sum(axis=1, dtype=np.float64)
    return 1.0 - _ratio(gained_Q, best_QK[:, :k].sum(axis=1, dtype=np.float64))


def _ratio(part_Q: NDArray[Any], whole_Q: NDArray[Any]) -> NDArray[np.float64]:
    out_Q = np.full(len(whole_Q), np.nan)
    np.divide(part_Q, whole_Q, out=out_Q, where=whole_Q > 0)
    return out_Q


@dataclass(frozen=True, slots=True)
class MetricRow:
    """A metric: its function, the lists and targets it looks at, its inputs before `k`, and how to read it.

    `on`: "all" is every target; "cold" restricts relevant and bucket to cold targets while lists stay full-corpus;
    "cold-only" does so on lists made among cold candidates only. `needs`: "hits" is (hits,), "bucket" is (lists,
    bucket), "candidates" is (candidate counts, relevant), "gain" is (gains of the list, gains of the oracle's list).
    """

    function: str
    on: Literal["all", "cold", "cold-only"]
    needs: Literal["hits", "bucket", "candidates", "gain"]
    direction: Literal["higher", "lower"]
    unit: str
    reference: str
    meaning: str


_TREC = "trec_eval recall.k"
_NDCG = "doi:10.1145/582415.582418"
_HERE = "defined here"
_SHARE = "share"

# fmt: off
METRICS: dict[str, MetricRow] = {
    "recall": MetricRow(
        "bench.metrics:recall_of", "all", "hits", "higher", _SHARE, _TREC,
        "Share of everything relevant to a request that is among the first K of its list."),
    "ndcg": MetricRow(
        "bench.metrics:ndcg_of", "all", "hits", "higher", _SHARE, _NDCG,
        "Recall that counts a hit the more the higher it stands, relative to the best possible order."),
    "chance": MetricRow(
        "bench.metrics:chance", "all", "candidates", "higher", _SHARE, _HERE,
        "What a random list would expect as recall: K over the number of candidates."),
    "cold_recall": MetricRow(
        "bench.metrics:recall_of", "cold", "hits", "higher", _SHARE, _TREC,
        "Share of the relevant cold targets that is among the first K, in competition with the full corpus."),
    "cold_ndcg": MetricRow(
        "bench.metrics:ndcg_of", "cold", "hits", "higher", _SHARE, _NDCG,
        "NDCG where only cold targets count as relevant, in competition with the full corpus."),
    "cold_chance": MetricRow(
        "bench.metrics:chance", "cold", "candidates", "higher", _SHARE, _HERE,
        "What a random list would expect as cold recall, on the requests that have a relevant cold target."),
    "cold_only_recall": MetricRow(
        "bench.metrics:recall_of", "cold-only", "hits", "higher", _SHARE, _TREC,
        "Cold recall of lists made among cold candidates only: easier, and it needs to know who is cold."),
    "cold_only_ndcg": MetricRow(
        "bench.metrics:ndcg_of", "cold-only", "hits", "higher", _SHARE, _NDCG,
        "Cold NDCG of lists made among cold candidates only."),
    "cold_only_chance": MetricRow(
        "bench.metrics:chance", "cold-only", "candidates", "higher", _SHARE, _HERE,
        "What a random list would expect as recall among cold candidates only."),
    "cold_share": MetricRow(
        "bench.metrics:exposure_share", "cold", "bucket", "higher", _SHARE, _HERE,
        "Share of the first K places that cold targets get."),
    "coverage": MetricRow(
        "bench.metrics:coverage", "all", "bucket", "higher", _SHARE, _HERE,
        "Share of all candidates that stand in at least one list: one number for all requests together."),
    "cold_coverage": MetricRow(
        "bench.metrics:coverage", "cold", "bucket", "higher", _SHARE, _HERE,
        "Share of the cold targets that stand in at least one list."),
    "regret": MetricRow(
        "bench.metrics:regret", "all", "gain", "lower", _SHARE, _HERE,
        "Share of the oracle's true expected gain that the first K lose; in cold tasks only cold targets gain."),
}
# fmt: on
