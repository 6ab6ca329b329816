"""What can be known of a process from outside it, whatever runs there: its time, its memory, what it wrote."""

from __future__ import annotations

import os
import signal
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LONGEST = 1 << 28  # bytes of one message
_PIECE = 1 << 20
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_SESSION, _USER_TICKS, _SYSTEM_TICKS = 3, 11, 12  # in /proc/PID/stat, after the name


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of wall and of CPU time."""

    wall: float
    cpu: float

    def __sub__(self, before: Spent) -> Spent:
        return Spent(self.wall - before.wall, max(0.0, self.cpu - before.cpu))


def spent_by(pid: int | None) -> Spent:
    """Return the time now and the CPU time of a process, threads that have ended included; 0 when it is gone."""
    words = _stat(pid)
    ticks = int(words[_USER_TICKS]) + int(words[_SYSTEM_TICKS]) if words else 0
    return Spent(time.monotonic(), ticks / _TICKS_A_SECOND)


def held_bytes(pid: int | None) -> int:
    """Return the memory of all processes in the session of `pid`: what is theirs alone, and shared memory."""
    return sum(_held(member) for member in _session(pid))


def end_session(pid: int | None) -> None:
    """Kill all that a process started, where it began a session of its own."""
    for member in _session(pid):
        with suppress(ProcessLookupError):
            os.kill(member, signal.SIGKILL)


def _session(pid: int | None) -> list[int]:
    """Return the processes of the session that `pid` leads, itself too; none where it leads none."""
    if pid is None:
        return []
    others = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
    return [other for other in others if (_stat(other) or [""] * 4)[_SESSION] == str(pid)]


def _stat(pid: int | None) -> list[str]:
    try:
        # The name, in brackets, may hold blanks and brackets.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _held(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("RssAnon", "RssShmem")))


class Frames:
    """Whole messages out of the bytes that `Connection.send_bytes` writes, without ever waiting for the rest of one."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def read(self, pipe: int) -> Iterator[bytes]:
        """Read what is there, once; raise EOFError at the end, ValueError for a message longer than `LONGEST`."""
        try:
            piece = os.read(pipe, _PIECE)
        except ConnectionResetError:
            piece = b""
        if not piece:
            raise EOFError
        self._rest += piece
        while len(self._rest) >= 4:
            (length,) = struct.unpack("!i", self._rest[:4])
            if not 0 <= length <= LONGEST:
                raise ValueError(f"got one of {length}")
            if len(self._rest) < 4 + length:
                return
            content = bytes(self._rest[4 : 4 + length])
            del self._rest[: 4 + length]
            yield content
