"""Which cells of two runs answer the same requests, and why the others do not.

A cell is one (task, source, method, seed). Shapes: Q requests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.record import ResultRecord
from bench.report import Run

# The same for every method: where they differ, so do the requests, or how they are scored.
_OF_THE_REQUESTS = ("chance", "ceiling", "cold_chance", "cold_ceiling", "gauc_unaided")
_TOLERANCE = 1e-6  # values are kept as float32

Place = tuple[str, str, str]  # task, source, method


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """The values of one cell in two runs, request by request, and how the records differ.

    Where either run lies without values, each has its mean as the only one.
    """

    seed: int
    fingerprint: str
    values_a_Q: NDArray[np.float64]
    values_b_Q: NDArray[np.float64]
    changed: str


@dataclass(frozen=True, slots=True)
class Paired:
    """The pairs of a method on a task, and why there is none of other seeds: reason -> seeds."""

    metric: str
    pairs: tuple[Pair, ...]
    refused: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


class _Unlike(ValueError):
    """Two cells that do not compare, and why."""


def pair_up(run_a: Run, run_b: Run, metrics: Mapping[str, str]) -> Iterator[tuple[Place, Paired]]:
    """Yield every (task, source, method) of either run whose task is in `metrics`: task -> metric, in that order."""
    cells_a, cells_b = _cells(run_a), _cells(run_b)
    places = sorted({place[:3] for place in (*cells_a, *cells_b) if place[0] in metrics})
    order = {task: at for at, task in enumerate(metrics)}
    for place in sorted(places, key=lambda place: (order[place[0]], place[1:])):
        seeds = sorted({cell[3] for cell in (*cells_a, *cells_b) if cell[:3] == place})
        pairs, refused = [], dict[str, list[int]]()
        for seed in seeds:
            try:
                both = cells_a.get((*place, seed)), cells_b.get((*place, seed))
                pairs.append(_pair((run_a, run_b), both, metrics[place[0]]))
            except _Unlike as why:
                refused.setdefault(str(why), []).append(seed)
        found = {why: tuple(own) for why, own in refused.items()}
        yield place, Paired(metrics[place[0]], tuple(pairs), found)


def _cells(run: Run) -> dict[tuple[str, str, str, int], ResultRecord]:
    return {(record.task, record.source, record.method, record.seed): record for record in run.records}


def _pair(runs: tuple[Run, Run], cells: tuple[ResultRecord | None, ResultRecord | None], metric: str) -> Pair:
    """Return the pair of two cells; raises _Unlike where they do not answer the same requests in the same way."""
    a, b = cells
    if a is None or b is None:
        raise _Unlike(f"only in {'A' if b is None else 'B'}")
    failed = [f"{a_or_b}: {_first_line(cell)}" for a_or_b, cell in (("A", a), ("B", b)) if cell.status != "ok"]
    if failed:
        raise _Unlike("no result in " + "; in ".join(failed))
    if a.fingerprint != b.fingerprint:
        raise _Unlike(
            f"other data or another question: fingerprint {a.fingerprint[:12]} in A, {b.fingerprint[:12]} in B"
        )
    lacking = [a_or_b for a_or_b, cell in (("A", a), ("B", b)) if metric not in cell.metrics]
    if lacking:
        raise _Unlike(f"{metric} is not recorded in {' and '.join(lacking)}: other metrics, or another version of them")
    values_a_Q, values_b_Q = _values(runs, (a, b), metric)
    for name in _same_for_all(a, b, metric):
        if not _equal(*_values(runs, (a, b), name)):
            raise _Unlike(f"other requests, or scored in another way: {name} differs, which no method has a part in")
    return Pair(a.seed, a.fingerprint, values_a_Q, values_b_Q, _changed(a, b))


def _values(
    runs: tuple[Run, Run], cells: tuple[ResultRecord, ResultRecord], metric: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the values of both cells, or their means where one lies without values."""
    a, b = cells
    if all(
        cell.values is not None and (run.root / cell.values).is_file() for run, cell in zip(runs, cells, strict=True)
    ):
        a_Q, b_Q = (run.values(cell, metric) for run, cell in zip(runs, cells, strict=True))
        assert a_Q is not None, "the metric is in the record, and the values are there"
        assert b_Q is not None, "the metric is in the record, and the values are there"
    else:
        found = a.metrics[metric], b.metrics[metric]
        a_Q, b_Q = (np.array([np.nan if value.mean is None else value.mean]) for value in found)
    counts = [(cell.metrics[metric].n, cell.metrics[metric].n_undefined) for cell in cells]
    if a_Q.shape != b_Q.shape or counts[0] != counts[1]:
        asked = [f"{n} requests and {undefined} undefined" for n, undefined in counts]
        raise _Unlike(f"other requests: {metric} has {asked[0]} in A, {asked[1]} in B")
    return a_Q, b_Q


def _same_for_all(a: ResultRecord, b: ResultRecord, metric: str) -> list[str]:
    """Return the metrics of both that no method has a part in, at the K of the metric."""
    _, at, k = metric.partition("@")
    names = [name + at + k for name in _OF_THE_REQUESTS]
    return [name for name in names if name in a.metrics and name in b.metrics]


def _equal(a_Q: NDArray[np.float64], b_Q: NDArray[np.float64]) -> bool:
    return bool(np.isclose(a_Q, b_Q, rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True).all())


def _changed(a: ResultRecord, b: ResultRecord) -> str:
    """Say what of the config changed, or that all inputs are the same."""
    if a.cell == b.cell:
        return "the same code and config"
    names = [name for name in (*a.config, *b.config) if a.config.get(name) != b.config.get(name)]
    return ", ".join(f"{name} {a.config.get(name)} -> {b.config.get(name)}" for name in dict.fromkeys(names))


def _first_line(record: ResultRecord) -> str:
    lines = (record.error or "").strip().splitlines()
    return lines[0] if lines else record.status
