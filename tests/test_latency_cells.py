"""Cells timed for real, in seconds: pinned, compared with what was scored, kept raw; tricks are caught."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.latency import record as lines
from bench.latency.child import BATCHES, Parts
from bench.latency.parent import Cell, Told, time_cell
from bench.latency.record import LatencyRecord
from bench.latency.run import Place, Protocol, time_all
from bench.latency.views import REPEAT, faults
from bench.plan import Plan
from bench.processes import Limits
from bench.record import RecordError, append
from bench.sandbox import version
from simulator.arrays import load_arrays
from tests import cheaters
from tests.latency_methods import files_below
from tests.waiting import quiet, wait_until

ROOT = Path(__file__).parents[1]
OWN = "tests.latency_methods"
needs_landlock = pytest.mark.skipif(version() < 6, reason="the kernel has no Landlock, or an old one")
TASK = "warm/next-note@v1"
PROTOCOL = Protocol(queries=700, seconds=20.0)


def plan(*methods: str) -> Plan:
    return Plan(world="tiny", seeds=(1,), tasks=(TASK,), methods=methods, reference=methods[0])


def place(out: Path) -> Place:
    return Place(out, None, 1)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("latency") / "tiny"


@pytest.fixture(scope="module")
def records(out: Path) -> dict[str, LatencyRecord]:
    own = (f"{OWN}:{name}" for name in ("Switches", "Remembers", "SlowsTheClock"))
    found = time_all(plan("popular", *own, "tests.bad_methods:Raises"), place(out), PROTOCOL, tell=quiet)
    return {record.method.rpartition(":")[2]: record for record in found}


def test_a_cell_is_timed_and_every_clock_is_kept(records: dict[str, LatencyRecord], out: Path) -> None:
    record = records["popular"]
    assert (record.status, record.error) == ("ok", None)
    assert record.raw is not None
    assert record.measures is not None
    raw, measures = load_arrays(out / record.raw), record.measures
    assert len(raw["method_wall_ns_N"]) == len(raw["method_cpu_ns_N"]) == len(raw["method_preempted_N"]) == 700
    assert measures.service.n == 700
    p50, p99 = measures.service.wall["p50"], measures.service.wall["p99"]
    assert p50 is not None
    assert p99 is not None
    assert p50.value == np.sort(raw["method_wall_ns_N"])[349] / 1e6
    assert p50.low <= p50.value <= p50.high <= p99.value <= p99.pessimistic
    assert measures.noise.steal == pytest.approx(raw["method_wall_ns_N"].sum() / raw["method_cpu_ns_N"].sum())
    assert set(measures.throughput) == {str(size) for size in BATCHES}
    assert measures.headline.ratio > 0
    assert measures.headline.baseline.startswith("FAISS 1.")


def test_what_fit_index_and_refresh_cost_is_kept(records: dict[str, LatencyRecord]) -> None:
    measures = records["popular"].measures
    assert measures is not None
    took = measures.resources
    assert took.fit_seconds > 0
    assert took.refresh_seconds > 0
    assert 0 < took.start_bytes <= took.peak_bytes
    assert took.index_bytes is not None
    assert took.index_bytes > 0
    assert took.n_fresh >= took.n_fresh_reached
    assert (took.staleness_seconds is None) == (took.n_fresh_reached == 0)


def test_the_timed_answers_are_those_that_were_scored(records: dict[str, LatencyRecord]) -> None:
    measures = records["popular"].measures
    assert measures is not None
    found = measures.checks
    assert found.n_checked >= 20
    assert (found.overlap, found.overlap_top, found.as_recorded) == (1.0, 1.0, 1.0)


def test_a_pass_asks_each_request_once(records: dict[str, LatencyRecord], out: Path) -> None:
    raw = load_arrays(out / (records["popular"].raw or ""))
    asked_N, n_requests = raw["method_request_N"], len(raw["ids_QK"])
    warmed_up, twice = set(raw["warm_up_request_N"].tolist()), set(raw["first_request_N"].tolist())
    n_kept, fresh = n_requests - len(twice), n_requests - len(twice) - len(warmed_up)
    assert len(set(asked_N[:fresh].tolist())) == fresh
    assert not warmed_up & set(asked_N[:fresh].tolist())
    assert len(set(asked_N[fresh : fresh + n_kept].tolist())) == min(n_kept, len(asked_N) - fresh)


def test_what_is_asked_twice_is_new_the_first_time(records: dict[str, LatencyRecord], out: Path) -> None:
    raw = load_arrays(out / (records["popular"].raw or ""))
    before = set(raw["method_request_N"].tolist()) | set(raw["warm_up_request_N"].tolist())
    assert not before & set(raw["first_request_N"].tolist())
    np.testing.assert_array_equal(raw["first_request_N"], raw["again_request_N"])


@pytest.mark.parametrize("n", [1, 2, 3, 20, 2_500])
def test_every_part_has_requests_and_none_that_another_has_where_there_are_enough(n: int) -> None:
    parts = Parts.of(n, np.random.default_rng(n))
    whole = np.concatenate([parts.warm_up_Q, parts.timed_Q, parts.twice_Q])
    assert min(len(parts.warm_up_Q), len(parts.timed_Q), len(parts.twice_Q)) >= 1
    np.testing.assert_array_equal(np.unique(whole), np.arange(n))
    assert n < 3 or len(whole) == n


def test_a_method_that_answers_otherwise_when_timed_is_caught(records: dict[str, LatencyRecord]) -> None:
    record = records["Switches"]
    assert record.status == "failed"
    assert record.measures is None
    assert "timed answers: expected those that were scored" in (record.error or "")


def test_a_method_that_remembers_requests_is_shown(records: dict[str, LatencyRecord]) -> None:
    measures = records["Remembers"].measures
    assert measures is not None
    assert measures.checks.repeat_ratio < REPEAT / 2
    assert "remembers" in faults(measures)


def test_a_method_that_slows_the_clock_is_caught(records: dict[str, LatencyRecord]) -> None:
    record = records["SlowsTheClock"]
    assert record.status == "failed"
    assert "clock: expected CPU time as another process reads it" in (record.error or "")


def test_a_method_without_a_score_is_a_row_that_says_why(records: dict[str, LatencyRecord]) -> None:
    record = records["Raises"]
    assert (record.status, record.measures) == ("failed", None)
    assert "not timed, for it has no score: RuntimeError: no memory" in (record.error or "")


def test_a_second_start_times_nothing_again(records: dict[str, LatencyRecord], out: Path) -> None:
    before = (out / "latency.jsonl").read_bytes()
    (again,) = time_all(plan("popular"), place(out), PROTOCOL, tell=quiet)
    assert again == records["popular"]
    assert (out / "latency.jsonl").read_bytes() == before


def test_records_load_again_and_a_torn_one_is_left_out(records: dict[str, LatencyRecord], tmp_path: Path) -> None:
    path = tmp_path / "latency.jsonl"
    for record in records.values():
        append(path, record)
    with path.open("a") as file:
        file.write('{"schema_version": 1, "key"')
    assert lines.load(path) == list(records.values())
    path.write_text('{"schema_version": 2}\n')
    with pytest.raises(RecordError, match=r"latency.jsonl:1: schema_version"):
        lines.load(path)


def told_by(method: str, out: Path, limit_seconds: float = 120.0) -> Told:
    (dataset,) = (out / "datasets").iterdir()
    file = str(out / "latency" / "alone.npz")
    core, limits = min(os.sched_getaffinity(0)), Limits(limit_seconds, memory_bytes=8e8)
    name = method if ":" in method else f"{OWN}:{method}"
    cell = Cell(name, TASK, str(dataset), 1, 2, 50, 1.0, core, limits, (str(out),), Path(file))
    return time_cell(cell, tell=lambda done, total: None)


@pytest.mark.usefixtures("records")
def test_the_process_has_one_core_and_one_thread(out: Path) -> None:
    core = min(os.sched_getaffinity(0))
    assert told_by("SaysWhereItIs", out).error == f"RuntimeError: cores [{core}], threads [1]"


@pytest.mark.usefixtures("records")
def test_a_method_that_dies_is_told_of_with_its_last_words(out: Path) -> None:
    assert told_by("Dies", out).error == "the process ended with exit code 7 and no answer: out of luck"


@pytest.mark.usefixtures("records")
def test_a_method_that_hangs_is_given_up(out: Path) -> None:
    assert told_by("Hangs", out, 4.0).error == "expected an answer within 4 s, got none"


@pytest.mark.usefixtures("records")
@pytest.mark.parametrize(
    ("method", "why"),
    [
        ("Eats", "MemoryError: "),
        ("EatsInChildren", "expected at most 800 MB, got "),
        ("Talks", "answer: expected one of the harness, got 1 validation error for _Words metrics"),
        ("TalksNonsense", "answer: expected one of the harness, got 1 validation error for _Words Invalid JSON"),
        ("NeverEndsALine", "answer: expected one of the harness, got a line of more than 1048576 bytes"),
        ("MarksTime", "answer: expected one of the harness, got begins twice"),
        ("LinksItsArrays", "arrays.npz: expected the arrays, got [Errno 40] Too many levels of symbolic links"),
        ("SaysItIsDone", "answer: expected one of the harness, got 'ends'"),
    ],
)
def test_a_method_that_eats_or_talks_in_the_harness_s_place_is_told_of(method: str, why: str, out: Path) -> None:
    told = told_by(method, out)
    assert (told.result, told.spent_ns) == (None, 0)
    assert why in str(told.error)


@needs_landlock
@pytest.mark.usefixtures("records")
@pytest.mark.parametrize("cheater", ["Snoops", "Foresees", "ReadsFiles", "Writes"])
def test_truth_future_and_files_are_out_of_reach(cheater: str, out: Path) -> None:
    told = told_by(cheater, out)
    assert told.confined
    assert "FoundError: found []" in str(told.error)


@pytest.mark.usefixtures("records")
def test_what_looks_around_would_find_what_is_there(out: Path) -> None:
    assert set(cheaters.readable(list(files_below(out)))) == {str(path) for path in files_below(out)} != set()


@pytest.mark.parametrize("module", ["bench.worker", "bench.latency.child"])
def test_no_method_is_loaded_before_its_process_is_confined(module: str) -> None:
    probe = f"import sys, {module}\nprint(*(name for name in sys.modules if name.startswith('methods.')))"
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    # Compiled code that was loaded before would be kept where a confined process cannot write.
    assert set(done.stdout.split()) == {"methods.base", "methods.kernel", "methods.naming", "methods.registry"}


@needs_landlock
def test_a_record_says_that_its_method_was_confined(records: dict[str, LatencyRecord]) -> None:
    assert all(record.confined for name, record in records.items() if name != "Raises")


@pytest.mark.usefixtures("records")
@pytest.mark.parametrize("later", [0.0, 1.0], ids=["at once", "later"])
def test_the_process_ends_with_its_parent(out: Path, later: float) -> None:
    call = f"from tests.test_latency_cells import Path, told_by; told_by('Hangs', Path({str(out)!r}), 99.0)"
    parent = subprocess.Popen([sys.executable, "-c", call], cwd=ROOT)
    wait_until(lambda: timed_by(parent.pid) != [])
    (child,) = timed_by(parent.pid)
    time.sleep(later)  # the moment of the kill is the point of this test
    parent.kill()
    parent.wait()
    wait_until(lambda: not child.exists() or "State:\tZ" in (child / "status").read_text())


def timed_by(pid: int) -> list[Path]:
    """Return the processes that a parent has started to be timed."""
    children = [Path("/proc") / child for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [child for child in children if b"bench.latency" in (child / "cmdline").read_bytes()]


def test_a_protocol_that_cannot_be_kept_is_refused() -> None:
    with pytest.raises(ValueError, match="seconds: expected more than 0, got 0"):
        Protocol(seconds=0)
    with pytest.raises(ValueError, match="core: expected one of"):
        Protocol(core=10_000)


@pytest.mark.usefixtures("records")
def test_the_command_prints_the_table(out: Path) -> None:
    words = ["latency", "--world", "tiny", "--methods", "popular", "--queries", "100", "--seconds", "2"]
    result = CliRunner().invoke(app, [*words, "--out", str(out), "--workers", "1"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    for word in (TASK, "popular", "x flat", "peak MB", "few"):
        assert word in result.output
    newest = json.loads((out / "latency.jsonl").read_text().splitlines()[-1])
    assert newest["measures"]["service"]["n"] == 100
    assert newest["measures"]["service"]["wall"]["p99"] is None


@pytest.mark.usefixtures("records")
def test_kept_records_are_printed_and_nothing_is_timed(out: Path, tmp_path: Path) -> None:
    file = out / "latency.jsonl"
    before = file.read_bytes()
    said = CliRunner().invoke(app, ["latency", "--kept", str(file)], catch_exceptions=False).output
    assert "x flat" in said
    assert all(name in said for name in ("popular", "Raises"))
    assert file.read_bytes() == before
    (tmp_path / "none.jsonl").touch()
    with pytest.raises(ValueError, match="kept: expected records of timings"):
        CliRunner().invoke(app, ["latency", "--kept", str(tmp_path / "none.jsonl")], catch_exceptions=False)
