"""Our numbers beside print: what counts as held, what is kept, and, slow, the fresh runs on the recorded logs."""

from dataclasses import replace
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet
from typer.testing import CliRunner

from bench import evidence
from bench.cli import app
from bench.parity import RECORDS, TARGETS, Target, cached, chosen, held_beside, keep
from bench.plan import serves
from bench.record import Machine, MetricValue, ResultRecord, append
from bench.tasks import find_task
from methods.registry import METHODS, create

HERE = Path(__file__).parents[1] / RECORDS
TARGET = Target("beauty/leave-one-out@v1", "sasrec-ce-wide", "recall@10", 0.08, "somewhere", remark="more trials")


def record(value: float, *, method: str = "sasrec-ce-wide", seed: int = 1, status: str = "ok") -> ResultRecord:
    metrics = {"recall@10": MetricValue(mean=value, low=value - 0.01, high=value + 0.01, n=9, n_undefined=0)}
    return ResultRecord(
        cell="c",
        task=TARGET.task,
        source="amazon2014-beauty",
        fingerprint="f",
        method=method,
        config={"loss": "ce"},
        seed=seed,
        commit="abc",
        status="ok" if status == "ok" else "failed",
        metrics=metrics,
        machine=Machine(cpu="x", cores=1, python="3", packages={}),
        values="values/c.npz",
    )


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [(0.0783, "short"), (0.0785, "held"), (0.08, "held"), (0.0815, "held"), (0.0817, "better")],
)
def test_a_number_is_held_within_two_percent_and_better_above(ours: float, verdict: str) -> None:
    (row,) = held_beside([TARGET], [record(ours)])
    assert row.verdict == verdict
    assert row.relative == pytest.approx(ours / 0.08 - 1)


def test_a_failed_or_missing_run_says_not_run() -> None:
    (row,) = held_beside([TARGET], [record(0.09, status="failed"), record(0.09, method="other")])
    assert (row.verdict, row.ours) == ("not run", None)


def test_the_newest_record_counts() -> None:
    (row,) = held_beside([TARGET], [record(0.07), record(0.081)])
    assert row.ours == 0.081


def test_kept_records_replace_older_ones_and_leave_the_rest(tmp_path: Path) -> None:
    keep([record(0.07), record(0.02, method="sasrec-bce-wide"), record(0.5, status="failed")], tmp_path)
    keep([record(0.08)], tmp_path)
    assert {(r.method, r.metrics["recall@10"].mean) for r in cached(tmp_path)} == {
        ("sasrec-ce-wide", 0.08),
        ("sasrec-bce-wide", 0.02),
    }
    assert [path.name for path in tmp_path.iterdir()] == ["beauty~leave-one-out@v1.jsonl"]
    assert all(r.values is None for r in cached(tmp_path))


def test_records_that_no_target_names_are_dropped_when_saving(tmp_path: Path) -> None:
    stray, elsewhere = record(0.02, method="other"), record(0.03).model_copy(update={"task": "citeulike/cold@v1"})
    for kept in (stray, elsewhere):  # as an older table of targets left them
        append(tmp_path / f"{kept.task.replace('/', '~')}.jsonl", kept)
    keep([record(0.08), record(0.01, method="another")], tmp_path)
    assert [(r.task, r.method) for r in cached(tmp_path)] == [(TARGET.task, "sasrec-ce-wide")]
    assert [path.name for path in tmp_path.iterdir()] == ["beauty~leave-one-out@v1.jsonl"]


def test_a_folder_of_kept_records_that_is_not_there_is_refused(tmp_path: Path) -> None:
    words = ["parity", "--cached", "--kept", str(tmp_path / "none")]
    with pytest.raises(ValueError, match=r"kept: expected a folder of records, got .*/none, which is none"):
        CliRunner().invoke(app, words, catch_exceptions=False)


@pytest.mark.parametrize(("status", "code"), [("failed", 1), ("ok", 0)])
def test_a_fresh_run_with_a_failed_method_ends_with_exit_code_1(
    status: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = [record(0.08), record(0.05, method="sasrec-bce-wide", status=status)]
    monkeypatch.setattr(evidence, "run_targets", lambda *_, **__: ran)
    done = CliRunner().invoke(app, ["parity", "--tasks", "beauty"])
    assert done.exit_code == code, done.output
    assert "sasrec-ce-wide" in done.output  # the table comes first


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: f"{t.task}-{t.method}-{t.metric}-{t.value}")
def test_every_target_is_of_a_method_that_serves_a_task_which_has_the_metric(target: Target) -> None:
    task = find_task(target.task)
    assert target.method.partition("/")[0] in METHODS
    create(target.method)
    assert serves(target.method, task)
    name, _, k = target.metric.removeprefix("cold_only_").partition("@")
    assert name in ("recall", "ndcg")
    assert int(k) in task.ks


