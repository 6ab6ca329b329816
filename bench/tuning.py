"""Tune a method: fit each of its named trials on the training window of a task, score it on the window's held part.

Every method gets the same number of trials, BUDGET. The log is append-only JSON lines, one a trial; a trial that is
there is not done again unless its config, its method's code or the question has changed.
"""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from bench import answer as answers
from bench.case import Case
from bench.exam import Exam
from bench.handout import hand_over, packed
from bench.hashes import WORLD_CODE, code_hash
from bench.importers import import_dataset
from bench.machine import commit_of, describe_machine
from bench.measure import Stopwatch
from bench.plan import config_and_code
from bench.processes import Ended, Job, Limits, Message, run_jobs
from bench.progress import Tell
from bench.record import Machine, MetricValue, append, load_lines, repair
from bench.run import RECORDED, recorded_at
from bench.score import check_and_score, check_and_score_description
from bench.stats import mean_interval
from bench.task import WORLD, Task
from bench.trials import trials
from bench.validation import validation
from bench.worker import Assignment, work
from methods.base import Budget, Method
from simulator import dataset
from simulator.luck import stream
from simulator.simulate import live
from simulator.spec import find_world

BUDGET = 5  # trials a method
LIMITS = Limits(seconds=86_400, memory_bytes=16e9)  # of a trial: some train for hours
VALIDATION_CODE = ("bench.validation", "bench.split")


class Trial(BaseModel):
    """The evidence of one trial: what was set, what the validation part says of it, and what it took."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schema_version: Literal[1] = 1
    key: str
    task: str
    source: str
    fingerprint: str
    method: str
    trial: str
    config: dict[str, JsonValue]
    seed: int
    metric: str
    value: float | None
    metrics: dict[str, MetricValue] = {}
    error: str | None = None
    fit_seconds: float | None = None
    seconds: float
    commit: str
    machine: Machine


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """A validation question on its data, ready to try configs on; `seed` is that of the methods.

    No method can read what lies below the `hidden` folders.
    """

    task: Task
    source: str
    fingerprint: str
    case: Case
    exam: Exam
    seed: int
    hidden: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a trial may take: threads and time as advice to the method, and what it is ended beyond."""

    budget: Budget = field(default_factory=Budget)
    limits: Limits = LIMITS


@dataclass(frozen=True, slots=True)
class Place:
    """Where the data is: the world, its name and seed, of simulated tasks; the folder of recorded datasets."""

    work: Path
    world: str
    world_seed: int
    data: Path | None


def open_bench(task: Task, place: Place, *, seed: int, tell: Tell) -> Bench:
    """Make the dataset of `task` below `place.work` unless it is there, and cut its validation part."""
    folder, source = _dataset(task, place, tell)
    read = dataset.read(folder)
    world_seed = place.world_seed if task.source == WORLD else 0
    case, exam = validation(task, read.observation, key=int(stream(world_seed, f"validation/{task.family}")))
    hidden = tuple(str(path.resolve()) for path in (place.work, place.data) if path is not None)
    return Bench(task, source, task.fingerprint(read.manifest.fingerprint), case, exam, seed, hidden)


def _dataset(task: Task, place: Place, tell: Tell) -> tuple[Path, str]:
    """Return the folder of the dataset, made if need be, and what the log calls it."""
    if task.source == WORLD:
        spec, seed = find_world(place.world), place.world_seed
        made_by = hashlib.sha256(f"{spec}{code_hash(WORLD_CODE)}".encode()).hexdigest()[:12]
        folder = place.work / f"{place.world}-{seed}-{made_by}"
        if not folder.exists():
            lived = live(spec, seed=seed, progress=lambda day, days: tell("simulated days", day, days))
            dataset.write(folder, lived, name=place.world, origin={"world": place.world})
        return folder, f"{place.world}:{seed}"
    folder = place.work / task.source
    raw = recorded_at(place.data, task.source)
    if not folder.exists():
        import_dataset(RECORDED[task.source], raw, folder, {})
    return folder, task.source


