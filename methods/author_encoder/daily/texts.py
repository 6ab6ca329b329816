"""What is to be encoded: authors in ascending order of id, each with a prompt, a category and the day it last changed.

A source gives any range of rows on demand, so that no process holds more than a chunk of texts. A stream that can be
read once is spooled to Parquet first (`spool`). Shapes: M texts in hand.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from methods.author_encoder.disk import replacing
from simulator.schema import SchemaError

COLUMNS = ("author", "text", "category", "changed_day")
TEXT_TYPES = (pa.string(), pa.large_string(), pa.binary(), pa.large_binary())
FOOTER_BYTES = 1 << 16
NO_CATEGORY = -1


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """Some authors and their prompts; `n_repaired` counts texts that were no UTF-8 and had bytes replaced."""

    author_M: NDArray[np.int64]
    text_M: Sequence[str]
    category_M: NDArray[np.int32]
    changed_day_M: NDArray[np.int32]
    n_repaired: int = 0

    def __post_init__(self) -> None:
        check_vector("Texts.author", self.author_M, np.int64, len(self))
        check_vector("Texts.category", self.category_M, np.int32, len(self))
        check_vector("Texts.changed_day", self.changed_day_M, np.int32, len(self))
        check_ascending("Texts.author", self.author_M)

    def __len__(self) -> int:
        return len(self.text_M)

    def cut(self, start: int, end: int) -> Texts:
        """Return the rows [start, end)."""
        rows = slice(start, end)
        columns = (self.author_M[rows], self.text_M[rows], self.category_M[rows], self.changed_day_M[rows])
        return Texts(*columns, self.n_repaired)


class Source(Protocol):
    """Texts by row."""

    @property
    def fingerprint(self) -> str:
        """What changes when anything of the texts may have changed."""
        ...

    def __len__(self) -> int: ...

    def read(self, start: int, end: int) -> Texts:
        """Return the rows [start, end)."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class HeldTexts:
    """A source that lies in memory: small worlds and tests."""

    texts: Texts

    @property
    def fingerprint(self) -> str:
        """Digest of all columns."""
        digest = hashlib.sha256("\0".join(self.texts.text_M).encode("utf-8", "surrogatepass"))
        for column_M in (self.texts.author_M, self.texts.category_M, self.texts.changed_day_M):
            digest.update(np.ascontiguousarray(column_M).data)
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self.texts)

    def read(self, start: int, end: int) -> Texts:
        """Return the rows [start, end)."""
        return repaired(self.texts.cut(start, end))


@dataclass(frozen=True, slots=True)
class _Group:
    """A row group: its file, its number there, and the rows of the whole source that it holds."""

    file: str
    number: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class ParquetTexts:
    """A folder of Parquet files with the columns author, text, category, changed_day; files go by name.

    Row groups are the unit of reading. A column `text` of invalid UTF-8 is read with U+FFFD for each bad byte.
    """

    folder: Path
    groups: tuple[_Group, ...]
    fingerprint: str

    @classmethod
    def open(cls, folder: Path) -> ParquetTexts:
        """Read the footers; refuse missing columns, other types and authors out of order."""
        files = sorted(folder.glob("*.parquet"))
        if not files:
            raise SchemaError(str(folder), "Parquet files of texts", "none")
        groups, digest, start, last = [], hashlib.sha256(), 0, None
        for path in files:
            file = pq.ParquetFile(path)
            _check_columns(path, file.schema_arrow)
            digest.update(f"{path.name} {path.stat().st_size}".encode() + _tail(path))
            for number in range(file.num_row_groups):
                last = _check_order(path, file.metadata.row_group(number), last)
                end = start + file.metadata.row_group(number).num_rows
                groups.append(_Group(path.name, number, start, end))
                start = end
        return cls(folder, tuple(groups), digest.hexdigest())

    def __len__(self) -> int:
        return self.groups[-1].end if self.groups else 0

    def read(self, start: int, end: int) -> Texts:
        """Return the rows [start, end)."""
        tables = []
        for group in self.groups:
            if group.start < end and group.end > start:
                file = pq.ParquetFile(self.folder / group.file)
                table = file.read_row_group(group.number, columns=list(COLUMNS))
                first = max(start - group.start, 0)
                tables.append(table.slice(first, min(end, group.end) - group.start - first))
        return _texts_of(pa.concat_tables(tables, promote_options="permissive"))


