"""Search by inner product: ours and FAISS, PyTorch and NumPy on the same vectors; what approximate kinds give up.

`python benchmarks/retrieval.py [--json] [--geometry isotropic] [--targets 1000000]`. One thread. Exact contenders are
asked in turn, a few queries each, and their lists are first checked to agree; ratios are of CPU seconds, which a busy
machine disturbs little. hnswlib and usearch join where they are installed (`.[benchmarks]`). Legend: T targets,
F features, Q queries, K list length.
"""

from __future__ import annotations

import os

# Before anything imports numpy: what is timed must run on one thread.
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", NUMBA_NUM_THREADS="1")

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch
from numpy.typing import NDArray

sys.path[0] = str(Path(__file__).resolve().parents[1])  # else benchmarks/simulator.py would be what `simulator` names

from benchmarks.retrieval_costs import Ask, Cost, costs, row, shared
from benchmarks.retrieval_graphs import installed
from methods.retrieval import Index, IndexConfig, build, retuned, search

PROBES = (1, 2, 4, 8, 16, 32, 64, 128)
WIDTHS = (100, 200, 400, 800)
RECALLS, BUDGETS_MS = (0.9, 0.95, 0.99), (1.0, 5.0, 10.0)
N_CENTRES, SPREAD = 512, 1.0  # topics, and the length of what is no topic against that of the topic


@dataclass(frozen=True)
class Point:
    """An approximate kind at one setting."""

    name: str
    recall: float
    cost: Cost
    library: Cost  # the library's own call at the same setting: nothing excluded, no order among equals

    @property
    def ratios(self) -> tuple[float, float]:
        """Return the library's CPU time over ours, of one query and of a batch."""
        ours, theirs = self.cost, self.library
        return theirs.single_cpu_ms / ours.single_cpu_ms, ours.batch_per_cpu_second / theirs.batch_per_cpu_second


