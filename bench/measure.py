"""The harness's stopwatch around a method: batches for throughput, single requests for latency.

Shapes: Q requests, K list length.
"""

from __future__ import annotations

import resource
from dataclasses import dataclass

# Bound here, so that a method that puts another clock into the module `time` changes nothing.
from time import perf_counter, process_time

import numpy as np
from numpy.typing import NDArray

from bench.check import check_scores
from methods.base import Method
from simulator.schema import Requests, SchemaError, Slates

BATCH = 256
_WARM_UP, _SINGLES = 8, 64


@dataclass(frozen=True, slots=True)
class Clock:
    """Wall and CPU seconds of one thing."""

    wall: float
    cpu: float

    def __add__(self, other: Clock) -> Clock:
        return Clock(self.wall + other.wall, self.cpu + other.cpu)


class Stopwatch:
    """Time a block: `with Stopwatch() as watch: ...` then `watch.read`."""

    def __enter__(self) -> Stopwatch:
        self._wall, self._cpu = perf_counter(), process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.read = Clock(perf_counter() - self._wall, process_time() - self._cpu)


@dataclass(frozen=True, slots=True)
class Speed:
    """Requests a second in batches; milliseconds of one request alone (k as scored)."""

    requests_per_second: float
    latency_p50_ms: float
    latency_p95_ms: float
    latency_cpu_p50_ms: float


def recommend_all(method: Method, requests: Requests, *, k: int) -> tuple[NDArray[np.int32], float]:
    """Ask in batches; return the lists (Q, K) and the wall seconds that answering took."""
    lists, seconds = [], 0.0
    for first in range(0, len(requests), BATCH):
        batch = requests.between(first, min(first + BATCH, len(requests)))
        with Stopwatch() as watch:
            answer = method.recommend(batch, k=k)
        seconds += watch.read.wall
        if not isinstance(answer, Slates):
            raise SchemaError("recommend", "Slates", type(answer).__name__)
        if answer.ids_QK.shape != (len(batch), k):
            raise SchemaError("Slates.ids", f"shape {(len(batch), k)}", answer.ids_QK.shape)
        check_scores(answer)
        lists.append(answer.ids_QK)
    return np.concatenate(lists), seconds


def latency(method: Method, requests: Requests, *, k: int) -> tuple[float, float, float]:
    """Return p50 and p95 wall and p50 CPU milliseconds of single requests, after a warm-up."""
    reads = []
    n = min(len(requests), _SINGLES)
    for i in [0] * _WARM_UP + list(range(n)):
        single = requests.between(i, i + 1)
        with Stopwatch() as watch:
            method.recommend(single, k=k)
        reads.append(watch.read)
    wall = np.array([read.wall for read in reads[_WARM_UP:]]) * 1e3
    cpu = np.array([read.cpu for read in reads[_WARM_UP:]]) * 1e3
    return float(np.percentile(wall, 50)), float(np.percentile(wall, 95)), float(np.percentile(cpu, 50))


def peak_bytes() -> int:
    """Return the greatest resident size this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
