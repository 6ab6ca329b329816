"""The report says what the records say, the same each time, and works without a network."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest

from bench.metrics import METRICS
from bench.record import append
from bench.report import load_run, summarise, write_report
from bench.report.loading import current
from bench.report.plots import by_k
from bench.report.styles import BOUNDS, styles_of
from bench.tasks import TASKS
from tests.report_examples import Made, text_of, write_run

QUALITY = {"oracle": 0.5, "random": 0.01, "popular": 0.1, "als": 0.2, "als-again": 0.2, "<b>odd & long</b>": 0.05}
COLD = tuple(TASKS[f"author-cold/u2a/j{j}@v1"] for j in (0, 1, 5, 20))
AGED = tuple(TASKS[f"note-cold/u2n/age-{age}@v1"] for age in ("0h", "1h", "6h", "24h"))
FAILED = {
    (COLD[0].id, "als-again", 2): "MemoryError: expected 1 GB, got less\nTraceback",
    (COLD[1].id, "popular", 1): "<script>alert(1)</script>",
}
MADE = Made(
    (*COLD, AGED[1], AGED[0], TASKS["warm/next-note@v1"], TASKS["beauty/leave-one-out-leaky@v1"]),
    QUALITY,
    failed=FAILED,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "run", MADE)


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return write_report(load_run(folder), TASKS, folder / "report.html", reference="popular").read_text("utf-8")


class Reader(HTMLParser):
    """Collects ids, links, scripts' JSON and whether tags are closed."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.ids: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.figures: dict[str, str] = {}
        self._figure: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self._figure = found.get("data-figure")
        self.ids += [found["id"] or ""] if "id" in found else []
        self.links += [found["href"] or ""] if tag == "a" else []
        self.sources += [found[name] or "" for name in ("src", "href") if name in found and tag != "a"]

    def handle_data(self, data: str) -> None:
        if self._figure is not None:
            self.figures[self._figure] = data
            self._figure = None


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


def test_the_terminal_table_is_this(tmp_path: Path) -> None:
    made = Made(COLD[:1], {n: QUALITY[n] for n in ("als", "als-again", "popular", "random", "oracle")}, seeds=(1, 2))
    failed = {(COLD[0].id, "als-again", 2): "MemoryError: expected 1 GB, got less\nTraceback"}
    run = load_run(write_run(tmp_path / "run", replace(made, failed=failed)))
    assert text_of(run) == (Path(__file__).parent / "golden" / "report.txt").read_text("utf-8")


def test_piped_text_is_plain_and_fits_120_columns(folder: Path) -> None:
    text = text_of(load_run(folder))
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 120
    assert "…" not in text


def test_a_narrow_terminal_keeps_what_matters_most(folder: Path) -> None:
    text = text_of(load_run(folder), width=80)
    assert max(map(len, text.splitlines())) <= 80
    assert "Δ popular fit s p50 ms" in text
    assert "R@10" not in text


def test_rows_stand_in_the_order_of_the_primary_metric(folder: Path) -> None:
    (table,) = [t for t in summarise(load_run(folder), TASKS, reference="popular") if t.task == COLD[2]]
    means = [row.mean("cold_recall@50") or 0 for row in table.rows]
    assert means == sorted(means, reverse=True)
    assert table.rows[0].method == "oracle"
    assert {row.method: row.label for row in table.rows}["random"] == "worse"


def test_differences_are_those_of_the_values_on_disk(folder: Path) -> None:
    run = load_run(folder)
    (table,) = [t for t in summarise(run, TASKS, reference="popular") if t.task == COLD[2]]
    found = {row.method: row.difference for row in table.rows}["als"]
    means = []
    for seed in MADE.seeds:
        a, b = (
            run.values(record, "cold_recall@50")
            for method in ("als", "popular")
            for record in run.records
            if (record.task, record.method, record.seed) == (COLD[2].id, method, seed)
        )
        assert a is not None
        assert b is not None
        means.append(np.nanmean(a - b))
    assert found is not None
    assert found.mean == pytest.approx(np.mean(means))
    assert found.n_seeds == 3


