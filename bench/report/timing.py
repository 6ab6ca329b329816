"""What `coldrecall latency` found of the cells of a run: the service view of each method, its seeds together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from pathlib import Path

from bench.latency.record import LatencyRecord, Measures, Quantile, load
from bench.latency.views import faults
from bench.stats import Interval, over_seeds

FILE = "latency.jsonl"


@dataclass(frozen=True, slots=True)
class Timing:
    """The median wall time of one request in milliseconds, and what keeps it from being ranked."""

    p50_ms: Interval
    faults: tuple[str, ...]


def load_timings(folder: Path, cells: Iterable[str]) -> dict[str, Measures]:
    """Return the newest measures of each of the cells, where the folder of their run has any."""
    return newest(load(folder / FILE), cells)


def newest(records: Sequence[LatencyRecord], cells: Iterable[str]) -> dict[str, Measures]:
    """Keep the newest measures of each cell on the machine timed last: milliseconds of two do not compare."""
    wanted = set(cells)
    timed = [record for record in records if record.cell in wanted and record.measures is not None]
    if not timed:
        return {}
    last = timed[-1].machine
    same = [record for record in timed if (record.machine.cpu, record.machine.cores) == (last.cpu, last.cores)]
    return {record.cell: record.measures for record in same if record.measures is not None}


def timing_of(cells: Iterable[str], timings: Mapping[str, Measures]) -> Timing | None:
    """Put the timed cells of a method together: a fault of one is a fault of all."""
    found = [timings[cell] for cell in cells if cell in timings]
    medians = [median for measures in found if (median := measures.service.wall["p50"]) is not None]
    if not medians:
        return None
    return Timing(_over_seeds(medians), tuple(dict.fromkeys(fault for one in found for fault in faults(one))))


def _over_seeds(medians: Sequence[Quantile]) -> Interval:
    """Return the geometric mean with its t-interval over seeds, or the order statistics' bounds of one seed."""
    if len(medians) == 1:
        return Interval(medians[0].value, medians[0].low, medians[0].high, 1)
    logs = over_seeds([log(median.value) for median in medians])
    assert logs.mean is not None, "more than one"
    assert logs.low is not None, "more than one"
    assert logs.high is not None, "more than one"
    return Interval(exp(logs.mean), exp(logs.low), exp(logs.high), len(medians))
