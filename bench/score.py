"""Check and score the lists of one cell against its exam: one value per request and metric.

Shapes: Q requests, K list length, T targets.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.answer import Description
from bench.check import check_slates
from bench.described import check_description, description_columns
from bench.exam import Exam
from bench.gauc import UserAucs
from bench.metrics import KNOWN, METRICS, MetricRow
from bench.probe import Impressions, probe, probe_description
from bench.relevant import Hits, Relevant, find_hits
from bench.task import Task
from simulator.oracle import Oracle
from simulator.schema import Requests
from simulator.spec import WorldSpec

Values = dict[str, NDArray[np.float64]]
World = tuple[WorldSpec, int]
_OF_ALL_USERS = ("bench.gauc:auc", "bench.gauc:gauc_users", "bench.gauc:gauc_impressions")


def check_and_score(
    task: Task,
    exam: Exam,
    ids_QK: NDArray[np.int32],
    cold_only_ids_QK: NDArray[np.int32] | None,
    world: World | None,
) -> Values:
    """Refuse bad lists, then return per-request values by metric name, `recall@50`; one value for set metrics."""
    k = max(task.ks)
    check_slates(ids_QK, exam.requests, k=k, n_targets=exam.n_targets)
    if exam.shown is not None:
        return score_probe(ids_QK, exam.shown)
    sheets = {"all": _sheet(ids_QK, exam, None), **_known(ids_QK, exam)}
    if task.has_cold_targets:
        sheets["cold"] = _sheet(ids_QK, exam, exam.cold_T)
    if exam.cold_only is not None and cold_only_ids_QK is not None:
        check_slates(cold_only_ids_QK, exam.cold_only, k=k, n_targets=exam.n_targets)
        sheets["cold-only"] = _sheet(cold_only_ids_QK, exam, exam.cold_T, asked=exam.cold_only)
    gain_QK = _gains(task, exam, ids_QK, world)
    values: Values = {}
    for name, row in METRICS.items():
        inputs = _inputs(row, sheets[row.on], gain_QK, exam.truth.best_QK) if row.on in sheets else None
        if inputs is not None:
            function = _function(row)
            for cutoff in task.ks:
                values[f"{name}@{cutoff}"] = _column(function(*inputs, k=cutoff))
    return values


def score_impressions(aucs: UserAucs) -> Values:
    """Return the values of every metric of impressions by name: one a user, or one for all."""
    return _of_impressions(aucs, needs="impressions", on="all")


def score_probe(ids_QK: NDArray[np.int32], shown: Impressions) -> Values:
    """Return the values of every metric of the probe by name: one a request, or one for all."""
    values: Values = {}
    for bucket, probed in zip(("all", "cold"), probe(ids_QK, shown), strict=True):
        for needs, aucs in (("impressions", probed.ranked), ("unaided", probed.unaided), ("alone", probed.alone)):
            values |= _of_probe(aucs, needs=needs, on=bucket, n_requests=len(ids_QK))
    return values


def check_and_score_description(exam: Exam, described_TD: Description) -> Values:
    """Refuse a bad description, then return what a probe makes of it; nothing where there is none or no probe."""
    if exam.shown is None or exam.past is None or described_TD is None:
        return {}
    check_description(described_TD, exam.n_targets)
    values: Values = {}
    columns_IX = description_columns(described_TD, exam.shown, exam.past)
    for bucket, aucs in zip(("all", "cold"), probe_description(columns_IX, exam.shown), strict=True):
        values |= _of_probe(aucs, needs="described", on=bucket, n_requests=len(exam.requests))
    return values


def _of_probe(aucs: UserAucs, *, needs: str, on: str, n_requests: int) -> Values:
    return {
        name: column if METRICS[name].function in _OF_ALL_USERS else _by_request(column, aucs, n_requests)
        for name, column in _of_impressions(aucs, needs=needs, on=on).items()
    }


def _by_request(value_U: NDArray[np.float64], aucs: UserAucs, n_requests: int) -> NDArray[np.float64]:
    """Return the value of each request's user, NaN for those without such impressions."""
    value_Q = np.full(n_requests, np.nan)
    value_Q[aucs.user_U] = value_U
    return value_Q


def _of_impressions(aucs: UserAucs, *, needs: str, on: str) -> Values:
    rows = {name: row for name, row in METRICS.items() if (row.needs, row.on) == (needs, on)}
    return {name: _column(_function(row)(aucs)) for name, row in rows.items()}


