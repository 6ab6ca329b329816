"""A run on a Ray cluster has the records of one without, whatever a method, a worker, a node or a kill does."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from ray.cluster_utils import Cluster

from bench.answer import unpack
from bench.cluster import connected, run_errands
from bench.errand import Errand
from bench.node import Elsewhere
from bench.plan import Plan
from bench.processes import Ended, Limits, Message
from bench.record import ResultRecord, load
from bench.run import run
from bench.sandbox import version
from simulator.arrays import load_arrays
from tests.cluster_examples import dataset_at, errand, stands_in, with_variable, workers_below
from tests.test_cluster import lists_of
from tests.test_run import COMMAND, ROOT, newest, stripped
from tests.waiting import quiet, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # warnings of Ray's own making

CHEATERS, SLOW = "tests.cheaters", "tests.cluster_methods:Slow"
MARK = "MARKED_BY_A_TEST"
NEXT = ("warm/next-note@v1",)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dataset_at(tmp_path_factory.mktemp("ray") / "world")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("here") / "tiny"


def same_values(one: Path, other: Path, record: ResultRecord) -> bool:
    assert record.values is not None
    ours, theirs = (load_arrays(folder / record.values) for folder in (one, other))
    return ours.keys() == theirs.keys() and all(
        np.array_equal(ours[name], theirs[name], equal_nan=True) for name in ours
    )


def test_records_and_values_are_those_of_a_local_run_whatever_one_method_does(here: Path, tmp_path: Path) -> None:
    bad = tuple(f"{CHEATERS}:{name}" for name in ("Hangs", "Eats", "Crashes", "Snoops", "ReadsFiles", "Unborn"))
    methods = ("oracle", "random", *bad, "popular", "item-cf")
    plan = Plan("tiny", (1,), ("author-cold/u2a/j5@v1", *NEXT), methods, "random")
    limits = Limits(seconds=20, memory_bytes=8e8)
    local, remote = (
        run(plan, out, n_workers=2, data=None, tell=quiet, limits=limits, ray=ray)
        for out, ray in ((here, None), (tmp_path, "local"))
    )
    assert [stripped(record) for record in remote] == [stripped(record) for record in local]
    assert {record.status for record in remote} == {"ok", "failed", "timeout", "oom"}
    sound = [record for record in remote if record.status == "ok"]
    assert {record.method for record in sound} == {"oracle", "random", "popular", "item-cf"}
    assert all(same_values(here, tmp_path, record) for record in sound)
    if version() >= 6:
        assert all(record.confined for record in sound)
        assert all("found [] " in str(r.error) for r in remote if r.method in (bad[3], bad[4]))


def test_a_dataset_that_a_node_cannot_read_is_sent_to_it(world: Path) -> None:
    handle = os.open(world, os.O_RDONLY)
    try:
        only_here = Path(f"/proc/self/fd/{handle}")  # another folder, or none, in every other process
        with connected("local"):
            near, far = (list(on_cluster([errand("popular", place)])) for place in (world, only_here))
    finally:
        os.close(handle)
    assert len(lists_of(near)) == 5
    assert lists_of(near) == lists_of(far)


def on_cluster(errands: list[Errand]) -> Iterator[Message | Ended | Elsewhere]:
    return run_errands(errands, hidden=(), n_at_once=None)


@pytest.mark.parametrize("kills", [1, 2])
def test_a_killed_ray_worker_is_replaced_once_and_then_a_failed_row(kills: int, world: Path) -> None:
    wanted, left = lists_of(heard_of_slow(world, lambda: None)), kills
    slow, other = errand(SLOW, world, NEXT), errand("popular", world)

    def kill() -> None:
        nonlocal left
        if left:
            left -= 1
            for pid in workers_below(os.getpid()):
                os.kill(pid, signal.SIGKILL)

    with connected("local"):
        said = []
        for event in on_cluster([slow]):
            said.append(event)
            if isinstance(event, Elsewhere):
                kill()
        beside = list(on_cluster([other]))
    if kills == 1:
        assert lists_of(said) == wanted
    else:
        (ended,) = (event for event in said if not isinstance(event, Elsewhere))
        assert isinstance(ended, Ended)
        assert ended.status == "failed"
        assert "its Ray worker or node was lost twice: WorkerCrashedError" in ended.why
    assert beside[-1] == Ended(other.name, "ok")


def heard_of_slow(world: Path, meddle: Callable[[], None]) -> list[Message | Ended | Elsewhere]:
    said = []
    with connected("local"):
        for event in on_cluster([errand(SLOW, world, NEXT)]):
            said.append(event)
            meddle()
    return said


def test_an_errand_of_a_lost_node_is_done_on_another(world: Path) -> None:
    wanted = lists_of(heard_of_slow(world, lambda: None))
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        lost, said = nodes.add_node(num_cpus=1), []
        with connected(nodes.address):
            for event in on_cluster([errand(SLOW, world, NEXT)]):
                said.append(event)
                if isinstance(event, Elsewhere) and lost is not None:
                    nodes.remove_node(lost, allow_graceful=False)
                    lost = None
                    nodes.add_node(num_cpus=1)
    finally:
        nodes.shutdown()  # type: ignore[no-untyped-call]
    assert lists_of(said) == wanted


@pytest.fixture(scope="module")
def left_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("alone") / "run"
    subprocess.run([*COMMAND, "--out", str(out)], cwd=ROOT, check=True, capture_output=True)
    return out


def test_a_killed_head_goes_on_to_the_records_of_a_local_run(left_alone: Path, tmp_path: Path) -> None:
    out, records = tmp_path / "run", tmp_path / "run" / "records.jsonl"
    command = [*COMMAND, "--ray", "local", "--out", str(out)]
    for n_records in (7, 15):  # after the truths, and among the rest
        running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda n=n_records: records.exists() and records.read_bytes().count(b"\n") >= n)  # type: ignore[misc]
        running.kill()
        running.wait()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert newest(out) == newest(left_alone)
    assert len(load(records)) == len(newest(out))  # nothing was done twice
    assert all(same_values(out, left_alone, record) for record in load(records))


def test_a_method_is_given_the_gpu_that_it_declares(world: Path) -> None:
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 1})
    try:
        with connected(nodes.address):
            said = list(on_cluster([errand("tests.cluster_methods:OnGPU", world, NEXT)]))
    finally:
        nodes.shutdown()  # type: ignore[no-untyped-call]
    (answer,) = (unpack(event.content)[0] for event in said if isinstance(event, Message) and event.content)
    assert "found GPU '0'" in str(answer.error)


def start(address: str, out: Path, mark: str) -> subprocess.Popen[bytes]:
    """Start a run of a method that hangs, and return it when the method is at work."""
    words = ("--world", "tiny", "--seeds", "1", "--tasks", *NEXT, "--methods", f"{CHEATERS}:Hangs", "--ray", address)
    running = subprocess.Popen(
        [sys.executable, "-m", "bench", "run", *words, "--out", str(out)],
        cwd=ROOT,
        env=os.environ | {MARK: mark},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: at_work(mark) != [])
    return running


def at_work(mark: str) -> list[int]:
    """Return the marked processes that stand in a method's own folder."""
    return [pid for pid in with_variable(MARK, mark) if "/scratch" in stands_in(pid)]


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.hours)])
def test_all_that_was_started_ends_with_the_head(number: signal.Signals, tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    running = start("local", tmp_path, mark)
    running.send_signal(number)
    assert running.wait(60) != 0
    wait_until(lambda: with_variable(MARK, mark) == [])  # Ray's own take their time


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.hours), signal.SIGKILL])
def test_on_a_cluster_that_was_joined_all_errands_end_with_the_head(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = uuid.uuid4().hex
    monkeypatch.setenv(MARK, mark)
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        running = start(nodes.address, tmp_path, mark)
        running.send_signal(number)
        assert running.wait(60) != 0
        wait_until(lambda: at_work(mark) == [])
        wait_until(lambda: workers_below(os.getpid()) == [])
    finally:
        nodes.shutdown()  # type: ignore[no-untyped-call]
