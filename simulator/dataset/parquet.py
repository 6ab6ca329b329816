"""One table on disk: columns to a Parquet file and back, with a digest of their content.

Writer settings are fixed, so that the same content gives the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simulator.dataset.manifest import DatasetError, Table
from simulator.dataset.tables import ARROW_TYPES, TEXT, Column, Columns
from simulator.schema import StoredTexts

ROWS_PER_GROUP = 1 << 18  # part of the format: the content digest runs over blocks of this many rows
ZSTD_LEVEL = 3

# Measured on the log of a small world. BYTE_STREAM_SPLIT of integers would save 5 %, but is too new for many readers.
_DELTA_TYPES = {"int64"}
_DICTIONARY_TYPES = {"bool", "int8", "int16"}


def write_table(path: Path, columns: Columns, types: Mapping[str, str]) -> Table:
    """Write columns block by block and return what the manifest says of the file."""
    schema = _schema(types)
    deltas = {name: "DELTA_BINARY_PACKED" for name, dtype in types.items() if dtype in _DELTA_TYPES}
    dictionaries = [name for name, dtype in types.items() if dtype in _DICTIONARY_TYPES]
    digest = hashlib.sha256()
    with pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=ZSTD_LEVEL,
        use_dictionary=dictionaries,
        column_encoding=deltas,
    ) as writer:
        for block in _blocks(columns, types):
            writer.write_table(pa.table(block, schema=schema), row_group_size=ROWS_PER_GROUP)
            for part in _digestible(block):
                digest.update(part)
    rows = len(next(iter(columns.values())))
    return Table(file=path.name, rows=rows, sha256=file_sha256(path), content=digest.hexdigest())


def read_table(path: Path, table: Table, types: Mapping[str, str]) -> Columns:
    """Read a table and check bytes, columns, types, nulls, rows and content against the manifest."""
    if not path.is_file():
        raise DatasetError(str(path), "a file", "none")
    _expect(f"{path}: sha256", table.sha256, file_sha256(path))
    try:
        columns = _read_columns(path, types)
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(str(path), "a whole Parquet file", error) from error
    rows = {len(column) for column in columns.values()}
    _expect(f"{path}: rows", {table.rows}, rows)
    digest = hashlib.sha256()
    for block in _blocks(columns, types):
        for part in _digestible(block):
            digest.update(part)
    _expect(f"{path}: content", table.content, digest.hexdigest())
    return columns


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_columns(path: Path, types: Mapping[str, str]) -> Columns:
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        _expect(f"{path}: columns", list(types), schema.names)
        for name, dtype in types.items():
            _expect(f"{path}: {name}", ARROW_TYPES[dtype], schema.field(name).type)
        return {name: _column(f"{path}: {name}", file.read(columns=[name]).column(0)) for name in types}


def _column(place: str, chunks: pa.ChunkedArray) -> Column:
    if chunks.null_count:
        raise DatasetError(place, "no nulls", f"{chunks.null_count} nulls")
    if chunks.type == ARROW_TYPES[TEXT]:
        return StoredTexts(chunks.combine_chunks())
    values: Column = chunks.to_numpy()
    return values


def _blocks(columns: Columns, types: Mapping[str, str]) -> Iterator[dict[str, pa.Array]]:
    """Yield the columns in blocks of ROWS_PER_GROUP rows; texts are rendered one block at a time."""
    rows = len(next(iter(columns.values())))
    for first in range(0, rows, ROWS_PER_GROUP):
        last = min(rows, first + ROWS_PER_GROUP)
        yield {name: _slice(columns[name], first, last) for name in types}


def _slice(column: Column, first: int, last: int) -> pa.Array:
    if isinstance(column, np.ndarray):
        return pa.array(column[first:last])
    if isinstance(column, StoredTexts):
        return column.column.slice(first, last - first)
    return pa.array(column.take(np.arange(first, last, dtype=np.int32)), ARROW_TYPES[TEXT])


def _digestible(block: Mapping[str, pa.Array]) -> Iterator[bytes | memoryview]:
    """Yield a block column by column: name, then little-endian values, or text lengths (int64) and UTF-8."""
    for name, column in block.items():
        yield f"{name}:{column.type}:{len(column)};".encode()
        if column.type == ARROW_TYPES[TEXT]:
            _, offsets, characters = column.buffers()
            offsets_T = np.frombuffer(offsets, np.int64)[column.offset : column.offset + len(column) + 1]
            yield np.diff(offsets_T).tobytes()
            # All texts empty: Arrow may keep no buffer of characters.
            yield memoryview(characters or b"")[offsets_T[0] : offsets_T[-1]]
        else:
            yield column.to_numpy(zero_copy_only=False).tobytes()


def _schema(types: Mapping[str, str]) -> pa.Schema:
    return pa.schema([pa.field(name, ARROW_TYPES[dtype], nullable=False) for name, dtype in types.items()])


def _expect(place: str, expected: object, got: object) -> None:
    if got != expected:
        raise DatasetError(place, expected, got)
