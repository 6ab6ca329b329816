"""What a record says of the code that made it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bench.machine import commit_of


def git(folder: Path, *words: str) -> str:
    own = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    return subprocess.run(["git", *own, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("bench/run.py", "methods/als.py", "docs/tuning/task.jsonl", "constraints.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "one")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "changed"),
    [("methods/als.py", True), ("constraints.txt", True), ("docs/tuning/task.jsonl", False), ("docs/new.md", False)],
)
def test_a_commit_is_dirty_where_code_differs_and_not_where_a_record_does(
    name: str, changed: bool, checkout: Path
) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    assert commit_of(checkout / "bench") == commit
    (checkout / name).write_text("two\n")
    assert commit_of(checkout / "bench") == commit + "+dirty" * changed


def test_without_a_checkout_the_commit_is_unknown(tmp_path: Path) -> None:
    assert commit_of(tmp_path) == "unknown"