def tune(method: str, bench: Bench, log: Path, *, allowed: Allowance, tell: Tell) -> list[Trial]:
    """Do the trials of `method` that `log` does not have yet, each in a confined process; return all, best first."""
    made = trials(method)
    if len(made) != BUDGET:
        raise ValueError(f"{method}: expected {BUDGET} trials, got {len(made)}")
    log.parent.mkdir(parents=True, exist_ok=True)
    repair(log)
    done = {trial.key: trial for trial in load(log) if trial.error is None}
    found = []
    for n, (name, one) in enumerate(made.items()):
        tell(f"trials of {method}", n, len(made))
        key = _key(bench, method, one)
        if key not in done:
            with Stopwatch() as watch:
                outcome = _outcome(method, name, bench, allowed)
            done[key] = _trial((key, method, name), one, bench, {**outcome, "seconds": watch.read.wall})
            append(log, done[key])
        found.append(done[key])
    tell(f"trials of {method}", len(made), len(made))
    return best_first(found)


def best_first(trials: Iterable[Trial]) -> list[Trial]:
    """Sort by method, then by the metric, the best first; ties of cold recall (of none shown) by recall of all."""
    return sorted(trials, key=lambda trial: (trial.method, *(-value for value in _worth(trial))))


def whole_of(metric: str) -> str:
    """Return the metric over all that is relevant, of one over the cold alone: recall@50 of cold_recall@50."""
    return metric.removeprefix("cold_")


def _worth(trial: Trial) -> tuple[float, float]:
    """Return the metric and its counterpart over everything relevant, each -inf where it has no value."""
    found = [trial.metrics.get(name) for name in (trial.metric, whole_of(trial.metric))]
    first, second = (-math.inf if value is None or value.mean is None else value.mean for value in found)
    return first, second


def load(log: Path) -> list[Trial]:
    """Read a log; one that is not there is empty."""
    return load_lines(log, Trial)


def _key(bench: Bench, name: str, method: Method) -> str:
    """Return the sha256 of all that the result of a trial depends on."""
    inputs = [bench.fingerprint, bench.source, name, *config_and_code(method)]
    text = json.dumps([*inputs, bench.seed, code_hash(VALIDATION_CODE)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _outcome(method: str, trial: str, bench: Bench, allowed: Allowance) -> dict[str, object]:
    """Let a process fit, index and answer, and score what it says; an error of the method is an outcome too."""
    with tempfile.TemporaryDirectory(prefix="coldrecall-", ignore_cleanup_errors=True) as scratch:
        tasks, memory = (bench.task.id,), allowed.limits.memory_bytes
        given = Assignment(method, tasks, bench.seed, memory, scratch, trial=trial, budget=allowed.budget)
        beside = (hand_over, (packed(bench.case),))
        job = Job("trial", work, (given, bench.hidden), beside=beside, limits=allowed.limits, n_messages=2)
        with closing(run_jobs([job], n_workers=1)) as events:
            begun = next(events)  # the method's time begins
            said = begun if isinstance(begun, Ended) else next(events)
    try:
        return _scored(said, bench)
    except ValueError as error:
        return {"error": f"{type(error).__name__}: {' '.join(str(error).split())}"[:2_000], "value": None}


def _scored(said: Message | Ended, bench: Bench) -> dict[str, object]:
    """Return what an answer is worth; raise ValueError where there is none, or none that can be believed."""
    if isinstance(said, Ended):
        return {"error": said.why or "the process ended without an answer", "value": None}
    answer, ids_QK, cold_ids_QK, described_TD = answers.unpack(said.content)
    why = answer.error if answer.status != "ok" else answers.unaccounted(answer, said.spent)
    if why is not None or answer.measured is None or ids_QK is None:
        return {"error": why or "no answer", "value": None}
    if (bench.case.cold_only is None) != (cold_ids_QK is None):
        raise ValueError(f"lists: expected {1 if bench.case.cold_only is None else 2} of {answer.shape}")
    values = check_and_score(bench.task, bench.exam, ids_QK, cold_ids_QK, None)
    values |= check_and_score_description(bench.exam, described_TD)
    metrics = {metric: mean_interval(column) for metric, column in values.items()}
    fit_seconds = answer.measured.fit_seconds
    return {"metrics": metrics, "value": metrics[bench.task.primary].mean, "fit_seconds": fit_seconds}


def _trial(names: tuple[str, str, str], method: Method, bench: Bench, outcome: dict[str, object]) -> Trial:
    key, name, trial = names
    return Trial(
        key=key,
        task=bench.task.id,
        source=bench.source,
        fingerprint=bench.fingerprint,
        method=name,
        trial=trial,
        config=config_and_code(method)[0],
        seed=bench.seed,
        metric=bench.task.primary,
        commit=commit_of(Path(__file__).parent),
        machine=describe_machine(),
        **outcome,  # type: ignore[arg-type]
    )
