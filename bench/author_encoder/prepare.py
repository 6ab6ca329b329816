"""The command `coldrecall prepare-author-encoder`: from a dataset to the folder that training reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console

from bench.naming import words_of
from bench.progress import telling
from simulator.dataset import Stream, scan
from simulator.schema import EventLog, SchemaError

if TYPE_CHECKING:
    from methods.author_encoder.learning import LearningConfig
    from methods.author_encoder.pairs import Pairs
    from methods.author_encoder.readers import Readers


def prepare_author_encoder(  # noqa: PLR0913 - one argument an option
    dataset: Annotated[Path, typer.Option(help="A dataset with texts: coldrecall simulate --texts, or an import.")],
    out: Annotated[Path, typer.Option(help="Folder to write; it must not exist yet.")],
    backbone: Annotated[
        str, typer.Option(help="embedded: made here in a minute; smollm2-135m; or a folder of a transformers model.")
    ] = "embedded",
    max_tokens: Annotated[int, typer.Option(min=16, help="Of a prompt.")] = 192,
    pairs: Annotated[Path | None, typer.Option(help="Pairs to take as they are: author-pairs --out.")] = None,
    score: Annotated[str, typer.Option(help="Of the pairs that are mined here; default npmi.")] = "",
    window_days: Annotated[float, typer.Option(help="Days before the end that pairs are mined from.")] = 28.0,
    filters: Annotated[str | None, typer.Option(help="Chain of filters, in order: support,score-bounds,...")] = None,
    hard: Annotated[int, typer.Option(min=0, help="Hard negatives of each pair.")] = 0,
    hard_vectors: Annotated[
        Path | None, typer.Option(help=".npy float32 (A, D) to find them by; default: the encoder before it learns.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 1,
) -> None:
    """Mine pairs of authors, write and tokenize prompts, and lay the backbone beside them."""
    from methods.author_encoder import preparing  # torch, and only here

    config, stream = _config(backbone, max_tokens, score, window_days, filters), scan(dataset)
    config = replace(config, hard=replace(config.hard, n=hard, depth=max(config.hard.depth, hard)))
    if pairs is not None and (score or filters is not None):
        raise SchemaError("--pairs", "neither --score nor --filters with it: it is taken as it is", pairs)
    vectors_AD = None if hard_vectors is None else _unit(hard_vectors)
    found = preparing.Found(_readers(stream, config) if pairs is None else _pairs(pairs), vectors_AD)
    seen = stream.without_events()
    n_pairs, steps = preparing.prepare(seen, found, config, out, seed=seed)
    console = Console()
    for step in steps:
        console.print(f"{step.name}: {step.n_in:,} pairs in, {step.n_dropped:,} dropped: {step.why}")
    console.print(f"{out}: {n_pairs:,} pairs of {len(seen.catalog.authors):,} authors")


def _config(backbone: str, max_tokens: int, score: str, window_days: float, filters: str | None) -> LearningConfig:
    from methods.author_encoder import preparing
    from methods.author_encoder.learning import LearningConfig
    from methods.author_encoder.scores import checked

    base = LearningConfig()
    chain = base.filters.chain if filters is None else tuple(words_of(filters))
    return replace(
        base,
        backbone=preparing.backbone_of(backbone),
        prompt=replace(base.prompt, max_tokens=max_tokens),
        pairs=replace(base.pairs, score=checked(score or base.pairs.score), window_days=window_days),
        filters=replace(base.filters, chain=chain),
    )


def _readers(stream: Stream, config: LearningConfig) -> Readers:
    """Count who reads whom, one part of the log in memory at a time."""
    from methods.author_encoder.readers import readers_in

    n_parts = len(stream.manifest.tables["events"].parts)
    with telling(Console(stderr=True)) as tell:

        def logs() -> Iterator[EventLog]:
            for done, log in enumerate(stream.events()):
                yield log
                tell("parts of the log", done + 1, n_parts)

        return readers_in(stream.catalog, logs(), now=stream.manifest.now, config=config.pairs)


def _pairs(path: Path) -> Pairs:
    from methods.author_encoder.pair_files import read_pairs

    return read_pairs(path)[0]


def _unit(path: Path) -> NDArray[np.float32]:
    """Read vectors and make them unit length; raises SchemaError for what is none."""
    try:
        vectors_AD = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise SchemaError("--hard-vectors", "a .npy file", f"{path}: {error}") from error
    if vectors_AD.dtype != np.float32 or vectors_AD.ndim != 2:
        raise SchemaError("--hard-vectors", "float32 (A, D)", f"{vectors_AD.dtype}{vectors_AD.shape}")
    length_A1 = np.linalg.norm(vectors_AD, axis=1, keepdims=True)
    unit_AD: NDArray[np.float32] = vectors_AD / np.where(length_A1 > 0, length_A1, np.float32(1))
    return unit_AD
