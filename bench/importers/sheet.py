"""A table of a source, text or Parquet, as checked columns."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bench.importers.source import SourceError, check_file

WELL_FORMED = "a table in UTF-8 with a header and rows of equal length"
TIME_UNITS: dict[str, int] = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


@dataclass(frozen=True, slots=True)
class CsvStyle:
    """How a text table is laid out; `multiline` allows line breaks inside quotes, at some cost in speed."""

    delimiter: str = ","
    quoted: bool = True
    multiline: bool = False


PLAIN_CSV = CsvStyle()
# The tables of this field write texts as they are: a quotation mark is a character.
UNQUOTED_TSV = CsvStyle(delimiter="\t", quoted=False)


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """Some columns of one file, and the readers that turn a column into checked values."""

    place: str
    table: pa.Table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def texts(self, column: str) -> pa.LargeStringArray:
        """Return a column as texts; a missing value is the empty text."""
        return self._cast(column, pa.large_string()).fill_null("")

    def ids(self, column: str) -> pa.LargeStringArray:
        """Return a column of ids as texts, refusing an empty one."""
        ids = self.texts(column)
        is_empty = pc.equal(ids, "").to_numpy(zero_copy_only=False)
        if is_empty.any():
            raise SourceError(f"{self.place}: {column}", "an id in every row", f"none in row {int(is_empty.argmax())}")
        return ids

    def integers(self, column: str) -> NDArray[np.int64]:
        """Return a column as whole numbers."""
        return np.array(self._full(column, self._cast(column, pa.int64())))

    def numbers(self, column: str) -> NDArray[np.float64]:
        """Return a column as finite numbers."""
        numbers = np.array(self._full(column, self._cast(column, pa.float64())))
        if not np.isfinite(numbers).all():
            row = int(np.argmin(np.isfinite(numbers)))
            raise SourceError(f"{self.place}: {column}", "finite numbers", f"{numbers[row]} in row {row}")
        return numbers

    def flags(self, column: str) -> NDArray[np.bool_]:
        """Return a column of 0 and 1."""
        values = self.integers(column)
        if not np.isin(values, (0, 1)).all():
            row = int(np.argmin(np.isin(values, (0, 1))))
            raise SourceError(f"{self.place}: {column}", "0 or 1", f"{values[row]} in row {row}")
        return values.astype(bool)

    def times(self, column: str, unit: str) -> NDArray[np.int64]:
        """Return a column of moments, given as numbers in `unit` or as Arrow timestamps, as whole seconds."""
        if unit not in TIME_UNITS:
            raise SourceError("time_unit", f"one of {', '.join(TIME_UNITS)}", repr(unit))
        values = _whole(self.table.column(column))
        if pa.types.is_timestamp(values.type):
            seconds = pc.floor_temporal(values, unit="second").cast(pa.timestamp("s", values.type.tz), safe=False)
            return np.array(self._full(column, seconds.cast(pa.int64())))
        numbers = self.numbers(column)
        if numbers.size and np.abs(numbers).max() >= 2.0**63:
            raise SourceError(f"{self.place}: {column}", "times below 2^63", numbers.max())
        return np.floor(numbers / TIME_UNITS[unit]).astype(np.int64)

    def _cast(self, column: str, dtype: pa.DataType) -> pa.Array:
        try:
            return _whole(self.table.column(column)).cast(dtype)
        except pa.ArrowException as error:
            raise SourceError(f"{self.place}: {column}", dtype, error) from error

    def _full(self, column: str, values: pa.Array) -> pa.Array:
        if values.null_count:
            raise SourceError(f"{self.place}: {column}", "a value in every row", f"{values.null_count} missing")
        return values


def read_csv(path: Path, columns: Collection[str], style: CsvStyle) -> Sheet:
    """Read some columns of a text table, all as texts."""
    _check_columns(path, columns, csv_header(path, style))
    convert = pyarrow.csv.ConvertOptions(
        include_columns=list(columns), column_types=dict.fromkeys(columns, pa.large_string())
    )
    try:
        table = pyarrow.csv.read_csv(path, parse_options=_parse_options(style), convert_options=convert)
    except pa.ArrowException as error:
        raise SourceError(path.name, WELL_FORMED, error) from error
    return Sheet(path.name, table)


def csv_header(path: Path, style: CsvStyle) -> list[str]:
    """Return the first row of a text table."""
    check_file(path)
    try:
        with pyarrow.csv.open_csv(path, parse_options=_parse_options(style)) as reader:
            names: list[str] = reader.schema.names
    except pa.ArrowException as error:
        raise SourceError(path.name, WELL_FORMED, error) from error
    return names


def read_parquet(path: Path, columns: Collection[str]) -> Sheet:
    """Read some columns of a Parquet file."""
    check_file(path)
    try:
        _check_columns(path, columns, pq.read_schema(path).names)
        return Sheet(path.name, pq.read_table(path, columns=list(columns)))
    except (pa.ArrowException, OSError) as error:
        raise SourceError(path.name, "a Parquet file", error) from error


def _parse_options(style: CsvStyle) -> pyarrow.csv.ParseOptions:
    return pyarrow.csv.ParseOptions(
        delimiter=style.delimiter, quote_char='"' if style.quoted else False, newlines_in_values=style.multiline
    )


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks()


def _check_columns(path: Path, wanted: Collection[str], got: list[str]) -> None:
    wrong = [name for name in wanted if got.count(name) != 1]
    if wrong:
        raise SourceError(f"{path.name}: columns", f"{', '.join(wrong)}, once each", ", ".join(got))
