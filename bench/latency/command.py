"""The command `coldrecall latency`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.latency.record import LatencyRecord, load
from bench.latency.run import LIMITS, Place, Protocol, time_all
from bench.latency.table import render
from bench.naming import numbers_of, words_of
from bench.plan import DEFAULT_METHODS, TRUTHS, Plan
from bench.processes import Limits
from bench.progress import telling
from bench.report.terminal import console as table_console
from bench.tasks import TASKS
from simulator.spec import WORLDS

_err = Console(stderr=True)


def latency(  # noqa: PLR0913 - one argument an option
    world: Annotated[str, typer.Option(help=f"One of {', '.join(WORLDS)}.")] = "small",
    seeds: Annotated[str, typer.Option(help="Comma-separated; each makes its own world.")] = "1",
    tasks: Annotated[str, typer.Option(help="Comma-separated ids, with or without version.")] = "warm/next-note",
    methods: Annotated[str, typer.Option(help="Comma-separated names or package.module:Class.")] = "default",
    queries: Annotated[int, typer.Option(min=1, help="Timed queries a cell; below 662 there is no p99.")] = 10_000,
    seconds: Annotated[float, typer.Option(help="Timing ends here if it is before that.")] = 60.0,
    limit: Annotated[float, typer.Option(help="Seconds after which a cell is given up, fit and all.")] = LIMITS.seconds,
    cell_memory: Annotated[float, typer.Option(help="Gigabytes that a method may hold.")] = LIMITS.memory_bytes / 1e9,
    core: Annotated[int | None, typer.Option(help="To pin to, by default the last.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run, by default runs/WORLD.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes for what is not scored yet.")] = os.cpu_count() or 1,
    data: Annotated[Path | None, typer.Option(envvar="COLDRECALL_DATA", help="Folder of recorded datasets.")] = None,
    kept: Annotated[Path | None, typer.Option(help="Print the table of these kept records, and time nothing.")] = None,
) -> None:
    """Time methods, one at a time in a pinned process each, beside exact flat search; print the table."""
    if kept is not None:
        table_console().print(render(_kept(kept)))
        return
    chosen = tuple(name for name in DEFAULT_METHODS if name not in TRUTHS)
    if methods != "default":
        chosen = tuple(dict.fromkeys(words_of(methods)))
    ids = tuple(word if word in TASKS else f"{word}@v1" for word in words_of(tasks))
    limits = Limits(limit, cell_memory * 1e9)
    protocol = Protocol(queries, seconds, limits, *(() if core is None else (core,)))
    plan = Plan(world, numbers_of("seeds", seeds), ids, chosen, chosen[0])
    with telling(_err) as tell:
        records = time_all(plan, Place(out or Path("runs") / world, data, workers), protocol, tell=tell)
    table_console().print(render(records))
    if any(record.status == "failed" for record in records):
        raise typer.Exit(1)


def _kept(path: Path) -> list[LatencyRecord]:
    """Return the newest record of each cell of a file of timings."""
    records = load(path)
    if not records:
        raise ValueError(f"kept: expected records of timings in {path}, got none")
    return list({(record.task, record.method, record.seed): record for record in records}.values())