def make_vectors(
    n_targets: int, n_queries: int, n_features: int, geometry: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw unit vectors: isotropic, or topics with noise and queries that mix two topics."""
    rng = np.random.default_rng(0)
    targets_TF = rng.standard_normal((n_targets, n_features), dtype=np.float32)
    queries_QF = rng.standard_normal((n_queries, n_features), dtype=np.float32)
    if geometry == "clustered":
        centres_CF = rng.standard_normal((N_CENTRES, n_features), dtype=np.float32)
        targets_TF = centres_CF[rng.integers(0, N_CENTRES, n_targets)] + np.float32(SPREAD) * targets_TF
        mixed_QF = centres_CF[rng.integers(0, N_CENTRES, n_queries)] + centres_CF[rng.integers(0, N_CENTRES, n_queries)]
        queries_QF = mixed_QF + np.float32(SPREAD) * queries_QF
    for rows_RF in (targets_TF, queries_QF):
        rows_RF /= np.linalg.norm(rows_RF, axis=1, keepdims=True)
    return targets_TF, queries_QF


def exact_contenders(vectors_TF: NDArray[np.float32], k: int) -> dict[str, Ask]:
    """Return what gives the exact list, each with its index there already."""
    ours, flat, tensor_TF = build(vectors_TF), build(vectors_TF, IndexConfig("flat")), torch.from_numpy(vectors_TF)

    def numpy_sorts(queries_QF: NDArray[np.float32]) -> NDArray[np.integer]:
        scores_QT = queries_QF @ vectors_TF.T
        best_QK = np.argpartition(scores_QT, -k, axis=1)[:, -k:]
        order_QK = np.argsort(-np.take_along_axis(scores_QT, best_QK, 1), axis=1)
        found: NDArray[np.integer] = np.take_along_axis(best_QK, order_QK, 1)
        return found

    def torch_sorts(queries_QF: NDArray[np.float32]) -> NDArray[np.integer]:
        found: NDArray[np.integer] = torch.topk(torch.from_numpy(queries_QF) @ tensor_TF.T, k).indices.numpy()
        return found

    library = flat.searcher.index  # type: ignore[attr-defined]
    return {
        "ours": lambda queries_QF: search(ours, queries_QF, k=k)[0],
        "faiss flat": lambda queries_QF: library.search(queries_QF, k)[1],
        "torch matmul+topk": torch_sorts,
        "numpy matmul+argpartition": numpy_sorts,
    }


def curve(
    index: Index, true_QK: NDArray[np.integer], queries_QF: NDArray[np.float32], sizes: argparse.Namespace
) -> list[Point]:
    """Ask an approximate index at each of its settings."""
    is_ivf = index.config.kind == "ivf"
    points = []
    for setting in PROBES if is_ivf else WIDTHS:
        if is_ivf and setting > index.config.n_lists:
            break
        config = replace(index.config, n_probes=setting) if is_ivf else replace(index.config, search_width=setting)
        asked = retuned(index, config)

        def ask(some_QF: NDArray[np.float32], asked: Index = asked) -> NDArray[np.integer]:
            return search(asked, some_QF, k=sizes.k)[0]

        name = f"{index.config.kind} {'nprobe' if is_ivf else 'ef'} {setting}"
        measured = costs({name: ask, "library": library(index, setting, sizes.k)}, queries_QF, sizes)
        points.append(Point(name, shared(ask(queries_QF), true_QK), measured[name], measured["library"]))
        single, batch = points[-1].ratios
        print(row(name, points[-1].cost, f"{single:8.2f}{batch:8.2f}{points[-1].recall:8.4f}"), flush=True)
    return points


def library(index: Index, setting: int, k: int) -> Ask:
    """Return FAISS's own search of the same index."""
    theirs = index.searcher.index  # type: ignore[attr-defined]
    ivf = index.config.kind == "ivf"
    module: Any = faiss  # whose stubs lack the parameters
    chosen = module.SearchParametersIVF(nprobe=setting) if ivf else module.SearchParametersHNSW(efSearch=setting)

    def ask(queries_QF: NDArray[np.float32]) -> NDArray[np.integer]:
        found: NDArray[np.integer] = theirs.search(queries_QF, k, params=chosen)[1]
        return found

    return ask


def operating_points(points: Sequence[Point]) -> dict[str, float | None]:
    """Return the most queries a CPU second, alone, at each recall, and the best recall within each budget."""
    out: dict[str, float | None] = {}
    for recall in RECALLS:
        rates = [1e3 / point.cost.single_cpu_ms for point in points if point.recall >= recall]
        out[f"qps_at_recall_{recall}"] = max(rates, default=None)
    for budget in BUDGETS_MS:
        reached = [point.recall for point in points if point.cost.single_cpu_ms <= budget]
        out[f"recall_within_{budget:g}_ms"] = max(reached, default=None)
    return out


def compare_exact(
    vectors_TF: NDArray[np.float32], queries_QF: NDArray[np.float32], sizes: argparse.Namespace
) -> tuple[NDArray[np.integer], dict[str, Cost]]:
    """Check that all exact contenders agree, time them and print their rows."""
    contenders = exact_contenders(vectors_TF, sizes.k)
    true_QK = contenders["ours"](queries_QF)
    for name, ask in contenders.items():
        # In float32 neighbours with all but equal scores may trade the last place.
        agreed = shared(ask(queries_QF[: sizes.batch]), true_QK[: sizes.batch])
        assert agreed > 0.999, f"{name}: expected the exact list, got {agreed:.4f} of it"
    measured = costs(contenders, queries_QF, sizes)
    for name, cost in measured.items():
        ratios = (
            cost.single_cpu_ms / measured["ours"].single_cpu_ms,
            measured["ours"].batch_per_cpu_second / cost.batch_per_cpu_second,
        )
        print(row(name, cost, "".join(f"{ratio:8.2f}" for ratio in ratios)), flush=True)
    return true_QK, measured


def approximate(
    config: IndexConfig,
    vectors_TF: NDArray[np.float32],
    true_QK: NDArray[np.integer],
    queries_QF: NDArray[np.float32],
    sizes: argparse.Namespace,
) -> dict[str, float | None]:
    """Build an approximate index, print its curve and return its figures."""
    start_cpu, start = time.process_time(), time.perf_counter()
    index = build(vectors_TF, config)
    cpu, wall = time.process_time() - start_cpu, time.perf_counter() - start
    print(
        f"{config.kind}: built in {cpu:.1f} CPU s, {wall:.1f} s, {index.n_bytes / 1e6:,.0f} MB; library / ours, recall"
    )
    points = curve(index, true_QK, queries_QF, sizes)
    figures: dict[str, float | None] = {"build_cpu_seconds": cpu, "bytes": index.n_bytes, **operating_points(points)}
    out = {f"{config.kind}_{name}": value for name, value in figures.items()}
    for point in points:
        slug = point.name.replace(" ", "_")
        single, batch = point.ratios
        out |= {f"{slug}_recall": point.recall, f"{slug}_single_cpu_ms": point.cost.single_cpu_ms}
        out |= {f"{slug}_library_single": single, f"{slug}_library_batch": batch}
    return out


def graphs(
    config: IndexConfig,
    vectors_TF: NDArray[np.float32],
    true_QK: NDArray[np.integer],
    queries_QF: NDArray[np.float32],
    sizes: argparse.Namespace,
) -> dict[str, float | None]:
    """Build HNSW by the other libraries that are installed, print each one's curve and return its figures."""
    out: dict[str, float | None] = {}
    for name, made in installed():
        start_cpu = time.process_time()
        at_width = made(vectors_TF, config, sizes.k)
        out[f"{name}_build_cpu_seconds"] = time.process_time() - start_cpu
        print(f"{name}: built in {out[f'{name}_build_cpu_seconds']:.1f} CPU s; recall")
        points = []
        for width in WIDTHS:
            ask = at_width(width)
            cost = costs({name: ask}, queries_QF, sizes)[name]
            points.append(Point(f"{name} ef {width}", shared(ask(queries_QF), true_QK), cost, cost))
            print(row(points[-1].name, cost, f"{points[-1].recall:24.4f}"), flush=True)
            out |= {f"{name}_ef_{width}_recall": points[-1].recall, f"{name}_ef_{width}_cpu_ms": cost.single_cpu_ms}
        out |= {f"{name}_{figure}": value for figure, value in operating_points(points).items()}
    return out


def main() -> None:
    """Print the tables, and with --json one object of figures on the last line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--targets", type=int, default=1_000_000)
    parser.add_argument("--features", type=int, default=64)
    parser.add_argument("--queries", type=int, default=256, help="that recall is measured on")
    parser.add_argument("--singles", type=int, default=64)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--k", type=int, default=100)
    parser.add_argument("--geometry", choices=["clustered", "isotropic"], default="clustered")
    parser.add_argument("--kinds", default="ivf,hnsw", help="approximate kinds to draw the curve of")
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    sizes = parser.parse_args()
    torch.set_num_threads(1)
    vectors_TF, queries_QF = make_vectors(sizes.targets, sizes.queries, sizes.features, sizes.geometry)
    print(
        f"{sizes.targets:,} x {sizes.features} {sizes.geometry}, best {sizes.k}, batches of {sizes.batch}, one thread"
    )
    print(f"{'':28}{'cpu ms':>10}{'wall ms':>10}{'q/cpu s':>12}{'q/wall s':>12}{'/ours':>8}{'batch':>8}")
    true_QK, exact = compare_exact(vectors_TF, queries_QF, sizes)
    figures: dict[str, float | str | None] = {"geometry": sizes.geometry, "targets": sizes.targets, "k": sizes.k}
    for name, cost in exact.items():
        slug = name.replace(" ", "_").replace("+", "_")
        figures |= {f"{slug}_{field}": value for field, value in vars(cost).items()}
    others = [cost for name, cost in exact.items() if name != "ours"]
    figures["single_ratio_to_best"] = min(c.single_cpu_ms for c in others) / exact["ours"].single_cpu_ms
    figures["batch_ratio_to_best"] = exact["ours"].batch_per_cpu_second / max(c.batch_per_cpu_second for c in others)
    n_lists = min(1_024, max(1, sizes.targets // 40))
    for kind in filter(None, sizes.kinds.split(",")):
        config = IndexConfig(kind, n_lists=n_lists, n_probes=1)
        figures |= approximate(config, vectors_TF, true_QK, queries_QF, sizes)
        if kind == "hnsw":
            figures |= graphs(config, vectors_TF, true_QK, queries_QF, sizes)
    for name, value in figures.items():
        if "_at_recall_" in name or "_within_" in name or "ratio" in name:
            print(f"{name:40}{'-' if value is None else f'{value:,.4g}':>12}")
    if sizes.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
