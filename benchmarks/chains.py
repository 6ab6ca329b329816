"""The chains hop by hop: milliseconds of each, alone and in a batch, and recall against fan-out against latency.

`python benchmarks/chains.py [--json] [--world small] [--seed 1] [--dataset FOLDER]`. One thread. Learnt on what lies a
week before the end and asked there: relevant is what a user then clicks (to notes), or who clicks a note of that day
(to users). Wall and CPU are medians; on a busy machine trust CPU. Legend: Q requests, K places, n seeds, k similar
authors, m notes an author.
"""

from __future__ import annotations

import os

# Before anything imports numpy: what is timed must run on one thread.
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", NUMBA_NUM_THREADS="1")

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

sys.path[0] = str(Path(__file__).resolve().parents[1])  # else benchmarks/simulator.py would be what `simulator` names

from methods.base import Budget
from methods.chains.attribution import Relevant
from methods.chains.engagement import affinity, seeds
from methods.chains.i2a2a2u import SWING as REVERSE
from methods.chains.i2a2a2u import ReverseChain
from methods.chains.notes import newest
from methods.chains.similar import SimilarAuthors
from methods.chains.sources import SwingAuthors
from methods.chains.u2a2a2i import SWING, Chain, U2A2A2IConfig, attributed, table
from methods.swing import NORMALISED
from simulator.dataset import read
from simulator.schema import DAY_SECONDS, Observation, Requests
from simulator.simulate import live
from simulator.spec import find_world

SEEDS, SIMILAR, NOTES = (5, 10, 20, 50), (10, 50, 100, 200), (1, 3, 10, 20)
BATCHES = (1, 64)
CUTS = (100, 500)
Clocks = dict[str, list[tuple[float, float]]]
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """What is asked, and what turned out to be relevant."""

    seen: Observation
    requests: Requests
    relevant: Relevant


def world_of(args: argparse.Namespace) -> Observation:
    """Read the dataset, or live the world."""
    if args.dataset is not None:
        return read(args.dataset).observation
    return live(find_world(args.world), seed=args.seed)


def cut(whole: Observation) -> Observation:
    """Return what was known a week before the end."""
    now = whole.now - 7 * DAY_SECONDS
    return Observation(now, whole.catalog.before(now), whole.events.between(0, now), whole.follows.before(now))


def asked_by_users(whole: Observation, seen: Observation, n: int, *, rng: np.random.Generator) -> Case:
    """Ask for the unseen notes that users click in the week."""
    late = whole.events.between(seen.now, whole.now)
    n_notes, n_users = len(seen.catalog.notes), len(seen.catalog.users)
    fits = late.click_E & (late.note_E < n_notes) & (late.user_E < n_users)
    ids = rng.permutation(np.unique(late.user_E[fits]))[:n].astype(np.int32)
    shown = pairs_of(ids, seen.events.user_E, seen.events.note_E)
    clicked = pairs_of(ids, late.user_E[fits], late.note_E[fits])
    clicked = clicked[~np.isin(clicked @ [n_notes, 1], shown @ [n_notes, 1])]
    requests = Requests("user", "note", ids, seen.now, np.arange(n_notes, dtype=np.int32), *columns(shown, len(ids)), 7)
    return Case(seen, requests, Relevant(*columns(clicked, len(ids))))


def asked_by_notes(whole: Observation, seen: Observation, n: int, *, rng: np.random.Generator) -> Case:
    """Ask for those who click, within a day, notes born on the last day that is known."""
    late = whole.events.between(seen.now, seen.now + DAY_SECONDS)
    n_users, first = len(seen.catalog.users), np.searchsorted(seen.catalog.notes.born_time_N, seen.now - DAY_SECONDS)
    fits = late.click_E & (late.note_E >= first) & (late.note_E < len(seen.catalog.notes)) & (late.user_E < n_users)
    ids = rng.permutation(np.unique(late.note_E[fits]))[:n].astype(np.int32)
    shown = pairs_of(ids, seen.events.note_E, seen.events.user_E)
    clicked = pairs_of(ids, late.note_E[fits], late.user_E[fits])
    clicked = clicked[~np.isin(clicked @ [n_users, 1], shown @ [n_users, 1])]
    requests = Requests("note", "user", ids, seen.now, np.arange(n_users, dtype=np.int32), *columns(shown, len(ids)), 7)
    return Case(seen, requests, Relevant(*columns(clicked, len(ids))))


