"""The command `coldrecall train-author-encoder`: ranks on this machine, or a job file for launchers of many nodes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from bench.naming import numbers_of

if TYPE_CHECKING:
    from methods.author_encoder.launch import Job

WITH_ADAPTERS = "methods.author_encoder.preparing:with_adapters"


def train_author_encoder(  # noqa: PLR0913 - one argument an option
    dataset: Annotated[Path, typer.Option(help="A prepared folder: pairs.npy, ids.npy, offsets.npy, prepared.json.")],
    out: Annotated[Path, typer.Option(help="Folder for checkpoints, adapter and TensorBoard; taken up where it is.")],
    encoder: Annotated[str, typer.Option(help="package.module:function that makes it from backbone/.")] = WITH_ADAPTERS,
    ranks: Annotated[int, typer.Option(min=1, help="Processes on this machine, one a GPU where there are any.")] = 1,
    engine: Annotated[str, typer.Option(help="deepspeed or plain.")] = "deepspeed",
    stage: Annotated[int, typer.Option(min=0, max=3, help="Of ZeRO.")] = 2,
    precision: Annotated[str, typer.Option(help="fp32, bf16-backbone, bf16 or fp16.")] = "fp32",
    steps: Annotated[int, typer.Option(min=1)] = 1_000,
    batch: Annotated[int, typer.Option(min=1, help="Pairs over all ranks.")] = 256,
    accumulate: Annotated[int, typer.Option(min=1, help="Batches whose gradients one step averages.")] = 1,
    chunk_tokens: Annotated[int, typer.Option(min=0, help="Padded tokens encoded at once; 0: the whole batch.")] = 0,
    token_drop: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of tokens a step leaves out.")] = 0.0,
    checkpointing: Annotated[bool, typer.Option(help="Recompute activations in the backward pass.")] = False,
    learning_rate: Annotated[float, typer.Option(min=0.0)] = 1e-4,
    one_sided: Annotated[bool, typer.Option(help="Contrast in one direction only.")] = False,
    temperature: Annotated[float, typer.Option(min=0.0, help="Fixed; 0 learns it.")] = 0.0,
    log_q: Annotated[bool, typer.Option(help="Correct for how often an author is drawn.")] = False,
    every_known: Annotated[bool, typer.Option(help="Known pairs of a batch are positives, drawn or not.")] = False,
    prefixes: Annotated[str, typer.Option(help="Dimensions that are to do without the rest: 32,64.")] = "",
    save_every: Annotated[int, typer.Option(min=1, help="Steps.")] = 200,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    job: Annotated[Path | None, typer.Option(help="Write it here for torchrun or deepspeed; train nothing.")] = None,
) -> None:
    """Train an author encoder by pairs of authors; started again it goes on from its newest checkpoint."""
    from methods.author_encoder import launch  # torch, and only here

    contrast = {"symmetric": not one_sided, "temperature": temperature, "log_q": log_q, "every_known": every_known}
    settings: dict[str, object] = {
        "contrast": {**contrast, "prefixes": numbers_of("prefixes", prefixes)},
        "optimizer": {"learning_rate": learning_rate, "precision": precision, "checkpointing": checkpointing},
        **{"steps": steps, "batch": batch, "accumulate": accumulate, "chunk_tokens": chunk_tokens},
        **{"save_every": save_every, "token_drop": token_drop},
    }
    places = {"prepared": str(dataset), "out": str(out), "maker": encoder, "seed": seed, "engine": engine}
    made = launch.job_of({**places, "zero": {"stage": stage}, "training": settings})
    Console().print(_begun(made, ranks, job))


def _begun(made: Job, ranks: int, job: Path | None) -> str:
    """Train on this machine, or write the job down for other launchers; return what came of it."""
    from methods.author_encoder import launch

    if job is not None:
        launch.write_job(made, job)
        return f"job: {job}"
    launch.spawn(made, n_ranks=ranks)
    return f"adapter: {Path(made.out) / 'adapter'}"
