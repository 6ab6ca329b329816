"""Scoring at full size: ours beside libraries and beside the best known ways, as ratios within one run.

`python benchmarks/metrics.py [--json]`. Lists: recall and NDCG at four cutoffs, 100,000 requests x top 1,000, 20
relevant to each. Impressions: GAUC of 10 million of 200,000 users. Resampling: 1,000 bootstrap means of 8 columns. What
would take minutes is measured on a part and scaled, which its row says; all contenders are first checked to agree.
Work too small for the CPU clock has no ratio: "-", null in JSON. ranx, polars and pandas join where they are installed
(`.[benchmarks]`).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path[0] = str(Path(__file__).resolve().parents[1])  # else benchmarks/simulator.py would be what `simulator` names

from bench.gauc import user_aucs
from bench.metrics import ndcg_of, recall_of
from bench.relevant import find_hits
from bench.stats import resampled_means
from benchmarks import metrics_impressions, metrics_lists
from benchmarks.metrics_impressions import Impressions
from benchmarks.metrics_lists import Lists, Values

TOLERANCE = 1e-9


@dataclass(frozen=True)
class Contender:
    """A way to do the work: the whole, or a part of it that stands for `scale` times as much."""

    call: Callable[[], object]
    scale: float = 1.0


def score_lists(work: Lists) -> Values:
    """Score with bench.metrics."""
    hits = find_hits(work.ids_QK, work.relevant)
    functions = {"recall": recall_of, "ndcg": ndcg_of}
    return {f"{name}@{k}": function(hits, k=k) for name, function in functions.items() for k in work.ks}


def on_lists(n_requests: int, n_library: int) -> tuple[str, dict[str, Contender]]:
    """Check that the contenders on lists agree, and return what they are."""
    work = metrics_lists.draw(n_requests)
    part = work.first(n_library)
    scale = n_requests / len(part.relevant)
    expected = score_lists(work)
    _agree("searches", metrics_lists.binary_search(work), expected)
    _agree("searchsorted", metrics_lists.searchsorted(part), expected)
    _agree("isin", metrics_lists.isin_per_request(part), expected)
    _agree("pytrec_eval", metrics_lists.trec(part), expected)
    _agree("ir_measures", metrics_lists.measures(part.first(200)), expected)
    libraries = {
        "pytrec_eval, its dicts included": Contender(lambda: metrics_lists.trec(part), scale),
        "ir_measures, its dicts included": Contender(lambda: metrics_lists.measures(part), scale),
    }
    if find_spec("ranx"):
        _agree("ranx", metrics_lists.ranx(part.first(200)), expected)
        libraries["ranx, its dicts included"] = Contender(lambda: metrics_lists.ranx(part), scale)
    of = f"{n_requests:,} requests x {work.ids_QK.shape[1]:,} of {metrics_lists.N_TARGETS:,} targets"
    title = f"{of}, recall and NDCG at {work.ks}"
    return title, {
        "ours": Contender(lambda: score_lists(work)),
        "numba, binary search in sorted ids": Contender(lambda: metrics_lists.binary_search(work)),
        "numpy searchsorted": Contender(lambda: metrics_lists.searchsorted(part), scale),
        "np.isin per request": Contender(lambda: metrics_lists.isin_per_request(part), scale),
        **libraries,
    }


def on_impressions(n_impressions: int, n_users: int) -> tuple[str, dict[str, Contender]]:
    """Check that the contenders on impressions agree, and return what they are; a part is a hundredth of many users.

    Raises ValueError where no user of the part has impressions with and without a click, so that there is no GAUC.
    """
    work = metrics_impressions.draw(n_impressions, n_users)
    part = metrics_impressions.of_some_users(work, n_users // 100 or n_users)
    if not np.intersect1d(part.user_E[part.label_E], part.user_E[~part.label_E]).size:
        got = f"{len(part.user_E)} impressions of {part.n_users}"
        raise ValueError(f"impressions: expected both labels of some user among those of libraries, got {got}")
    scale = n_impressions / len(part.user_E)
    for name, way in metrics_impressions.WAYS.items():
        whole = part if name in metrics_impressions.SLOW else work
        np.testing.assert_allclose(way(whole), _gauc(whole), atol=TOLERANCE, err_msg=name)
    contenders = {"ours, with the pooled AUC": Contender(lambda: _gauc(work))}
    for name, way in metrics_impressions.WAYS.items():
        contenders[name] = _contender(way, part if name in metrics_impressions.SLOW else work, scale)
    contenders["ours on float64 scores"] = Contender(
        lambda: user_aucs(work.user_E, work.score_E.astype(np.float64), work.label_E)
    )
    return f"GAUC of {n_impressions:,} impressions of {n_users:,} users", contenders


def _contender(way: Callable[[Impressions], object], work: Impressions, scale: float) -> Contender:
    return Contender(lambda: way(work), scale if work.is_part else 1.0)


def _gauc(work: Impressions) -> float:
    return user_aucs(work.user_E, work.score_E, work.label_E).gauc


def on_resampling(n_requests: int, n_columns: int) -> tuple[str, dict[str, Contender]]:
    """Check that the contenders agree on the spread of means, and return what they are."""
    values = np.random.default_rng(0).random((n_requests, n_columns))
    n, n_part = 1_000, 20

    def ours(n_resamples: int) -> NDArray[np.float64]:
        return resampled_means(values, np.random.default_rng(1), n_resamples=n_resamples)

    def by_index(n_resamples: int) -> NDArray[np.float64]:
        rng = np.random.default_rng(1)
        return np.stack([values[rng.integers(0, n_requests, n_requests)].mean(axis=0) for _ in range(n_resamples)])

    def multinomial(n_resamples: int) -> NDArray[np.float64]:
        rng = np.random.default_rng(1)
        counts = rng.multinomial(n_requests, np.full(n_requests, 1 / n_requests), n_resamples)
        return np.asarray(counts @ values / n_requests)

    spread = values.std() / np.sqrt(n_requests)
    for way in (by_index, multinomial):
        np.testing.assert_allclose(way(n_part).mean(axis=0), ours(n).mean(axis=0), atol=5 * spread / np.sqrt(n_part))
    return f"{n:,} bootstrap means of {n_requests:,} requests x {n_columns}", {
        "ours, Poisson in one product": Contender(lambda: ours(n)),
        "resampled indices": Contender(lambda: by_index(n_part), n / n_part),
        "multinomial counts": Contender(lambda: multinomial(n_part), n / n_part),
    }


def _agree(name: str, values: Values, expected: Values) -> None:
    for metric, column in values.items():
        np.testing.assert_allclose(column, expected[metric][: len(column)], atol=TOLERANCE, err_msg=f"{name} {metric}")


def measure(contender: Contender, repeats: int) -> dict[str, float]:
    """Return the median CPU and wall seconds of the whole work; a part is done once."""
    cpu, wall = [], []
    for _ in range(repeats if contender.scale == 1 else 1):
        start_cpu, start = time.process_time(), time.perf_counter()
        contender.call()
        cpu.append(time.process_time() - start_cpu)
        wall.append(time.perf_counter() - start)
    scale = contender.scale
    return {
        "cpu_seconds": statistics.median(cpu) * scale,
        "wall_seconds": statistics.median(wall) * scale,
        "scale": scale,
    }


def ratio(cpu_seconds: float, first: float) -> float | None:
    """Return the CPU seconds against the first's; None where the clock read none of either."""
    return cpu_seconds / first if cpu_seconds > 0 and first > 0 else None


