"""Tuning never sees a test answer, gives every method as many trials, and logs each once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bench import tuning
from bench.cli import app
from bench.evidence import is_logged
from bench.measure import recommend_all
from bench.plan import config_of
from bench.processes import Limits
from bench.record import append
from bench.sandbox import version
from bench.score import check_and_score
from bench.split import last_event_of_each_user
from bench.task import WORLD, Cold, LeaveOneOut, Recorded, Snapshot, Task, Window
from bench.tasks import TASKS, find_task
from bench.trials import trials
from bench.tuning import BUDGET, Allowance, Bench, Place, best_first, load, open_bench, tune
from bench.validation import HELD_SHARE, validation
from methods import registry
from methods.base import Budget, Method
from methods.trials import drawn
from simulator.luck import generator
from simulator.schema import DAY_SECONDS, Observation
from tests import checkerboard as board
from tests.tuning_methods import TRIALS, Points
from tests.waiting import quiet

WHOLE = board.checkerboard()
TASK = Task("board/u2n@v1", "a checkerboard", "user", "note", source="board", ks=(5, 10), primary="recall@10")


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


def test_a_window_is_asked_as_it_was_asked_a_window_earlier() -> None:
    cold = Cold("note", arrived_days_ago=(1.0, 0.0), first_interactions=0)
    task = Task("board/n2u@v1", "notes", "note", "user", split=Window(1.0, 0.5), cold=cold, primary="recall@10")
    case, exam = validation(task, WHOLE, key=1)
    start, then = WHOLE.now - DAY_SECONDS, WHOLE.now - DAY_SECONDS // 2
    assert case.cut.index.now == case.requests.time == start
    assert case.cut.fit.now == start - DAY_SECONDS
    born_N = WHOLE.catalog.notes.born_time_N
    ids = set(np.flatnonzero((born_N >= start - DAY_SECONDS) & (born_N < start)).tolist())
    assert ids == set(case.requests.ids_Q.tolist())
    late = WHOLE.events.between(start, then)
    clicked = set(zip(late.note_E[late.click_E].tolist(), late.user_E[late.click_E].tolist(), strict=True))
    got = exam.truth.relevant
    asked = {
        (note, user)
        for q, note in enumerate(case.requests.ids_Q.tolist())
        for user in got.ids_R[got.start_Q1[q] : got.start_Q1[q + 1]].tolist()
    }
    assert asked
    assert asked == {(note, user) for note, user in clicked if note in ids}


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


def test_whose_class_is_never_tuned_is_known() -> None:
    tuned = {registry.METHODS[name] for name in registry.TRIALS}
    never = {name for name, place in registry.METHODS.items() if place not in tuned}
    assert never == {"random", "recent", "mf-bpr", "author-encoder"}


@pytest.mark.parametrize("method", registry.TRIALS)
def test_a_trial_runs_by_its_name(method: str) -> None:
    for name, made in registry.trials_of(method).items():
        one = registry.create(f"{method}/{name}")
        assert type(one) is type(made)
        assert one.config == made.config
    with pytest.raises(ValueError, match=f"expected a trial of {method}, one of .*, got 'none'"):
        registry.create(f"{method}/none")


def test_drawn_trials_start_at_the_base_and_are_distinct_points_of_the_space() -> None:
    space = {"a": (1, 2, 3), "b": (0.5, 0.1)}
    found = drawn(Points(), space, 5, rng=np.random.default_rng(0))
    assert found == drawn(Points(), space, 5, rng=np.random.default_rng(0))
    assert found["base"] == Points()
    assert len(set(found.values())) == 5
    assert all(config.a in space["a"] and config.b in space["b"] for config in found.values())
    assert all(name in ("base", f"a={c.a},b={c.b}") for name, c in found.items())
    with pytest.raises(ValueError, match="space: expected more than 6 points, got 6"):
        drawn(Points(), space, 6, rng=np.random.default_rng(0))


needs_landlock = pytest.mark.skipif(version() < 6, reason="the kernel has no Landlock, or an old one")
OWN = "tests.tuning_methods"
ALLOWED = Allowance(limits=Limits(seconds=60, memory_bytes=8e8))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("tuning"), "tiny", 5, None)


@pytest.fixture(scope="module")
def bench(place: Place) -> Bench:
    return open_bench(find_task("author-cold/u2a/j5@v1"), place, seed=1, tell=quiet)


def plainly(method: Method, bench: Bench, name: str) -> float:
    """Fit, index and ask in this process, and score: what a trial is worth."""
    rng = generator(bench.seed, f"tune/{name}/{bench.task.target}")
    method.fit(bench.case.cut.fit, target=bench.task.target, rng=rng, budget=Budget())
    method.index(bench.case.cut.index)
    assert bench.case.cold_only is not None
    k = max(bench.task.ks)
    one, two = (recommend_all(method, requests, k=k)[0] for requests in (bench.case.requests, bench.case.cold_only))
    return float(np.nanmean(check_and_score(bench.task, bench.exam, one, two, None)[bench.task.primary]))


def test_each_trial_is_logged_once_with_config_metric_and_commit(bench: Bench, tmp_path: Path) -> None:
    log, name = tmp_path / "log.jsonl", f"{OWN}:Windows"
    found = tune(name, bench, log, allowed=ALLOWED, tell=quiet)
    assert [t.value for t in found] == sorted((t.value for t in found if t.value is not None), reverse=True)
    lines = log.read_text()
    assert {t.trial for t in load(log)} == set(TRIALS)
    assert all(t.config["a"] == TRIALS[t.trial].a and t.commit for t in load(log))
    assert all(t.metrics[bench.task.primary].mean == t.value for t in load(log))
    assert tune(name, bench, log, allowed=ALLOWED, tell=quiet) == found
    assert log.read_text() == lines


def test_a_trial_whose_line_a_kill_cut_short_is_done_again(bench: Bench, tmp_path: Path) -> None:
    log, name = tmp_path / "log.jsonl", f"{OWN}:Windows"
    found = tune(name, bench, log, allowed=ALLOWED, tell=quiet)
    log.write_bytes(log.read_bytes()[:-9])
    again = tune(name, bench, log, allowed=ALLOWED, tell=quiet)
    assert {trial.key for trial in again} == {trial.key for trial in found} == {trial.key for trial in load(log)}


def test_a_trial_in_a_process_of_its_own_is_worth_what_it_is_in_ours(bench: Bench, tmp_path: Path) -> None:
    for name in (f"{OWN}:Windows", f"{OWN}:Lucky"):
        for trial in tune(name, bench, tmp_path / "log.jsonl", allowed=ALLOWED, tell=quiet):
            assert trial.value == plainly(trials(name)[trial.trial], bench, name)


@pytest.mark.parametrize(
    ("method", "errors"),
    [
        (
            "Fails",
            (
                "RuntimeError: no fit with a = 0",
                "the process was ended by SIGSEGV",
                "MemoryError: ",
                "ValidationError: 1 validation error for Answer",
                "expected an answer within 5 s, got none",
            ),
        ),
        pytest.param("Cheats", (*["FoundError: found [] "] * 4, "ValueError: lists: expected 2"), marks=needs_landlock),
    ],
)
def test_a_trial_that_fails_or_cheats_is_a_line_that_says_so(
    method: str, errors: tuple[str, ...], bench: Bench, tmp_path: Path
) -> None:
    short = Allowance(limits=Limits(seconds=5, memory_bytes=8e8))
    found = {
        trial.trial: trial for trial in tune(f"{OWN}:{method}", bench, tmp_path / "log", allowed=short, tell=quiet)
    }
    for name, error in zip(TRIALS, errors, strict=True):
        assert str(found[name].error).startswith(error)
        assert found[name].value is None


def test_a_failed_trial_is_tried_again(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def outcome(method: str, trial: str, bench: Bench, allowed: Allowance) -> dict[str, object]:
        tried.append(trial)
        return {"error": "no luck", "value": None} if len(tried) == 2 else {"value": 0.5}

    monkeypatch.setattr(tuning, "_outcome", outcome)
    for _ in range(3):
        tune(f"{OWN}:Windows", bench, tmp_path / "log.jsonl", allowed=ALLOWED, tell=quiet)
    assert tried == [*TRIALS, "a=1"]
    assert len(load(tmp_path / "log.jsonl")) == BUDGET + 1


def test_a_class_without_trials_beside_it_is_refused(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"method: expected a table TRIALS of configs in tests\.bad_methods, got None"):
        tune("tests.bad_methods:Good", bench, tmp_path / "log.jsonl", allowed=ALLOWED, tell=quiet)


def test_kept_logs_load() -> None:
    logs = list((Path(__file__).parents[1] / "docs" / "tuning").glob("*.jsonl"))
    assert logs
    assert all(load(log) for log in logs)


def test_the_bench_of_a_world_is_made_once(place: Place) -> None:
    one, again = (open_bench(find_task("warm/next-note@v1"), place, seed=1, tell=quiet) for _ in range(2))
    assert one.source == "tiny:5"
    assert one.fingerprint == again.fingerprint
    assert np.array_equal(one.case.requests.ids_Q, again.case.requests.ids_Q)
    assert (one.exam.truth.relevant.count_Q <= 1).all()


def test_recorded_data_that_is_not_there_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="data: expected a folder with gowalla-lightgcn"):
        open_bench(TASKS["gowalla/lightgcn-split@v1"], Place(tmp_path, "tiny", 5, None), seed=1, tell=quiet)


def test_logged_trials_are_printed_best_first_and_ties_of_cold_recall_by_recall(tmp_path: Path) -> None:
    log, (one, *_) = tmp_path / "log.jsonl", load(Path("docs/tuning/citeulike~cold@v1.jsonl"))
    value = one.metrics["recall@20"]
    for name, cold, whole in (("a", 0.0, 0.1), ("b", 0.0, 0.3), ("c", 0.2, 0.2), ("d", None, None)):
        means = {"cold_recall@20": cold, "recall@20": whole}
        metrics = {} if cold is None else {m: value.model_copy(update={"mean": x}) for m, x in means.items()}
        append(log, one.model_copy(update={"key": name, "method": "als", "trial": name, "metrics": metrics}))
    assert [trial.trial for trial in best_first(load(log))] == ["c", "b", "a", "d"]
    words = ["tune", "als", "--task", "citeulike/cold", "--log", str(log), "--cached"]
    printed = CliRunner().invoke(app, words, catch_exceptions=False).output
    assert [line.split("│")[2].strip() for line in printed.splitlines() if "│ als" in line] == ["c", "b", "a", "d"]


def test_a_logged_config_without_fields_that_came_later_is_known_where_nobody_sets_them() -> None:
    found, named = registry.create("als-ridge"), registry.create("als-ridge-fading")
    logged = {name: value for name, value in config_of(found).items() if not name.endswith("half_life_days")}
    assert is_logged(found, logged)
    assert not is_logged(named, logged)
    assert not is_logged(found, {**logged, "l2": 17.0})
