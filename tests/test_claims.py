"""What the benchmark must show on world small, whatever the methods' merits. Slow."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from bench.exam import load
from bench.plan import TRUTHS, Plan
from bench.record import ResultRecord
from bench.run import run
from bench.score import within
from bench.tasks import TASKS, find_task
from methods.registry import create
from simulator.arrays import load_arrays
from tests.waiting import quiet

pytestmark = pytest.mark.slow

JS = (0, 5)  # from five clicks to twenty little is gained: few new authors have more than five
U2A = tuple(f"author-cold/u2a/j{j}@v1" for j in JS)
TASK_IDS = (*U2A, "author-cold/a2a/j0@v1", "note-cold/u2n/age-0h@v1", "user-cold/u2n/j0@v1", "warm/next-note@v1")
ONLY_CLICKS = ("item-cf", "als")
TEXT = ("content-knn", "als-ridge")
METHODS = (*TRUTHS, "random", "recent", "popular-in-category", *ONLY_CLICKS, *TEXT)

Records = Mapping[tuple[str, str], ResultRecord]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("claims")


@pytest.fixture(scope="module")
def records(folder: Path) -> Records:
    plan = Plan(world="small", seeds=(4,), tasks=TASK_IDS, methods=METHODS, reference="random")
    done = run(plan, folder, n_workers=2, data=None, tell=quiet)
    assert [record.error for record in done if record.status != "ok"] == []
    return {(record.task, record.method): record for record in done}


def mean(record: ResultRecord, metric: str) -> float:
    value = record.metrics[metric].mean
    assert value is not None
    return value


def z_to_chance(folder: Path, record: ResultRecord, prefix: str, k: int) -> float:
    """Return how many standard errors a mean recall is from that of random lists.

    A random list of chance p hits each of G relevant targets with p: a request's recall has variance p (1 - p) / G.
    """
    assert record.values is not None
    values = load_arrays(folder / record.values)
    (exam_file,) = (folder / "exams").glob(f"*/{record.task.replace('/', '~')}.*.npz")
    exam = load(exam_file)
    relevant = within(exam.truth.relevant, exam.cold_T) if prefix else exam.truth.relevant
    asked_Q = relevant.count_Q > 0
    recall_Q, chance_Q = (values[f"{prefix}{name}@{k}"][asked_Q].astype(np.float64) for name in ("recall", "chance"))
    error = np.sqrt((chance_Q * (1 - chance_Q) / relevant.count_Q[asked_Q]).sum())
    return float((recall_Q - chance_Q).sum() / error) if error > 0 else 0.0  # all candidates fit into the list


@pytest.mark.parametrize("task", TASK_IDS)
def test_the_oracle_is_above_every_method(task: str, records: Records) -> None:
    primary = find_task(task).primary
    best = mean(records[task, "oracle"], primary)
    others = {name: mean(record, primary) for (of, name), record in records.items() if of == task}
    assert max(others.values()) == best
    regrets = [mean(record, "regret@100") for (of, _), record in records.items() if of == task]
    assert min(regrets) > -1e-3


@pytest.mark.parametrize("task", TASK_IDS)
@pytest.mark.parametrize("k", [10, 50, 100, 500])
def test_random_is_k_over_c(task: str, k: int, records: Records, folder: Path) -> None:
    assert abs(z_to_chance(folder, records[task, "random"], "", k)) < 4
    if TASKS[task].has_cold_targets:
        assert abs(z_to_chance(folder, records[task, "random"], "cold_", k)) < 4
        assert abs(z_to_chance(folder, records[task, "random"], "cold_only_", k)) < 4


@pytest.mark.parametrize("method", ONLY_CLICKS)
def test_clicks_alone_say_nothing_of_authors_without_any(method: str, records: Records, folder: Path) -> None:
    assert not create(method).capabilities.cold_targets
    record = records["author-cold/u2a/j0@v1", method]
    # Among cold candidates exactly chance; in the full corpus the warm ones come first, so not above it.
    assert abs(z_to_chance(folder, record, "cold_only_", 50)) < 4
    assert z_to_chance(folder, record, "cold_", 50) < 4


@pytest.mark.parametrize("method", TEXT)
def test_text_says_something_of_authors_without_clicks(method: str, records: Records, folder: Path) -> None:
    assert create(method).capabilities.cold_targets
    assert z_to_chance(folder, records["author-cold/u2a/j0@v1", method], "cold_only_", 50) > 10


@pytest.mark.parametrize("method", ONLY_CLICKS)
def test_clicks_say_more_of_new_authors_the_more_there_are(method: str, records: Records) -> None:
    curve = [mean(records[task, method], "cold_only_recall@50") for task in U2A]
    assert curve[1] > 1.5 * curve[0]
