"""Score ranked lists: pure functions, one value per request, NaN where undefined, nothing rounded; and their table.

A list holds distinct target ids, best first, -1 pads on the right; `@k` looks at its first k places. `METRICS` names
every metric of the benchmark, those of other modules too.
Shapes: Q requests, K list length, R relevant targets.
References: Järvelin & Kekäläinen 2002, doi:10.1145/582415.582418 (NDCG), trec_eval computes the same recall and NDCG;
Zhu et al. 2021, doi:10.1145/3404835.3462948 (targets in the place of requests).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.ratios import linearised, ratios
from bench.relevant import Hits, Relevant, contains, find_hits

__all__ = ["METRICS", "Hits", "MetricRow", "Relevant", "contains", "find_hits"]


def recall_of(hits: Hits, *, k: int) -> NDArray[np.float64]:
    """Return |L[:k] ∩ G| / |G|; undefined without anything relevant."""
    return ratios(_found(hits, k), hits.count_Q)


def recall_capped_of(hits: Hits, *, k: int) -> NDArray[np.float64]:
    """Return |L[:k] ∩ G| / min(k, |G|): what some libraries call recall; undefined where recall is."""
    return ratios(_found(hits, k), np.minimum(k, hits.count_Q))


def recall_micro_of(hits: Hits, *, k: int) -> NDArray[np.float64]:
    """Return a value a request whose plain mean is sum |L[:k] ∩ G| / sum |G|; see `linearised`."""
    return linearised(recall_of(hits, k=k), hits.count_Q)


def ceiling_of(hits: Hits, *, k: int) -> NDArray[np.float64]:
    """Return min(k, |G|) / |G|, the recall of a perfect list."""
    return ratios(np.minimum(k, hits.count_Q), hits.count_Q)


def ndcg_of(hits: Hits, *, k: int) -> NDArray[np.float64]:
    """Return binary NDCG: sum of 1 / log2(r + 1) over hits at rank r <= k, over the best such sum."""
    discount_K = 1.0 / np.log2(np.arange(2, k + 2))
    ideal_K1 = np.append(0.0, np.cumsum(discount_K))
    return ratios(hits.sum_of(discount_K), ideal_K1[np.minimum(k, hits.count_Q)])


def recall_by_target_of(ids_QK: NDArray[np.int32], relevant: Relevant, hits: Hits, *, k: int) -> NDArray[np.float64]:
    """Return, for each target that is relevant to anybody, the share of those requests whose first k hold it, (R,).

    Ascending by id, so that lists of one exam have their values in the same places.
    """
    n_targets = 1 + int(relevant.ids_R.max(initial=-1))
    request_H = np.repeat(np.arange(len(ids_QK)), np.diff(hits.start_Q1))
    is_near_H = hits.rank_H < k
    reached_T = np.bincount(ids_QK[request_H[is_near_H], hits.rank_H[is_near_H]], minlength=n_targets)
    wanted_T = np.bincount(relevant.ids_R, minlength=n_targets)
    return reached_T[wanted_T > 0] / wanted_T[wanted_T > 0]


def _found(hits: Hits, k: int) -> NDArray[np.float64]:
    return hits.sum_of(np.ones(k))


def recall(ids_QK: NDArray[np.int32], relevant: Relevant, *, k: int) -> NDArray[np.float64]:
    """Return the recall of lists; see `recall_of`."""
    return recall_of(find_hits(ids_QK, relevant), k=k)


def ndcg(ids_QK: NDArray[np.int32], relevant: Relevant, *, k: int) -> NDArray[np.float64]:
    """Return the NDCG of lists; see `ndcg_of`."""
    return ndcg_of(find_hits(ids_QK, relevant), k=k)


def chance(n_candidates_Q: NDArray[np.int64], relevant: Relevant, *, k: int) -> NDArray[np.float64]:
    """Return the expected recall of a random list, min(k, C) / C; undefined where recall is."""
    expected_Q = ratios(np.minimum(k, n_candidates_Q), n_candidates_Q)
    return np.where(relevant.count_Q > 0, expected_Q, np.nan)


def regret(gain_QK: NDArray[np.float32], best_QK: NDArray[np.float32], *, k: int) -> NDArray[np.float64]:
    """Return 1 - sum gain[:k] / sum best[:k]: what the list loses of the oracle's true expected gain."""
    gained_Q = gain_QK[:, :k].sum(axis=1, dtype=np.float64)
    return 1.0 - ratios(gained_Q, best_QK[:, :k].sum(axis=1, dtype=np.float64))


# Targets by how many clicks on them a method was shown: bucket -> the half-open range.
KNOWN: dict[str, tuple[int, float]] = {
    "known-0": (0, 1),
    "known-1": (1, 5),
    "known-5": (5, 20),
    "known-20": (20, float("inf")),
}


