"""The commands that make and print evidence for the baselines: `tune`, `tuned` and `parity`."""

from __future__ import annotations

from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import typer
from pydantic import JsonValue
from rich.console import Console
from rich.table import Table

from bench.naming import words_of
from bench.parity import RECORDS, TARGETS, cached, chosen, held_beside, keep, render, run_targets
from bench.plan import config_of
from bench.processes import Limits
from bench.progress import telling
from bench.report.terminal import console as table_console
from bench.tasks import TASKS, find_task
from bench.trials import trials
from bench.tuned import LOGS, table
from bench.tuning import LIMITS, Allowance, Place, Trial, best_first, load, open_bench, whole_of
from bench.tuning import tune as tune_method
from methods.base import Budget, Method
from methods.registry import TRIALS
from simulator.spec import WORLDS

_err = Console(stderr=True)

Data = Annotated[Path | None, typer.Option(envvar="COLDRECALL_DATA", help="Folder of recorded datasets.")]


def tune(  # noqa: PLR0913 - one argument an option
    methods: Annotated[str, typer.Argument(help=f"Comma-separated: package.module:Class or {', '.join(TRIALS)}.")],
    task: Annotated[str, typer.Option(help="The id of a task: warm/next-note@v1.")],
    world: Annotated[str, typer.Option(help=f"One of {', '.join(WORLDS)}, for simulated tasks.")] = "small",
    world_seed: Annotated[int, typer.Option(min=0, help="Of a world that no run is ranked on.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Of the method.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="That a fit may use.")] = 1,
    data: Data = None,
    work: Annotated[Path, typer.Option(help="Folder for the datasets.")] = Path("runs") / "tuning",
    log: Annotated[Path | None, typer.Option(help="JSON lines, by default docs/tuning/TASK.jsonl.")] = None,
    from_log: Annotated[bool, typer.Option("--cached", help="Print what the log has instead of running.")] = False,
    cell_seconds: Annotated[float, typer.Option(help="Wall seconds that a trial may take.")] = LIMITS.seconds,
    cell_memory: Annotated[float, typer.Option(help="Gigabytes that it may hold.")] = LIMITS.memory_bytes / 1e9,
) -> None:
    """Try the named configs of methods on a held-out part of a task's training window, and log each trial."""
    asked = find_task(task if task in TASKS else f"{task}@v1")
    lines = log or LOGS / f"{asked.id.replace('/', '~')}.jsonl"
    wanted = words_of(methods)
    if from_log:
        logged = load(lines)
        if absent := sorted(set(wanted) - {trial.method for trial in logged}):
            raise ValueError(f"{lines}: expected trials of {methods}, got none of {', '.join(absent)}")
        found = best_first([trial for trial in logged if trial.method in wanted])
    else:
        with telling(_err) as tell:
            bench = open_bench(asked, Place(work, world, world_seed, data), seed=seed, tell=tell)
            allowed = Allowance(Budget(threads=threads), Limits(cell_seconds, cell_memory * 1e9))
            found = [
                trial for method in wanted for trial in tune_method(method, bench, lines, allowed=allowed, tell=tell)
            ]
    columns = dict.fromkeys((asked.primary, whole_of(asked.primary)))
    shown = Table("method", "trial", "now called", *columns, "fit s", "error")
    for trial in found:
        values = [trial.metrics[name].mean if name in trial.metrics else None for name in columns]
        cells = ["-" if x is None else f"{x:.4g}" for x in (*values, trial.fit_seconds)]
        shown.add_row(trial.method, trial.trial, _now_called(trial), *cells, trial.error or "")
    table_console().print(shown)


def _now_called(trial: Trial) -> str:
    """Return the name that a logged config has now, if it is another one; a default moves to the best of its trials."""
    names = [name for name, method in _trials_now(trial.method).items() if is_logged(method, trial.config)]
    return "" if trial.trial in names else " ".join(names) or "-"


@lru_cache
def _trials_now(method: str) -> dict[str, Method]:
    """Return the trials that a method of the table or of a user has now."""
    return trials(method) if method in TRIALS or ":" in method else {}


def is_logged(method: Method, logged: dict[str, JsonValue]) -> bool:
    """Whether a config is the logged one; fields added since, which the log lacks, must be as nobody set them."""
    added = {
        one.name
        for one in fields(method.config)
        if one.name not in logged and getattr(method.config, one.name) == one.default
    }
    return {name: value for name, value in config_of(method).items() if name not in added} == logged


def tuned(logs: Annotated[Path, typer.Option(help="Folder of logged trials.")] = LOGS) -> None:
    """Say which methods have a full budget of logged trials on which task, which have less, and which none."""
    typer.echo(table(logs))


def parity(  # noqa: PLR0913 - one argument an option
    tasks: Annotated[str, typer.Option(help="Comma-separated: gowalla, beauty, or ids; all by default.")] = "",
    methods: Annotated[str, typer.Option(help="Comma-separated; all by default.")] = "",
    from_cache: Annotated[bool, typer.Option("--cached", help="Print kept records instead of running.")] = False,
    kept: Annotated[Path, typer.Option(help="Folder of kept records.")] = RECORDS,
    save: Annotated[bool, typer.Option(help="Keep the records of this run there.")] = False,
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("runs") / "parity",
    workers: Annotated[int, typer.Option(min=1, help="Processes at the same time.")] = 1,
    data: Data = None,
) -> None:
    """Print our numbers beside the printed ones on recorded logs; fresh runs are slow, and resume.

    A fresh run of which a method failed ends with exit code 1.
    """
    targets = chosen(TARGETS, tasks=words_of(tasks), methods=words_of(methods))
    if from_cache:
        records = cached(kept)
    else:
        with telling(_err) as tell:
            records = run_targets(targets, out, n_workers=workers, data=data, tell=tell)
        if save:
            keep(records, kept)
    table_console().print(render(list(held_beside(targets, records))))
    failed = [record for record in records if record.status != "ok"]
    for record in failed:
        _err.print(f"{record.method}: {record.error}", markup=False)
    if failed:
        raise typer.Exit(1)
