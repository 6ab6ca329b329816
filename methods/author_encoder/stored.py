"""Folders that are made once and kept: moved to their place when whole, checked when used, made again when damaged."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from methods.author_encoder.disk import file_sha256

SEAL = "sealed.json"  # sha256 of every other file


def stored(folder: Path, make: Callable[[Path], None]) -> Path:
    """Return `folder`, filled by `make` unless it lies there whole; two processes may ask at once."""
    if is_whole(folder):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        make(part)
        (part / SEAL).write_text(json.dumps(_digests(part), indent=1))
        _settle(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def is_whole(folder: Path) -> bool:
    """Whether every file is there as it was written, and no other."""
    try:
        return bool(json.loads((folder / SEAL).read_text()) == _digests(folder))
    except (OSError, ValueError):
        return False


def _settle(part: Path, folder: Path) -> None:
    """Move the new folder to its place; what lies there stays if it is whole, for another process was quicker."""
    try:
        os.rename(part, folder)
        return
    except OSError:
        if is_whole(folder):
            return
    damaged = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".damaged."))
    try:
        os.rename(folder, damaged / folder.name)
        os.rename(part, folder)
    finally:
        shutil.rmtree(damaged, ignore_errors=True)


def _digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != SEAL)
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}
