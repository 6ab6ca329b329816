"""The difference B - A of each method on a task, with the statistics of a report's table. Shapes: Q requests."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.compare.pairing import Pair, Paired, pair_up
from bench.metrics import METRICS
from bench.report import Run
from bench.stats import BySeed, Interval, Label, detectable, labels, paired_difference


@dataclass(frozen=True, slots=True)
class Change:
    """A method in both runs: its means over what is paired, B - A, and the least true difference that would show."""

    method: str
    mean_a: float | None
    mean_b: float | None
    difference: Interval
    label: Label
    detectable: float | None
    seeds: tuple[int, ...]
    remark: str


@dataclass(frozen=True, slots=True)
class Table:
    """A task: what changed, and what does not compare: (method, why, seeds)."""

    task: str
    source: str
    metric: str
    one_world: bool
    changes: tuple[Change, ...]
    refused: tuple[tuple[str, str, tuple[int, ...]], ...]

    @property
    def shows_no_difference(self) -> bool:
        """Whether there are methods that compare, and none differs."""
        return bool(self.changes) and all(change.label == "no difference shown" for change in self.changes)


def compare(run_a: Run, run_b: Run, metrics: Mapping[str, str]) -> tuple[Table, ...]:
    """Return a table a task and source of either run; `metrics` says by which metric a task is compared."""
    found: dict[tuple[str, str], dict[str, Paired]] = {}
    for (task, source, method), paired in pair_up(run_a, run_b, metrics):
        found.setdefault((task, source), {})[method] = paired
    return tuple(_table((task, source), metrics[task], own) for (task, source), own in found.items())


def _table(place: tuple[str, str], metric: str, methods: Mapping[str, Paired]) -> Table:
    paired = {method: own.pairs for method, own in methods.items() if own.pairs}
    # Seeds on one log are no draws of it: their mean is one unit, its requests tell the spread.
    one_world = len({pair.fingerprint for own in paired.values() for pair in own}) == 1
    differences = {method: _differences(own, one_world) for method, own in paired.items()}
    found = {method: _interval(own, place[0], one_world) for method, own in differences.items()}
    marks = labels(found, direction=METRICS[metric.partition("@")[0]].direction)
    changes = [
        Change(
            method,
            *_means(own),
            found[method],
            marks[method],
            _detectable(differences[method], one_world),
            tuple(pair.seed for pair in own),
            _remark(own),
        )
        for method, own in paired.items()
    ]
    refused = [(method, why, seeds) for method, own in methods.items() for why, seeds in own.refused.items()]
    return Table(*place, metric, one_world, tuple(changes), tuple(refused))


def _differences(pairs: Sequence[Pair], one_world: bool) -> BySeed:
    """Return B - A of each request by seed; of one world, 0, the mean over the runs on it."""
    by_seed = {pair.seed: pair.values_b_Q - pair.values_a_Q for pair in pairs}
    return {0: np.mean(list(by_seed.values()), axis=0)} if one_world else by_seed


def _interval(differences: BySeed, task: str, one_world: bool) -> Interval:
    nothing = {seed: np.zeros_like(values_Q) for seed, values_Q in differences.items()}
    rng = np.random.default_rng(zlib.crc32(task.encode()))
    found = paired_difference(differences, nothing, rng=rng)
    return found if one_world else found.ranked


def _detectable(differences: BySeed, one_world: bool) -> float | None:
    if one_world:
        return detectable(np.concatenate(list(differences.values())))
    return detectable(np.array([_mean(values_Q) for values_Q in differences.values()], np.float64))


def _means(pairs: Sequence[Pair]) -> tuple[float | None, float | None]:
    """Return the means over seeds of A and B, of the requests where both are defined."""
    both = [~np.isnan(pair.values_a_Q) & ~np.isnan(pair.values_b_Q) for pair in pairs]
    a = [_mean(pair.values_a_Q[kept_Q]) for pair, kept_Q in zip(pairs, both, strict=True)]
    b = [_mean(pair.values_b_Q[kept_Q]) for pair, kept_Q in zip(pairs, both, strict=True)]
    means = (_mean(np.array(a)), _mean(np.array(b)))
    return (None if np.isnan(means[0]) else means[0]), (None if np.isnan(means[1]) else means[1])


def _mean(values: NDArray[np.floating]) -> float:
    """Return the mean of what is defined, NaN where nothing is."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def _remark(pairs: Sequence[Pair]) -> str:
    return "; ".join(dict.fromkeys(pair.changed for pair in pairs if pair.changed))
