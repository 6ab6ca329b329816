"""Tuning never sees a test answer, gives every method as many trials, and logs each once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from bench.split import last_event_of_each_user
from bench.task import WORLD, LeaveOneOut, Recorded, Snapshot, Task
from bench.tasks import TASKS, find_task
from bench.tuning import BUDGET, Bench, Place, load, open_bench, tune
from bench.validation import HELD_SHARE, validation
from methods import registry
from methods.base import Budget, Capabilities
from methods.popular import Popular, PopularConfig
from methods.trials import drawn
from simulator.schema import DAY_SECONDS, Kind, Observation
from tests import checkerboard as board

WHOLE = board.checkerboard()
TASK = Task("board/u2n@v1", "a checkerboard", "user", "note", source="board", ks=(5, 10), primary="recall@10")


def quiet(what: str, done: int, total: int) -> None:
    del what, done, total


def pairs(seen: Observation) -> set[tuple[int, int, int]]:
    events = seen.events
    return set(zip(events.user_E.tolist(), events.note_E.tolist(), events.time_E.tolist(), strict=True))


def relevant(task: Task) -> tuple[Observation, dict[int, set[int]]]:
    """What the fit sees, and the notes relevant to each user who was asked."""
    case, exam = validation(task, WHOLE, key=1)
    found, ids_Q = exam.truth.relevant, case.requests.ids_Q.tolist()
    sets = {u: set(found.ids_R[found.start_Q1[q] : found.start_Q1[q + 1]].tolist()) for q, u in enumerate(ids_Q)}
    return case.cut.fit, sets


def test_of_leave_one_out_the_last_but_one_is_relevant_and_the_last_is_nowhere() -> None:
    clicked = WHOLE.events.take(WHOLE.events.click_E)
    whole = replace(WHOLE, events=clicked)
    case, exam = validation(replace(TASK, split=LeaveOneOut()), whole, key=1)
    without = clicked.take(~last_event_of_each_user(clicked))
    second_last = without.take(last_event_of_each_user(without))
    wanted = dict(zip(second_last.user_E.tolist(), second_last.note_E.tolist(), strict=True))
    got = exam.truth.relevant
    assert {u: got.ids_R[q] for q, u in enumerate(case.requests.ids_Q.tolist())} == wanted
    assert len(case.cut.fit.events) == len(clicked) - 2 * len(wanted)
    assert pairs(case.cut.fit) < pairs(replace(whole, events=without))


def test_a_recorded_split_without_a_validation_part_holds_a_tenth_of_the_past_back() -> None:
    now = board.FIT
    fit, sets = relevant(replace(TASK, split=Recorded(now, now)))
    past = WHOLE.events.between(0, now)
    assert pairs(fit) < pairs(replace(WHOLE, events=past))
    n_held = len(past) - len(fit.events)
    # Four sigmas of a binomial.
    assert abs(n_held - HELD_SHARE * len(past)) < 4 * (len(past) * HELD_SHARE * (1 - HELD_SHARE)) ** 0.5
    held = {(u, n) for u, n, _ in pairs(replace(WHOLE, events=past.take(past.click_E))) - pairs(fit)}
    assert {(u, n) for u, notes in sets.items() for n in notes} == held


def test_a_recorded_split_with_a_validation_part_is_asked_about_that_part() -> None:
    now, upto = board.FIT, board.FIT + DAY_SECONDS
    fit, sets = relevant(replace(TASK, split=Recorded(now, upto)))
    assert pairs(fit) == pairs(replace(WHOLE, events=WHOLE.events.between(0, now)))
    part = WHOLE.events.between(now, upto)
    held = set(zip(part.user_E[part.click_E].tolist(), part.note_E[part.click_E].tolist(), strict=True))
    assert {(u, n) for u, notes in sets.items() for n in notes} == held


def test_a_snapshot_is_asked_as_it_was_asked_earlier() -> None:
    days = 1.0
    fit, sets = relevant(replace(TASK, source=WORLD, split=Snapshot(fit_days=days)))
    then = WHOLE.now - DAY_SECONDS
    assert fit.now == then - DAY_SECONDS
    assert fit.events.time_E.max() < fit.now
    late = WHOLE.events.between(then, WHOLE.now)
    clicked = set(zip(late.user_E[late.click_E].tolist(), late.note_E[late.click_E].tolist(), strict=True))
    asked = {(u, n) for u, notes in sets.items() for n in notes}
    assert asked
    assert asked <= clicked


def test_authors_who_share_two_readers_are_relevant_to_each_other() -> None:
    task = Task("board/a2a@v1", "authors", "author", "author", split=Snapshot(fit_days=1.0), primary="recall@10")
    case, exam = validation(task, WHOLE, key=1)
    then = WHOLE.now - DAY_SECONDS
    late = WHOLE.events.between(then, WHOLE.now)
    readers: dict[int, set[int]] = {}
    for user, note in zip(late.user_E[late.click_E], late.note_E[late.click_E], strict=True):
        readers.setdefault(int(board.AUTHOR_N[note]), set()).add(int(user))
    got, candidates = exam.truth.relevant, set(case.requests.candidates_C.tolist())
    for q, author in enumerate(case.requests.ids_Q.tolist()):
        mine = readers.get(author, set())
        wanted = {a for a, theirs in readers.items() if a != author and len(mine & theirs) >= 2} & candidates
        assert set(got.ids_R[got.start_Q1[q] : got.start_Q1[q + 1]].tolist()) == wanted


def test_a_task_that_repeats_a_mistake_cannot_be_tuned_on() -> None:
    with pytest.raises(ValueError, match="expected a split with a training window"):
        validation(replace(TASK, split=LeaveOneOut(leaky=True)), WHOLE, key=1)


@pytest.mark.parametrize("method", registry.TRIALS)
def test_every_method_has_as_many_trials_all_different(method: str) -> None:
    configs = [str(one.config) for one in registry.trials_of(method).values()]
    assert len(set(configs)) == len(configs) == BUDGET


@dataclass(frozen=True)
class Points:
    """A space to draw from."""

    a: int = 1
    b: float = 0.5


def test_drawn_trials_start_at_the_base_and_are_distinct_points_of_the_space() -> None:
    space = {"a": (1, 2, 3), "b": (0.5, 0.1)}
    trials = drawn(Points(), space, 5, rng=np.random.default_rng(0))
    assert trials == drawn(Points(), space, 5, rng=np.random.default_rng(0))
    assert trials["base"] == Points()
    assert len(set(trials.values())) == 5
    assert all(config.a in space["a"] and config.b in space["b"] for config in trials.values())
    assert all(name in ("base", f"a={c.a},b={c.b}") for name, c in trials.items())
    with pytest.raises(ValueError, match="space: expected more than 6 points, got 6"):
        drawn(Points(), space, 6, rng=np.random.default_rng(0))


class Broken:
    """Fails to fit."""

    capabilities: ClassVar[Capabilities] = Capabilities(frozenset({("user", "note")}), cold_targets=False)

    def __init__(self, config: Points = Points()) -> None:
        self.config = config

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        """Refuse."""
        raise RuntimeError(f"no fit with a = {self.config.a}")


WINDOWS = {f"{days} days": PopularConfig(window_days=days) for days in (0.5, 1.0, 2.0, 4.0, 5.0)}
POINTS = {str(a): Points(a=a) for a in range(BUDGET)}


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setitem(registry.TRIALS, "popular", "tests.test_tuning:WINDOWS")
    monkeypatch.setitem(registry.METHODS, "broken", "tests.test_tuning:Broken")
    monkeypatch.setitem(registry.TRIALS, "broken", "tests.test_tuning:POINTS")
    tables = {"tests.test_tuning:WINDOWS": WINDOWS, "tests.test_tuning:POINTS": POINTS}
    tables |= {"tests.test_tuning:Broken": Broken, "methods.popular:Popular": Popular}
    monkeypatch.setattr(registry, "_load", lambda place: tables[place])
    task = replace(TASK, source=WORLD, split=Snapshot(fit_days=1.0))
    case, exam = validation(task, WHOLE, key=1)
    return Bench(task, "board", "f", case, exam, 1)


def test_each_trial_is_logged_once_with_config_metric_and_commit(bench: Bench, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    found = tune("popular", bench, log, budget=Budget(), tell=quiet)
    assert [t.value for t in found] == sorted((t.value for t in found if t.value is not None), reverse=True)
    lines = log.read_text()
    assert {t.trial for t in load(log)} == set(WINDOWS)
    assert all(t.config["window_days"] == WINDOWS[t.trial].window_days and t.commit for t in load(log))
    assert all(t.metric == "recall@10" and t.metrics["recall@10"].mean == t.value for t in load(log))
    assert tune("popular", bench, log, budget=Budget(), tell=quiet) == found
    assert log.read_text() == lines


def test_a_failing_trial_is_a_line_that_says_so_and_is_tried_again(bench: Bench, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    found = tune("broken", bench, log, budget=Budget(), tell=quiet)
    assert {t.error for t in found} == {f"RuntimeError: no fit with a = {a}" for a in range(BUDGET)}
    tune("broken", bench, log, budget=Budget(), tell=quiet)
    assert len(load(log)) == 2 * BUDGET


def test_the_bench_of_a_world_is_made_once(tmp_path: Path) -> None:
    place = Place(tmp_path, "tiny", 5, None)
    one, again = (open_bench(find_task("warm/next-note@v1"), place, seed=1, tell=quiet) for _ in range(2))
    assert one.source == "tiny:5"
    assert one.fingerprint == again.fingerprint
    assert np.array_equal(one.case.requests.ids_Q, again.case.requests.ids_Q)
    assert (one.exam.truth.relevant.count_Q <= 1).all()


def test_recorded_data_that_is_not_there_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="data: expected a folder with gowalla-lightgcn"):
        open_bench(TASKS["gowalla/lightgcn-split@v1"], Place(tmp_path, "tiny", 5, None), seed=1, tell=quiet)
