"""The command `coldrecall author-pairs`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.author_encoder.making import (
    Asked,
    Found,
    Variant,
    Windows,
    found_in,
    latest_pairs,
    of_dataset,
    of_world,
    pairs_of,
)
from bench.author_encoder.report import json_lines, render
from bench.naming import numbers_of, words_of
from bench.progress import Tell, telling
from bench.report.terminal import console
from methods.author_encoder.filters import FilterConfig, Step
from methods.author_encoder.pair_files import write_pairs
from methods.author_encoder.pairs import PairConfig, Pairs
from methods.author_encoder.scores import SCORES, checked
from simulator.dataset import scan
from simulator.spec import find_world


def author_pairs(  # noqa: PLR0913 - one argument an option
    world: Annotated[str, typer.Option(help="A world, with settings after a colon.")] = "small",
    seeds: Annotated[str, typer.Option(help="Comma-separated; each makes its own world.")] = "1,2,3",
    dataset: Annotated[Path | None, typer.Option(help="A dataset folder, streamed, instead of worlds.")] = None,
    score: Annotated[str, typer.Option(help=f"One of {', '.join(SCORES)}.")] = PairConfig().score,
    window_days: Annotated[float, typer.Option(help="Days that pairs are mined from.")] = 28.0,
    next_days: Annotated[float, typer.Option(help="Days after them that pairs are held against.")] = 14.0,
    tau_days: Annotated[float, typer.Option(help="Decay of a positive, e-fold; inf is none.")] = PairConfig().tau_days,
    head_share: Annotated[float, typer.Option(help="Most of all pairs that one author is in; 1 is no cap.")] = 0.01,
    filters: Annotated[str | None, typer.Option(help="Chain of filters, in order: support,score-bounds,...")] = None,
    top: Annotated[int, typer.Option(min=1, help="Best pairs of an author that top-per-author keeps.")] = 10,
    out: Annotated[
        Path | None, typer.Option(help="Parquet file for pairs: of the first seed, or of a folder's last window.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="File to write all figures to, as lines.")] = None,
) -> None:
    """Mine pairs of authors who share readers, and report how good each score and each filter makes them."""
    if not next_days > 0:
        raise ValueError(f"next_days: expected more than 0, got {next_days}")
    mined = PairConfig(window_days=window_days, tau_days=tau_days, score=checked(score))
    chain = FilterConfig().chain if filters is None else tuple(words_of(filters))
    asked = Asked(mined, FilterConfig(chain, head_share=head_share, top=top), next_days)
    found = dict[int, list[Found]]()
    source = world if dataset is None else str(dataset)
    with telling(Console(stderr=True)) as tell:
        for seed in numbers_of("seeds", seeds) if dataset is None else (0,):
            at = of_world(find_world(world), seed, asked, tell) if dataset is None else of_dataset(dataset, asked, tell)
            found[seed] = found_in(at, asked, tell)
            if out is not None and len(found) == 1:
                _write(out, asked, *_to_keep(dataset, at, asked, {"source": source, "seed": seed}, tell))
    console().print(render(source, found))
    if json_file is not None:
        json_file.write_text("".join(f"{line}\n" for line in json_lines(source, found)))


def _to_keep(
    dataset: Path | None, at: Windows, asked: Asked, origin: dict[str, object], tell: Tell
) -> tuple[Pairs, tuple[Step, ...], dict[str, object]]:
    """Return the pairs to write: of a world those of the report, of a folder those of the window that ends with it."""
    if dataset is None:
        return *pairs_of(at, Variant("asked", asked.pairs.score, asked.filters.chain), asked), origin
    stream = scan(dataset)
    return *latest_pairs(stream, asked, tell), origin | {"fingerprint": stream.manifest.fingerprint}


def _write(out: Path, asked: Asked, pairs: Pairs, steps: tuple[Step, ...], origin: dict[str, object]) -> None:
    if len(pairs) == 0:
        raise ValueError(f"pairs: expected some that pass the filters, got none: {steps}")
    config = asdict(asked.pairs) | {"tau_days": str(asked.pairs.tau_days)}  # JSON knows no infinity
    told = [asdict(step) for step in steps]
    write_pairs(out, pairs, origin=origin | {"pairs": config, "filters": asdict(asked.filters), "steps": told})
