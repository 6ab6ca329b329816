"""Worth against time: the front is that of the definition, times are those that were taken, what is unsure says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench.report import Run, load_run, summarise
from bench.report.frontier import frontier_of, pareto
from bench.report.plots import against_latency
from bench.report.styles import styles_of
from bench.report.summary import TaskTable
from bench.tasks import TASKS
from tests.report_examples import MACHINE, Made, write_run
from tests.timing_examples import measures, timed, write

WARM = TASKS["warm/next-note@v1"]
QUALITY = {"oracle": 0.5, "random": 0.01, "popular": 0.1, "als": 0.2, "bpr": 0.15}
POINTS = st.lists(st.tuples(st.integers(0, 6).map(float), st.integers(0, 6).map(float)), max_size=12)


def dominates(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one != other and one[0] <= other[0] and one[1] >= other[1]


@given(POINTS)
def test_on_the_front_is_what_no_other_beats(points: list[tuple[float, float]]) -> None:
    found = pareto(points)
    assert sorted(found) == [i for i, p in enumerate(points) if not any(dominates(q, p) for q in points)]
    assert [points[i] for i in found] == sorted(points[i] for i in found)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", Made((WARM,), QUALITY))


def time(folder: Path, p50_ms: dict[str, float], *, seeds: tuple[int, ...] = (1,), noisy: str = "") -> None:
    for record in load_run(folder).records:
        if record.method in p50_ms and record.seed in seeds:
            found = measures(
                record.seed * p50_ms[record.method], verdict="not rankable" if record.method == noisy else "quiet"
            )
            write(folder, timed(record, found))


def table_of(run: Run) -> TaskTable:
    (table,) = summarise(run, TASKS, reference="popular")
    return table


def test_without_timings_the_rough_times_of_the_run_are_taken_without_bounds(folder: Path) -> None:
    table = table_of(load_run(folder))
    found = frontier_of(table)
    assert found is not None
    assert not found.is_timed
    rough = {row.method: row.latency_p50_ms for row in table.rows if row.latency_p50_ms is not None}
    assert {point.method: point.p50_ms.mean for point in found.points} == {m: v.mean for m, v in rough.items()}
    assert all(point.p50_ms.low is None for point in found.points)
    plot = against_latency(table, styles_of([table]))
    assert plot is not None
    assert "rough ones of the run" in plot.remark


def test_timed_methods_stand_at_their_service_view_and_the_others_are_named(folder: Path) -> None:
    time(folder, {"popular": 0.1, "als": 2.0, "random": 0.05})
    table = table_of(load_run(folder))
    found = frontier_of(table)
    assert found is not None
    assert found.is_timed
    at = {point.method: point.p50_ms for point in found.points}
    assert (at["als"].mean, at["als"].low, at["als"].high) == pytest.approx((2.0, 1.8, 2.4))
    assert found.untimed == ("bpr",)
    assert [point.method for point in found.front] == ["popular", "als"]  # random is quicker, and a bound
    plot = against_latency(table, styles_of([table]))
    assert plot is not None
    assert "Pareto front, quickest first: popular, als." in plot.remark
    assert "Not timed: bpr." in plot.remark
    (als,) = [trace for trace in plot.figure["data"] if trace["name"] == "als"]
    assert als["customdata"][0].startswith("als, 2 ms (1.8 to 2.4): 0.")
    assert als["error_x"]["array"] == pytest.approx([0.4])


def test_a_noisy_cell_is_hollow_and_not_on_the_front(folder: Path) -> None:
    time(folder, {"popular": 0.1, "als": 2.0, "bpr": 1.0}, noisy="als")
    table = table_of(load_run(folder))
    found = frontier_of(table)
    assert found is not None
    assert [point.method for point in found.front] == ["popular", "bpr"]
    plot = against_latency(table, styles_of([table]))
    assert plot is not None
    assert "Hollow, not ranked: als (noise)." in plot.remark
    symbols = {trace["name"]: trace.get("marker", {}).get("symbol") for trace in plot.figure["data"]}
    assert symbols["als"].endswith("-open")
    assert not symbols["bpr"].endswith("-open")


def test_times_of_several_seeds_are_a_geometric_mean_with_its_t_interval(folder: Path) -> None:
    time(folder, {"popular": 0.1, "als": 2.0}, seeds=(1, 2, 3))
    found = frontier_of(table_of(load_run(folder)))
    assert found is not None
    (als,) = [point.p50_ms for point in found.points if point.method == "als"]
    logs = np.log([2.0, 4.0, 6.0])
    low, high = stats.t.interval(0.95, 2, logs.mean(), stats.sem(logs))
    assert (als.mean, als.low, als.high) == pytest.approx((np.exp(logs.mean()), np.exp(low), np.exp(high)))


def test_the_newest_timing_on_the_newest_machine_counts(folder: Path) -> None:
    records = {(r.method, r.seed): r for r in load_run(folder).records}
    popular, als, bpr = (records[method, 1] for method in ("popular", "als", "bpr"))
    elsewhere = MACHINE.model_copy(update={"cpu": "another"})
    gone = als.model_copy(update={"cell": "of other code"})
    write(
        folder,
        timed(bpr, measures(1.0), machine=elsewhere),
        timed(popular, measures(0.3)),
        timed(popular, measures(0.2)),
        timed(popular, None),
        timed(als, measures(2.0)),
        timed(gone, measures(9.0), machine=elsewhere),
    )
    found = frontier_of(table_of(load_run(folder)))
    assert found is not None
    assert {point.method: point.p50_ms.mean for point in found.points} == {"popular": 0.2, "als": 2.0}


def test_one_method_alone_has_no_frontier(folder: Path) -> None:
    table = table_of(load_run(folder))
    alone = replace(table, rows=tuple(row for row in table.rows if row.method in ("als", "oracle")))
    assert frontier_of(alone) is None
    assert against_latency(alone, styles_of([table])) is None
