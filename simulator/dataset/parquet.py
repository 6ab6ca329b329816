"""One Parquet file: columns to a part of a table and back.

Writer settings are fixed, so that the same rows give the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simulator.dataset.digest import Block, ContentDigest
from simulator.dataset.manifest import DatasetError, Part
from simulator.dataset.tables import ARROW_TYPES, TEXT, Column, Columns
from simulator.schema import StoredTexts

ROWS_PER_GROUP = 1 << 18

# Measured by benchmarks/dataset.py on the log of a small world: level 3 costs a tenth more CPU, saves 1 %. Differences
# pack what rises, wanders or is small, at half the cost of a dictionary; the ids of users and sessions come in runs,
# which zstd finds by itself. BYTE_STREAM_SPLIT of integers would save 5 %, but is too new for many readers.
ZSTD_LEVEL = 1
_DELTA_TYPES = {"int8", "int16", "int64"}
_DELTA_COLUMNS = {"note"}
# Minima and maxima let a reader skip row groups; of flags and measures nobody asks for them, and they cost a tenth.
_STATISTICS_TYPES = {"int32", "int64"}


def write_part(path: Path, file: str, columns: Columns, types: Mapping[str, str], *, digest: ContentDigest) -> Part:
    """Write columns as `file` below `path`, taking them into `digest`, and return what the manifest says of it."""
    schema = pa.schema([pa.field(name, ARROW_TYPES[dtype], nullable=False) for name, dtype in types.items()])
    with pq.ParquetWriter(path / file, schema, **_settings(types)) as writer:
        for block in blocks(columns, types):
            writer.write_table(pa.table(_arrow(block), schema=schema), row_group_size=ROWS_PER_GROUP)
            digest.update(block)
    rows = len(next(iter(columns.values())))
    return Part(file=file, rows=rows, sha256=file_sha256(path / file))


def read_part(folder: Path, part: Part, types: Mapping[str, str]) -> Columns:
    """Read a part and check bytes, columns, types, nulls and rows; the content is checked with the whole table."""
    path = folder / part.file
    if not path.is_file():
        raise DatasetError(str(path), "a file", "none")
    _expect(f"{path}: sha256", part.sha256, file_sha256(path))
    columns = read_rows(path, types, first=0)
    _expect(f"{path}: rows", {part.rows}, {len(column) for column in columns.values()})
    return columns


def read_rows(path: Path, types: Mapping[str, str], *, first: int) -> Columns:
    """Return the rows of a file from row `first` on, checking columns, types and nulls."""
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            _expect(f"{path}: columns", list(types), schema.names)
            for name, dtype in types.items():
                _expect(f"{path}: {name}", ARROW_TYPES[dtype], schema.field(name).type)
            skipped, groups = _groups_from(file.metadata, first)
            return {
                name: _column(f"{path}: {name}", file.read_row_groups(groups, columns=[name]).column(0)[skipped:])
                for name in types
            }
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(str(path), "a whole Parquet file", error) from error


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def blocks(columns: Columns, types: Mapping[str, str]) -> Iterator[Block]:
    """Yield the columns in blocks of rows; texts are rendered one block at a time."""
    rows = len(next(iter(columns.values())))
    for first in range(0, rows, ROWS_PER_GROUP):
        last = min(rows, first + ROWS_PER_GROUP)
        yield {name: _slice(columns[name], first, last) for name in types}


def _settings(types: Mapping[str, str]) -> dict[str, Any]:
    deltas = [name for name, dtype in types.items() if dtype in _DELTA_TYPES or name in _DELTA_COLUMNS]
    return {
        "compression": "zstd",
        "compression_level": ZSTD_LEVEL,
        "use_dictionary": False,
        "column_encoding": dict.fromkeys(deltas, "DELTA_BINARY_PACKED"),
        "write_statistics": [name for name, dtype in types.items() if dtype in _STATISTICS_TYPES],
    }


def _groups_from(metadata: pq.FileMetaData, first: int) -> tuple[int, list[int]]:
    """Return how many rows of the first row group needed come before row `first`, and the groups from there on."""
    ends = np.cumsum([metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)], dtype=np.int64)
    group = int(np.searchsorted(ends, first, side="right"))
    return first - (int(ends[group - 1]) if group else 0), list(range(group, len(ends)))


def _column(place: str, chunks: pa.ChunkedArray) -> Column:
    if chunks.null_count:
        raise DatasetError(place, "no nulls", f"{chunks.null_count} nulls")
    if chunks.type == ARROW_TYPES[TEXT]:
        return StoredTexts(chunks.combine_chunks())
    values: Column = chunks.to_numpy()
    return values


def _slice(column: Column, first: int, last: int) -> Any:
    if isinstance(column, np.ndarray):
        return column[first:last]
    if isinstance(column, StoredTexts):
        return column.column[first:last]
    return pa.array(column.take(np.arange(first, last, dtype=np.int32)), ARROW_TYPES[TEXT])


def _arrow(block: Block) -> dict[str, pa.Array]:
    return {name: pa.array(column) if isinstance(column, np.ndarray) else column for name, column in block.items()}


def _expect(place: str, expected: object, got: object) -> None:
    if got != expected:
        raise DatasetError(place, expected, got)
