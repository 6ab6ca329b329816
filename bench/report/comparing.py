"""How the methods of a table differ from its reference, request by request, and how much of a difference would show.

Shapes: Q requests.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from bench.metrics import METRICS
from bench.record import ResultRecord
from bench.report.loading import Run
from bench.stats import BySeed, Interval, Label, detectable, given_worlds, labels, paired_differences
from bench.task import Task


@dataclass(frozen=True, slots=True)
class Comparison:
    """Differences to the reference in the primary metric, by method, and what they come to.

    `given_worlds` is what other requests of the same worlds would tell; methods are ranked by `differences`. The least
    difference that comparisons like these would find is `detectable`, by metric: the median over methods, None where
    nothing tells.
    """

    differences: Mapping[str, Interval]
    given_worlds: Mapping[str, Interval]
    labels: Mapping[str, Label]
    detectable: Mapping[str, float | None]


NOTHING = Comparison({}, {}, {}, {})


def compare(
    run: Run, task: Task, by_method: Mapping[str, Sequence[ResultRecord]], reference: str, *, one_world: bool
) -> Comparison:
    """Pair every other method with the reference."""
    values = {method: _by_world(run, records, task.primary, one_world) for method, records in by_method.items()}
    base = values.pop(reference)
    # Every method of every table of a task meets the same resamples.
    rng = np.random.default_rng(zlib.crc32(task.id.encode()))
    found = paired_differences(values, base, rng=rng)
    given = found if one_world else given_worlds(values, base, rng=rng)
    if not one_world:
        found = {method: difference.ranked for method, difference in found.items()}
    marks = labels(found, direction=METRICS[task.primary.partition("@")[0]].direction)
    return Comparison(found, given, marks, _detectable(run, task, by_method, reference, one_world))


def _by_world(run: Run, records: Sequence[ResultRecord], metric: str, one_world: bool) -> BySeed:
    """Return the values of each world by its seed; of one world, 0, the mean over the runs on it."""
    worlds: dict[int, list[NDArray[np.float64]]] = {}
    for record in records:
        values_Q = run.values(record, metric)
        if values_Q is not None:
            worlds.setdefault(0 if one_world else record.seed, []).append(values_Q)
    return {world: np.mean(values, axis=0) for world, values in worlds.items()}


def _detectable(
    run: Run, task: Task, by_method: Mapping[str, Sequence[ResultRecord]], reference: str, one_world: bool
) -> dict[str, float | None]:
    """Return what would be found in each metric at the K of the primary one, and in recall@10."""
    at = "@" + task.primary.partition("@")[2]
    names = [name for name in by_method[reference][0].metrics if name.endswith(at) or name == "recall@10"]
    out: dict[str, float | None] = {}
    for name in names:
        units = {method: _units(run, records, name, one_world) for method, records in by_method.items()}
        base = units.pop(reference)
        found = [least for own in units.values() if (least := _least(own, base)) is not None]
        out[name] = median(found) if found else None
    return out


def _units(run: Run, records: Sequence[ResultRecord], metric: str, one_world: bool) -> BySeed:
    """Return what a comparison takes as its units: the values of the requests of one world, or the means of several."""
    if one_world:
        return _by_world(run, records, metric, one_world)
    means = ((record.seed, record.metrics[metric].mean) for record in records if metric in record.metrics)
    return {seed: np.array([mean]) for seed, mean in means if mean is not None}


def _least(own: BySeed, base: BySeed) -> float | None:
    differences = [own[world] - base[world] for world in sorted(own.keys() & base.keys())]
    return detectable(np.concatenate(differences)) if differences else None
