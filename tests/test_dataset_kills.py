"""Killed at any moment, a writer leaves no dataset or the whole one, and the next one ends with the same bytes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from simulator import dataset
from simulator.dataset import DatasetError, digest, parquet
from tests.dataset_examples import a_long_observation, files_of, stream_one, write_one

CUTS = (0, 5, 5, 6, 13, 20)
ROOT = Path(__file__).parents[1]
# Forks writers; number n is killed at its n-th touch of the file system or its n-th block, until one is not.
SCRIPT = """
import os, signal, sys
from pathlib import Path
import pyarrow.parquet as pq
from simulator.dataset import digest, parquet
from tests.dataset_examples import a_long_observation, stream_one, write_one

how, parent = sys.argv[1], Path(sys.argv[2])
digest.ROWS_PER_BLOCK, parquet.ROWS_PER_GROUP = 4, 3
TOUCHES = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.listdir", "fcntl.flock")
long = a_long_observation()

def die_at(moment):
    left = moment
    def touch():
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(lambda event, args: touch() if event in TOUCHES else None)
    write_table = pq.ParquetWriter.write_table
    pq.ParquetWriter.write_table = lambda self, *args, **kwargs: (touch(), write_table(self, *args, **kwargs))

for moment in range(1000):
    child = os.fork()
    if not child:
        folder = parent / str(moment) / "one"
        die_at(moment)
        stream_one(folder, long, (0, 5, 5, 6, 13, 20)) if how == "stream" else write_one(folder)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        sys.exit(os.WEXITSTATUS(status))
"""


def kill_writers(how: str, parent: Path) -> list[Path]:
    """Kill a writer at each of its moments; return where each was to write."""
    parent.mkdir()
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, how, str(parent)]
    subprocess.run(command, cwd=ROOT, check=True)
    return [parent / str(moment) / "one" for moment in range(len(list(parent.iterdir())))]


def test_a_stream_killed_at_any_moment_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest, "ROWS_PER_BLOCK", 4)
    monkeypatch.setattr(parquet, "ROWS_PER_GROUP", 3)
    stream_one(tmp_path / "one", a_long_observation(), CUTS)
    reference = files_of(tmp_path / "one")
    folders = kill_writers("stream", tmp_path / "killed")
    assert len(folders) > 30
    assert (folders[-1] / "manifest.json").exists()
    n_resumed = 0
    for folder in folders:
        if not folder.exists():
            n_resumed += (folder.parent / ".one.unfinished/dataset/events/part-00001.parquet").exists()
            stream_one(folder, a_long_observation(), CUTS)
            assert [path.name for path in folder.parent.iterdir()] == ["one"]
        assert files_of(folder) == reference
    assert n_resumed > 10


def test_a_whole_write_killed_at_any_moment_leaves_no_dataset_and_hurts_no_later_one(tmp_path: Path) -> None:
    write_one(tmp_path / "one")
    reference = files_of(tmp_path / "one")
    folders = kill_writers("whole", tmp_path / "killed")
    assert len(folders) > 15
    for folder in folders:
        if not folder.exists():
            with pytest.raises(DatasetError, match="expected a file, got none"):
                dataset.read(folder)
            write_one(folder)
        assert files_of(folder) == reference