def test_equal_methods_are_not_told_apart(folder: Path) -> None:
    tables = summarise(load_run(folder), TASKS, reference="als")
    marks = [row.label for table in tables for row in table.rows if row.method == "als-again"]
    assert marks.count("no difference shown") >= 6


def test_seeds_on_a_recorded_log_are_no_draws_of_it(tmp_path: Path) -> None:
    task = TASKS["beauty/leave-one-out@v1"]
    run = load_run(write_run(tmp_path / "run", Made((task,), {"popular": 0.1, "als": 0.1})))
    (table,) = summarise(run, TASKS, reference="popular")
    assert table.one_world
    assert table.n == 39
    for row in table.rows:
        records = [record.metrics["recall@10"] for record in run.records if record.method == row.method]
        assert row.metrics["recall@10"].low == pytest.approx(np.mean([value.low for value in records]))
    assert [row.difference.n_seeds for row in table.rows if row.difference is not None] == [1]
    assert "3 seeds on the same data" in text_of(run)


def test_a_method_that_failed_on_all_worlds_but_one_gains_no_narrow_interval(tmp_path: Path) -> None:
    failed = {(COLD[0].id, "als", seed): "why" for seed in (1, 2)}
    made = Made(COLD[:1], {"popular": 0.1, "als": 0.3, "random": 0.01}, failed=failed)
    (table,) = summarise(load_run(write_run(tmp_path / "run", made)), TASKS, reference="popular")
    (row,) = [row for row in table.rows if row.method == "als"]
    assert table.is_partial(row)
    assert row.difference is not None
    for interval in (row.difference, row.metrics["cold_recall@50"]):
        assert (interval.low, interval.high, interval.n_seeds) == (None, None, 1)
    assert row.label == "no difference shown"


def test_one_world_alone_has_intervals_over_its_requests(tmp_path: Path) -> None:
    made = Made(COLD[:1], {"popular": 0.1, "als": 0.3}, seeds=(4,))
    (table,) = summarise(load_run(write_run(tmp_path / "run", made)), TASKS, reference="popular")
    assert table.one_world
    assert table.rows[0].label == "better"
    assert table.rows[0].metrics["cold_recall@50"].low is not None


def test_a_leaky_task_is_shown_but_not_ranked(folder: Path) -> None:
    (table,) = [t for t in summarise(load_run(folder), TASKS, reference="popular") if "leaky" in t.task.id]
    assert not table.ranked
    assert [row.method for row in table.rows] == sorted(QUALITY)
    assert all(row.difference is None for row in table.rows)


def test_failed_cells_say_why_in_one_line(folder: Path, page: str) -> None:
    text = text_of(load_run(folder))
    assert "als-again, seed 2: failed: MemoryError: expected 1 GB, got less\n" in text
    assert "als-again (2/3 seeds)" in text
    assert "Traceback" not in page
    assert page.count("MemoryError: expected 1 GB, got less") == 2  # in its table and among the failures


def test_what_records_say_cannot_become_markup(page: str) -> None:
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<b>odd" not in page


def test_the_page_is_the_same_each_time(folder: Path, page: str, tmp_path: Path) -> None:
    again = write_report(load_run(folder), TASKS, tmp_path / "again.html", reference="popular")
    assert again.read_text("utf-8") == page
    assert [path.name for path in tmp_path.iterdir()] == ["again.html"]


def test_the_page_needs_no_network(page: str) -> None:
    reader = read(page)
    assert reader.sources == ["data:,"]
    assert page.count("plotly.js v") == 1
    assert "@import" not in page


def test_links_lead_to_places_on_the_page_and_names_of_places_are_unique(page: str) -> None:
    reader = read(page)
    assert len(set(reader.ids)) == len(reader.ids)
    assert {link.removeprefix("#") for link in reader.links} <= set(reader.ids)
    assert len(reader.links) > len(MADE.tasks)


