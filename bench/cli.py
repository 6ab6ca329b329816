"""The command `coldrecall`: simulate, import, run, report, read a run of days, and list what there is."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench.author_encoder.daily import embed_authors
from bench.author_encoder.export import export_author_encoder
from bench.author_encoder.pairs import author_pairs
from bench.author_encoder.prepare import prepare_author_encoder
from bench.author_encoder.train import train_author_encoder
from bench.cards import page
from bench.claims.command import claims
from bench.compare.command import compare
from bench.evidence import parity, tune, tuned
from bench.experiments import guarantee
from bench.experiments import render as render_experiment
from bench.folder import BusyError, RunFolder
from bench.importers import IMPORTERS, import_dataset
from bench.latency.command import latency
from bench.naming import numbers_of, tasks_of, words_of
from bench.plan import DEFAULT_METHODS, TRUTHS, Plan
from bench.processes import Limits
from bench.progress import telling
from bench.readings.making import read_dataset, read_world
from bench.readings.terminal import render as render_readings
from bench.realism import PRESETS, card_of_dataset, card_of_world, write_card, write_json
from bench.realism import render as render_card
from bench.report import Run, load_run, render, run_of, summarise, write_report
from bench.report.terminal import console as table_console
from bench.run import LIMITS
from bench.run import run as run_plan
from bench.task import WORLD
from bench.tasks import TASKS
from methods.registry import METHODS, create
from simulator.simulate import Running
from simulator.simulate import simulate as simulate_world
from simulator.spec import WORLDS, find_world

app = typer.Typer(
    help="A benchmark for cold-start recall on worlds whose truth is known.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
_out, _err = Console(), Console(stderr=True)

app.command()(tune)
app.command()(tuned)
app.command()(latency)
app.command()(compare)
app.command()(claims)
app.command()(parity)
app.command("author-pairs")(author_pairs)
app.command()(prepare_author_encoder)
app.command()(train_author_encoder)
app.command()(export_author_encoder)
app.command("embed-authors")(embed_authors)

WORLD_HELP = f"One of {', '.join(WORLDS)}; settings may follow: small:text_alignment=0,days=20."
Out = Annotated[Path, typer.Option(help="Folder to write; for a dataset it must not exist yet.")]


@app.command()
def simulate(  # noqa: PLR0913 - one argument an option
    out: Out,
    world: Annotated[str, typer.Option(help=WORLD_HELP)] = "small",
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 1,
    texts: Annotated[bool, typer.Option(help="Write titles, bodies and profiles too.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Hands that share the users; the bytes are the same.")] = 1,
    ray: Annotated[str | None, typer.Option(help="Address of a Ray cluster for the hands; local starts one.")] = None,
) -> None:
    """Live a world to its end and write it as a folder of Parquet tables; a killed one goes on where it stood."""
    running = Running(texts=texts, workers=workers, ray=ray)
    with telling(_err) as tell:

        def progress(done: int, total: int) -> None:
            tell("simulated days", done, total)

        manifest = simulate_world(find_world(world), out, seed=seed, running=running, progress=progress)
    _out.print(f"{out}: {manifest.tables['events'].rows:,} impressions, fingerprint {manifest.fingerprint}")


@app.command("import")
def import_(
    layout: Annotated[str, typer.Argument(help=f"One of {', '.join(IMPORTERS)}.")],
    source: Annotated[Path, typer.Argument(help="The file or folder to read.")],
    out: Out,
    option: Annotated[list[str] | None, typer.Option(help="KEY=VALUE, once each, for example user=uid.")] = None,
) -> None:
    """Read a recorded log into the same kind of folder."""
    options = dict(_key_value(word) for word in option or [])
    manifest = import_dataset(layout, source, out, options)
    _out.print(f"{out}: {manifest.tables['events'].rows:,} events, fingerprint {manifest.fingerprint}")


@app.command()
def run(  # noqa: PLR0913 - one argument an option
    out: Annotated[Path | None, typer.Option(help="Folder of the run, by default runs/WORLD.")] = None,
    world: Annotated[str, typer.Option(help=WORLD_HELP)] = "small",
    seeds: Annotated[str, typer.Option(help="Comma-separated; each makes its own world.")] = "1,2,3",
    tasks: Annotated[str, typer.Option(help="Comma-separated ids or patterns: 'author-cold/*'.")] = WORLD,
    methods: Annotated[str, typer.Option(help="Comma-separated names or package.module:Class.")] = "default",
    reference: Annotated[str | None, typer.Option(help="The method to pair with, by default popular.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Methods at the same time, by default one a CPU.")] = None,
    ray: Annotated[str | None, typer.Option(help="Address of a Ray cluster for the methods; local starts one.")] = None,
    data: Annotated[Path | None, typer.Option(envvar="COLDRECALL_DATA", help="Folder of recorded datasets.")] = None,
    cell_seconds: Annotated[float, typer.Option(help="Wall seconds that a cell may take.")] = LIMITS.seconds,
    cell_memory: Annotated[float, typer.Option(help="Gigabytes that a method may hold.")] = LIMITS.memory_bytes / 1e9,
) -> None:
    """Run tasks x methods x seeds, print the table, write the report; started again it does what is missing."""
    chosen = DEFAULT_METHODS if methods == "default" else tuple(dict.fromkeys(words_of(methods)))
    if reference is None:
        reference = "popular" if "popular" in chosen else chosen[0]
    plan = Plan(world, numbers_of("seeds", seeds), tasks_of(tasks), chosen, reference)
    folder = out or Path("runs") / world
    if methods != "default" and (idle := plan.idle):
        _err.print(f"not asked, since none of these tasks is theirs: {', '.join(idle)}", markup=False)
    with telling(_err) as tell:
        limits = Limits(cell_seconds, cell_memory * 1e9)
        records = run_plan(plan, folder, n_workers=workers, data=data, tell=tell, limits=limits, ray=ray)
    _show(run_of(folder, records), reference)
    if any(record.status != "ok" for record in records):
        raise typer.Exit(1)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="The folder of a run.")],
    reference: Annotated[str, typer.Option(help="The method that differences are paired with.")] = "popular",
) -> None:
    """Print the table and write the page again from the records of a run."""
    _show(load_run(folder), reference)


@app.command()
def realism(  # noqa: PLR0913 - one argument an option
    world: Annotated[str, typer.Option(help=WORLD_HELP)] = "small",
    seed: Annotated[int, typer.Option(min=0, help="Of the world.")] = 1,
    dataset: Annotated[Path | None, typer.Option(help="Measure this dataset folder instead of a world.")] = None,
    preset: Annotated[str | None, typer.Option(help=f"{' or '.join(PRESETS)}, by default the world's own.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the page and card.json.")] = Path("runs") / "realism",
    json_file: Annotated[Path | None, typer.Option("--json", help="File to write the figures to as well.")] = None,
) -> None:
    """Hold a world, or a recorded log, against published statistics: a table with verdicts and a page of plots."""
    with telling(_err) as tell:
        if dataset is None:
            card = card_of_world(world, seed=seed, preset=preset, tell=tell)
        else:
            card = card_of_dataset(dataset, preset=preset, tell=tell)
    table_console().print(render_card(card))
    _out.print(f"card: {write_card(card, out)}")
    if json_file is not None:
        write_json(card, json_file)


def _show(done: Run, reference: str) -> None:
    table_console().print(render(summarise(done, TASKS, reference=reference)))
    page = write_report(done, TASKS, RunFolder(done.root).report, reference=reference)
    _out.print(f"report: {page}")


@app.command()
def readings(  # noqa: PLR0913 - one argument an option
    world: Annotated[str, typer.Option(help=WORLD_HELP)] = "small",
    seed: Annotated[int, typer.Option(min=0, help="Of the world.")] = 1,
    dataset: Annotated[Path | None, typer.Option(help="A dataset folder, instead of a world.")] = None,
    since: Annotated[int | None, typer.Option(min=0, help="First day, counted from the log's first.")] = None,
    until: Annotated[int | None, typer.Option(min=1, help="The day after the last, by default the end.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="File to write all readings and curves to.")] = None,
) -> None:
    """Read cold start from a run of days: how notes and authors start, who sees them, who comes back."""
    with telling(_err) as tell:
        read = (
            read_world(find_world(world), seed, (since, until), tell)
            if dataset is None
            else read_dataset(dataset, (since, until), tell)
        )
    table_console().print(render_readings(read))
    if json_file is not None:
        json_file.write_text(json.dumps(read.as_dict(), indent=1, allow_nan=False) + "\n")


@app.command()
def experiment(
    name: Annotated[str, typer.Argument(help="guarantee: what the fresh guarantee does to authors and consumers.")],
    world: Annotated[str, typer.Option(help=WORLD_HELP)] = "small",
    seeds: Annotated[str, typer.Option(help="Comma-separated; each makes its own world.")] = "1,2,3,4,5",
    json_file: Annotated[Path | None, typer.Option("--json", help="File to write the figures to.")] = None,
) -> None:
    """Run a named experiment in paired forks of worlds and print its table."""
    if name != "guarantee":
        raise typer.BadParameter(f"name: expected guarantee, got {name!r}")
    with telling(_err) as tell:
        found = guarantee(world, numbers_of("seeds", seeds), tell=tell)
    table_console().print(render_experiment(found))
    if json_file is not None:
        json_file.write_text(json.dumps(asdict(found), indent=1, allow_nan=False) + "\n")


def _key_value(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not equals:
        raise typer.BadParameter(f"option: expected KEY=VALUE, got {word!r}")
    return key, value


@app.command()
def tasks() -> None:
    """List the tasks."""
    _print_table(("task", "source", "asks"), ((task.id, task.source, task.title) for task in TASKS.values()))


@app.command()
def methods(
    names: Annotated[list[str] | None, typer.Argument(help="Print the cards of these instead.")] = None,
    cards: Annotated[bool, typer.Option("--cards", help="Print the cards of all: docs/baselines.md.")] = False,
) -> None:
    """List the methods, what they serve, and whether they reach what nobody has interacted with.

    A card says what a method follows, which tests hold it, how closely, and what is printed about it on recorded logs.
    """
    if names or cards:
        typer.echo(page(names or ()))
        return
    rows = [(name, "all simulated tasks", "yes", "made from the truth: a ceiling") for name in TRUTHS]
    for name in METHODS:
        able = create(name).capabilities
        pairs = ", ".join(sorted(f"{query}->{target}" for query, target in able.serves))
        rows.append(
            (name, pairs, "yes" if able.cold_targets else "no", (type(create(name)).__doc__ or "").split("\n")[0])
        )
    _print_table(("method", "serves", "cold targets", "what it does"), rows)


@app.command()
def worlds() -> None:
    """List the worlds."""
    specs = [find_world(name) for name in WORLDS]
    rows = ((s.name, f"{s.n_users:,}", f"{s.n_authors:,}", str(s.days)) for s in specs)
    _print_table(("world", "users", "authors", "days"), rows)


def _print_table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    table = Table(*columns)
    for row in rows:
        table.add_row(*row)
    table_console().print(table)


def main() -> None:
    """Run the command; what a user can mend is one line, not a traceback."""
    sys.path.insert(0, str(Path.cwd()))  # so that package.module:Class is found where the user stands
    try:
        app()
    except MemoryError as error:
        _err.print(f"error: expected room in memory, got none left: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(2)
    except (ValueError, BusyError, OSError) as error:
        _err.print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(2)
