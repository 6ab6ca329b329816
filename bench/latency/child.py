"""What runs in the pinned process: fit, index, answer under the clock, answer in batches, refresh; report by file.

The order matters: the timed requests are the first that the method is ever asked, so that nothing it remembers of them
helps. The truth is not here, nor anything later than the task shows: views are handed out by another process, and what
else may be reached is given up before the method is loaded. The parent compares the answers with what was scored.
"""

from __future__ import annotations

import copy
import gc
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing import connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.confined import hide
from bench.handout import Questions, View, ask
from bench.latency.blocks import PAIRS, Turns, take_turns
from bench.latency.clock import Ask, Trace, WarmUp, overhead_ns, trace, warm_up
from bench.latency.memory import pickled_bytes, resident_bytes
from bench.measure import Clock, Stopwatch, recommend_all
from bench.split import as_of
from bench.task import Task
from bench.tasks import find_task
from bench.worker import limit_memory
from methods.base import Budget, Method
from methods.registry import create
from simulator.arrays import save_arrays
from simulator.luck import generator
from simulator.schema import DAY_SECONDS, Kind, Observation, Requests, SchemaError, Slates

BATCHES = (1, 32, 256)
FEATURES = 64  # of the baseline's vectors
_CHECKED, _MOST_BASELINE = 0.05, 100
_TWICE, _AT_ONCE = 200, 25  # requests that are asked twice, and how many before they are asked again


ARRAYS = "arrays.npz"  # in the scratch folder


@dataclass(frozen=True, slots=True)
class Assignment:
    """One cell to time, and how long. The keys are hashes and tell no world's seed; `scratch` is an empty folder."""

    method: str
    task: str
    order_key: int
    method_key: int
    queries: int
    seconds: float
    memory_bytes: float
    scratch: str
    hidden: Sequence[str]


def work(pipe: int, desk: int) -> None:
    """Read an assignment from standard input, do it with what the desk hands out, and say on the pipe how it went."""
    job = Assignment(**json.loads(sys.stdin.readline()))
    with os.fdopen(pipe, "w", buffering=1) as out, connection.Connection(desk) as given:

        def tell(**words: object) -> None:
            out.write(json.dumps(words) + "\n")

        tell(confined=hide(Path(job.scratch), job.method, hidden=[Path(path) for path in job.hidden]))
        limit_memory(job.memory_bytes)
        try:
            tell(result=_Cell.open(job, given).measure(tell))
        except (Exception, SystemExit) as error:  # whatever a method raises is its result
            tell(error=f"{type(error).__name__}: {error}"[:2_000])


