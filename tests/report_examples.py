"""A made-up run folder: methods of known quality on any tasks, cells that failed, values beside the records."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from bench.record import Machine, Measured, ResultRecord, append
from bench.report import Run, render, summarise
from bench.stats import mean_interval
from bench.task import Task
from bench.tasks import TASKS

MACHINE = Machine(cpu="Made-up CPU", cores=2, python="3.11.9", packages={"coldrecall": "0.1.0", "numpy": "2.4.6"})
UNTIMED = ("oracle", "true-affinity")
_PER_REQUEST = ("recall", "ndcg", "regret")
_COLD = ("cold_recall", "cold_ndcg", "cold_only_recall", "cold_share", "cold_chance")
_KNOWN = {0: 0.25, 1: 0.5, 5: 1.0}  # what share of its recall a method has on targets of so many clicks


@dataclass(frozen=True)
class Made:
    """What to make up: `quality` is a method's recall at K = 100, about; `failed` are (task, method, seed) -> error."""

    tasks: tuple[Task, ...]
    quality: Mapping[str, float]
    seeds: tuple[int, ...] = (1, 2, 3)
    n_requests: int = 40
    failed: Mapping[tuple[str, str, int], str] = field(default_factory=dict)


def write_run(folder: Path, made: Made) -> Path:
    """Write records and values, and return the folder."""
    (folder / "values").mkdir(parents=True)
    for task, method, seed in _cells(made):
        append(folder / "records.jsonl", _record(folder, made, task, method, seed))
    return folder


def text_of(run: Run, *, reference: str = "popular", width: int = 120) -> str:
    """Return what a terminal of that width would show."""
    file = StringIO()
    Console(file=file, width=width).print(render(summarise(run, TASKS, reference=reference), width=width))
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def _cells(made: Made) -> Iterable[tuple[Task, str, int]]:
    return ((task, method, seed) for task in made.tasks for seed in made.seeds for method in made.quality)


def _record(folder: Path, made: Made, task: Task, method: str, seed: int) -> ResultRecord:
    cell = hashlib.sha256(f"{task.id} {method} {seed}".encode()).hexdigest()
    error = made.failed.get((task.id, method, seed))
    failed = error is not None
    values = {} if failed else _values(made, task, method, seed)
    if not failed:
        np.savez(folder / f"values/{cell}.npz", **values)  # type: ignore[arg-type]
    return ResultRecord(
        cell=cell,
        task=task.id,
        source="small" if task.source == "world" else task.source,
        fingerprint=f"data of seed {seed if task.source == 'world' else 'any'}",
        method=method,
        config={},
        seed=seed,
        commit="0123456789abcdef0123456789abcdef01234567",
        status="failed" if failed else "ok",
        error=error,
        metrics={name: mean_interval(column) for name, column in values.items()},
        measured=None if failed or method in UNTIMED else _measured(made, method),
        machine=MACHINE,
        values=None if failed else f"values/{cell}.npz",
    )


def _values(made: Made, task: Task, method: str, seed: int) -> dict[str, NDArray[np.float64]]:
    """Make values up: requests differ in ease, alike for all methods; the first request has nothing relevant."""
    world = seed if task.source == "world" else 0
    ease_Q = np.random.default_rng([world, len(task.id)]).beta(2, 3, made.n_requests)
    noise = np.random.default_rng([seed, *f"{task.id} {method}".encode()])
    names = _PER_REQUEST + (_COLD if task.has_cold_targets else ())
    values: dict[str, NDArray[np.float64]] = {}
    for k in task.ks:
        level = made.quality[method] * (k / 100) ** 0.55
        for name in names:
            worth_Q = np.clip(2 * level * ease_Q + noise.normal(0, 0.05 * level + 1e-4, made.n_requests), 0, 1)
            values[f"{name}@{k}"] = np.r_[np.nan, (1 - worth_Q if name == "regret" else worth_Q)[1:]]
        if "cold_chance" in names:
            values[f"cold_chance@{k}"] = np.full(made.n_requests, k / 40_000)
        values[f"coverage@{k}"] = np.array([min(1.0, level)])
        values |= {f"recall_known_{clicks}@{k}": values[f"recall@{k}"] * share for clicks, share in _KNOWN.items()}
    return values


def _measured(made: Made, method: str) -> Measured:
    place = list(made.quality).index(method)
    return Measured(
        fit_seconds=0.05 * 3.1**place % 900,
        fit_cpu_seconds=0.1,
        index_seconds=0.02,
        requests_per_second=100.0,
        latency_p50_ms=0.2 * (1 + 7 * place % 23),
        latency_p95_ms=3.0,
        latency_cpu_p50_ms=1.0,
        peak_bytes=100_000_000,
    )
