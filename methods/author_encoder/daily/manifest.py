"""What a version says of itself: its model, its shards with their sha256, what was counted; and where versions lie.

OUT/versions/v17/   manifest.json, part-00000.parquet ..., index-hnsw-sqfp16/
OUT/live.json       which version is live, and which before it
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from methods.author_encoder.daily.shards import ShardError, Vectors, read_shard
from methods.author_encoder.disk import write_whole
from simulator.schema import SchemaError

MANIFEST = "manifest.json"
WITHDRAWN = "withdrawn"
Count = Annotated[int, Field(ge=0)]
STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Counts(BaseModel):
    """What happened to the authors of a part, or of all."""

    model_config = STRICT

    encoded: Count = 0  # anew
    copied: Count = 0  # from the last version: same text, same model
    known: Count = 0  # in the last version
    empty: Count = 0  # without a text
    cut: Count = 0  # a text longer than max_characters
    repaired: Count = 0  # a text that was no UTF-8
    unknown_category: Count = 0  # a category that does not exist
    undated: Count = 0  # another text than the last version's, though no newer day says so

    def __add__(self, other: Counts) -> Counts:
        """Add each count."""
        mine, theirs = self.model_dump(), other.model_dump()
        return Counts(**{name: mine[name] + theirs[name] for name in mine})


class Shard(BaseModel):
    """A file of vectors, its rows and the ids that it goes from and to, both inclusive."""

    model_config = STRICT

    file: str
    rows: Count
    first: int
    last: int
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Figures(BaseModel):
    """What the monitor compares between versions."""

    model_config = STRICT

    norm_mean: float
    norm_sd: float
    mean_vector: tuple[float, ...]  # of the authors with a text
    category_counts: tuple[int, ...]  # the last one: of authors without a known category
    category_fills: Count
    global_fills: Count


class Manifest(BaseModel):
    """A version of all authors' vectors; `plan` stands for all that decides what is in it."""

    model_config = STRICT

    schema_version: Literal[1] = 1
    version: Annotated[int, Field(ge=1)]
    day: int
    model: str
    model_version: str
    plan: str
    base: Count  # the version that vectors were copied from, 0 for none
    base_authors: Count
    dtype: Literal["float16", "float32"]
    n_dimensions: Annotated[int, Field(ge=1)]
    shards: Annotated[tuple[Shard, ...], Field(min_length=1)]
    counts: Counts
    figures: Figures

    @property
    def n_authors(self) -> int:
        """How many authors have a vector, fills too."""
        return sum(shard.rows for shard in self.shards)


@dataclass(frozen=True, slots=True)
class Version:
    """A finished version on disk."""

    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, folder: Path) -> Version:
        """Read its manifest; the shards are read, and checked, when asked for."""
        try:
            return cls(folder, Manifest.model_validate_json((folder / MANIFEST).read_bytes()))
        except FileNotFoundError as error:
            raise SchemaError(str(folder), f"a version with {MANIFEST}", "none") from error
        except ValidationError as error:
            raise SchemaError(f"{folder / MANIFEST}", "a manifest of author vectors", error) from error

    @property
    def is_withdrawn(self) -> bool:
        """Whether it was live once and taken back."""
        return (self.folder / WITHDRAWN).exists()

    def read(self, shard: Shard) -> Vectors:
        """Return a shard's vectors; damage raises ShardError with the file's name."""
        path = self.folder / shard.file
        vectors, _ = read_shard(path, sha256=shard.sha256)
        got = (len(vectors), int(vectors.author_A[0]), int(vectors.author_A[-1]))
        if got != (shard.rows, shard.first, shard.last):
            raise ShardError(f"{path}: rows, first, last", f"{(shard.rows, shard.first, shard.last)}", got)
        return vectors

    def blocks(self) -> Iterator[Vectors]:
        """Yield all vectors, one shard in memory."""
        for shard in self.manifest.shards:
            yield self.read(shard)


@dataclass(frozen=True, slots=True)
class Versions:
    """All versions under one folder and which of them is live."""

    root: Path

    def folder(self, number: int) -> Path:
        """Where a version lies or will lie."""
        return self.root / "versions" / f"v{number}"

    def numbers(self) -> tuple[int, ...]:
        """Return the versions that are finished, ascending; live or not."""
        names = [path.parent.name for path in (self.root / "versions").glob(f"v*/{MANIFEST}")]
        return tuple(sorted(int(name[1:]) for name in names if name[1:].isdigit()))

    def live(self) -> int:
        """Return the live version, 0 for none."""
        return self._pointer()[0]

    def base(self) -> Version | None:
        """Return the live version, if any."""
        live = self.live()
        return Version.open(self.folder(live)) if live else None

    def set_live(self, number: int, before: int) -> None:
        """Point at a version in one rename."""
        Version.open(self.folder(number))
        write_whole(self.root / "live.json", json.dumps({"live": number, "before": before}).encode())

    def switch(self, number: int) -> None:
        """Make a version live and remember the one before it."""
        live = self.live()
        if number != live:
            self.set_live(number, live)

    def withdraw(self, number: int, instead: int) -> None:
        """Go back to `instead`; the withdrawn version stays on disk, marked, so that it is not published again."""
        write_whole(self.folder(number) / WITHDRAWN, b"")
        self.set_live(instead, 0)

    def sweep(self) -> tuple[int, ...]:
        """Remove versions older than the live one, but for the one before it; return which."""
        live, before = self._pointer()
        old = tuple(number for number in self.numbers() if number < live and number != before)
        for number in old:
            shutil.rmtree(self.folder(number))
        return old

    def _pointer(self) -> tuple[int, int]:
        path = self.root / "live.json"
        if not path.exists():
            return 0, 0
        try:
            read = json.loads(path.read_bytes())
            return int(read["live"]), int(read["before"])
        except (ValueError, KeyError, TypeError) as error:
            raise SchemaError(str(path), '{"live": int, "before": int}', path.read_bytes()[:80]) from error
