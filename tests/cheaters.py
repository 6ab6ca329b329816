"""Methods that cheat, each with one trick. Those that look for something say by an error what they found."""

import ctypes
import gc
import os
import sys
import time
from dataclasses import fields
from multiprocessing import connection, current_process
from pathlib import Path

import numpy as np

import bench.measure
from bench.answer import Answer, Said, pack
from bench.record import Measured
from methods.base import Budget
from simulator.schema import Kind, Observation, Requests, Slates, StoredTexts
from tests.bad_methods import Good

TELLING_MODULES = ("simulator.oracle", "simulator.world", "simulator.population", "bench.truth", "bench.exam")
TELLING_TYPES = ("Oracle", "World", "Population", "Exam", "Truth", "WorldSpec", "Source", "Plan", "Opener", "Case")
FORGED = Measured(
    fit_seconds=0.0,
    fit_cpu_seconds=0.0,
    index_seconds=0.0,
    requests_per_second=1e9,
    latency_p50_ms=0.0,
    latency_p95_ms=0.0,
    latency_cpu_p50_ms=0.0,
    peak_bytes=0,
)


class FoundError(Exception):
    """What a look around brought."""


def held(of: type) -> list[object]:
    """Return all objects of a type in the process."""
    return [thing for thing in gc.get_objects() if isinstance(thing, of)]


def readable(paths: list[Path]) -> list[str]:
    """Return the files that can be opened."""
    found = []
    for path in paths:
        try:
            with path.open("rb") as file:
                file.read(1)
            found.append(str(path))
        except OSError:
            pass
    return found


class Snoops(Good):
    """Looks in its own process: for modules and objects that hold the truth, and words that tell the seed."""

    def index(self, seen: Observation) -> None:
        modules = [name for name in TELLING_MODULES if name in sys.modules]
        things = [name for name in (type(thing).__name__ for thing in gc.get_objects()) if name in TELLING_TYPES]
        words = (*sys.argv, *os.environ.values(), current_process().name, os.getcwd())
        raise FoundError(f"found {modules + things + [word for word in words if 'seed' in word or '4242' in word]}")


class Foresees(Good):
    """Looks, while it is fitted, for later observations, and for what columns and texts are cut from."""

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        later = [thing.now for thing in held(Observation) if isinstance(thing, Observation) and thing.now > seen.now]
        beyond = [
            name
            for log, count in ((seen.events, len(seen.events)), (seen.catalog.notes, len(seen.catalog.notes)))
            for name, column in ((field.name, getattr(log, field.name)) for field in fields(log))
            if isinstance(column, np.ndarray) and isinstance(column.base, np.ndarray) and len(column.base) > count
        ]
        title = seen.catalog.notes.title
        assert isinstance(title, StoredTexts)
        if title.column.get_total_buffer_size() > title.column.nbytes + 256:
            beyond.append("title")
        raise FoundError(f"found {later + beyond}")


def folder_of_the_run() -> Path:
    """Return the folder of the run, which the harness names to its own code in this process."""
    _, hidden, *_ = current_process()._args  # type: ignore[attr-defined]
    return Path(hidden[0])


class ReadsFiles(Good):
    """Opens exams, records and values of the run, and the memory and words of its parents."""

    def index(self, seen: Observation) -> None:
        files = [path for path in folder_of_the_run().rglob("*") if path.is_file()]
        names = ("environ", "cmdline", "mem", "maps", "fd/1")
        own = os.getpid()
        others = [path for path in Path("/proc").glob("[0-9]*") if int(path.name) not in (own, 0)]
        known = [folder_of_the_run() / "records.jsonl"]
        parents = [Path(f"/proc/{os.getppid()}/{name}") for name in names]
        raise FoundError(f"found {readable([*files, *known, *parents, *(path / 'environ' for path in others)])}")


class Kills(Good):
    """Sends a signal to its parent, which must live on."""

    def index(self, seen: Observation) -> None:
        try:
            os.kill(os.getppid(), 0)
        except PermissionError as error:
            raise FoundError("found nobody to kill") from error
        raise FoundError("found a parent to kill")


class Writes(Good):
    """Puts code where others load it."""

    def index(self, seen: Observation) -> None:
        written = []
        for module in ("bench.check", "bench.worker", "methods.base"):
            path = Path(str(sys.modules["bench"].__file__)).parents[1] / f"{module.replace('.', '/')}_planted.py"
            try:
                path.write_text("")
                path.unlink()
                written.append(str(path))
            except OSError:
                pass
        raise FoundError(f"found {written}")


