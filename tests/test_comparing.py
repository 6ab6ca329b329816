"""A report says what its comparisons could have found, and where they found nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.report import load_run, summarise, write_report
from bench.tasks import TASKS
from tests.report_examples import Made, text_of, write_run

QUALITY = {"oracle": 0.5, "random": 0.01, "popular": 0.1, "als": 0.2}
TASK = TASKS["author-cold/u2a/j5@v1"]
SEEDS = (1, 2, 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "run", Made((TASK,), QUALITY, SEEDS))


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return write_report(load_run(folder), TASKS, folder / "report.html", reference="popular").read_text("utf-8")


def test_a_table_where_nothing_is_told_apart_says_so(tmp_path: Path) -> None:
    run = load_run(write_run(tmp_path / "run", Made((TASK,), {"popular": 0.1, "als": 0.1, "bpr": 0.1})))
    (table,) = summarise(run, TASKS, reference="popular")
    assert table.shows_no_difference
    assert "No difference to popular shown." in text_of(run)
    alone = load_run(write_run(tmp_path / "alone", Made((TASK,), {"popular": 0.1})))
    assert "No difference" not in text_of(alone)


def test_a_table_with_a_difference_does_not_deny_it(folder: Path) -> None:
    (table,) = summarise(load_run(folder), TASKS, reference="popular")
    assert not table.shows_no_difference


def test_detectable_differences_are_those_of_seeds_and_the_median_over_methods(folder: Path, page: str) -> None:
    run = load_run(folder)
    (table,) = summarise(run, TASKS, reference="popular")
    for metric in ("cold_recall@50", "regret@50", "recall@10"):
        mean = {(r.method, r.seed): r.metrics[metric].mean for r in run.records}
        least = []
        for method in QUALITY.keys() - {"popular"}:
            differences = [(mean[method, seed] or 0) - (mean["popular", seed] or 0) for seed in SEEDS]
            least.append(3.26404 * np.std(differences, ddof=1))
        assert table.detectable[metric] == pytest.approx(np.median(least), rel=1e-4)
    assert f"<td>{table.detectable['cold_recall@50']:.4f}</td>" in page


def test_detectable_differences_on_one_log_are_those_of_its_requests(tmp_path: Path) -> None:
    task = TASKS["beauty/leave-one-out@v1"]
    run = load_run(write_run(tmp_path / "run", Made((task,), {"popular": 0.1, "als": 0.1})))
    (table,) = summarise(run, TASKS, reference="popular")
    values = {
        method: np.mean(
            [v for r in run.records if r.method == method if (v := run.values(r, "ndcg@10")) is not None], axis=0
        )
        for method in ("popular", "als")
    }
    spread = np.nanstd(values["als"] - values["popular"], ddof=1)
    assert table.detectable["ndcg@10"] == pytest.approx(2.88 * spread / np.sqrt(39), rel=3e-3)
    assert table.detectable["coverage@10"] is None


def test_the_page_tells_what_requests_alone_would(folder: Path, page: str) -> None:
    (table,) = summarise(load_run(folder), TASKS, reference="popular")
    for row in table.rows:
        if row.method == "als":
            assert row.given_worlds is not None
            assert row.difference is not None
            assert row.given_worlds.mean == pytest.approx(row.difference.mean)
            assert row.given_worlds.low is not None
            assert row.given_worlds.high is not None
            half = (row.given_worlds.high - row.given_worlds.low) / 2
            assert f"; given these worlds alone ±{half:.4f}" in page