@dataclass(frozen=True, slots=True)
class MetricRow:
    """A metric: its function, the lists and targets it looks at, its inputs before `k`, and how to read it.

    `on`: "all" is every target; "cold" restricts relevant and bucket to cold targets while lists stay full-corpus;
    "cold-only" does so on lists made among cold candidates only; one of `KNOWN` restricts relevant and bucket to the
    targets of that range. `needs`: "hits" is (hits,), "listed" is (lists, relevant, hits) and gives a value a relevant
    target, "bucket" is (lists, bucket), "candidates" is (candidate counts, relevant), "gain" is (gains of the list,
    gains of the oracle's list). Others are of no list and have no `k`: "impressions" is (user_aucs,), "unaided",
    "alone" and "described" are so too, of other scores (`bench.probe`), "waits" is (seconds to the m-th impression,
    ages in seconds), for each note.
    """

    function: str
    on: Literal["all", "cold", "cold-only", "known-0", "known-1", "known-5", "known-20"]
    needs: Literal[
        "hits", "listed", "bucket", "candidates", "gain", "impressions", "unaided", "alone", "described", "waits"
    ]
    direction: Literal["higher", "lower"]
    unit: str
    reference: str
    meaning: str


_TREC = "trec_eval recall.k"
_NDCG = "doi:10.1145/582415.582418"
_FAIR = "doi:10.1145/3404835.3462948"
_DIN = "doi:10.1145/3219819.3219823"
_AUC = "doi:10.1016/j.patrec.2005.10.010"
_KM = "doi:10.1186/1471-2288-13-152"
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
    "recall_capped": MetricRow(
        "bench.metrics:recall_capped_of", "all", "hits", "higher", _SHARE, "LensKit Recall",
        "Hits over the lesser of K and what is relevant: another definition that goes by the name of recall."),
    "recall_micro": MetricRow(
        "bench.metrics:recall_micro_of", "all", "hits", "higher", _SHARE, "doi:10.1017/CBO9780511809071",
        "Hits of all requests over all that is relevant to any: requests with more of it weigh more."),
    "ceiling": MetricRow(
        "bench.metrics:ceiling_of", "all", "hits", "higher", _SHARE, _HERE,
        "The recall of a perfect list: below 1 where more is relevant than a list has places."),
    "chance": MetricRow(
        "bench.metrics:chance", "all", "candidates", "higher", _SHARE, _HERE,
        "What a random list would expect as recall: K over the number of candidates."),
    "cold_recall": MetricRow(
        "bench.metrics:recall_of", "cold", "hits", "higher", _SHARE, _TREC,
        "Share of the relevant cold targets that is among the first K, in competition with the full corpus."),
    "cold_recall_by_target": MetricRow(
        "bench.metrics:recall_by_target_of", "cold", "listed", "higher", _SHARE, _FAIR,
        "Share of a cold target's readers among whose first K it is, in competition with the full corpus; each such "
        "target counts once, so that a few that many read do not decide."),
    "cold_ndcg": MetricRow(
        "bench.metrics:ndcg_of", "cold", "hits", "higher", _SHARE, _NDCG,
        "NDCG where only cold targets count as relevant, in competition with the full corpus."),
    "cold_recall_capped": MetricRow(
        "bench.metrics:recall_capped_of", "cold", "hits", "higher", _SHARE, "LensKit Recall",
        "Cold hits over the lesser of K and the relevant cold targets, in competition with the full corpus."),
    "cold_ceiling": MetricRow(
        "bench.metrics:ceiling_of", "cold", "hits", "higher", _SHARE, _HERE,
        "The cold recall of a perfect list."),
    "cold_chance": MetricRow(
        "bench.metrics:chance", "cold", "candidates", "higher", _SHARE, _HERE,
        "What a random list would expect as cold recall, on the requests that have a relevant cold target."),
    "cold_only_recall": MetricRow(
        "bench.metrics:recall_of", "cold-only", "hits", "higher", _SHARE, _TREC,
        "Cold recall of lists made among cold candidates only: easier, and it needs to know who is cold."),
    "cold_only_recall_by_target": MetricRow(
        "bench.metrics:recall_by_target_of", "cold-only", "listed", "higher", _SHARE, _FAIR,
        "The same share by lists made among cold candidates only."),
    "cold_only_ndcg": MetricRow(
        "bench.metrics:ndcg_of", "cold-only", "hits", "higher", _SHARE, _NDCG,
        "Cold NDCG of lists made among cold candidates only."),
    "cold_only_chance": MetricRow(
        "bench.metrics:chance", "cold-only", "candidates", "higher", _SHARE, _HERE,
        "What a random list would expect as recall among cold candidates only."),
    "cold_share": MetricRow(
        "bench.exposure:exposure_share", "cold", "bucket", "higher", _SHARE, _HERE,
        "Share of the first K places that cold targets get."),
    "coverage": MetricRow(
        "bench.exposure:coverage", "all", "bucket", "higher", _SHARE, _HERE,
        "Share of all candidates that stand in at least one list: one number for all requests together."),
    "cold_coverage": MetricRow(
        "bench.exposure:coverage", "cold", "bucket", "higher", _SHARE, _HERE,
        "Share of the cold targets that stand in at least one list."),
    "gini": MetricRow(
        "bench.exposure:exposure_gini", "all", "bucket", "lower", "", _HERE,
        "How unevenly the first K places fall on the candidates: Gini, 0 as of random lists, 1 all on one."),
    "cold_gini": MetricRow(
        "bench.exposure:exposure_gini", "cold", "bucket", "lower", "", _HERE,
        "How unevenly the places that cold targets get fall on them: Gini, 0 as of random lists, 1 all on one."),
    "regret": MetricRow(
        "bench.metrics:regret", "all", "gain", "lower", _SHARE, _HERE,
        "Share of the oracle's true expected gain that the first K lose; in cold tasks only cold targets gain."),
    "recall_known_0": MetricRow(
        "bench.metrics:recall_of", "known-0", "hits", "higher", _SHARE, _TREC,
        "Recall where only targets count on which the method was shown no click; lists are full-corpus."),
    "recall_known_1": MetricRow(
        "bench.metrics:recall_of", "known-1", "hits", "higher", _SHARE, _TREC,
        "Recall where only targets count on which the method was shown 1 to 4 clicks."),
    "recall_known_5": MetricRow(
        "bench.metrics:recall_of", "known-5", "hits", "higher", _SHARE, _TREC,
        "Recall where only targets count on which the method was shown 5 to 19 clicks."),
    "recall_known_20": MetricRow(
        "bench.metrics:recall_of", "known-20", "hits", "higher", _SHARE, _TREC,
        "Recall where only targets count on which the method was shown 20 clicks or more."),
    "share_known_0": MetricRow(
        "bench.exposure:exposure_share", "known-0", "bucket", "higher", _SHARE, _HERE,
        "Share of the first K places that go to targets on which the method was shown no click."),
    "gauc": MetricRow(
        "bench.gauc:gauc", "all", "impressions", "higher", _SHARE, _DIN,
        "AUC within each user's impressions, weighted by their number, over users with both classes."),
    "gauc_user": MetricRow(
        "bench.gauc:gauc_user", "all", "impressions", "higher", _SHARE, _AUC,
        "AUC within each user's impressions, each user with both classes counting once."),
    "gauc_pos": MetricRow(
        "bench.gauc:gauc_pos", "all", "impressions", "higher", _SHARE, _AUC,
        "AUC within each user's impressions, weighted by positives, over users with both classes."),
    "gauc_users": MetricRow(
        "bench.gauc:gauc_users", "all", "impressions", "higher", _SHARE, _HERE,
        "Share of users that have both classes: those that GAUC is over."),
    "gauc_impressions": MetricRow(
        "bench.gauc:gauc_impressions", "all", "impressions", "higher", _SHARE, _HERE,
        "Share of impressions that users with both classes have: those that GAUC is over."),
    "auc": MetricRow(
        "bench.gauc:auc", "all", "impressions", "higher", _SHARE, _AUC,
        "AUC over all impressions as if one user had seen them."),
    "gauc_unaided": MetricRow(
        "bench.gauc:gauc", "all", "unaided", "higher", _SHARE, _DIN,
        "GAUC of the probe's ranker without the method's column: the same for all methods."),
    "gauc_alone": MetricRow(
        "bench.gauc:gauc", "all", "alone", "higher", _SHARE, _DIN,
        "GAUC of the method's own order of the notes, without a ranker."),
    "gauc_described": MetricRow(
        "bench.gauc:gauc", "all", "described", "higher", _SHARE, _DIN,
        "GAUC of the probe's ranker with columns of the method's vectors or codes, without its order."),
    "cold_gauc": MetricRow(
        "bench.gauc:gauc", "cold", "impressions", "higher", _SHARE, _DIN,
        "GAUC on impressions of notes that nobody had clicked."),
    "cold_gauc_unaided": MetricRow(
        "bench.gauc:gauc", "cold", "unaided", "higher", _SHARE, _DIN,
        "GAUC of the probe's ranker without the method's column on impressions of notes that nobody had clicked."),
    "cold_gauc_described": MetricRow(
        "bench.gauc:gauc", "cold", "described", "higher", _SHARE, _DIN,
        "GAUC of the probe's ranker with the method's vectors or codes on impressions of notes nobody had clicked."),
    "cold_gauc_alone": MetricRow(
        "bench.gauc:gauc", "cold", "alone", "higher", _SHARE, _DIN,
        "GAUC of the method's own order on impressions of notes that nobody had clicked."),
    "cold_gauc_users": MetricRow(
        "bench.gauc:gauc_users", "cold", "impressions", "higher", _SHARE, _HERE,
        "Share of users that clicked some and not all of the cold notes they were shown."),
    "hours_to": MetricRow(
        "bench.exposure:hours_to", "all", "waits", "lower", "h", _KM,
        "Hours from a note's birth to its m-th impression, at most 72; notes younger than that are left out."),
}
# fmt: on