def test_targets_are_chosen_by_task_and_method() -> None:
    assert {t.task for t in chosen(TARGETS, tasks=("gowalla",))} == {"gowalla/lightgcn-split@v1"}
    assert {t.method for t in chosen(TARGETS, methods=("sasrec-ce-wide",))} == {"sasrec-ce-wide"}
    with pytest.raises(ValueError, match="parity: expected a target of no-such, got none"):
        chosen(TARGETS, methods=("no-such",))


def test_the_command_prints_kept_numbers_beside_print(tmp_path: Path) -> None:
    keep([record(0.0821)], tmp_path)
    said = (
        CliRunner().invoke(app, ["parity", "--cached", "--kept", str(tmp_path), "--methods", "sasrec-ce-wide"]).output
    )
    (line,) = [line for line in said.splitlines() if "recall@10" in line]
    assert line.split()[:9] == [
        "beauty",
        "sasrec-ce-wide",
        "recall@10",
        "0.0821",
        "0.0821",
        "±0.0100",
        "+0.0%",
        "2%",
        "held",
    ]


def test_no_line_is_cut_and_each_note_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    said = CliRunner().invoke(app, ["parity", "--cached", "--kept", str(HERE)]).output.splitlines()
    at = said.index("")
    numbers = {int(line.split()[-1]) for line in said[1:at]}
    notes = [line for line in said[at + 1 :] if line[:3].strip().isdigit()]
    assert [int(line[:3]) for line in notes] == sorted(numbers)
    assert all(target.source.split()[0] in "\n".join(notes) for target in TARGETS)


def test_kept_records_say_how_they_were_made() -> None:
    kept = cached(HERE)
    assert kept
    assert all(record.commit and record.values is None and record.status == "ok" for record in kept)
    assert {record.method for record in kept} <= {target.method for target in TARGETS}


def test_whatever_is_better_than_print_says_why() -> None:
    silent = [row.target for row in held_beside(TARGETS, cached(HERE)) if row.verdict == "better"]
    assert all(target.remark for target in silent)


def test_the_kept_records_reach_print() -> None:
    least = {
        ("gowalla/lightgcn-split@v1", "item-cf", "recall@20"): 0.98 * 0.157,
        ("gowalla/lightgcn-split@v1", "ease-whole", "recall@20"): 0.98 * 0.1765,
        ("gowalla/lightgcn-split@v1", "lightgcn", "recall@20"): 0.98 * 0.182,
        ("gowalla/lightgcn-split@v1", "mf-bpr", "recall@20"): 0.98 * 0.163,
        ("beauty/leave-one-out@v1", "sasrec-bce-wide", "recall@10"): 0.0605,
        ("beauty/leave-one-out@v1", "sasrec-ce-wide", "recall@10"): 0.074,
        ("citeulike/cold@v1", "content-knn", "cold_only_recall@20"): 0.98 * 0.3527,
    }
    kept = {(r.task, r.method, name): value.mean for r in cached(HERE) for name, value in r.metrics.items()}
    short = {key: kept[key] for key, floor in least.items() if (kept[key] or 0) < floor}
    assert short == {}


def test_print_from_other_features_is_shown_and_not_judged() -> None:
    (row,) = held_beside([replace(TARGET, comparable=False)], [record(0.05)])
    assert row.verdict == "not comparable"


def kept_methods() -> list[ParameterSet]:
    """Return the methods with a kept record; those that train for longer than half a minute are marked."""
    seconds = {kept.method: kept.measured.fit_cpu_seconds for kept in cached(HERE) if kept.measured is not None}
    return [pytest.param(name, marks=[pytest.mark.hours] * (seconds[name] > 30)) for name in sorted(seconds)]


@pytest.mark.slow
@pytest.mark.parametrize("method", kept_methods())
def test_a_fresh_run_gives_the_kept_numbers(method: str, data_folder: Path, tmp_path: Path) -> None:
    words = ["parity", "--methods", method, "--out", str(tmp_path / "run"), "--data", str(data_folder), "--save"]
    done = CliRunner().invoke(app, [*words, "--kept", str(tmp_path / "kept")], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    targets = chosen(TARGETS, methods=[method])
    kept, fresh = (held_beside(targets, cached(folder)) for folder in (HERE, tmp_path / "kept"))
    for before, now in zip(kept, fresh, strict=True):
        assert before.ours is not None
        assert before.low is not None
        assert now.ours == pytest.approx(before.ours, abs=before.ours - before.low)
        assert (now.verdict == "short") == (before.verdict == "short"), now.target
