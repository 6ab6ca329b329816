"""Read the records of a run folder, and the per-request values beside them on demand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.latency.record import Measures
from bench.record import ResultRecord, load
from bench.report.timing import load_timings


@dataclass(frozen=True, slots=True)
class Run:
    """Records to report, one a (task, source, method, seed), and the folder that their `values` are relative to.

    `n_superseded` records were left out because a newer one speaks of the same cell, or of newer data for its seed.
    `timings` is what `coldrecall latency` measured, by cell.
    """

    root: Path
    records: tuple[ResultRecord, ...]
    n_superseded: int = 0
    timings: Mapping[str, Measures] = field(default_factory=dict)

    def values(self, record: ResultRecord, metric: str) -> NDArray[np.float64] | None:
        """Return one value per request, or None where the record has none of this metric."""
        if record.values is None or metric not in record.metrics:
            return None
        with np.load(self.root / record.values, allow_pickle=False) as stored:
            if metric not in stored:
                raise ValueError(f"{self.root / record.values}: expected an array {metric!r}, got {sorted(stored)}")
            column: NDArray[np.float64] = stored[metric].astype(np.float64)
        return column


def load_run(place: Path) -> Run:
    """Return the current records of a run folder, or of one file of records."""
    path = place if place.is_file() else place / "records.jsonl"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected the records of a run, got no such file")
    return run_of(path.parent, load(path))


def run_of(folder: Path, records: Sequence[ResultRecord]) -> Run:
    """Return what is current of the records of a folder, with the timings that lie there."""
    kept = current(records)
    return Run(folder, kept, len(records) - len(kept), load_timings(folder, (record.cell for record in kept)))


def current(records: Iterable[ResultRecord]) -> tuple[ResultRecord, ...]:
    """Keep the newest record of each method on the newest data of each (task, source, seed): others do not compare."""
    newest: dict[tuple[str, str, int], str] = {}
    latest: dict[tuple[str, str, int, str], ResultRecord] = {}
    for record in records:
        place = (record.task, record.source, record.seed)
        newest[place] = record.fingerprint
        latest.pop((*place, record.method), None)
        latest[(*place, record.method)] = record
    return tuple(r for r in latest.values() if newest[r.task, r.source, r.seed] == r.fingerprint)
