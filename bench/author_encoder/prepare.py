"""The command `coldrecall prepare-author-encoder`: from a dataset to the folder that training reads."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from bench.author_encoder.making import logs_of
from bench.naming import words_of
from bench.progress import telling
from simulator.dataset import Stream, scan
from simulator.schema import SchemaError

if TYPE_CHECKING:
    from methods.author_encoder.learning import LearningConfig
    from methods.author_encoder.pairs import Pairs
    from methods.author_encoder.preparing import Prepared
    from methods.author_encoder.readers import Readers

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "coldrecall" / "backbones"


def prepare_author_encoder(  # noqa: PLR0913 - one argument an option
    dataset: Annotated[Path, typer.Option(help="A dataset with texts: coldrecall simulate --texts, or an import.")],
    out: Annotated[Path, typer.Option(help="Folder to write; it must not exist yet.")],
    backbone: Annotated[
        str, typer.Option(help="embedded: made here in a minute; smollm2-135m; or a folder of a transformers model.")
    ] = "embedded",
    cache: Annotated[Path, typer.Option(help="Folder that keeps backbones made here.")] = CACHE,
    max_tokens: Annotated[int, typer.Option(min=16, help="Of a prompt.")] = 192,
    pairs: Annotated[Path | None, typer.Option(help="Pairs to take as they are: author-pairs --out.")] = None,
    score: Annotated[str, typer.Option(help="Of the pairs that are mined here.")] = "npmi",
    window_days: Annotated[float, typer.Option(help="Days before the end whose readers count.")] = 28.0,
    filters: Annotated[str, typer.Option(help="Chain of filters, in order.")] = "support,top-per-author",
    top: Annotated[int, typer.Option(min=1, help="Best pairs of an author that top-per-author keeps.")] = 50,
    head_share: Annotated[float, typer.Option(help="Most of all pairs that head-cap leaves one author.")] = 0.01,
    hard: Annotated[int, typer.Option(min=0, help="Hard negatives of each pair.")] = 0,
    hard_depth: Annotated[int, typer.Option(min=1, help="Nearest authors that they are drawn from.")] = 100,
    hard_margin: Annotated[float, typer.Option(help=".95: none above .95 of the pair's cosine; 0: no bound.")] = 0.0,
    hard_vectors: Annotated[
        Path | None, typer.Option(help=".npy or a version of embed-authors; default: the encoder before it learns.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 1,
) -> None:
    """Mine pairs of authors, write and tokenize prompts, and lay the backbone beside them."""
    from methods.author_encoder import preparing  # torch, and only here
    from methods.author_encoder.hard import HardConfig
    from methods.author_encoder.vector_files import read_vectors

    if hard_vectors is not None and not hard:
        raise SchemaError("--hard-vectors", "--hard with it, which alone looks at them", hard_vectors)
    mined, chain = (score, window_days), (tuple(words_of(filters)), top, head_share)
    config = preparing.config_of(backbone, str(cache), max_tokens, mined, chain)
    config = replace(config, hard=HardConfig(hard, hard_depth, hard_margin))
    stream = scan(dataset)
    given = None if pairs is None else _pairs(pairs, stream)
    vectors_AD = None if hard_vectors is None else read_vectors(hard_vectors, len(stream.catalog.authors))
    readers = _readers(stream, config) if given is None or hard else None
    found = preparing.Found(readers, given, vectors_AD)
    _tell(preparing.prepare(stream.without_events(), found, config, out, seed=seed), out, hard)


def _tell(done: Prepared, out: Path, hard: int) -> None:
    console = Console()
    for step in done.steps:
        console.print(f"{step.name}: {step.n_in:,} pairs in, {step.n_dropped:,} dropped: {step.why}")
    console.print(f"{out}: {done.n_pairs:,} pairs of {done.n_authors:,} authors")
    if hard:
        console.print(f"{done.n_hard:,} hard negatives, of {done.n_pairs * hard:,} wanted")


def _readers(stream: Stream, config: LearningConfig) -> Readers:
    """Count who reads whom, one part of the log in memory at a time."""
    from methods.author_encoder.readers import readers_in

    with telling(Console(stderr=True)) as tell:
        return readers_in(stream.catalog, logs_of(stream, tell), now=stream.manifest.now, config=config.pairs)


def _pairs(path: Path, stream: Stream) -> Pairs:
    """Read pairs; raises SchemaError where they say that they are of another dataset."""
    from methods.author_encoder.pair_files import read_pairs

    if not path.is_file():
        raise SchemaError("--pairs", "a Parquet file", f"{path}, which is none")
    pairs, origin = read_pairs(path)
    mine, theirs = stream.manifest.fingerprint, origin.get("fingerprint")
    if theirs is not None and theirs != mine:
        raise SchemaError("--pairs", f"of the dataset with fingerprint {mine}", theirs)
    return pairs