@dataclass(frozen=True, slots=True, eq=False)
class _Cell:
    """A method, fitted and indexed on the present, and what it is to be asked."""

    job: Assignment
    task: Task
    requests: Requests
    present: Observation
    fitted: Method
    method: Method
    readings: dict[str, Any]

    @classmethod
    def open(cls, job: Assignment, desk: connection.Connection) -> _Cell:
        task, past = find_task(job.task), ask(desk, 0, "nothing")
        assert isinstance(past, View)
        fitted, start_bytes = create(job.method), resident_bytes()
        rng = generator(job.method_key, f"fit/{job.method}/{task.target}")
        with Stopwatch() as fit:
            fitted.fit(past.seen, target=task.target, rng=rng, budget=Budget())
        del past
        method, now = copy.deepcopy(fitted), ask(desk, 0, "fit")
        assert isinstance(now, View)
        before = dict(vars(method))
        with Stopwatch() as index:
            method.index(now.seen)
        made = {name: value for name, value in vars(method).items() if before.get(name) is not value}
        readings = {
            **_clocks("fit", fit.read),
            **_clocks("index", index.read),
            "start_bytes": start_bytes,
            "index_bytes": pickled_bytes(made),
        }
        asked = ask(desk, 0, "index")
        assert isinstance(asked, Questions)
        return cls(job, task, asked.requests, now.seen, fitted, method, readings)

    @property
    def k(self) -> int:
        return max(self.task.ks)

    def measure(self, tell: Any) -> dict[str, Any]:
        """Time everything, write the arrays, and return the numbers."""
        rng = generator(self.job.order_key, "latency")
        n_candidates, parts = len(self.requests.candidates_C), Parts.of(len(self.requests), rng)
        singles = [self.requests.between(i, i + 1) for i in range(len(self.requests))]

        def answer(request: int) -> Slates:
            return self.method.recommend(singles[request], k=self.k)

        gc.collect()
        gc.freeze()
        warm = warm_up(answer, parts.warm_up_Q.tolist(), seconds=self.job.seconds)
        peak_bytes = resident_bytes(peak=True)
        order = self._order(parts, warm, rng)
        baseline = _baseline(n_candidates, self.k, rng)
        baseline_order = list(range(PAIRS * max(5, min(_MOST_BASELINE, len(order) // PAIRS))))
        warm_up(baseline, baseline_order[: 2 * _MOST_BASELINE], seconds=self.job.seconds / 10)
        kept = _Kept(order, self.k, rng.random(len(order)) < max(_CHECKED, min(1, 20 / len(order))))
        _mark(tell, "begins")
        turns = take_turns(
            (answer, baseline), (order, baseline_order), keep=kept, tell=lambda done: tell(done=done, total=PAIRS)
        )
        _mark(tell, "ends")
        twice = ask_twice(answer, parts.twice_Q.tolist())
        throughput, ids_QK = self._throughput(warm)
        save_arrays(Path(self.job.scratch) / ARRAYS, _arrays(turns, warm, twice, kept, ids_QK), compress=True)
        return {
            **self.readings,
            **self._refresh(),
            "peak_bytes": peak_bytes,
            "throughput": throughput,
            "warm": warm.stable,
            "overhead_ns": overhead_ns(),
            "baseline": f"FAISS {version('faiss-cpu')} flat, {n_candidates} x {FEATURES}, k {self.k}",
        }

    def _order(self, parts: Parts, warm: WarmUp, rng: np.random.Generator) -> list[int]:
        """Return the timed requests: passes over all in a shuffled order, the first over those not asked yet."""
        n = max(PAIRS, min(self.job.queries, int(self.job.seconds * 1e9 / max(warm.median_ns, 1.0))))
        passes = [parts.timed_Q]
        while sum(map(len, passes)) < n:
            passes.append(rng.permutation(np.concatenate([parts.warm_up_Q, parts.timed_Q])))
        order: list[int] = np.concatenate(passes)[:n].tolist()
        return order

    def _throughput(self, warm: WarmUp) -> tuple[dict[str, dict[str, float]], NDArray[np.int32]]:
        """Ask in batches, the scored way last; return rates, and the lists of all requests."""
        rates, most = {}, int(self.job.seconds * 1e9 / max(warm.median_ns, 1.0))
        for size in BATCHES:
            n = min(len(self.requests), max(BATCHES), max(size, most))
            requests = self.requests.between(0, n)
            batches = [requests.between(first, min(first + size, n)) for first in range(0, n, size)]
            with Stopwatch() as watch:
                for batch in batches:
                    self.method.recommend(batch, k=self.k)
            per_second, per_cpu_second = (n / max(x, 1e-9) for x in (watch.read.wall, watch.read.cpu))
            rates[str(size)] = {"per_second": per_second, "per_cpu_second": per_cpu_second, "n": n}
        ids_QK, _ = recommend_all(self.method, self.requests, k=self.k)
        return rates, ids_QK

    def _refresh(self) -> dict[str, Any]:
        """Index the state of a day before, then time the present; see which of that day's targets are found."""
        method, present = copy.deepcopy(self.fitted), self.present
        method.index(as_of(present, present.now - DAY_SECONDS))
        with Stopwatch() as refresh:
            method.index(present)
        with Stopwatch() as first:
            method.recommend(self.requests.between(0, 1), k=self.k)
        fresh = np.intersect1d(_fresh_ids(present, self.task.target), self.requests.candidates_C)
        ids_QK, _ = recommend_all(method, self.requests, k=self.k)
        reached = np.intersect1d(fresh, ids_QK)
        return {
            "refresh_seconds": refresh.read.wall,
            "staleness_seconds": refresh.read.wall + first.read.wall if len(reached) else None,
            "n_fresh": len(fresh),
            "n_fresh_reached": len(reached),
        }


class _Kept:
    """Timed answers that were picked beforehand, to be compared with the scored ones."""

    def __init__(self, order: list[int], k: int, picked_N: NDArray[np.bool_]) -> None:
        self._order, self._shape, self._picked = order, (1, k), set(np.flatnonzero(picked_N).tolist())
        self.ids: list[NDArray[np.int32]] = []
        self.requests: list[int] = []

    def __call__(self, place: int, answer: object) -> None:
        if not isinstance(answer, Slates) or answer.ids_QK.shape != self._shape:
            got = answer.ids_QK.shape if isinstance(answer, Slates) else type(answer).__name__
            raise SchemaError("recommend", f"Slates of {self._shape}", got)
        if place in self._picked:
            self.ids.append(answer.ids_QK[0].copy())
            self.requests.append(self._order[place])


def _mark(tell: Any, what: str) -> None:
    """Let the parent read its own clocks of this process before going on."""
    tell(mark=what)
    sys.stdin.readline()


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Requests by what they are for: a tenth warms up, as many at most stay unasked until they are asked twice."""

    warm_up_Q: NDArray[np.int64]
    timed_Q: NDArray[np.int64]
    twice_Q: NDArray[np.int64]

    @classmethod
    def of(cls, n: int, rng: np.random.Generator) -> Parts:
        """Deal out `n` requests; of one or two some serve more than one purpose."""
        order_Q, tenth = rng.permutation(n), max(1, n // 10)
        last = n - min(_TWICE, tenth)
        timed_Q = order_Q[tenth:last]
        return cls(order_Q[:tenth], timed_Q if len(timed_Q) else order_Q, order_Q[last:])


def ask_twice(answer: Ask, requests: list[int]) -> tuple[Trace, Trace]:
    """Time requests that are new, and again soon after: the speed of a machine wanders within minutes."""
    firsts, repeats = [], []
    for at in range(0, len(requests), _AT_ONCE):
        firsts.append(trace(answer, requests[at : at + _AT_ONCE]))
        repeats.append(trace(answer, requests[at : at + _AT_ONCE]))
    return Trace.joined(firsts), Trace.joined(repeats)


def _clocks(name: str, read: Clock) -> dict[str, float]:
    return {f"{name}_seconds": read.wall, f"{name}_cpu_seconds": read.cpu}


def _baseline(n_targets: int, k: int, rng: np.random.Generator) -> Any:
    """Return exact flat search by FAISS over as many vectors as there are candidates."""
    # Not before the process is confined: machine code of methods is kept where they may write from then on.
    from methods.retrieval import IndexConfig, build, search

    vectors_TF = rng.standard_normal((n_targets, FEATURES), dtype=np.float32)
    queries_QF = rng.standard_normal((_MOST_BASELINE, FEATURES), dtype=np.float32)
    index = build(vectors_TF, IndexConfig("flat"))
    return lambda request: search(index, queries_QF[request % _MOST_BASELINE][None], k=k)


def _fresh_ids(present: Observation, target: Kind) -> NDArray[np.int32]:
    catalog = present.catalog
    arrived_T = {
        "note": catalog.notes.born_time_N,
        "author": catalog.authors.joined_time_A,
        "user": catalog.users.joined_time_U,
    }[target]
    return np.flatnonzero(arrived_T >= present.now - DAY_SECONDS).astype(np.int32)


def _arrays(
    turns: Turns, warm: WarmUp, twice: tuple[Trace, Trace], kept: _Kept, ids_QK: NDArray[np.int32]
) -> dict[str, NDArray[Any]]:
    """Return all that was read, by name: nothing is summed up here."""
    arrays: dict[str, NDArray[Any]] = {}
    traces = dict(zip(("first", "again"), twice, strict=True))
    for name, blocks in (("method", turns.method), ("baseline", turns.baseline), ("warm_up", [warm.trace])):
        traces[name] = Trace.joined(list(blocks))
        arrays[f"{name}_block_N"] = np.repeat(np.arange(len(blocks)), [len(block) for block in blocks])
    for name, whole in traces.items():
        arrays |= {f"{name}_{field}": getattr(whole, field) for field in Trace.__slots__}
    arrays["checked_request_C"] = np.array(kept.requests, np.int64)
    arrays["checked_ids_CK"] = np.stack(kept.ids) if kept.ids else np.empty((0, ids_QK.shape[1]), np.int32)
    arrays["ids_QK"] = ids_QK
    return arrays
