"""Recall and NDCG at four cutoffs: ours against pytrec_eval and against a loop of np.isin, on the same lists.

`python -m benchmarks.metrics [--json]`; every contender's values are first checked to agree.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pytrec_eval
from numpy.typing import NDArray

from bench.metrics import Relevant, ndcg, recall

KS = (10, 50, 100, 500)
Values = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Work:
    """Lists of `k` distinct targets, and `n_relevant` targets relevant to each request."""

    ids_QK: NDArray[np.int32]
    relevant: Relevant


def make_work(n_requests: int, k: int, n_targets: int, n_relevant: int) -> Work:
    """Draw lists, and relevant sets half of which are listed, so that there are hits to be found."""
    rng = np.random.default_rng(0)
    ids_QK = np.stack([rng.choice(n_targets, k, replace=False) for _ in range(n_requests)]).astype(np.int32)
    listed_QR = rng.permuted(ids_QK, axis=1)[:, : n_relevant // 2]
    drawn_QR = rng.integers(0, n_targets, (n_requests, n_relevant - n_relevant // 2))
    sets = [np.unique(row) for row in np.hstack([listed_QR, drawn_QR])]
    start_Q1 = np.cumsum([0, *map(len, sets)]).astype(np.int64)
    return Work(ids_QK, Relevant(start_Q1, np.concatenate(sets).astype(np.int32)))


def ours(work: Work) -> Values:
    """Score with bench.metrics."""
    functions = {"recall": recall, "ndcg": ndcg}
    return {f"{n}@{k}": f(work.ids_QK, work.relevant, k=k) for n, f in functions.items() for k in KS}


def isin_per_request(work: Work) -> Values:
    """Score one request at a time with np.isin."""
    out = {f"{name}@{k}": np.empty(len(work.relevant)) for name in ("recall", "ndcg") for k in KS}
    discount_K = 1 / np.log2(np.arange(2, work.ids_QK.shape[1] + 2))
    for q, ids_K in enumerate(work.ids_QK):
        relevant = work.relevant.ids_R[work.relevant.start_Q1[q] : work.relevant.start_Q1[q + 1]]
        hit_K = np.isin(ids_K, relevant)
        for k in KS:
            out[f"recall@{k}"][q] = hit_K[:k].sum() / len(relevant)
            out[f"ndcg@{k}"][q] = hit_K[:k] @ discount_K[:k] / discount_K[: min(k, len(relevant))].sum()
    return out


def trec_inputs(work: Work) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, float]]]:
    """Return the dicts that pytrec_eval wants: what is judged, what is listed."""
    starts = work.relevant.start_Q1
    judged = {
        str(q): {str(i): 1 for i in work.relevant.ids_R[starts[q] : starts[q + 1]]} for q in range(len(starts) - 1)
    }
    listed = {
        str(q): {str(i): float(-rank) for rank, i in enumerate(ids)} for q, ids in enumerate(work.ids_QK.tolist())
    }
    return judged, listed


def trec(judged: dict[str, dict[str, int]], listed: dict[str, dict[str, float]]) -> Values:
    """Score with pytrec_eval, its dicts being there already."""
    cutoffs = ",".join(map(str, KS))
    scores = pytrec_eval.RelevanceEvaluator(judged, {f"recall.{cutoffs}", f"ndcg_cut.{cutoffs}"}).evaluate(listed)
    names = {
        f"{name}@{k}": f"{theirs}_{k}" for name, theirs in (("recall", "recall"), ("ndcg", "ndcg_cut")) for k in KS
    }
    return {ours: np.array([scores[q][theirs] for q in judged]) for ours, theirs in names.items()}


def measure(call: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Return the median CPU and wall seconds of a call."""
    cpu, wall = [], []
    for _ in range(repeats):
        start_cpu, start = time.process_time(), time.perf_counter()
        call()
        cpu.append(time.process_time() - start_cpu)
        wall.append(time.perf_counter() - start)
    return statistics.median(cpu), statistics.median(wall)


def main() -> None:
    """Print the table, and with --json one object on the last line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--requests", type=int, default=2_000)
    parser.add_argument("--targets", type=int, default=40_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    chosen = parser.parse_args()
    work = make_work(chosen.requests, max(KS), chosen.targets, n_relevant=20)
    inputs = trec_inputs(work)
    contenders: dict[str, Callable[[], Values]] = {
        "ours": lambda: ours(work),
        "np.isin per request": lambda: isin_per_request(work),
        "pytrec_eval": lambda: trec(*inputs),
        "pytrec_eval with its dicts": lambda: trec(*trec_inputs(work)),
    }
    expected = ours(work)
    for name, call in contenders.items():
        for metric, values in call().items():
            np.testing.assert_allclose(values, expected[metric], atol=1e-9, err_msg=f"{name} {metric}")
    seconds = {name: measure(call, chosen.repeats) for name, call in contenders.items()}
    print(f"{chosen.requests:,} requests x {max(KS)} of {chosen.targets:,} targets; recall and NDCG at {KS}; all agree")
    print(f"{'':28}{'CPU s':>9}{'wall s':>9}{'ratio':>8}")
    for name, (cpu, wall) in seconds.items():
        print(f"{name:28}{cpu:9.4f}{wall:9.4f}{cpu / seconds['ours'][0]:8.1f}")
    if chosen.json:
        rows = {name: {"cpu_seconds": cpu, "wall_seconds": wall} for name, (cpu, wall) in seconds.items()}
        print(json.dumps({"requests": chosen.requests, "k": max(KS), "targets": chosen.targets, "seconds": rows}))


if __name__ == "__main__":
    main()
