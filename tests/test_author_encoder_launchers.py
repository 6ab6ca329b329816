"""torchrun and deepspeed start the ranks of a job that is written to a file, and end where our own launcher ends."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from methods.author_encoder.launch import Job, spawn, write_job
from tests.author_encoder_tiny import prepare
from tests.test_author_encoder_resuming import assert_alike, learnt
from tests.test_author_encoder_training import SHORT

pytestmark = pytest.mark.slow
ROOT, BIN = Path(__file__).parents[1], Path(sys.executable).parent
MODULE = "methods.author_encoder.launch"
FILES = ("adapter_model.safetensors", "head.safetensors")
TORCHRUN = (str(BIN / "torchrun"), "--nnodes", "1", "--nproc-per-node", "2", "--rdzv-backend", "c10d")


def surroundings(**more: str) -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)} | more


def ranks(words: tuple[str, ...], **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=ROOT, env=surroundings(**more), capture_output=True, text=True, timeout=600)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def job_in(folder: Path, out: str) -> Job:
    return Job(str(folder / "in"), str(folder / out), "tests.author_encoder_tiny:make_mortal", training=SHORT)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared folder, and what our own launcher makes of it on two ranks."""
    folder = tmp_path_factory.mktemp("launchers")
    prepare(folder / "in")
    spawn(job_in(folder, "own"), n_ranks=2)
    return folder


def same(place: Path, out: str) -> bool:
    own, other = (place / name / "adapter" for name in ("own", out))
    return all((own / name).read_bytes() == (other / name).read_bytes() for name in FILES)


def test_torchrun_gives_the_adapter_of_our_own_launcher(place: Path) -> None:
    write_job(job_in(place, "torchrun"), place / "torchrun.json")
    done = ranks((*TORCHRUN, "-m", MODULE, str(place / "torchrun.json")))
    assert done.returncode == 0, done.stderr
    assert same(place, "torchrun")


def test_two_agents_of_torchrun_meet_as_two_nodes(place: Path) -> None:
    write_job(job_in(place, "nodes"), place / "nodes.json")
    meeting = ("--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{free_port()}", "--rdzv-id", "nodes")
    words = (TORCHRUN[0], "--nnodes", "2", "--nproc-per-node", "1", *meeting, "--local-addr", "127.0.0.1")
    with ExitStack() as closing:
        logs = [closing.enter_context((place / f"node-{node}.log").open("w+")) for node in range(2)]
        agents = [
            subprocess.Popen(
                (*words, "-m", MODULE, str(place / "nodes.json")), cwd=ROOT, env=surroundings(), stderr=log
            )
            for log in logs
        ]
        for agent in agents:
            closing.callback(agent.kill)
        codes = [agent.wait(600) for agent in agents]
    told = [(place / f"node-{node}.log").read_text() for node in range(2)]
    assert codes == [0, 0], told
    assert sorted("step 6 of 6" in text for text in told) == [False, True]  # rank 0 alone tells
    assert_alike(learnt(place, "nodes"), learnt(place, "own"))  # a rank that is alone on its node has more threads


def test_deepspeed_gives_the_adapter_of_our_own_launcher(place: Path) -> None:
    write_job(job_in(place, "deepspeed"), place / "deepspeed.json")
    # Without a hostfile: with one even this machine would be reached by ssh.
    words = ("--num_gpus", "2", "--master_addr", "127.0.0.1", "--module", MODULE, str(place / "deepspeed.json"))
    done = ranks((str(BIN / "deepspeed"), *words))
    assert done.returncode == 0, done.stdout + done.stderr
    assert same(place, "deepspeed")


def test_ranks_that_torchrun_starts_again_go_on_from_their_checkpoint(place: Path) -> None:
    write_job(job_in(place, "again"), place / "again.json")
    words = (*TORCHRUN, "--max-restarts", "1", "-m", MODULE, str(place / "again.json"))
    done = ranks(words, TEST_FORWARDS_LEFT="25")
    assert done.returncode == 0, done.stderr
    assert "exitcode: -9" in done.stderr
    assert [done.stderr.count(f"step {step} of 6") for step in (1, 6)] == [1, 1]
    assert same(place, "again")
