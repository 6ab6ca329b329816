"""Methods that try, or only happen, to be timed wrong; each in one way."""

import os
import time
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_info

from bench.latency import clock
from simulator.schema import Kind, Observation, Requests, Slates
from tests.bad_methods import Good


def work(seconds: float) -> None:
    """Keep the CPU busy, by a clock that no method here touches."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


class Switches(Good):
    """Answers single requests, which are those that are timed, with what comes last."""

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        answer = super().recommend(requests, k=k)
        if len(requests) > 1:
            return answer
        ids_QK = np.full((1, k), -1, np.int32)
        seen = requests.seen_S[requests.seen_start_Q1[0] : requests.seen_start_Q1[1]]
        last = np.setdiff1d(requests.candidates_C, seen)[::-1][:k]
        ids_QK[0, : len(last)] = last
        return self.finish(ids_QK)


class Remembers(Good):
    """Works once for each request and looks the answer up from then on."""

    def index(self, seen: Observation) -> None:
        super().index(seen)
        self.known_: dict[int, Slates] = {}

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        if len(requests) > 1:
            return super().recommend(requests, k=k)
        request = int(requests.ids_Q[0])
        if request not in self.known_:
            work(2e-3)
            self.known_[request] = super().recommend(requests, k=k)
        return self.known_[request]


class SlowsTheClock(Good):
    """Makes the harness's clocks run at a tenth of their speed."""

    def index(self, seen: Observation) -> None:
        super().index(seen)

        def slowed(tick: Callable[[], int]) -> Callable[[], int]:
            return lambda: tick() // 10

        vars(clock)["perf_counter_ns"] = slowed(time.perf_counter_ns)
        vars(clock)["process_time_ns"] = slowed(time.process_time_ns)


class SaysWhereItIs(Good):
    """Raises with the cores and threads that its process has."""

    def index(self, seen: Observation) -> None:
        threads = sorted({pool["num_threads"] for pool in threadpool_info()})
        raise RuntimeError(f"cores {sorted(os.sched_getaffinity(0))}, threads {threads}")


class Dies(Good):
    """Says something and takes its process along."""

    def index(self, seen: Observation) -> None:
        os.write(2, b"out of luck\n")
        os._exit(7)


class Hangs(Good):
    """Never finishes."""

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: object) -> None:
        while True:
            work(1.0)
