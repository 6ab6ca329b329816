"""Make today's version: one stage at a time under a lock, taken up again where a kill left it.

OUT/staging/stage.json, parts/, version/     the version in the making
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from methods.author_encoder.daily.encoders import Encoder, EncoderName
from methods.author_encoder.daily.finish import Stage, finish
from methods.author_encoder.daily.manifest import Version, Versions
from methods.author_encoder.daily.texts import Source
from methods.author_encoder.daily.work import EmbedConfig, Job, Tell, identity, run_rank
from simulator.schema import SchemaError

Ranks = Callable[[Job], None]  # does all chunks of a job that are missing


class Busy(OSError):
    """Another process is making or publishing a version in the same folder."""


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """What is to be made: these texts under this encoder."""

    source: Source
    encoder: EncoderName
    config: EmbedConfig


def make_version(order: Order, versions: Versions, *, ranks: Ranks, tell: Tell) -> Version:
    """Return the version of these texts under this encoder: finished before, taken up, or made from the start.

    It is numbered above all others and is not live. A stage of other texts, encoder or config is thrown away: what
    can be had from it is had from the last published version. Call it under `held`.
    """
    encoder = order.encoder.load()
    base = versions.base()
    plan = plan_of(order, encoder, base)
    finished = [Version.open(versions.folder(n)) for n in versions.numbers() if n > versions.live()]
    for version in finished:
        if version.manifest.plan == plan and version.is_withdrawn:
            raise SchemaError(
                str(version.folder), "texts or an encoder other than those that were withdrawn", "the same"
            )
        if version.manifest.plan == plan:
            return version
    stage = _stage(versions, plan)
    for other in stage.folder.parent.glob("v*"):
        if other != stage.folder:
            shutil.rmtree(other)
    job = _job(order, stage, base)
    ranks(job)
    version = finish(job, stage, encoder, versions.folder(stage.number), tell=tell)
    shutil.rmtree(stage.folder)
    return version


def do_share(order: Order, versions: Versions, *, rank: tuple[int, int], tell: Tell) -> None:
    """Do one rank's share, (rank, of how many), of the version that is next, as one job of an array that shares a disk.

    Any number may run at once. `make_version` of the same order does what is left and finishes.
    """
    base = versions.base()
    stage = _stage(versions, plan_of(order, order.encoder.load(), base))
    run_rank(_job(order, stage, base), *rank, tell=tell)


def plan_of(order: Order, encoder: Encoder, base: Version | None) -> str:
    """Return the digest of all that decides a version's content and its cut into chunks."""
    config, base_number = order.config, base.manifest.version if base else 0
    decides = (order.source.fingerprint, len(order.source), identity(encoder, config), base_number)
    settings = (config.n_categories, config.day, config.rows_per_chunk)
    return hashlib.sha256(repr((decides, settings)).encode()).hexdigest()


@contextmanager
def held(root: Path) -> Iterator[None]:
    """Hold the folder against other processes; the lock dies with its process."""
    root.mkdir(parents=True, exist_ok=True)
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(f"{root}: expected no other process at work, got one") from error
        yield
    finally:
        os.close(handle)


def _job(order: Order, stage: Stage, base: Version | None) -> Job:
    return Job(order.source, order.encoder, stage.parts, base.folder if base else None, order.config)


def _stage(versions: Versions, plan: str) -> Stage:
    """Return the stage of a plan; its folder is named by the plan, so that parts of two plans never mix."""
    number = max((*versions.numbers(), versions.live()), default=0) + 1
    return Stage(number, plan, versions.root / "staging" / f"v{number}-{plan[:16]}")
