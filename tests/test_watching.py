"""What the harness sees of a process from outside, and how it reads what one writes."""

import os
import struct
import subprocess
import sys
import time
from multiprocessing import Pipe

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.answer import Answer, unaccounted
from bench.watching import LONGEST, Frames, Spent, end_session, held_bytes, spent_by


@given(st.lists(st.binary(max_size=300), max_size=8), st.integers(1, 50))
def test_messages_come_whole_however_they_are_cut(contents: list[bytes], size: int) -> None:
    written = b"".join(struct.pack("!i", len(content)) + content for content in contents)
    ours, theirs = os.pipe()
    frames, found = Frames(), []
    for first in range(0, len(written), size):
        os.write(theirs, written[first : first + size])
        found += list(frames.read(ours))
    os.close(theirs)
    with pytest.raises(EOFError):
        list(frames.read(ours))
    os.close(ours)
    assert found == contents


def test_frames_are_those_of_a_connection() -> None:
    ours, theirs = Pipe(duplex=False)
    theirs.send_bytes(b"one")
    theirs.send_bytes(b"")
    assert list(Frames().read(ours.fileno())) == [b"one", b""]


@pytest.mark.parametrize("length", [-1, LONGEST + 1])
def test_a_message_of_an_impossible_length_is_refused(length: int) -> None:
    ours, theirs = os.pipe()
    os.write(theirs, struct.pack("!i", length))
    with pytest.raises(ValueError, match=f"got one of {length}"):
        list(Frames().read(ours))
    os.close(ours)
    os.close(theirs)


def test_the_time_of_a_process_is_what_it_spends() -> None:
    before, clock = spent_by(os.getpid()), time.process_time()
    while time.process_time() < clock + 0.3:
        pass
    spent = spent_by(os.getpid()) - before
    assert 0.27 <= spent.cpu <= 0.4  # ticks of 10 ms
    assert spent.wall >= spent.cpu - 0.03
    assert spent_by(None).cpu == 0.0
    assert (Spent(2.0, 1.0) - Spent(1.0, 3.0)) == Spent(1.0, 0.0)  # a process that is gone has spent 0


def test_the_memory_of_a_session_is_that_of_all_its_processes_and_ends_with_it() -> None:
    eat = "import time\nkept = b'x' * 50_000_000\nprint(1, flush=True)\ntime.sleep(60)"
    both = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {eat!r}])\n{eat}"
    process = subprocess.Popen([sys.executable, "-c", both], stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    for _ in range(2):
        process.stdout.readline()
    assert 100e6 < held_bytes(process.pid) < 150e6
    end_session(process.pid)
    assert process.wait(10) == -9
    assert process.stdout.read() == b""  # nobody is left to write
    process.stdout.close()
    assert held_bytes(process.pid) == 0
    assert held_bytes(os.getpid()) == 0 or os.getsid(0) == os.getpid()


def test_the_time_to_read_a_large_log_is_no_hidden_time_and_a_stopped_clock_is() -> None:
    answer = Answer(task="t", status="ok", cpu_seconds=0.3)
    assert unaccounted(answer, Spent(wall=60.0, cpu=1.5)) is None
    assert "expected about 12.0 s of CPU time" in str(unaccounted(answer, Spent(wall=12.0, cpu=12.0)))
