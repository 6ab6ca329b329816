"""Every benchmark starts by the name of its file, from any folder, and offers --json.

A file that is started has its own folder first among those that imports are looked up in, and there `simulator` is a
benchmark. So each must put the root there before it imports anything of ours. One is started here; all would take a
minute.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import scipy.sparse as sp

from methods.mf_bpr import MFBPRConfig

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


@pytest.fixture
def scoring(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "path", [*sys.path])  # the benchmark puts the root first when it is imported
    return import_module("benchmarks.metrics")


def test_a_clock_that_read_nothing_gives_no_ratio(
    scoring: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ticks = iter([0.0, 0.0, 0.0, 2.0])  # the first contender takes less than a tick, the second two seconds
    monkeypatch.setattr(time, "process_time", lambda: next(ticks))
    done = scoring.report("work", {name: scoring.Contender(list) for name in ("ours", "theirs")}, 1)
    assert [row["ratio"] for row in done["rows"].values()] == [None, None]
    assert json.loads(json.dumps(done, allow_nan=False)) == done
    assert [line.split()[3] for line in capsys.readouterr().out.splitlines()[3:]] == ["-", "-"]


def test_ratios_are_of_cpu_seconds_to_the_first(scoring: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0.0, 2.0, 2.0, 7.0])
    monkeypatch.setattr(time, "process_time", lambda: next(ticks))
    done = scoring.report("work", {name: scoring.Contender(list) for name in ("ours", "theirs")}, 1)
    assert [row["ratio"] for row in done["rows"].values()] == [1.0, 2.5]


def test_few_users_are_scored_whole_and_too_few_impressions_are_refused(scoring: ModuleType) -> None:
    _, contenders = scoring.on_impressions(1_000, 50)
    assert {contender.scale for contender in contenders.values()} == {1.0}
    with pytest.raises(ValueError, match=r"impressions: expected both labels of some user .*, got 1 impressions of 50"):
        scoring.on_impressions(1, 50)


def test_the_loss_of_a_batch_is_what_is_minimised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one target is all there is, it is told from itself, and the loss is log 2 and the regularization."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    listener = import_module("benchmarks.mf_bpr_loss")
    config = MFBPRConfig(factors=4, negatives=3, epochs=1, last_epochs=0, regularization=0.1, init_sd=0.5)
    rng = np.random.default_rng(0)
    start = [rng.standard_normal((n, 4), np.float32) * np.float32(0.5) for n in (6, 1)]
    (loss,) = listener.losses(sp.csr_matrix(np.ones((6, 1), np.float32)), config)
    assert loss == pytest.approx(np.log(2) + 0.05 * sum(np.square(side).sum() for side in start), rel=1e-5)
