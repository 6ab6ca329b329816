"""A run: bad answers are refused by name, a killed run resumes to the same records, methods see no truth."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.folder import BusyError, RunFolder, locked
from bench.plan import Plan
from bench.record import ResultRecord, load
from bench.run import run
from simulator.arrays import load_arrays
from tests.waiting import quiet

ROOT = Path(__file__).parents[1]
BAD = "tests.bad_methods"


def tiny(methods: tuple[str, ...], tasks: tuple[str, ...] = ("warm/next-note@v1",)) -> Plan:
    return Plan(world="tiny", seeds=(1,), tasks=tasks, methods=methods, reference=methods[0])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder whose dataset of world tiny, seed 1, is there already."""
    out = tmp_path_factory.mktemp("runs") / "tiny"
    run(tiny(("random",)), out, n_workers=1, data=None, tell=quiet)
    return out


def only_record(method: str, out: Path) -> ResultRecord:
    (record,) = run(tiny((f"{BAD}:{method}",)), out, n_workers=1, data=None, tell=quiet)
    return record


def test_a_sound_method_of_somebody_else_is_scored(runs: Path) -> None:
    record = only_record("Good", runs)
    assert record.status == "ok"
    assert record.error is None
    assert record.measured is not None
    assert record.values is not None
    stored = load_arrays(runs / record.values)["recall@100"]
    assert record.metrics["recall@100"].mean == pytest.approx(float(np.nanmean(stored)), rel=1e-6)


@pytest.mark.parametrize(
    ("method", "field", "expected", "got"),
    [
        ("NanScores", "Slates.scores", "no NaN", "NaN"),
        ("Duplicates", "Slates.ids", "distinct ids", "at request 0, place 1"),
        ("Unknown", "Slates.ids", "ids < ", "id 1073741824 at request 0, place 0"),
        ("Short", "Slates.ids", "500)", "499)"),
        ("WrongType", "Slates.ids", "int32", "int64"),
        ("NotSlates", "recommend", "Slates", "list"),
        ("Seen", "Slates.ids", "ids that the request has not seen", "at request"),
        ("Rising", "Slates.scores", "scores that never rise", "after"),
        ("Leaves", "SystemExit", "0", ""),
        ("Raises", "RuntimeError", "no memory for a model of this size", ""),
        ("Dies", "the process ended", "exit code 9", ""),
        ("Mutates", "ValueError", "read-only", ""),
    ],
)
def test_a_bad_method_is_a_failed_cell_that_says_why(
    method: str, field: str, expected: str, got: str, runs: Path
) -> None:
    record = only_record(method, runs)
    assert record.status == "failed"
    assert record.error is not None
    for word in (field, expected, got):
        assert word in record.error
    assert record.metrics == {}
    assert record.values is None


def test_one_bad_method_leaves_the_others_whole(runs: Path) -> None:
    plan = tiny(("random", f"{BAD}:Dies", "popular", f"{BAD}:NanScores"))
    records = run(plan, runs, n_workers=2, data=None, tell=quiet)
    assert [record.status for record in records] == ["ok", "failed", "ok", "failed"]


def test_what_one_view_shows_does_not_reach_another(tmp_path: Path) -> None:
    method, wanted = f"{BAD}:Stateful", "author-cold/u2a/j5@v1"
    plan = replace(tiny((method,), (wanted,)), reference=method)
    (alone,) = run(plan, tmp_path / "alone", n_workers=1, data=None, tell=quiet)
    both = run(
        replace(plan, tasks=(wanted, "author-cold/u2a/j20@v1")), tmp_path / "both", n_workers=1, data=None, tell=quiet
    )
    assert stripped(alone) == stripped(both[0])


