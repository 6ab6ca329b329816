"""The command `coldrecall compare`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from bench.compare.differing import compare as compare_runs
from bench.compare.terminal import render
from bench.metrics import METRICS
from bench.naming import methods_of, tasks_of
from bench.report import Run, load_run
from bench.report.terminal import console
from bench.tasks import TASKS

_PLACE = "A run folder, or a file of records."


def compare(
    a: Annotated[Path, typer.Argument(help=_PLACE)],
    b: Annotated[Path, typer.Argument(help=_PLACE)],
    methods: Annotated[str, typer.Option(help="Comma-separated names or patterns; all by default.")] = "*",
    tasks: Annotated[str, typer.Option(help="Comma-separated ids or patterns; all by default.")] = "*",
    metric: Annotated[
        str | None, typer.Option(help="ndcg@50, or ndcg at each task's K; by default the primary.")
    ] = None,
) -> None:
    """Print the paired differences B - A of two runs on the same cells, and what cannot be compared and why."""
    runs = load_run(a), load_run(b)
    for place, run in zip((a, b), runs, strict=True):
        unknown = {record.task for record in run.records} - TASKS.keys()
        if unknown:
            raise ValueError(f"{place}: expected known tasks, got {', '.join(sorted(unknown))}")
    chosen = methods_of(methods, {record.method for run in runs for record in run.records})
    metrics = {task: _metric(metric, TASKS[task].primary) for task in tasks_of(tasks)}
    run_a, run_b = (_only(run, chosen) for run in runs)
    console().print(render(compare_runs(run_a, run_b, metrics)))


def _only(run: Run, methods: frozenset[str]) -> Run:
    return replace(run, records=tuple(record for record in run.records if record.method in methods))


def _metric(asked: str | None, primary: str) -> str:
    """Return the metric to compare a task by; a name without K takes the K of the primary one."""
    if asked is None:
        return primary
    name, at, k = asked.partition("@")
    if name not in METRICS or (at and not k.isdigit()):
        raise typer.BadParameter(f"metric: expected one of {', '.join(METRICS)}, and @K if any, got {asked!r}")
    _, at_primary, k_primary = primary.partition("@")
    return asked if at else name + at_primary + k_primary