def pairs_of(ids_Q: NDArray[np.int32], query_E: NDArray[np.int32], target_E: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the distinct (row of the query, target), ascending."""
    row_of = np.full(int(max(query_E.max(initial=0), ids_Q.max(initial=0))) + 1, -1, np.int64)
    row_of[ids_Q] = np.arange(len(ids_Q))
    row_E = row_of[query_E]
    there = row_E >= 0
    n_targets = int(target_E.max(initial=0)) + 1
    return np.column_stack(np.divmod(np.unique(row_E[there] * n_targets + target_E[there]), n_targets))


def columns(pairs: NDArray[np.int64], n_queries: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return offsets and targets."""
    return np.searchsorted(pairs[:, 0], np.arange(n_queries + 1)).astype(np.int64), pairs[:, 1].astype(np.int32)


def timed(clocks: Clocks, hop: str, call: Callable[[], Value]) -> Value:
    """Call, and note the wall and CPU milliseconds."""
    start_cpu, start = time.process_time(), time.perf_counter()
    value = call()
    clocks.setdefault(hop, []).append(((time.perf_counter() - start) * 1e3, (time.process_time() - start_cpu) * 1e3))
    return value


def forward(chain: Chain, requests: Requests, clocks: Clocks) -> NDArray[np.int32]:
    """Walk U2A2A2I hop by hop."""
    chosen = timed(clocks, "seeds", lambda: chain.seeds_of(requests))
    authors = timed(clocks, "authors", lambda: chain.authors_of(chosen))
    found = timed(clocks, "notes", lambda: chain.notes_of(authors, requests))
    return timed(clocks, "quota", lambda: attributed(found, authors, chain.config.quota)).ids_QK


def reverse(chain: ReverseChain, requests: Requests, clocks: Clocks) -> NDArray[np.int32]:
    """Walk I2A2A2U hop by hop."""
    authors = timed(clocks, "authors", lambda: chain.authors_of(requests))
    users = timed(clocks, "users", lambda: chain.users_of(authors))
    found = timed(clocks, "available", lambda: chain.available(users, requests))
    return timed(clocks, "quota", lambda: attributed(found, users, chain.config.quota)).ids_QK


def measure(walk: Callable[[Requests, Clocks], NDArray[np.int32]], case: Case, n_calls: int) -> dict[str, float]:
    """Return recall and, for each batch size and hop, median milliseconds of a call."""
    parts = [case.requests.between(q, q + 64) for q in range(0, len(case.requests) // 64 * 64, 64)]
    ids_QK = np.concatenate([walk(part, {}) for part in parts])
    start_Q1 = case.relevant.start_Q1[: len(ids_QK) + 1]
    relevant = Relevant(start_Q1, case.relevant.ids_R[: start_Q1[-1]])
    out = {f"recall@{k}": relevant.recall(ids_QK[:, :k]) for k in CUTS}
    out["found"] = float((ids_QK >= 0).sum(axis=1).mean())
    for size in BATCHES:
        clocks: Clocks = {}
        for call in range(n_calls + 2):
            first = call * size % (len(ids_QK) - size + 1)
            walk(case.requests.between(first, first + size), clocks)
        for hop, reads in clocks.items():
            for place, kind in enumerate(("wall", "cpu")):
                out[f"{hop}_{size}_{kind}_ms"] = statistics.median(read[place] for read in reads[2:])
        for kind in ("wall", "cpu"):
            out[f"all_{size}_{kind}_ms"] = sum(out[f"{hop}_{size}_{kind}_ms"] for hop in clocks)
    return out


def fan_out(n: int, k: int, m: int) -> U2A2A2IConfig:
    """Return the defaults with other fan-outs and no cap but the one on an author's notes."""
    return replace(
        SWING,
        seeds=replace(SWING.seeds, n_seeds=n, per_category=0),
        hop=replace(SWING.hop, n_similar=k),
        notes=replace(SWING.notes, n_notes=m, author_cap=0),
    )


def sweep(case: Case, similar: SimilarAuthors, n_calls: int) -> list[dict[str, float]]:
    """Vary one fan-out at a time around 20 x 50 x 10, and all together."""
    grid = {(n, 50, 10) for n in SEEDS} | {(20, k, 10) for k in SIMILAR} | {(20, 50, m) for m in NOTES}
    rows, seen = [], case.seen
    tied_UA, category_A = affinity(seen, SWING.seeds.affinity), seen.catalog.authors.category_A
    seeds_n = {n: seeds(tied_UA, category_A, fan_out(n, 1, 1).seeds) for n in SEEDS}
    similar_k = {k: table(similar, fan_out(1, k, 1).hop) for k in SIMILAR}
    notes_m = {m: newest(seen, fan_out(1, 1, m).notes) for m in NOTES}
    for n, k, m in sorted(grid | {(5, 10, 1), (50, 200, 20)}):
        chain = Chain(fan_out(n, k, m), seeds_n[n], similar_k[k], notes_m[m])
        found = measure(lambda part, clocks, chain=chain: forward(chain, part, clocks), case, n_calls)  # type: ignore[misc]
        rows.append({"n": n, "k": k, "m": m, **found})
        times = "".join(f"{found[f'all_{size}_cpu_ms']:9.2f}" for size in BATCHES)
        recalls = "".join(f"{found[f'recall@{cut}']:9.4f}" for cut in CUTS)
        print(f"{n:4}{k:5}{m:4}{n * k * m:9,}{found['found']:8.0f}{recalls}{times}", flush=True)
    return rows


def print_hops(name: str, found: dict[str, float]) -> None:
    """Print the hops of a chain at its defaults, wall and CPU."""
    print(f"{name}: recall@100 {found['recall@100']:.4f}, {found['found']:.0f} found")
    for key in found:
        if key.endswith("_1_wall_ms"):
            hop = key.removesuffix("_1_wall_ms")
            reads = [found[f"{hop}_{size}_{kind}_ms"] for size in BATCHES for kind in ("wall", "cpu")]
            print(f"  {hop:10}" + "".join(f"{read:9.3f}" for read in reads), flush=True)


def main() -> None:
    """Print the tables, and with --json one object of figures on the last line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--world", default="small")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dataset", type=Path, help="a dataset folder, instead of living the world")
    parser.add_argument("--requests", type=int, default=640)
    parser.add_argument("--calls", type=int, default=30)
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    args = parser.parse_args()
    rng, whole = np.random.default_rng(0), world_of(args)
    seen = cut(whole)
    to_notes = asked_by_users(whole, seen, args.requests, rng=rng)
    to_users = asked_by_notes(whole, seen, args.requests, rng=rng)
    start = time.process_time()
    # The method's table keeps a hundred; here it must hold the widest fan-out.
    source = SwingAuthors(replace(NORMALISED, n_neighbours=max(SIMILAR)))
    similar = source.learn(seen, rng=rng, budget=Budget()).now(seen)
    figures: dict[str, object] = {"learn_cpu_seconds": time.process_time() - start}
    chain, back = Chain.of(seen, similar, SWING), ReverseChain.of(seen, similar, REVERSE)
    print(f"{len(to_notes.requests)} users, {len(to_users.requests)} notes; ms: wall 1, cpu 1, wall 64, cpu 64")
    figures["u2a2a2i"] = measure(lambda part, clocks: forward(chain, part, clocks), to_notes, args.calls)
    print_hops("u2a2a2i-swing", figures["u2a2a2i"])  # type: ignore[arg-type]
    figures["i2a2a2u"] = measure(lambda part, clocks: reverse(back, part, clocks), to_users, args.calls)
    print_hops("i2a2a2u-swing", figures["i2a2a2u"])  # type: ignore[arg-type]
    print(f"{'n':>4}{'k':>5}{'m':>4}{'raw':>9}{'found':>8}{'r@100':>9}{'r@500':>9}{'cpu 1':>9}{'cpu 64':>9}")
    figures["sweep"] = sweep(to_notes, similar, args.calls)
    if args.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
