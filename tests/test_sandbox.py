"""What a confined process can reach: code and its own folder; no file that was hidden, nothing of other processes."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bench.sandbox import _without, version

needs_landlock = pytest.mark.skipif(version() < 6, reason="the kernel has no Landlock, or an old one")
# Says what it can do of a list of things, before and after it is confined.
PROBE = """
import json, os, socket, sys
from pathlib import Path
from bench.sandbox import Allowed, code_and_system, confine
secret, own, parent, port, confined = sys.argv[1:]

def can(do):
    try:
        do()
        return True
    except OSError:
        return False

if confined == "yes":
    assert confine(code_and_system(hidden=[Path(secret)], writable=[Path(own)]))
tries = {
    "read the secret": lambda: (Path(secret) / "exam").read_bytes(),
    "list the secret": lambda: os.listdir(secret),
    "write the secret": lambda: (Path(secret) / "exam").write_text("1"),
    "read the parent's words": lambda: Path(f"/proc/{parent}/cmdline").read_bytes(),
    "read the parent's surroundings": lambda: Path(f"/proc/{parent}/environ").read_bytes(),
    "read the parent's memory": lambda: open(f"/proc/{parent}/mem", "rb").close(),
    "signal the parent": lambda: os.kill(int(parent), 0),
    "call out": lambda: socket.create_connection(("127.0.0.1", int(port)), 1).close(),
    "write code": lambda: (Path(sys.modules["bench"].__file__).parent / "planted.txt").write_text("") and None,
    "read code": lambda: Path(sys.modules["bench"].__file__).read_bytes(),
    "import": lambda: __import__("methods.kernel"),
    "write its own folder": lambda: (Path(own) / "note").write_text("1"),
    "know the processor": lambda: Path("/proc/cpuinfo").read_text(),
    "know itself": lambda: Path("/proc/self/status").read_text(),
}
print(json.dumps([name for name, do in tries.items() if can(do)]))
"""
ROOT = Path(__file__).parents[1]
STILL = ["read code", "import", "write its own folder", "know the processor", "know itself"]


def possible(tmp_path: Path, *, confined: bool) -> list[str]:
    secret, own = tmp_path / "secret", tmp_path / "own"
    for folder in (secret, own):
        folder.mkdir()
    (secret / "exam").write_text("the truth")
    with socket.create_server(("127.0.0.1", 0)) as server:
        words = (str(secret), str(own), str(os.getpid()), str(server.getsockname()[1]), "yes" if confined else "no")
        command = [sys.executable, "-c", PROBE, *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    (ROOT / "bench" / "planted.txt").unlink(missing_ok=True)
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found


@needs_landlock
def test_a_confined_process_reaches_code_and_its_own_folder_only(tmp_path: Path) -> None:
    assert possible(tmp_path, confined=True) == STILL


def test_a_free_process_reaches_all_of_it(tmp_path: Path) -> None:
    assert len(possible(tmp_path, confined=False)) == 14


def test_what_is_hidden_is_cut_out_of_what_is_allowed(tmp_path: Path) -> None:
    for place in ("a/b/truth", "a/c", "d"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").touch()
    hidden = [tmp_path / "a" / "b" / "truth"]
    found = set(_without(tmp_path, hidden))
    assert found == {tmp_path / "a" / "b" / "file", tmp_path / "a" / "c", tmp_path / "d"}
    assert set(_without(tmp_path / "d", hidden)) == {tmp_path / "d"}
    assert set(_without(hidden[0] / "deeper", hidden)) == set()


@needs_landlock
def test_a_process_with_another_thread_is_not_taken_for_confined() -> None:
    probe = """
import threading
from bench.sandbox import Allowed, confine
stop = threading.Event()
threading.Thread(target=stop.wait, daemon=True).start()
confine(Allowed((), ()))
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", probe], env=environment, capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == "RuntimeError: confine: expected a process of one thread, got 2"