def test_every_figure_is_valid_plotly_with_a_place(page: str) -> None:
    reader = read(page)
    names = {name.rsplit("-", 1)[1] for name in reader.figures}
    assert names == {"shot", "age", "k", "known", "latency"}
    for name, text in reader.figures.items():
        assert name in reader.ids
        # Names of theme colours are not colours until the page has turned them into some.
        figure = go.Figure(json.loads(re.sub(r'"color":\s*"\w+"', '"color": "#000000"', text)))
        assert len(figure.data) >= 2


def test_the_page_explains_every_metric_it_has(folder: Path, page: str) -> None:
    present = {name.partition("@")[0] for record in load_run(folder).records for name in record.metrics}
    for name in present:
        assert METRICS[name].meaning in unescape(page)


def test_a_method_has_one_look_in_all_figures_and_the_reference_that_of_the_text(folder: Path) -> None:
    tables = summarise(load_run(folder), TASKS, reference="popular")
    styles = styles_of(tables)
    assert set(styles) == set(QUALITY)
    assert styles["popular"].colour == "ink"
    assert (styles["oracle"].dash, styles["random"].dash) == ("dash", "dot")
    others = [style for name, style in styles.items() if name not in ("popular", *BOUNDS)]
    assert len(set(others)) == len(others)
    for plot in filter(None, (by_k(table, styles) for table in tables)):
        assert all(trace["line"]["color"] == styles[trace["name"]].colour for trace in plot.figure["data"])


def test_only_the_newest_record_on_the_newest_data_counts(folder: Path) -> None:
    records = load_run(folder).records[:4]
    old, new = records[0], records[0].model_copy(update={"commit": "newer"})
    assert current([old, new]) == (new,)
    moved = records[1].model_copy(update={"fingerprint": "other data"})
    assert current([*records, moved]) == (moved,)


def test_superseded_records_are_counted_on_the_page(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", Made(COLD[:1], {"popular": 0.1, "als": 0.2}, seeds=(1,)))
    run = load_run(folder)
    append(folder / "records.jsonl", run.records[0])
    assert load_run(folder).n_superseded == 1
    out = write_report(load_run(folder), TASKS, tmp_path / "r.html", reference="nobody")
    assert "1 older records left out" in out.read_text("utf-8")
    assert "No result of nobody to compare with." in out.read_text("utf-8")


def test_a_run_where_everything_failed_has_a_report(tmp_path: Path) -> None:
    failed = {(COLD[0].id, "als", seed): "" for seed in MADE.seeds}
    folder = write_run(tmp_path / "run", Made(COLD[:1], {"als": 0.2}, failed=failed))
    assert "no reason given" in write_report(load_run(folder), TASKS, tmp_path / "r.html", reference="als").read_text()
    assert text_of(load_run(folder)).count("failed: no reason given") == 3


def test_a_method_that_took_too_long_or_too_much_reads_so(tmp_path: Path) -> None:
    made = Made(COLD[:1], {"popular": 0.1, "als": 0.2}, failed={(COLD[0].id, "als", 1): "", (COLD[0].id, "als", 2): ""})
    run = load_run(write_run(tmp_path / "run", made))
    ended = {1: {"status": "timeout", "error": "late"}, 2: {"status": "oom", "error": "heavy"}}
    records = [record.model_copy(update=ended[record.seed] if record.status != "ok" else {}) for record in run.records]
    run = replace(run, records=tuple(records))
    page = write_report(run, TASKS, tmp_path / "r.html", reference="popular").read_text()
    for said in ("timeout: late", "oom: heavy"):
        assert said in text_of(run)
        assert page.count(said) == 2


def test_unknown_tasks_missing_folders_and_missing_arrays_are_refused_by_name(folder: Path, tmp_path: Path) -> None:
    run = load_run(folder)
    with pytest.raises(ValueError, match="expected a known task, got 'author-cold"):
        summarise(run, {}, reference="popular")
    with pytest.raises(FileNotFoundError, match=r"records\.jsonl: expected the records of a run"):
        load_run(tmp_path)
    record = run.records[0].model_copy(update={"metrics": {"novel@1": run.records[0].metrics["recall@10"]}})
    with pytest.raises(ValueError, match="expected an array 'novel@1'"):
        run.values(record, "novel@1")
