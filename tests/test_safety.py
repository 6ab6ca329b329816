"""A planted cheater for each trick is refused or has no effect, and leaves the results of others whole."""

import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bench.case import opening_order
from bench.cli import app
from bench.plan import Plan
from bench.processes import Limits
from bench.record import ResultRecord, load
from bench.run import run
from bench.sandbox import version
from bench.tasks import find_task
from methods.base import Budget
from tests import checkerboard as board
from tests.test_run import ROOT, stripped, tiny
from tests.waiting import quiet, wait_until

needs_landlock = pytest.mark.skipif(version() < 6, reason="the kernel has no Landlock, or an old one")
CHEATERS = "tests.cheaters"
SHORT = Limits(seconds=4, memory_bytes=8e8)
LONG = Limits(seconds=60, memory_bytes=8e8)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder whose dataset and exam are there already, and the record of an honest method."""
    out = tmp_path_factory.mktemp("safety") / "tiny"
    run(tiny((f"{CHEATERS}:Good",)), out, n_workers=1, data=None, tell=quiet)
    return out


def only_record(cheater: str, out: Path, limits: Limits = LONG) -> ResultRecord:
    (record,) = run(tiny((f"{CHEATERS}:{cheater}",)), out, n_workers=1, data=None, tell=quiet, limits=limits)
    return record


def honest(out: Path) -> ResultRecord:
    return next(record for record in load(out / "records.jsonl") if record.method == f"{CHEATERS}:Good")


@pytest.mark.parametrize("cheater", ["Snoops", "Foresees"])
def test_neither_the_truth_nor_the_future_is_in_the_process_of_a_method(cheater: str, runs: Path) -> None:
    assert "FoundError: found [] " in str(only_record(cheater, runs).error)


@needs_landlock
@pytest.mark.parametrize("cheater", ["ReadsFiles", "Writes"])
def test_files_of_the_run_and_words_of_other_processes_are_out_of_reach(cheater: str, runs: Path) -> None:
    assert "FoundError: found [] " in str(only_record(cheater, runs).error)


@needs_landlock
def test_a_method_cannot_end_other_processes(runs: Path) -> None:
    assert "found nobody to kill" in str(only_record("Kills", runs).error)


def test_what_looks_around_would_find_what_is_there(runs: Path) -> None:
    from tests import cheaters

    (dataset,) = (runs / "datasets").iterdir()
    files = [runs / "records.jsonl", dataset / "manifest.json", Path(f"/proc/{os.getppid()}/cmdline")]
    assert cheaters.readable([*files, runs / "nothing"]) == [str(path) for path in files]


@pytest.mark.filterwarnings("ignore")  # some libraries warn when one of their objects is looked at
def test_who_snoops_would_find_the_truth_and_who_foresees_what_comes_later() -> None:
    from bench.truth import Truth
    from tests import cheaters

    later = board.checkerboard()
    past = board.as_of_fit(later)
    truth = object.__new__(Truth)  # what it holds is not looked at
    with pytest.raises(cheaters.FoundError, match=r"found .*'bench.truth'.*'Truth'"):
        cheaters.Snoops().index(past)
    with pytest.raises(cheaters.FoundError, match=rf"found .*{later.now}"):
        cheaters.Foresees().fit(past, target="note", rng=np.random.default_rng(1), budget=Budget())
    del truth


def test_every_name_that_is_snooped_for_is_that_of_something() -> None:
    from tests import cheaters

    assert all(find_spec(name) for name in cheaters.TELLING_MODULES)
    sources = "\n".join(path.read_text() for top in ("bench", "simulator") for path in (ROOT / top).rglob("*.py"))
    missing = [name for name in cheaters.TELLING_TYPES if f"class {name}" not in sources]
    assert missing == []


def test_what_stands_on_the_command_line_does_not_reach_a_method(tmp_path: Path) -> None:
    script = tmp_path / "coldrecall.py"
    script.write_text("from bench.cli import main\n\nif __name__ == '__main__':\n    main()\n")
    what = ("--world", "tiny", "--seeds", "4242", "--tasks", "warm/next-note", "--methods", f"{CHEATERS}:Snoops")
    command = [sys.executable, str(script), "run", *what, "--out", str(tmp_path / "out")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    assert done.returncode == 1, done.stderr.decode()  # a failed cell
    (record,) = load(tmp_path / "out" / "records.jsonl")
    assert "FoundError: found [] " in str(record.error)


@pytest.mark.parametrize(
    ("cheater", "why"),
    [
        ("ClaimsMetrics", "answer: expected one to a task that was asked, got 1 validation error for Answer metrics"),
        ("Forges", "Slates.ids: expected shape"),
        ("TooLong", "message: expected at most"),
        ("PatchesHarness", "clock: expected about"),
        ("Unborn", "Slates.ids: expected ids < "),
        ("MutatesByForce", "cannot set WRITEABLE flag"),
        ("LeavesAChild", "the process ended with exit code 7"),
        ("Crashes", "the process was ended by SIGSEGV"),
    ],
)
def test_a_cheater_is_a_failed_cell_that_says_why(cheater: str, why: str, runs: Path) -> None:
    record = only_record(cheater, runs)
    assert record.status == "failed"
    assert why in str(record.error)
    assert (record.metrics, record.values, record.measured) == ({}, None, None)


def test_stopping_the_clocks_of_python_stops_none_of_the_harness(runs: Path) -> None:
    record = only_record("PatchesTime", runs)
    assert record.metrics == honest(runs).metrics
    assert record.measured is not None
    assert record.measured.fit_seconds >= record.measured.fit_cpu_seconds * 0.9 > 1.3  # it burns 1.5 s


@pytest.mark.parametrize("cheater", ["Hangs", "HangsWithChildren", "HalfAMessage"])
def test_a_method_that_hangs_is_ended_in_time(cheater: str, runs: Path) -> None:
    begins = time.monotonic()
    record = only_record(cheater, runs, SHORT)
    assert record.status == "timeout"
    assert "expected an answer within 4 s" in str(record.error)
    assert time.monotonic() - begins < 30


@pytest.mark.parametrize(("cheater", "why"), [("Eats", "MemoryError"), ("EatsInChildren", "expected at most 800 MB")])
def test_a_method_that_eats_memory_is_ended(cheater: str, why: str, runs: Path) -> None:
    record = only_record(cheater, runs)
    assert record.status == "oom"
    assert why in str(record.error)


def test_limits_are_taken_from_the_command_line(runs: Path) -> None:
    what = ("--world", "tiny", "--seeds", "1", "--tasks", "warm/next-note", "--out", str(runs))
    methods = f"{CHEATERS}:Hangs,{CHEATERS}:Eats"
    result = CliRunner().invoke(app, ["run", *what, "--methods", methods, "--cell-seconds", "3", "--cell-memory", "1"])
    assert result.exit_code == 1
    hangs, eats = load(runs / "records.jsonl")[-2:]
    assert {hangs.status, eats.status} == {"timeout", "oom"}
    assert "within 3 s" in f"{hangs.error} {eats.error}"


def test_nothing_that_a_method_started_is_left(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # processes of jobs stand in folders there
    for cheater in ("HangsWithChildren", "LeavesAChild"):
        assert only_record(cheater, runs, SHORT).status != "ok"
    until = time.monotonic() + 10  # what was killed takes a moment to go; what was not would stay for ten minutes
    while (left := _standing_in(tmp_path)) != []:
        assert time.monotonic() < until, left


def test_no_method_outlives_a_killed_run_though_it_lets_no_thread_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # where a method's folder is
    words = ("--world", "tiny", "--seeds", "1", "--tasks", "warm/next-note", "--methods", f"{CHEATERS}:HoldsTheLock")
    command = [sys.executable, "-m", "bench", "run", *words, "--reference", f"{CHEATERS}:HoldsTheLock"]
    with subprocess.Popen([*command, "--out", str(tmp_path / "run")], cwd=ROOT, stderr=subprocess.DEVNULL) as run_:
        wait_until(lambda: len(_standing_in(tmp_path)) > 0, seconds=120)
        time.sleep(2)  # until it is in the call
        run_.kill()
    wait_until(lambda: _standing_in(tmp_path) == [], seconds=20)


def _standing_in(folder: Path) -> list[Path]:
    return [path for path in Path("/proc").glob("[0-9]*") if _stands_in(folder, path)]


def _stands_in(folder: Path, process: Path) -> bool:
    try:
        return str(folder) in os.readlink(process / "cwd")
    except OSError:
        return False


def test_the_others_are_whole_whatever_one_does(runs: Path, tmp_path: Path) -> None:
    bad = tuple(f"{CHEATERS}:{name}" for name in ("Hangs", "Eats", "Crashes", "TooLong", "ClaimsMetrics"))
    plan = Plan("tiny", (1,), ("warm/next-note@v1",), ("random", *bad, "popular"), "random")
    limits = Limits(seconds=5, memory_bytes=8e8)
    beside = run(plan, runs, n_workers=2, data=None, tell=quiet, limits=limits)
    assert [record.status for record in beside] == ["ok", "timeout", "oom", *["failed"] * 3, "ok"]
    alone = run(tiny(("random", "popular")), tmp_path, n_workers=1, data=None, tell=quiet)
    assert [stripped(record) for record in (beside[0], beside[-1])] == [stripped(record) for record in alone]


def test_what_was_ended_is_tried_again_and_nothing_else(runs: Path) -> None:
    plan = Plan("tiny", (1,), ("warm/next-note@v1",), (f"{CHEATERS}:Good", f"{CHEATERS}:Crashes"), f"{CHEATERS}:Good")
    run(plan, runs, n_workers=1, data=None, tell=quiet, limits=LONG)
    n_records = len(load(runs / "records.jsonl"))
    again = run(plan, runs, n_workers=1, data=None, tell=quiet, limits=LONG)
    assert [record.status for record in again] == ["ok", "failed"]
    assert len(load(runs / "records.jsonl")) == n_records + 1


@needs_landlock
def test_a_record_says_that_its_method_was_confined(runs: Path) -> None:
    assert honest(runs).confined


def test_later_views_of_a_family_show_no_less() -> None:
    names = [f"author-cold/u2a/j{j}@v1" for j in (20, 5, 0, 1)]
    ages = [f"note-cold/u2n/age-{age}@v1" for age in ("24h", "0h", "6h", "1h")]
    order = [task.id for task in opening_order([find_task(name) for name in ("warm/next-note@v1", *ages, *names)])]
    assert order == [
        *(f"author-cold/u2a/j{j}@v1" for j in (0, 1, 5, 20)),
        *(f"note-cold/u2n/age-{age}@v1" for age in ("0h", "1h", "6h", "24h")),
        "warm/next-note@v1",
    ]


@pytest.mark.parametrize("field", ["seconds", "memory_bytes"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_limits_are_positive(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{field}: expected more than 0, got"):
        Limits(**{field: value})
