"""What a process may still touch once it holds foreign code: Landlock, the kernel's own, which needs no privilege.

Reference: https://docs.kernel.org/userspace-api/landlock.html. Nothing can be taken back, and whatever the process
starts is held to the same. Only a process of one thread can be confined: others would stay as they were. Where the
kernel has no Landlock nothing happens, and the caller is told so.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
_NO_NEW_PRIVILEGES, _WITH_VERSION, _PATH_BENEATH = 38, 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE, _IOCTL = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14, 1 << 15
# By version of the kernel's interface: rights over files (those it knows), over TCP, and what stays within the process.
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_TCP, _SIGNALS_AND_SOCKETS = 0b11, 0b11
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL
_READ = _EXECUTE | _READ_FILE | _READ_DIR

_SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/etc", "/opt", "/sys", "/proc/driver")
_SYSTEM_FILES = ("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/loadavg", "/proc/sys", "/proc/version")
_DEVICES = ("null", "zero", "full", "random", "urandom", "shm", "nvidia*", "dri", "kfd")
_CODE = (".py", ".pyc", ".so", ".json")


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may be touched: all below `readable` and `writable`; of `listable` the names alone."""

    readable: tuple[Path, ...]
    writable: tuple[Path, ...]
    listable: tuple[Path, ...] = ()


def version() -> int:
    """Return the version of Landlock that the kernel has, 0 where it has none."""
    found: int = _libc().syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _WITH_VERSION)
    return max(0, found)


def confine(allowed: Allowed) -> bool:
    """Give up all files but the allowed ones, TCP, signals to others and the memory of others; say whether it held.

    Raises OSError where the kernel has Landlock and refuses all the same, RuntimeError where there are more threads.
    """
    known = version()
    if known == 0:
        return False
    n_threads = len(os.listdir("/proc/self/task"))
    if n_threads != 1:
        raise RuntimeError(f"confine: expected a process of one thread, got {n_threads}")
    files = _FILE_RIGHTS[max(v for v in _FILE_RIGHTS if v <= known)]
    wanted = _Ruleset(files, _TCP if known >= 4 else 0, _SIGNALS_AND_SOCKETS if known >= 6 else 0)
    size = 24 if known >= 6 else 16 if known >= 4 else 8
    ruleset = _call(_CREATE_RULESET, ctypes.byref(wanted), ctypes.c_size_t(size), 0)
    try:
        for paths, rights in ((allowed.readable, _READ), (allowed.writable, files), (allowed.listable, _READ_DIR)):
            for path in paths:
                _allow(ruleset, path, rights & files)
        if _libc().prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "no_new_privs")
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return True


def code_and_system(*, hidden: Sequence[Path], writable: Sequence[Path]) -> Allowed:
    """Allow what Python and its libraries need and the code on `sys.path`, and nothing below `hidden`.

    Of a folder on `sys.path` outside the installation: its files of code, and its folders that hold some.
    """
    roots = [Path(place) for place in (*_SYSTEM, sys.prefix, sys.base_prefix)]
    places = [Path(place or ".").resolve() for place in sys.path]
    own = [place for place in places if place.is_dir() and not any(place.is_relative_to(root) for root in roots)]
    code = [child for place in own for child in place.iterdir() if _is_code(child)]
    readable = [path for root in (*roots, *code) for path in _without(root.resolve(), hidden)]
    process = [Path("/proc") / str(os.getpid()), *map(Path, _SYSTEM_FILES)]
    devices = [path for name in _DEVICES for path in Path("/dev").glob(name)]
    return Allowed((*readable, *process), (*writable, *devices), tuple(own))


def _is_code(path: Path) -> bool:
    if path.is_dir():
        return any(child.suffix in _CODE[:3] for child in path.iterdir())
    return path.suffix in _CODE


def _without(root: Path, hidden: Sequence[Path]) -> Iterator[Path]:
    """Yield `root`, or where something hidden lies below it all of it that is neither that nor leads there."""
    if any(root.is_relative_to(path) for path in hidden):
        return
    if not any(path.is_relative_to(root) for path in hidden):
        yield root
    elif root.is_dir():
        for child in root.iterdir():
            yield from _without(child, hidden)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    """Add one rule; what is not there needs none."""
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rule = _PathBeneath(rights if path.is_dir() else rights & _ON_FILES, handle)
        _call(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(handle)


def _call(number: int, *args: object) -> int:
    done: int = _libc().syscall(number, *args)
    if done < 0:
        raise OSError(ctypes.get_errno(), f"Landlock: {os.strerror(ctypes.get_errno())}")
    return done


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
