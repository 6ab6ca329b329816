"""Every benchmark starts by the name of its file, from any folder, and offers --json.

A file that is started has its own folder first among those that imports are looked up in, and there `simulator` is a
benchmark. So each must put the root there before it imports anything of ours. One is started here; all would take a
minute.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = [path for path in sorted((ROOT / "benchmarks").glob("*.py")) if "ArgumentParser" in path.read_text()]
OURS = ("simulator", "methods", "bench", "benchmarks", "leaderboards")
ROOT_FIRST = "sys.path[0] = str(Path(__file__).resolve().parents[1])"


def imports_ours(statement: ast.stmt) -> bool:
    match statement:
        case ast.ImportFrom(module=str(name)):
            return name.partition(".")[0] in OURS
        case ast.Import(names=names):
            return any(one.name.partition(".")[0] in OURS for one in names)
    return False


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_the_root_comes_first_and_json_is_offered(script: Path) -> None:
    body = ast.parse(script.read_text()).body
    before = [ast.unparse(one) for one in body[: next(i for i, one in enumerate(body) if imports_ours(one))]]
    assert ROOT_FIRST in before
    assert '"--json", action="store_true"' in script.read_text()


def test_one_starts_from_another_folder() -> None:
    script = ROOT / "benchmarks" / "dataset.py"
    command = [sys.executable, str(script), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT.parent, check=True)
    assert "--json" in done.stdout
