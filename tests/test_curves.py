"""Curves follow the tasks' table, on the axis that they say, with the area beside them and every interval there is."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bench.report import load_run, summarise
from bench.report.curves import curves_of
from bench.report.drawing import Plot, reading
from bench.report.few_shot import area
from bench.report.plots import by_k, by_known
from bench.report.settings import area_over_settings, mean_over_settings
from bench.report.styles import styles_of
from bench.report.summary import TaskTable
from bench.stats import Interval
from bench.tasks import TASKS
from tests.report_examples import Made, write_run

COLD = tuple(TASKS[f"author-cold/u2a/j{j}@v1"] for j in (0, 1, 5, 20))
AGED = tuple(TASKS[f"note-cold/u2n/age-{age}@v1"] for age in ("24h", "0h", "6h", "1h"))
QUALITY = {"oracle": 0.5, "random": 0.01, "popular": 0.1, "als": 0.2}
METRIC = "cold_recall@50"


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> tuple[TaskTable, ...]:
    tasks = (*COLD, *AGED, TASKS["warm/next-note@v1"])
    run = load_run(write_run(tmp_path_factory.mktemp("runs") / "run", Made(tasks, QUALITY)))
    return summarise(run, TASKS, reference="popular")


def of(tables: tuple[TaskTable, ...], family: str) -> list[TaskTable]:
    return [table for table in tables if table.task.family == family]


def trace_of(plot: Plot | None, method: str) -> dict[str, Any]:
    assert plot is not None
    (trace,) = [trace for trace in plot.figure["data"] if trace["name"] == method]
    return dict(trace)


def test_a_few_shot_curve_lies_on_the_logarithm_of_one_and_j(tables: tuple[TaskTable, ...]) -> None:
    plots = curves_of(of(tables, "author-cold/u2a"), styles_of(tables))
    assert [plot.title for plot in plots] == [
        "cold_recall@50 by interactions known",
        "cold_only_recall@50 by interactions known",
    ]
    trace = trace_of(plots[0], "als")
    assert trace["x"] == pytest.approx([math.log1p(j) for j in (0, 1, 5, 20)], rel=1e-5)
    assert plots[0].figure["layout"]["xaxis"]["ticktext"] == ["0", "1", "5", "20"]
    rows = [row for table in of(tables, "author-cold/u2a") for row in table.rows if row.method == "als"]
    assert trace["y"] == pytest.approx([row.mean(METRIC) for row in rows], rel=1e-5)
    for row, up in zip(rows, plots[0].figure["data"][1]["error_y"]["array"], strict=True):
        interval = row.metrics[METRIC]
        assert interval.high is not None
        assert interval.mean is not None
        assert up == pytest.approx(interval.high - interval.mean, rel=1e-5)


def test_the_area_beside_a_method_is_that_of_its_seeds(tables: tuple[TaskTable, ...]) -> None:
    own = of(tables, "author-cold/u2a")
    rows = [row for table in own for row in table.rows if row.method == "als"]
    areas = [
        area({j: row.by_seed[METRIC][seed] for j, row in zip((0, 1, 5, 20), rows, strict=True)}) for seed in (1, 2, 3)
    ]
    low, high = stats.t.interval(0.95, 2, np.mean(areas), stats.sem(areas))
    found = area_over_settings("als", own, METRIC)
    assert found is not None
    assert (found.mean, found.low, found.high) == pytest.approx((np.mean(areas), low, high))
    plot = curves_of(own, styles_of(tables))[0]
    assert plot.notes["als"] == f"{np.mean(areas):.4f} ±{(high - low) / 2:.4f}"


def test_a_mean_over_settings_is_the_mean_of_the_cells(tables: tuple[TaskTable, ...]) -> None:
    own = of(tables, "author-cold/u2a")
    means = [row.mean(METRIC) for table in own for row in table.rows if row.method == "als"]
    found = mean_over_settings("als", own, METRIC)
    assert found is not None
    assert found.mean == pytest.approx(np.mean([mean for mean in means if mean is not None]))
    assert found.n_seeds == 3
    lame = replace(own[0], rows=tuple(replace(row, seeds=(1,)) for row in own[0].rows))
    assert mean_over_settings("als", [lame, *own[1:]], METRIC) is None


def test_one_world_has_a_mean_over_settings_and_no_interval(tmp_path: Path) -> None:
    run = load_run(write_run(tmp_path / "run", Made(COLD[:2], QUALITY, seeds=(4,))))
    found = mean_over_settings("als", summarise(run, TASKS, reference="popular"), METRIC)
    assert found is not None
    assert found.mean is not None
    assert (found.low, found.high) == (None, None)


def test_an_age_curve_goes_from_new_to_a_day_with_shares_beside_recall(tables: tuple[TaskTable, ...]) -> None:
    plots = curves_of(of(tables, "note-cold/u2n"), styles_of(tables))
    assert [plot.title for plot in plots] == [
        "cold_recall@100 by age",
        "cold_only_recall@100 by age",
        "cold_share@100 by age",
    ]
    assert trace_of(plots[0], "als")["x"] == ["new", "< 1 h", "1-6 h", "6-24 h"]


def test_a_family_of_one_setting_has_no_curve(tables: tuple[TaskTable, ...]) -> None:
    assert curves_of(of(tables, "warm"), styles_of(tables)) == ()
    assert curves_of(of(tables, "author-cold/u2a")[:1], styles_of(tables)) == ()


def test_every_k_that_is_recorded_is_drawn(tables: tuple[TaskTable, ...]) -> None:
    (table,) = of(tables, "warm")
    assert trace_of(by_k(table, styles_of(tables)), "als")["x"] == [10, 50, 100, 500]
    (row,) = [row for row in table.rows if row.method == "als"]
    fewer = {name: value for name, value in row.metrics.items() if name != "recall@50"}
    lacking = replace(table, rows=(replace(row, metrics=fewer),))
    assert trace_of(by_k(lacking, styles_of(tables)), "als")["x"] == [10, 100, 500]
    one = replace(table, rows=(replace(row, metrics={"recall@50": row.metrics["recall@50"]}),))
    assert by_k(one, styles_of(tables)) is None


def test_recall_by_clicks_known_has_the_buckets_that_are_recorded(tables: tuple[TaskTable, ...]) -> None:
    (table,) = of(tables, "warm")
    trace = trace_of(by_known(table, styles_of(tables)), "als")
    (row,) = [row for row in table.rows if row.method == "als"]
    assert trace["x"] == ["0", "1-4", "5-19"]
    recall = row.mean("recall@100")
    assert recall is not None
    assert trace["y"] == pytest.approx([0.25 * recall, 0.5 * recall, recall], rel=1e-5)


def test_a_bar_without_measure_does_not_squeeze_the_points(tables: tuple[TaskTable, ...]) -> None:
    (table,) = of(tables, "warm")
    wild = replace(
        table.rows[0],
        metrics={"recall@10": Interval(0.5, -9.0, 10.0, 2), "recall@50": table.rows[0].metrics["recall@50"]},
    )
    plot = by_k(replace(table, rows=(wild,)), styles_of(tables))
    assert plot is not None
    low, high = plot.figure["layout"]["yaxis"]["range"]
    assert -0.1 < low < 0
    assert 0.5 < high < 1


def test_a_point_reads_as_method_place_value_and_interval() -> None:
    assert reading("als", "K 50", Interval(0.12345, 0.1, 0.2, 3)) == "als, K 50: 0.1235 (0.1000 to 0.2000)"
    assert reading("als", "K 50", Interval(0.5, None, None, 1)) == "als, K 50: 0.5000"