def _column(values: Any) -> NDArray[np.float64]:
    return np.atleast_1d(np.asarray(values, np.float64))


def _function(row: MetricRow) -> Any:
    module, _, name = row.function.partition(":")
    return getattr(import_module(module), name)


@dataclass(frozen=True, slots=True, eq=False)
class _Sheet:
    """Lists, the requests they answer, the targets that count, what of them is relevant, and where it is listed."""

    ids_QK: NDArray[np.int32]
    asked: Requests
    bucket_T: NDArray[np.bool_]
    relevant: Relevant
    hits: Hits


def _sheet(
    ids_QK: NDArray[np.int32], exam: Exam, bucket_T: NDArray[np.bool_] | None, *, asked: Requests | None = None
) -> _Sheet:
    """Lay out what is scored on a bucket, or, where that is None, on all candidates and all that is relevant."""
    relevant = exam.truth.relevant
    if bucket_T is None:
        bucket_T = np.zeros(exam.n_targets, np.bool_)
        bucket_T[exam.requests.candidates_C] = True
    else:
        relevant = within(relevant, bucket_T)
    return _Sheet(ids_QK, asked or exam.requests, bucket_T, relevant, find_hits(ids_QK, relevant))


def _known(ids_QK: NDArray[np.int32], exam: Exam) -> dict[str, _Sheet]:
    return {
        name: _sheet(ids_QK, exam, (exam.known_T >= low) & (exam.known_T < high)) for name, (low, high) in KNOWN.items()
    }


def _inputs(
    row: MetricRow, sheet: _Sheet, gain_QK: NDArray[np.float32] | None, best_QK: NDArray[np.float32] | None
) -> tuple[Any, ...] | None:
    """Return the positional inputs of a metric, or None where the task has no such thing."""
    match row.needs:
        case "hits":
            return (sheet.hits,)
        case "listed":
            return sheet.ids_QK, sheet.relevant, sheet.hits
        case "bucket":
            return sheet.ids_QK, sheet.bucket_T
        case "candidates":
            return n_candidates(sheet.asked), sheet.relevant
        case "gain":
            return None if gain_QK is None else (gain_QK, best_QK)
        case "impressions" | "unaided" | "alone" | "described" | "waits":
            return None


def within(relevant: Relevant, bucket_T: NDArray[np.bool_]) -> Relevant:
    """Return the relevant entries that lie in a bucket."""
    kept_R = bucket_T[relevant.ids_R]
    upto_R1 = np.append(0, np.cumsum(kept_R)).astype(np.int64)
    return Relevant(upto_R1[relevant.start_Q1], relevant.ids_R[kept_R])


def n_candidates(requests: Requests) -> NDArray[np.int64]:
    """Return how many candidates each request has once what it saw is gone."""
    is_candidate_S = np.isin(requests.seen_S, requests.candidates_C)
    upto_S1 = np.append(0, np.cumsum(is_candidate_S))
    return len(requests.candidates_C) - np.diff(upto_S1[requests.seen_start_Q1])


@lru_cache(maxsize=8)
def _oracle_of(exam: Exam, world: World) -> Oracle:
    """Return the oracle of an exam; the latest are kept, since many methods sit the same exam."""
    truth = exam.truth
    if truth.author_N is None or truth.born_time_N is None:
        raise TypeError("exam: expected notes of a simulated world, got none")
    return Oracle(
        world[0],
        seed=world[1],
        author_N=truth.author_N,
        born_time_N=truth.born_time_N,
        now=exam.requests.time,
        age_seconds_N=truth.age_seconds_N,
    )


def _gains(task: Task, exam: Exam, ids_QK: NDArray[np.int32], world: World | None) -> NDArray[np.float32] | None:
    """Return the true gain of every listed target, or None for recorded data."""
    truth = exam.truth
    if truth.gain_QT is not None:
        chance_QK = np.take_along_axis(truth.gain_QT, np.maximum(ids_QK, 0), axis=1).astype(np.float32)
        return np.where(ids_QK >= 0, chance_QK, np.float32(0))
    if world is None or truth.author_N is None:
        return None
    oracle = _oracle_of(exam, world)
    gain_QK = oracle.engage_pairs(task.target, exam.requests.ids_Q, ids_QK)
    if task.has_cold_targets:
        gain_QK = np.where((ids_QK >= 0) & exam.cold_T[ids_QK], gain_QK, np.float32(0))
    return gain_QK