def test_methods_that_serve_no_task_are_refused() -> None:
    with pytest.raises(ValueError, match="methods: expected one that serves author-cold/a2a/j0@v1"):
        tiny((f"{BAD}:Good",), ("author-cold/a2a/j0@v1",))
    both = replace(tiny((f"{BAD}:Good", "als"), ("author-cold/a2a/j0@v1",)), reference="als")
    assert both.idle == (f"{BAD}:Good",)


def test_nothing_a_method_is_given_tells_the_seed(runs: Path) -> None:
    (dataset,) = (runs / "datasets").iterdir()
    manifest = json.loads((dataset / "manifest.json").read_text())
    assert "seed" not in json.dumps(manifest)
    assert "seed" not in dataset.name


def test_a_finished_run_does_nothing_again(runs: Path) -> None:
    before = (runs / "records.jsonl").read_bytes()
    run(tiny(("random",)), runs, n_workers=1, data=None, tell=quiet)
    assert (runs / "records.jsonl").read_bytes() == before


def test_two_runs_in_one_folder_are_refused(tmp_path: Path) -> None:
    with locked(RunFolder(tmp_path)), pytest.raises(BusyError, match="expected no other run in this folder"):
        run(tiny(("random",)), tmp_path, n_workers=1, data=None, tell=quiet)


def test_workers_change_no_record(tmp_path: Path, runs: Path) -> None:
    plan = tiny(("random", "popular"), ("warm/next-note@v1", "author-cold/u2a/j5@v1"))
    alone = run(plan, tmp_path / "alone", n_workers=1, data=None, tell=quiet)
    together = run(plan, runs, n_workers=3, data=None, tell=quiet)
    assert [stripped(record) for record in alone] == [stripped(record) for record in together]


def stripped(record: ResultRecord) -> dict[str, object]:
    """Return what must be the same again: all but clocks and commit."""
    return record.model_dump(exclude={"measured", "commit"})


COMMAND = [
    *(sys.executable, "-m", "bench", "run", "--world", "tiny", "--seeds", "1,2", "--workers", "2"),
    *("--tasks", "author-cold/u2a/j0,author-cold/u2a/j5,warm/next-note"),
    *("--methods", "oracle,random,popular,item-cf,als"),
    *("--reference", "random"),
]


def start(out: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, "--out", str(out)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def newest(out: Path) -> dict[str, dict[str, object]]:
    return {record.cell: stripped(record) for record in load(out / "records.jsonl")}


@pytest.fixture(scope="module")
def left_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("alone") / "run"
    process = start(out)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors.decode()
    return out


def killed_when(out: Path, n_records: int, delay: float) -> None:
    """Start the run and kill it, with SIGKILL, `delay` seconds after it has written `n_records`."""
    process = start(out)
    records = out / "records.jsonl"
    while process.poll() is None:
        if n_records == 0 or (records.exists() and records.read_bytes().count(b"\n") >= n_records):
            time.sleep(delay)  # the moment of the kill is the point of this test
            break
        time.sleep(0.01)
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize(
    "kills",
    [
        ((0, 1.5), (0, 4.0)),
        pytest.param(((1, 0.0), (5, 0.05)), marks=pytest.mark.hours),  # two and a half minutes each: two say enough
        ((6, 0.2), (7, 0.0), (20, 0.1)),
        pytest.param(((26, 0.0),), marks=pytest.mark.hours),
    ],
    ids=["while simulating", "at the first records", "three times", "near the end"],
)
def test_a_killed_run_ends_with_the_records_of_one_left_alone(
    kills: tuple[tuple[int, float], ...], left_alone: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    for n_records, delay in kills:
        killed_when(out, n_records, delay)
    process = start(out)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors.decode()
    ours, theirs = newest(out), newest(left_alone)
    assert ours == theirs
    assert len(load(out / "records.jsonl")) == len(ours)  # nothing was done twice
    for record in load(out / "records.jsonl"):
        assert record.values is not None
        for name, column in load_arrays(out / record.values).items():
            assert np.array_equal(column, load_arrays(left_alone / record.values)[name], equal_nan=True)
