"""The command `coldrecall embed-authors`: today's vectors of all authors, checked and brought live, or taken back."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console

from bench.author_encoder.daily_table import render
from bench.progress import Tell, telling
from bench.report.terminal import console as table_console
from simulator.dataset import scan
from simulator.schema import DAY_SECONDS, Observation, SchemaError

if TYPE_CHECKING:
    from methods.author_encoder.daily.job import Order
    from methods.author_encoder.daily.publish import Place, PublishConfig, Report
    from methods.author_encoder.daily.texts import Source

ZERO_SHOT = "methods.author_encoder.daily.zero_shot"
Prompts = Callable[[Observation, NDArray[np.int32]], list[str]]
_out, _err = Console(), Console(stderr=True)


def embed_authors(  # noqa: PLR0913 - one argument an option
    out: Annotated[Path, typer.Option(help="Folder of all versions; holds the embedded store too.")],
    texts: Annotated[Path | None, typer.Option(help="Parquet: author, text, category, changed_day.")] = None,
    dataset: Annotated[Path | None, typer.Option(help="A dataset folder instead, written with --texts.")] = None,
    encoder: Annotated[Path | None, typer.Option(help="An exported folder, else the packaged MiniLM encodes.")] = None,
    factory: Annotated[str, typer.Option(help="package.module:function that makes an encoder of the folder.")] = "",
    prompts: Annotated[
        str, typer.Option(help="package.module:function: (observation, ids) to texts, if not those of the folder.")
    ] = "",
    ranks: Annotated[int, typer.Option(min=1, help="Processes that encode.")] = 1,
    rank: Annotated[str, typer.Option(help="R/W: do only chunks R, R+W, ...; one job of an array.")] = "",
    ray: Annotated[str, typer.Option(help="Address of a Ray cluster to encode on; local starts one.")] = "",
    redis: Annotated[str, typer.Option(help="URL of the server to publish to, else a folder below --out.")] = "",
    categories: Annotated[int, typer.Option(help="With --texts: how many categories there are.")] = 0,
    day: Annotated[int, typer.Option(help="With --texts: number of this day.")] = 0,
    rows_per_chunk: Annotated[int, typer.Option(min=1, help="Authors a chunk.")] = 50_000,
    index: Annotated[str, typer.Option(help="Comma-separated kinds of ANN index.")] = "hnsw-sqfp16",
    expected: Annotated[int, typer.Option(help="Authors there should be, 0 for as many as come.")] = 0,
    threshold: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, once each: max_fill_rate=0.3.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the queries that ANN recall is measured on.")] = 0,
    rollback: Annotated[bool, typer.Option(help="Only go back to the version before the live one.")] = False,
) -> None:
    """Encode what has changed, index, check and publish all authors' vectors; a killed run goes on where it stood."""
    job, publishing = (import_module(f"methods.author_encoder.daily.{name}") for name in ("job", "publish"))
    place = _place(out, redis)
    if rollback:
        with job.held(out):
            _out.print(f"live: version {publishing.rollback(place)}")
        return
    source = _source(texts, dataset, _prompts(prompts, encoder), (categories, day))
    order = _order(source, (factory or _factory(encoder), encoder), rows_per_chunk)
    with telling(_err) as tell:
        if rank:
            job.do_share(order, place.versions, rank=_rank_of(rank), tell=tell)
            return
        with job.held(out):
            version = job.make_version(order, place.versions, ranks=_ranks(ranks, ray, tell), tell=tell)
            config = _config(index, threshold or [], expected)
            report = publishing.publish(version, place, config, rng=np.random.default_rng(seed), tell=tell)
    _show(report)


def _show(report: Report) -> None:
    table_console().print(render(report))
    for breach in report.breaches:
        _err.print(f"blocked: {breach}", style="red", markup=False, soft_wrap=True)
    if not report.switched:
        raise typer.Exit(1)
    _out.print(f"live: version {report.version}")


def _place(out: Path, redis: str) -> Place:
    from methods.author_encoder.daily.manifest import Versions
    from methods.author_encoder.daily.publish import Place
    from methods.author_encoder.daily.redis_store import RedisStore
    from methods.author_encoder.daily.store import LocalStore

    return Place(Versions(out), RedisStore(redis) if redis else LocalStore(out / "store"))


