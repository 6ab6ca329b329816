"""The overview averages a family's settings, and never over what happens to be there."""

from dataclasses import replace

import pytest

from bench.report.overview import Overview, overview
from bench.report.summary import Row, TaskTable
from bench.stats import Interval
from bench.tasks import find_task


def a_row(method: str, metric: str, value: float, seeds: tuple[int, ...] = (1, 2)) -> Row:
    return Row(method, seeds, {metric: Interval(value, None, None, len(seeds))}, None, None, None, None)


def a_table(task_id: str, **values: float) -> TaskTable:
    task = find_task(task_id)
    rows = tuple(a_row(method, task.primary, value) for method, value in values.items())
    return TaskTable(task, "tiny", (1, 2), False, 10, 0, rows, (), None)


def means_of(seen: Overview, method: str) -> tuple[float | None, ...]:
    return tuple(None if cell is None else cell.mean for cell in dict(seen.rows)[method])


J0, J1, WARM = "author-cold/u2a/j0@v1", "author-cold/u2a/j1@v1", "warm/next-note@v1"


def test_a_cell_is_the_mean_over_the_settings_of_a_family() -> None:
    seen = overview([a_table(J0, als=0.1, popular=0.4), a_table(J1, als=0.3, popular=0.4), a_table(WARM, als=0.5)])
    assert [family.name for family in seen.families if not family.is_area] == ["author-cold/u2a", "warm"]
    assert means_of(seen, "als")[:2] == pytest.approx((0.2, 0.5))
    known, missing = means_of(seen, "popular")[:2]
    assert known == pytest.approx(0.4)
    assert missing is None


def test_a_missing_setting_or_seed_leaves_the_cell_empty() -> None:
    whole, partial = a_table(J0, als=0.1), a_table(J1, als=0.3)
    partial = replace(partial, rows=(a_row("als", partial.task.primary, 0.3, seeds=(1,)),))
    assert dict(overview([whole, partial]).rows)["als"] == (None, None)
    assert dict(overview([whole, a_table(J1, popular=0.3)]).rows)["als"] == (None, None)


def test_a_task_that_is_not_ranked_is_no_column() -> None:
    leaky = a_table("beauty/leave-one-out-leaky@v1", als=0.9)
    assert overview([leaky]).families == ()


def test_methods_come_by_their_share_of_the_best() -> None:
    tables = [a_table(J0, als=0.1, popular=0.4, bpr=0.2), a_table(WARM, als=0.1, popular=0.1, bpr=0.2)]
    assert [method for method, _ in overview(tables).rows] == ["bpr", "popular", "als"]
