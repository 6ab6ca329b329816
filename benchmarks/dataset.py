"""Writing and reading a world's log: CPU and wall nanoseconds and bytes an event, whole and a part a day.

`python benchmarks/dataset.py [--json]`; every contender's rows are first checked to agree. pyarrow's own writer with
its own settings, which digests nothing, and its reader, which checks nothing, stand beside.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq

sys.path[0] = str(Path(__file__).resolve().parents[1])  # else benchmarks/simulator.py would be what `simulator` names

from simulator import dataset
from simulator.dataset.tables import event_columns
from simulator.schema import DAY_SECONDS, Observation
from simulator.simulate import simulate
from simulator.spec import find_world


@dataclass(frozen=True)
class Figures:
    """Medians an event; bytes of the files of events, none where nothing is written."""

    cpu_ns: float
    wall_ns: float
    n_bytes: float | None


def write_days(folder: Path, observation: Observation, n_days: int) -> dataset.Manifest:
    """Write the events a part a day."""
    events = observation.events
    rest = replace(observation, events=events.take(slice(0, 0)))
    with dataset.DatasetWriter.open(folder, name="days", origin={}, texts=True, key="") as writer:
        for day in range(n_days):
            writer.write_events(event_columns(events.between(day * DAY_SECONDS, (day + 1) * DAY_SECONDS)))
        return writer.finish(rest)


def writers(observation: Observation, n_days: int) -> dict[str, Callable[[Path], object]]:
    """Return what writes the events below a folder."""
    table = pa.table(event_columns(observation.events))

    def write_alone(folder: Path) -> None:
        (folder / "events").mkdir(parents=True)
        pq.write_table(table, folder / "events" / "part-00000.parquet")

    return {
        "write, whole": lambda folder: dataset.write(folder, observation, name="days", origin={}),
        "write, a part a day": lambda folder: write_days(folder, observation, n_days),
        "write, pyarrow alone": write_alone,
    }


def readers(whole: Path, days: Path) -> dict[str, Callable[[], int]]:
    """Return what reads the events, and says how many."""
    return {
        "read, whole": lambda: len(dataset.read(whole).observation.events),
        "read, a part a day": lambda: len(dataset.read(days).observation.events),
        "scan, a part a day": lambda: sum(len(log) for log in dataset.scan(days).events()),
        "read, pyarrow alone": lambda: len(pq.read_table(days / "events")),
    }


def median_ns(call: Callable[[], object], repeats: int, n_events: int) -> tuple[float, float]:
    """Return the median CPU and wall nanoseconds an event of a call."""
    cpu, wall = [], []
    for _ in range(repeats):
        start_cpu, start = time.process_time(), time.perf_counter()
        call()
        cpu.append(time.process_time() - start_cpu)
        wall.append(time.perf_counter() - start)
    return statistics.median(cpu) / n_events * 1e9, statistics.median(wall) / n_events * 1e9


def bytes_of(folder: Path) -> int:
    """Return the bytes of the files of events."""
    return sum(path.stat().st_size for path in (folder / "events").iterdir())


def compare(place: Path, observation: Observation, n_days: int, repeats: int) -> Mapping[str, Figures]:
    """Measure every contender, writing below `place`."""
    n, found = len(observation.events), dict[str, Figures]()
    for name, write in writers(observation, n_days).items():
        folder = place / name

        def write_anew(write: Callable[[Path], object] = write, folder: Path = folder) -> None:
            shutil.rmtree(folder, ignore_errors=True)
            write(folder)

        cpu, wall = median_ns(write_anew, repeats, n)
        found[name] = Figures(cpu, wall, bytes_of(folder) / n)
    whole, days = place / "write, whole", place / "write, a part a day"
    if dataset.read_manifest(whole).tables["events"].content != dataset.read_manifest(days).tables["events"].content:
        raise AssertionError("whole and days: expected the same content, got another")
    for name, read in readers(whole, days).items():
        if read() != n:
            raise AssertionError(f"{name}: expected {n} events, got {read()}")
        found[name] = Figures(*median_ns(read, repeats, n), None)
    return found


def main() -> None:
    """Print the table, and with --json one object on the last line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--world", default="small")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    chosen = parser.parse_args()
    spec = find_world(chosen.world)
    with TemporaryDirectory() as parent:
        simulate(spec, Path(parent) / "world", seed=1)
        observation = dataset.read(Path(parent) / "world").observation
        found = compare(Path(parent), observation, spec.days, chosen.repeats)
    n_events = len(observation.events)
    print(f"{n_events:,} events of the world {spec.name} in {spec.days} days; all agree")
    print(f"{'an event':24}{'CPU ns':>9}{'wall ns':>9}{'bytes':>8}")
    for name, row in found.items():
        n_bytes = "" if row.n_bytes is None else f"{row.n_bytes:.2f}"
        print(f"{name:24}{row.cpu_ns:9.1f}{row.wall_ns:9.1f}{n_bytes:>8}")
    if chosen.json:
        rows = {
            name: {"cpu_ns_per_event": row.cpu_ns, "wall_ns_per_event": row.wall_ns, "bytes_per_event": row.n_bytes}
            for name, row in found.items()
        }
        print(json.dumps({"world": spec.name, "events": n_events, "days": spec.days, "contenders": rows}))


if __name__ == "__main__":
    main()
