"""Mining author pairs from a folder of Parquet: ours, streamed and multiplied in blocks, and DuckDB's self-join.

`python benchmarks/author_pairs.py [--world small] [--threads 1] [--json]`. Each contender has a process of its own, so
that its peak memory is its own, and both must find the same pairs. CPU seconds count all threads and are those to trust
on a busy machine. Ours checks every value that it reads against the folder's fingerprint; DuckDB checks nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import duckdb
import numpy as np

sys.path[0] = str(Path(__file__).resolve().parents[1])  # else benchmarks/simulator.py would be what `simulator` names

from methods.author_encoder.mining import mine
from methods.author_encoder.pairs import PairConfig
from methods.author_encoder.readers import readers_in
from simulator import dataset
from simulator.schema import DAY_SECONDS
from simulator.simulate import simulate
from simulator.spec import find_world

Value = TypeVar("Value")

EDGES = """
create temp table edges as
with positives as (
    select e.user, n.author, max(e.time) as newest
    from read_parquet('{folder}/events/*.parquet') e
    join read_parquet('{folder}/notes.parquet', file_row_number = true) n on e.note = n.file_row_number
    where e.click and e.time >= {start} and e.time < {now} and n.author >= 0
    group by 1, 2
)
select "user", author from positives
qualify row_number() over (partition by "user" order by newest desc, author desc) <= {cap}
"""
SELF_JOIN = """
select a.author as first, b.author as second, count(*) as n
from edges a join edges b on a."user" = b."user" and a.author < b.author
group by 1, 2 having count(*) >= {min_count} order by 1, 2
"""


@dataclass(frozen=True)
class Cost:
    """What one contender took: to read the log down to edges, and from edges to pairs."""

    edges_cpu_seconds: float
    edges_wall_seconds: float
    pairs_cpu_seconds: float
    pairs_wall_seconds: float
    peak_mb: float  # resident, of the whole process
    n_pairs: int
    digest: str  # of (first, second, count)


def clock(call: Callable[[], Value]) -> tuple[Value, tuple[float, float]]:
    """Return what a call gives, its CPU and its wall seconds."""
    start_cpu, start = time.process_time(), time.perf_counter()
    value = call()
    return value, (time.process_time() - start_cpu, time.perf_counter() - start)


def ours(folder: Path, config: PairConfig, threads: int) -> Cost:
    """Stream the log and multiply in blocks, on one thread whatever is asked."""
    del threads
    stream = dataset.scan(folder)
    now = stream.manifest.now
    readers, edges = clock(lambda: readers_in(stream.catalog, stream.events(), now=now, config=config))
    pairs, joined = clock(lambda: mine(readers, config))
    digest = digest_of(pairs.first_P, pairs.second_P, pairs.count_P)
    return Cost(*edges, *joined, peak_mb(), len(pairs), digest)


def by_duckdb(folder: Path, config: PairConfig, threads: int) -> Cost:
    """Do all of it in SQL."""
    now = dataset.read_manifest(folder).now
    start = now - round(config.window_days * DAY_SECONDS)
    connection = duckdb.connect(config={"threads": threads})
    made = EDGES.format(folder=folder, start=start, now=now, cap=config.cap)
    _, edges = clock(lambda: connection.execute(made))
    found, joined = clock(lambda: connection.execute(SELF_JOIN.format(min_count=config.min_count)).fetchnumpy())
    digest = digest_of(found["first"], found["second"], found["n"])
    return Cost(*edges, *joined, peak_mb(), len(found["n"]), digest)


def digest_of(*columns: np.ndarray) -> str:
    """Return a hash of columns of numbers, whatever their width."""
    return hashlib.sha256(np.stack([np.asarray(column, np.int64) for column in columns]).tobytes()).hexdigest()


def peak_mb() -> float:
    """Return the most that this process has held; getrusage would tell the parent's peak where that was greater."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


CONTENDERS = {"scipy, blocked": ours, "DuckDB, self-join": by_duckdb}


def in_a_process(name: str, folder: Path, chosen: argparse.Namespace) -> Cost:
    """Run a contender in a process of its own and return what it says."""
    command = [sys.executable, __file__, "--contender", name, "--folder", str(folder)]
    command += ["--threads", str(chosen.threads), "--window-days", str(chosen.window_days)]
    one_thread = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | one_thread)
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def events_in_window(folder: Path, window_days: float) -> int:
    """Count the impressions of the window that pairs come from."""
    stream = dataset.scan(folder)
    end = stream.manifest.now
    start = end - round(window_days * DAY_SECONDS)
    return sum(len(log.between(start, end)) for log in stream.events())


def main() -> None:
    """Print the table, and with --json one object on the last line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--world", default="small")
    parser.add_argument("--window-days", type=float, default=28.0)
    parser.add_argument("--threads", type=int, default=1, help="of DuckDB; ours has one")
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.contender:
        config = PairConfig(window_days=chosen.window_days)
        print(json.dumps(asdict(CONTENDERS[chosen.contender](chosen.folder, config, chosen.threads))))
        return
    with TemporaryDirectory() as parent:
        folder = Path(parent) / "world"
        simulate(find_world(chosen.world), folder, seed=1)
        n_events = events_in_window(folder, chosen.window_days)
        found = {name: in_a_process(name, folder, chosen) for name in CONTENDERS}
    if len({cost.digest for cost in found.values()}) > 1:
        raise AssertionError(f"contenders: expected the same pairs, got {[cost.n_pairs for cost in found.values()]}")
    show(chosen, n_events, found)


def show(chosen: argparse.Namespace, n_events: int, found: dict[str, Cost]) -> None:
    """Print what was measured, a million events in the window."""
    millions = n_events / 1e6
    n_pairs = next(iter(found.values())).n_pairs
    print(f"{n_events:,} events of {chosen.world} in {chosen.window_days:g} days; the same {n_pairs:,} pairs from all")
    print(f"{'seconds a million events':26}{'edges CPU':>10}{'wall':>8}{'pairs CPU':>11}{'wall':>8}{'peak MB':>9}")
    for name, cost in found.items():
        edges = f"{cost.edges_cpu_seconds / millions:10.3f}{cost.edges_wall_seconds / millions:8.3f}"
        pairs = f"{cost.pairs_cpu_seconds / millions:11.3f}{cost.pairs_wall_seconds / millions:8.3f}"
        print(f"{name:26}{edges}{pairs}{cost.peak_mb:9.0f}")
    if chosen.json:
        rows = {name: asdict(cost) for name, cost in found.items()}
        print(json.dumps({"world": chosen.world, "events": n_events, "threads": chosen.threads, "contenders": rows}))


if __name__ == "__main__":
    main()