def report(title: str, contenders: Mapping[str, Contender], repeats: int) -> dict[str, object]:
    """Measure, print a table with ratios to the first row, and return the same for JSON."""
    measured = {name: measure(contender, repeats) for name, contender in contenders.items()}
    first = next(iter(measured.values()))["cpu_seconds"]
    rows = {name: {**row, "ratio": ratio(row["cpu_seconds"], first)} for name, row in measured.items()}
    print(f"\n{title}; all agree\n{'':38}{'CPU s':>9}{'wall s':>9}{'ratio':>8}")
    for name, row in measured.items():
        times = rows[name]["ratio"]
        said = "-" if times is None else f"{times:.1f}"
        note = f"   scaled from 1/{row['scale']:.0f}" if row["scale"] != 1 else ""
        print(f"{name:38}{row['cpu_seconds']:9.3f}{row['wall_seconds']:9.3f}{said:>8}{note}", flush=True)
    return {"work": title, "rows": rows}


def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables, and with --json one object on the last line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--library-requests", type=int, default=10_000, help="of which libraries score so many")
    parser.add_argument("--impressions", type=int, default=10_000_000)
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    chosen = parser.parse_args(argv)
    parts = {
        "lists": report(*on_lists(chosen.requests, chosen.library_requests), chosen.repeats),
        "impressions": report(*on_impressions(chosen.impressions, chosen.users), chosen.repeats),
        "resampling": report(*on_resampling(chosen.requests, 8), chosen.repeats),
    }
    if chosen.json:
        print(json.dumps(parts))


if __name__ == "__main__":
    main()