def _factory(encoder: Path | None) -> str:
    return f"{ZERO_SHOT}:minilm" if encoder is None else f"{ZERO_SHOT}:sentence_transformer"


def _prompts(name: str, encoder: Path | None) -> Prompts:
    """Return what is named, else the prompts that the encoder was trained on, else those that fit any encoder."""
    from methods.author_encoder.daily.trained import as_trained, says_its_prompts
    from methods.author_encoder.daily.zero_shot import profile_and_titles
    from methods.naming import function_named

    if name:
        return function_named("prompts", name)
    if encoder is not None and says_its_prompts(encoder):
        return lambda seen, ids_M: as_trained(seen, ids_M, encoder)
    return profile_and_titles


def _source(
    texts: Path | None, dataset: Path | None, prompts: Prompts, of_texts: tuple[int, int]
) -> tuple[Source, int, int]:
    """Return the source, how many categories there are, and the day."""
    from methods.author_encoder.daily.texts import HeldTexts, ParquetTexts, Texts

    if (texts is None) == (dataset is None):
        raise SchemaError("--texts, --dataset", "one of them", "both" if texts else "neither")
    if texts is not None:
        return ParquetTexts.open(texts), *of_texts
    assert dataset is not None
    seen = scan(dataset).without_events()
    authors, ids_A = seen.catalog.authors, np.arange(len(seen.catalog.authors), dtype=np.int32)
    text_A = prompts(seen, ids_A)
    day_A = _last_changed(seen.catalog.notes.author_N, seen.catalog.notes.born_time_N, authors.joined_time_A)
    held = Texts(ids_A.astype(np.int64), text_A, authors.category_A.astype(np.int32), day_A)
    return HeldTexts(held), len(seen.catalog.categories), seen.now // DAY_SECONDS


def _last_changed(
    author_N: np.ndarray[tuple[int], np.dtype[np.int32]],
    born_time_N: np.ndarray[tuple[int], np.dtype[np.int64]],
    joined_time_A: np.ndarray[tuple[int], np.dtype[np.int64]],
) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """Return the day of each author's newest note, else of joining."""
    newest_A, known = joined_time_A.copy(), author_N >= 0
    np.maximum.at(newest_A, author_N[known], born_time_N[known])
    return (newest_A // DAY_SECONDS).astype(np.int32)


def _order(source: tuple[Source, int, int], encoder: tuple[str, Path | None], rows_per_chunk: int) -> Order:
    from methods.author_encoder.daily.encoders import EncoderName
    from methods.author_encoder.daily.job import Order
    from methods.author_encoder.daily.work import EmbedConfig

    texts, n_categories, day = source
    if n_categories < 1:
        raise SchemaError("--categories", "at least 1, with --texts", n_categories)
    return Order(texts, EncoderName(*encoder), EmbedConfig(n_categories, day=day, rows_per_chunk=rows_per_chunk))


def _ranks(n_ranks: int, ray: str, tell: Tell) -> object:
    from methods.author_encoder.daily.launch import run_ranks
    from methods.author_encoder.daily.ray_work import run_on_ray

    return (lambda job: run_on_ray(job, ray, tell=tell)) if ray else (lambda job: run_ranks(job, n_ranks, tell=tell))


def _config(index: str, threshold: list[str], expected: int) -> PublishConfig:
    from methods.author_encoder.daily.index import AnnConfig
    from methods.author_encoder.daily.monitor import Thresholds
    from methods.author_encoder.daily.publish import PublishConfig

    anns = tuple(AnnConfig(kind.strip()) for kind in index.split(",") if kind.strip())
    return PublishConfig(anns, Thresholds.of(dict(_named_number(word) for word in threshold)), expected)


def _named_number(word: str) -> tuple[str, float]:
    name, _, value = word.partition("=")
    try:
        return name, float(value)
    except ValueError as error:
        raise SchemaError("--threshold", "NAME=NUMBER", repr(word)) from error


def _rank_of(word: str) -> tuple[int, int]:
    rank, _, n_ranks = word.partition("/")
    if not (rank.isdigit() and n_ranks.isdigit()):
        raise SchemaError("--rank", "R/W, two numbers", repr(word))
    return int(rank), int(n_ranks)