def pipes_to_the_harness() -> list[connection.Connection]:
    """Return the pipes on which the harness says in this process what the method answered."""
    pipes = (thing for thing in gc.get_objects() if isinstance(thing, connection.Connection))
    return [pipe for pipe in pipes if pipe.writable and not pipe.readable]


class ClaimsMetrics(Good):
    """Sends an answer with metrics of its own before the harness sends the true one."""

    def index(self, seen: Observation) -> None:
        said = b'{"task":"warm/next-note@v1","status":"ok","metrics":{"recall@100":{"mean":1.0}},"shape":[0,0]}\n'
        for pipe in pipes_to_the_harness():
            pipe.send_bytes(said)


class Forges(Good):
    """Sends a well-formed answer to every task, with somebody else's file names and false readings."""

    lists = np.zeros((2, 500), np.int32)

    def index(self, seen: Observation) -> None:
        answer = Answer(task="warm/next-note@v1", status="ok", measured=FORGED, shape=(2, 500), confined=True)
        for pipe in pipes_to_the_harness():
            pipe.send_bytes(pack(Said(answer, self.lists)))


class HalfAMessage(Good):
    """Promises a long message and never sends it."""

    def index(self, seen: Observation) -> None:
        for pipe in pipes_to_the_harness():
            os.write(pipe.fileno(), b"\x00\x10\x00\x00{")
        time.sleep(60)


class TooLong(Good):
    """Promises a message that nobody could hold."""

    def index(self, seen: Observation) -> None:
        for pipe in pipes_to_the_harness():
            os.write(pipe.fileno(), b"\x7f\xff\xff\xff{")
        time.sleep(60)


def burn(seconds: float) -> None:
    """Spend CPU time, by a clock that was bound before anybody could patch it."""
    until = _process_time() + seconds
    while _process_time() < until:
        pass


_process_time = time.process_time


class PatchesTime(Good):
    """Stops the clocks of the module `time`, then fits for long."""

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        for name in ("perf_counter", "process_time", "monotonic", "time"):
            setattr(time, name, lambda: 0.0)
        super().fit(seen, target=target, rng=rng, budget=budget)
        burn(1.5)


class PatchesHarness(Good):
    """Stops the clocks of the harness itself, then fits for long."""

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        for name in ("perf_counter", "process_time"):
            setattr(bench.measure, name, lambda: 0.0)
        super().fit(seen, target=target, rng=rng, budget=budget)
        burn(12.0)


class Unborn(Good):
    """Recommends the note that will be born next."""

    def index(self, seen: Observation) -> None:
        self.next_ = len(seen.catalog.notes)

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        ids_QK = super().recommend(requests, k=k).ids_QK.copy()
        ids_QK[:, 0] = self.next_
        return self.finish(ids_QK)


class MutatesByForce(Good):
    """Makes the columns writable again and gives every note the clicks it likes."""

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        for column in (seen.events.click_E, seen.events.note_E, seen.catalog.notes.born_time_N):
            column.flags.writeable = True
            column[:] = 0
        super().fit(seen, target=target, rng=rng, budget=budget)

    index = Good.index


class Hangs(Good):
    """Never answers."""

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        time.sleep(600)
        return super().recommend(requests, k=k)


class HoldsTheLock(Good):
    """Never answers, and lets no other thread of its process run, as a long call into a library does."""

    def index(self, seen: Observation) -> None:
        ctypes.PyDLL(None).sleep(600)


class HangsWithChildren(Good):
    """Starts a process that would outlive it, notes its number, and never answers."""

    def index(self, seen: Observation) -> None:
        child = os.fork()
        if child == 0:
            time.sleep(600)
            os._exit(0)
        time.sleep(600)


class LeavesAChild(Good):
    """Ends while a child of it keeps the pipe open."""

    def index(self, seen: Observation) -> None:
        if os.fork() == 0:
            time.sleep(600)
            os._exit(0)
        os._exit(7)


class Eats(Good):
    """Asks for more memory than there is, all at once."""

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        self.eaten_ = np.ones(400_000_000, np.float64)


class EatsInChildren(Good):
    """Lets processes that it starts eat, none of them more than it may."""

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        for _ in range(4):
            if os.fork() == 0:
                eaten = np.ones(25_000_000, np.float64)
                time.sleep(600)
                os._exit(int(eaten[0]))
        time.sleep(600)


class Crashes(Good):
    """Writes where nothing is."""

    def index(self, seen: Observation) -> None:
        import ctypes

        ctypes.string_at(0)
