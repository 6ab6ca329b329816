"""The command `coldrecall export-author-encoder`: from a trained run to the folder that the daily job encodes with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def export_author_encoder(
    dataset: Annotated[Path, typer.Option(help="The prepared folder that the run was trained on.")],
    out: Annotated[Path, typer.Option(help="The folder of the run: train-author-encoder --out.")],
    to: Annotated[Path, typer.Option(help="Folder to write; it must not exist yet.")],
) -> None:
    """Write a trained encoder as a folder of sentence-transformers, for embed-authors --encoder."""
    from methods.author_encoder.exporting import export_run  # torch, and only here

    export_run(dataset, out, to)
    Console().print(f"encoder: {to}")
