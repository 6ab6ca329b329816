"""The command `coldrecall prepare-author-encoder`: from a dataset to the folder that training reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from simulator import dataset as datasets


def prepare_author_encoder(
    dataset: Annotated[Path, typer.Option(help="A dataset with texts: coldrecall simulate --texts, or an import.")],
    out: Annotated[Path, typer.Option(help="Folder to write; it must not exist yet.")],
    backbone: Annotated[
        str, typer.Option(help="embedded: made here in a minute; smollm2-135m; or a folder of a transformers model.")
    ] = "embedded",
    max_tokens: Annotated[int, typer.Option(min=16, help="Of a prompt.")] = 192,
    seed: Annotated[int, typer.Option(min=0)] = 1,
) -> None:
    """Mine pairs of authors, write and tokenize prompts, and lay the backbone beside them."""
    from methods.author_encoder import preparing  # torch, and only here

    seen = datasets.read(dataset).observation
    config = preparing.config_of(backbone, max_tokens)
    n_pairs, steps = preparing.prepare(seen, config, out, seed=seed)
    console = Console()
    for step in steps:
        console.print(f"{step.name}: {step.n_in:,} pairs in, {step.n_dropped:,} dropped: {step.why}")
    console.print(f"{out}: {n_pairs:,} pairs of {len(seen.catalog.authors):,} authors")