def repaired(texts: Texts) -> Texts:
    """Return the texts with what cannot be UTF-8 (lone surrogates) replaced, and counted."""
    clean_M = [text.encode("utf-8", "replace").decode() if _is_broken(text) else text for text in texts.text_M]
    n_broken = sum(old is not new for old, new in zip(texts.text_M, clean_M, strict=True))
    return Texts(texts.author_M, clean_M, texts.category_M, texts.changed_day_M, n_broken)


def spool(
    rows: Iterable[tuple[int, str, int, int]], folder: Path, *, rows_per_group: int = 50_000, name: str = "texts"
) -> ParquetTexts:
    """Write (author, text, category, changed day) as they come, one group in memory; return them as a source."""
    stream = iter(rows)
    schema = pa.schema(list(zip(COLUMNS, (pa.int64(), pa.large_string(), pa.int32(), pa.int32()), strict=True)))
    with replacing(folder / f"{name}.parquet") as path, pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while batch := list(itertools.islice(stream, rows_per_group)):
            columns = list(zip(*batch, strict=True))
            columns[1] = tuple(text.encode("utf-8", "replace").decode() for text in columns[1])
            writer.write_table(pa.table(dict(zip(COLUMNS, columns, strict=True)), schema=schema))
    return ParquetTexts.open(folder)


def check_vector(field: str, column: NDArray[Any], dtype: type[np.generic], length: int) -> None:
    """Refuse what is not `dtype` of shape (length,)."""
    if column.dtype != dtype or column.shape != (length,):
        raise SchemaError(field, f"{np.dtype(dtype)}({length},)", f"{column.dtype}{column.shape}")


def check_ascending(field: str, author_M: NDArray[np.int64]) -> None:
    """Refuse ids that do not strictly ascend."""
    wrong = np.flatnonzero(author_M[1:] <= author_M[:-1])
    if wrong.size:
        at = int(wrong[0])
        raise SchemaError(field, "distinct ids in ascending order", f"{author_M[at + 1]} after {author_M[at]}")


def _check_columns(path: Path, schema: pa.Schema) -> None:
    for name in COLUMNS:
        if name not in schema.names:
            raise SchemaError(f"{path}: columns", ", ".join(COLUMNS), ", ".join(schema.names))
        kind = schema.field(name).type
        if kind not in TEXT_TYPES if name == "text" else not pa.types.is_integer(kind):
            raise SchemaError(f"{path}: {name}", "text or binary" if name == "text" else "integers", kind)


def _check_order(path: Path, group: pq.RowGroupMetaData, last: int | None) -> int | None:
    """Refuse a row group that starts at or before the last author of those before it, where its footer says so."""
    for number in range(group.num_columns):
        column = group.column(number)
        if column.path_in_schema == "author" and column.statistics is not None and column.statistics.has_min_max:
            if last is not None and column.statistics.min <= last:
                raise SchemaError(f"{path}: author", f"row groups ascending, after {last}", column.statistics.min)
            return int(column.statistics.max)
    return last


def _tail(path: Path) -> bytes:
    """Return the end of a Parquet file: the footer with the statistics of its columns."""
    with path.open("rb") as file:
        file.seek(-min(FOOTER_BYTES, path.stat().st_size), os.SEEK_END)
        return file.read()


def _texts_of(table: pa.Table) -> Texts:
    text_M, n_repaired = [], 0
    for raw in _raw_texts(table.column("text")):
        text = raw.decode("utf-8", "replace")
        n_repaired += "\ufffd" in text and text.encode() != raw
        text_M.append(text)
    if table.column("author").null_count:
        raise SchemaError("texts: author", "no nulls", table.column("author").null_count)
    author_M, category_M, day_M = (
        table.column(name).fill_null(NO_CATEGORY).cast(kind).to_numpy()
        for name, kind in (("author", pa.int64()), ("category", pa.int32()), ("changed_day", pa.int32()))
    )
    return Texts(author_M, text_M, category_M, day_M, n_repaired)


def _raw_texts(column: pa.ChunkedArray) -> Iterator[bytes]:
    for chunk in column.chunks:
        for raw in chunk.cast(pa.large_binary()).to_pylist():
            yield raw or b""


def _is_broken(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
