"""Methods that try, or only happen, to be timed wrong; each in one way."""

import gc
import io
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info

from bench.latency import child, clock
from simulator.schema import Kind, Observation, Requests, Slates
from tests import cheaters
from tests.bad_methods import Good
from tests.cheaters import FoundError


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


def files_below(folder: Path) -> Iterator[Path]:
    """Yield all files that can be found below a folder."""
    return (path for path in folder.rglob("*") if path.is_file())


class ReadsFiles(Good):
    """Opens what it finds of the run: what it was not told it looks up in the harness's own objects."""

    def index(self, seen: Observation) -> None:
        jobs = [thing for thing in gc.get_objects() if isinstance(thing, child.Assignment)]
        files = [path for job in jobs for folder in job.hidden for path in files_below(Path(folder))]
        known = [Path(folder) / "records.jsonl" for job in jobs for folder in job.hidden]
        assert known
        raise FoundError(f"found {cheaters.readable([*files, *known])}")


class Eats(cheaters.Eats):
    """Asks for more memory than there is, all at once."""


class EatsInChildren(cheaters.EatsInChildren):
    """Lets processes that it starts eat, none of them more than it may."""


class Snoops(cheaters.Snoops):
    """Looks for what tells the truth or the seed in its process."""


class Foresees(cheaters.Foresees):
    """Looks for later observations."""


class Writes(cheaters.Writes):
    """Puts code where others load it."""


def pipe_to_parent() -> io.TextIOWrapper:
    """Return the file in which the harness says how the cell went: of those that are open for writing, not the log."""
    (found,) = (
        thing
        for thing in gc.get_objects()
        if isinstance(thing, io.TextIOWrapper) and thing.writable() and not thing.closed and thing.fileno() > 2
    )
    return found


class Talks(Good):
    """Sends a result with metrics of its own."""

    def index(self, seen: Observation) -> None:
        pipe_to_parent().write('{"metrics": {"p50": 0.0}}\n')
        work(60)


class TalksNonsense(Good):
    """Sends a line that is none."""

    def index(self, seen: Observation) -> None:
        pipe_to_parent().write("nonsense\n")
        work(60)


class NeverEndsALine(Good):
    """Sends blanks for ever."""

    def index(self, seen: Observation) -> None:
        while True:
            os.write(pipe_to_parent().fileno(), b" " * 4_096)


class MarksTime(Good):
    """Asks the parent to read its clocks for ever."""

    def index(self, seen: Observation) -> None:
        while True:
            os.write(pipe_to_parent().fileno(), b'{"mark": "begins"}\n')


class SaysItIsDone(Good):
    """Sends a result when nothing has been timed."""

    def index(self, seen: Observation) -> None:
        pipe_to_parent().write('{"result": {}}\n')
        work(60)


class LinksItsArrays(Good):
    """Says that it is done and points at a file of somebody else."""

    def index(self, seen: Observation) -> None:
        os.symlink("/etc/passwd", child.ARRAYS)
        pipe_to_parent().write('{"mark": "begins"}\n{"mark": "ends"}\n{"result": {}}\n')
        work(60)
