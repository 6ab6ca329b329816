"""Contiguous chunks of rows: the unit of work and of restart. Part i is there if and only if chunk i is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from simulator.schema import SchemaError


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows [start, end) of the source."""

    index: int
    start: int
    end: int

    @property
    def file(self) -> str:
        """Name of its part, and of its shard in the finished version."""
        return f"part-{self.index:05d}.parquet"


def chunks_of(n_rows: int, rows_per_chunk: int) -> tuple[Chunk, ...]:
    """Cut rows into chunks, the last one shorter."""
    if n_rows < 1:
        raise SchemaError("source", "at least one author", n_rows)
    if rows_per_chunk < 1:
        raise SchemaError("rows_per_chunk", "at least 1", rows_per_chunk)
    starts = range(0, n_rows, rows_per_chunk)
    return tuple(Chunk(i, start, min(start + rows_per_chunk, n_rows)) for i, start in enumerate(starts))


def share(chunks: Sequence[Chunk], rank: int, n_ranks: int) -> tuple[Chunk, ...]:
    """Return chunks rank, rank + n_ranks, ...: all ranks together have each chunk once."""
    if not 0 <= rank < n_ranks:
        raise SchemaError("rank", f"in [0, {n_ranks})", rank)
    return tuple(chunks[rank::n_ranks])


def missing(chunks: Sequence[Chunk], parts: Path) -> tuple[Chunk, ...]:
    """Return the chunks without a part."""
    return tuple(chunk for chunk in chunks if not (parts / chunk.file).exists())
