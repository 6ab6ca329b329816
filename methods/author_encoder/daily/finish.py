"""From parts to a version: fill, write the shards, describe them in a manifest, rename the folder into place."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from methods.author_encoder.daily.chunks import missing
from methods.author_encoder.daily.encoders import Encoder
from methods.author_encoder.daily.fills import Means
from methods.author_encoder.daily.manifest import MANIFEST, Counts, Figures, Manifest, Shard, Version
from methods.author_encoder.daily.shards import CATEGORY_MEAN, GLOBAL_MEAN, Vectors, read_shard, write_shard
from methods.author_encoder.daily.work import Job, Tell
from methods.author_encoder.disk import flush, write_whole
from simulator.schema import SchemaError


@dataclass(frozen=True, slots=True)
class Stage:
    """A version in the making: its number, what it is to be, and where."""

    number: int
    plan: str
    folder: Path  # of the stage

    @property
    def parts(self) -> Path:
        """Folder of the parts."""
        return self.folder / "parts"


def finish(job: Job, stage: Stage, encoder: Encoder, place: Path, *, tell: Tell) -> Version:
    """Make the version at `place` of the parts; a kill leaves the parts, and this is done again."""
    left = missing(job.chunks, stage.parts)
    if left:
        raise SchemaError("parts", f"{len(job.chunks)} chunks done", f"{len(left)} missing, the first {left[0].file}")
    means, counts = _summed(job)
    folder = stage.folder / "version"
    shutil.rmtree(folder, ignore_errors=True)
    shards, tally = list[Shard](), _Tally(job.config.n_categories)
    about = {"model": encoder.model, "model_version": encoder.version, "version": stage.number, "day": job.config.day}
    for number, (file, part, _) in enumerate(_parts(job)):
        vectors = means.fill(part)
        _check_follows(file, vectors, shards[-1] if shards else None)
        sha256 = write_shard(folder / file, vectors, about)
        ids = (int(vectors.author_A[0]), int(vectors.author_A[-1]))
        shards.append(Shard(file=file, rows=len(vectors), first=ids[0], last=ids[1], sha256=sha256))
        tally.add(vectors)
        tell("shards", number + 1, len(job.chunks))
    base = None if job.base is None else Version.open(job.base).manifest
    manifest = Manifest(
        version=stage.number,
        day=job.config.day,
        model=encoder.model,
        model_version=encoder.version,
        plan=stage.plan,
        base=base.version if base else 0,
        base_authors=base.n_authors if base else 0,
        dtype=job.config.dtype,
        n_dimensions=len(means.mean_D),
        shards=tuple(shards),
        counts=counts,
        figures=tally.figures(means),
    )
    write_whole(folder / MANIFEST, manifest.model_dump_json(indent=1).encode())
    place.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(place)
    flush(place.parent)
    return Version.open(place)


class _Tally:
    """Counts of categories and fills over the shards."""

    def __init__(self, n_categories: int) -> None:
        self._category_C = np.zeros(n_categories + 1, np.int64)
        self._fill_F = np.zeros(4, np.int64)

    def add(self, vectors: Vectors) -> None:
        n_rows = len(self._category_C)
        self._category_C += np.bincount(vectors.category_A % n_rows, minlength=n_rows)
        self._fill_F += np.bincount(vectors.fill_A, minlength=4)

    def figures(self, means: Means) -> Figures:
        norm_mean, norm_sd = means.length
        return Figures(
            norm_mean=norm_mean,
            norm_sd=norm_sd,
            mean_vector=tuple(means.mean_D.tolist()),
            category_counts=tuple(self._category_C.tolist()),
            category_fills=int(self._fill_F[CATEGORY_MEAN]),
            global_fills=int(self._fill_F[GLOBAL_MEAN]),
        )


def _parts(job: Job) -> Iterator[tuple[str, Vectors, Counts]]:
    for chunk in job.chunks:
        vectors, about = read_shard(job.parts / chunk.file)
        if len(vectors) != chunk.end - chunk.start:
            raise SchemaError(str(job.parts / chunk.file), f"{chunk.end - chunk.start} rows", len(vectors))
        yield chunk.file, vectors, Counts(**about)


def _summed(job: Job) -> tuple[Means, Counts]:
    """Add up the parts; all must have vectors of one width."""
    means, counts, n_dimensions = None, Counts(), 0
    for file, vectors, counted in _parts(job):
        if means is None:
            n_dimensions = vectors.vectors_AD.shape[1]
            means = Means(job.config.n_categories, n_dimensions)
        if vectors.vectors_AD.shape[1] != n_dimensions:
            raise SchemaError(f"{file}: vector", f"{n_dimensions} dimensions", vectors.vectors_AD.shape[1])
        means.add(vectors)
        counts = counts + counted
    assert means is not None  # a job has at least one chunk
    return means, counts


def _check_follows(file: str, vectors: Vectors, before: Shard | None) -> None:
    if before is not None and vectors.author_A[0] <= before.last:
        raise SchemaError(f"{file}: author", f"ids above {before.last} of the chunk before", vectors.author_A[0])
