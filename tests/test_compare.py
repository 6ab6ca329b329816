"""Two runs side by side: the differences are the paired ones, and what does not compare says why."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from scipy import stats
from typer.testing import CliRunner

from bench.cli import app, main
from bench.compare.differing import Change, Table, compare
from bench.compare.terminal import render
from bench.record import ResultRecord, append
from bench.report import Run, load_run
from bench.stats import holm, paired_difference
from bench.tasks import TASKS
from tests.report_examples import Made, write_run

COLD, WARM = TASKS["author-cold/u2a/j5@v1"], TASKS["warm/next-note@v1"]
BEAUTY = TASKS["beauty/leave-one-out@v1"]
METRICS = {task.id: task.primary for task in (COLD, WARM, BEAUTY)}
QUALITY = {"popular": 0.1, "als": 0.2, "bpr": 0.15, "random": 0.01}
BETTER = QUALITY | {"als": 0.4, "bpr": 0.05}


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """Two runs in which als became better, bpr worse, and the rest stayed."""
    tasks = (COLD, WARM)
    return write_run(tmp_path / "a", Made(tasks, QUALITY)), write_run(tmp_path / "b", Made(tasks, BETTER))


def found_in(a: Path | Run, b: Path | Run) -> dict[str, Table]:
    runs = [place if isinstance(place, Run) else load_run(place) for place in (a, b)]
    return {table.task: table for table in compare(runs[0], runs[1], METRICS)}


def change_of(table: Table, method: str) -> Change:
    (change,) = [change for change in table.changes if change.method == method]
    return change


def rewritten(folder: Path, change: Callable[[ResultRecord], ResultRecord | None]) -> Run:
    """Return the run with other records: None leaves one out."""
    run = load_run(folder)
    return replace(run, records=tuple(new for record in run.records if (new := change(record)) is not None))


def for_als_1(update: dict[str, object]) -> Callable[[ResultRecord], ResultRecord]:
    def change(record: ResultRecord) -> ResultRecord:
        is_it = (record.task, record.method, record.seed) == (WARM.id, "als", 1)
        return record.model_copy(update=update) if is_it else record

    return change


def why_not(table: Table, method: str = "als") -> list[tuple[str, tuple[int, ...]]]:
    return [(why, seeds) for name, why, seeds in table.refused if name == method]


def values_of(folder: Path, task: str, method: str, metric: str) -> dict[int, np.ndarray]:
    run = load_run(folder)
    own = [record for record in run.records if (record.task, record.method) == (task, method)]
    return {record.seed: values for record in own if (values := run.values(record, metric)) is not None}


def test_a_difference_is_the_mean_over_seeds_of_the_paired_ones(two: tuple[Path, Path]) -> None:
    als = change_of(found_in(*two)[COLD.id], "als")
    a, b = (values_of(folder, COLD.id, "als", COLD.primary) for folder in two)
    means = [np.nanmean(b[seed] - a[seed]) for seed in (1, 2, 3)]
    low, high = stats.t.interval(0.95, 2, np.mean(means), stats.sem(means))
    assert (als.difference.mean, als.difference.low, als.difference.high) == pytest.approx((np.mean(means), low, high))
    assert als.difference.p == pytest.approx(stats.ttest_1samp(means, 0).pvalue)
    assert als.mean_a == pytest.approx(np.mean([np.nanmean(a[seed]) for seed in a]))
    assert als.mean_b == pytest.approx(np.mean([np.nanmean(b[seed]) for seed in b]))
    assert als.detectable == pytest.approx(3.26404 * np.std(means, ddof=1), rel=1e-4)
    assert als.seeds == (1, 2, 3)


def test_marks_are_those_after_holm_and_what_stayed_shows_no_difference(two: tuple[Path, Path]) -> None:
    for table in found_in(*two).values():
        corrected = holm({c.method: c.difference.p for c in table.changes if c.difference.p is not None})
        for change in table.changes:
            assert change.difference.mean is not None
            expected = "better" if change.difference.mean > 0 else "worse"
            assert change.label == (expected if corrected[change.method] <= 0.05 else "no difference shown")
        assert change_of(table, "als").label == "better"
        assert change_of(table, "bpr").label == "worse"
        assert change_of(table, "random").difference.mean == 0
        assert not table.shows_no_difference


def test_a_run_does_not_differ_from_itself(two: tuple[Path, Path]) -> None:
    for table in found_in(two[0], two[0]).values():
        assert table.shows_no_difference
        assert {change.difference.mean for change in table.changes} == {0.0}
        assert {change.remark for change in table.changes} == {"the same code and config"}
        assert table.refused == ()


def test_the_other_way_round_is_the_same_with_the_other_sign(two: tuple[Path, Path]) -> None:
    opposite = {"better": "worse", "worse": "better", "no difference shown": "no difference shown"}
    there, back = found_in(*two), found_in(two[1], two[0])
    for task, table in there.items():
        for change in table.changes:
            other = change_of(back[task], change.method)
            assert other.difference.mean == pytest.approx(-(change.difference.mean or 0))
            assert other.difference.low == pytest.approx(-(change.difference.high or 0))
            assert other.label == opposite[change.label]
            assert (other.mean_a, other.mean_b) == (change.mean_b, change.mean_a)


def test_less_is_better_where_the_metric_says_so(two: tuple[Path, Path]) -> None:
    (table,) = compare(load_run(two[0]), load_run(two[1]), {WARM.id: "regret@100"})
    als = change_of(table, "als")
    assert als.difference.mean is not None
    assert als.difference.mean < 0
    assert als.label == "better"


def test_one_log_is_one_world_whose_requests_are_resampled(tmp_path: Path) -> None:
    a, b = (write_run(tmp_path / name, Made((BEAUTY,), quality)) for name, quality in (("a", QUALITY), ("b", BETTER)))
    table = found_in(a, b)[BEAUTY.id]
    als = change_of(table, "als")
    assert table.one_world
    mean_a, mean_b = (
        np.mean(list(values_of(folder, BEAUTY.id, "als", BEAUTY.primary).values()), axis=0) for folder in (a, b)
    )
    expected = paired_difference({0: mean_b}, {0: mean_a}, rng=np.random.default_rng(1))
    assert als.difference.mean == pytest.approx(expected.mean)
    assert als.difference.low == pytest.approx(expected.low, rel=0.05)  # other resamples
    assert als.difference.high == pytest.approx(expected.high, rel=0.05)
    assert als.label == "better"


def test_a_single_world_of_several_keeps_its_mean_only(two: tuple[Path, Path]) -> None:
    run = rewritten(two[1], lambda r: None if r.method == "als" and r.seed > 1 else r)
    table = found_in(two[0], run)[WARM.id]
    als = change_of(table, "als")
    assert als.difference.mean is not None
    assert (als.difference.low, als.difference.high, als.label) == (None, None, "no difference shown")
    assert why_not(table) == [("only in A", (2, 3))]


@pytest.mark.parametrize(
    ("update", "why"),
    [
        ({"fingerprint": "other data of the seed"}, "other data or another question: fingerprint data of seed"),
        (
            {"status": "failed", "error": "MemoryError: 1 GB\nTraceback", "metrics": {}},
            "no result in B: MemoryError: 1 GB",
        ),
        ({"status": "timeout", "error": None, "metrics": {}}, "no result in B: timeout"),
        ({"metrics": {}}, "recall@100 is not recorded in B: other metrics, or another version of them"),
    ],
)
def test_a_cell_that_does_not_compare_says_why_and_the_others_do(
    two: tuple[Path, Path], update: dict[str, object], why: str
) -> None:
    table = found_in(two[0], rewritten(two[1], for_als_1(update)))[WARM.id]
    ((said, seeds),) = why_not(table)
    assert said.startswith(why)
    assert seeds == (1,)
    assert change_of(table, "als").seeds == (2, 3)
    assert change_of(table, "bpr").seeds == (1, 2, 3)


def test_other_requests_do_not_compare(two: tuple[Path, Path], tmp_path: Path) -> None:
    fewer = write_run(tmp_path / "fewer", Made((WARM,), QUALITY, n_requests=30))
    table = found_in(two[0], fewer)[WARM.id]
    assert table.changes == ()
    said = "other requests: recall@100 has 39 requests and 1 undefined in A, 29 requests and 1 undefined in B"
    assert why_not(table) == [(said, (1, 2, 3))]


def test_as_many_requests_of_which_fewer_are_defined_do_not_compare(two: tuple[Path, Path]) -> None:
    def fewer(record: ResultRecord) -> ResultRecord:
        value = record.metrics[WARM.primary] if record.task == WARM.id else None
        if value is None:
            return record
        changed = value.model_copy(update={"n": value.n - 2, "n_undefined": value.n_undefined + 2})
        return record.model_copy(update={"metrics": record.metrics | {WARM.primary: changed}})

    table = found_in(two[0], rewritten(two[1], fewer))[WARM.id]
    assert table.changes == ()
    ((said, _),) = why_not(table)
    assert said.endswith("39 requests and 1 undefined in A, 37 requests and 3 undefined in B")


def test_what_no_method_has_a_part_in_must_be_equal(two: tuple[Path, Path]) -> None:
    run = load_run(two[1])
    (record,) = [r for r in run.records if (r.task, r.method, r.seed) == (COLD.id, "als", 2)]
    path = two[1] / str(record.values)
    with np.load(path) as stored:
        values = dict(stored)
    values["cold_chance@50"] = values["cold_chance@50"] * 2
    np.savez(path, **values)
    ((said, seeds),) = why_not(found_in(*two)[COLD.id])
    assert said.startswith("other requests, or scored in another way: cold_chance@50 differs")
    assert seeds == (2,)


def test_what_only_one_run_has_is_told(two: tuple[Path, Path], tmp_path: Path) -> None:
    other = write_run(tmp_path / "other", Made((WARM,), {"popular": 0.1, "swing": 0.1}, seeds=(1, 9)))
    found = found_in(two[0], other)
    assert why_not(found[WARM.id], "popular") == [("only in A", (2, 3)), ("only in B", (9,))]
    assert why_not(found[WARM.id], "swing") == [("only in B", (1, 9))]
    assert found[COLD.id].changes == ()


def test_a_changed_config_is_told(two: tuple[Path, Path]) -> None:
    def configured(factors: int, cell: str) -> Callable[[ResultRecord], ResultRecord]:
        return lambda record: record.model_copy(update={"config": {"factors": factors, "k": 1}, "cell": cell})

    table = found_in(rewritten(two[0], configured(64, "a")), rewritten(two[1], configured(128, "b")))[WARM.id]
    assert change_of(table, "als").remark == "factors 64 -> 128"


def test_records_without_values_compare_by_the_means_of_their_seeds(two: tuple[Path, Path], tmp_path: Path) -> None:
    whole = found_in(*two)[WARM.id]
    for folder in two:
        for record in load_run(folder).records:
            append(tmp_path / f"{folder.name}.jsonl", record.model_copy(update={"values": None}))
    means = found_in(load_run(tmp_path / "a.jsonl"), load_run(tmp_path / "b.jsonl"))[WARM.id]
    for change in means.changes:
        assert change.difference.mean == pytest.approx(change_of(whole, change.method).difference.mean, abs=1e-9)
        assert change.difference.low == pytest.approx(change_of(whole, change.method).difference.low, abs=1e-9)


def text_of(a: Path, b: Path) -> str:
    file = StringIO()
    Console(file=file, width=120).print(render(compare(load_run(a), load_run(b), METRICS)))
    return file.getvalue()


def test_the_terminal_shows_tables_reasons_and_a_count(two: tuple[Path, Path], tmp_path: Path) -> None:
    other = write_run(tmp_path / "c", Made((WARM,), BETTER | {"swing": 0.1}, seeds=(1, 2)))
    text = text_of(two[0], other)
    assert re.search(r"^als +0\.\d{4} 0\.\d{4} \+0\.\d{4} ±0\.\d{4} [▲·] +0\.\d{4} +1,2", text, flags=re.MULTILINE)
    assert "not compared: swing, seed 1, 2: only in B" in text
    assert "not compared: als, bpr, popular, random, seed 3: only in A" in text
    assert "4 compared: " in text
    assert max(map(len, text.splitlines())) <= 120
    assert "No difference shown." in text_of(two[0], two[0])


def test_the_command_compares_what_is_named(two: tuple[Path, Path]) -> None:
    words = ["compare", *map(str, two), "--methods", "a*", "--tasks", "warm/*", "--metric", "ndcg"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "warm/next-note@v1  ndcg@100, small" in result.output
    assert COLD.id not in result.output
    assert "1 compared: " in result.output
    file = CliRunner().invoke(app, ["compare", str(two[0] / "records.jsonl"), str(two[1])])
    assert file.exit_code == 0, file.output
    assert "8 compared: " in file.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--methods", "nope*"], "methods: expected one of als, bpr, popular, random, got 'nope*'"),
        (["--tasks", "nope"], "tasks: expected one of author-cold"),
        (["--metric", "recal"], "metric: expected one of recall, "),
        (["--metric", "recall@x"], "metric: expected one of recall, "),
    ],
)
def test_what_does_not_exist_is_refused_by_name(two: tuple[Path, Path], options: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["compare", *map(str, two), *options], env={"COLUMNS": "1000"})
    assert result.exit_code == 2
    assert message in result.output


def test_a_folder_without_records_is_one_line(
    two: tuple[Path, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["coldrecall", "compare", str(two[0]), "/nowhere"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: /nowhere/records.jsonl: expected the records of a run, got no such file\n"
