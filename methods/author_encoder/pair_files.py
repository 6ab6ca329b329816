"""Pairs on disk: one Parquet file with plain columns; pyarrow and DuckDB read it as it is (tested).

Columns first int32, second int32, score float32, count int32, none null, sorted by (first, second). The schema's
metadata holds under `coldrecall.pairs` a JSON object: version, n_authors, and what the writer says about their origin.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from methods.author_encoder.disk import replacing
from methods.author_encoder.pairs import Pairs
from simulator.schema import SchemaError

VERSION = 1
_KEY = b"coldrecall.pairs"
_FIELDS = (("first", pa.int32()), ("second", pa.int32()), ("score", pa.float32()), ("count", pa.int32()))
COLUMNS = pa.schema([pa.field(name, dtype, nullable=False) for name, dtype in _FIELDS])
_ROW_GROUP = 1 << 20  # rows that a reader may take at a time


def write_pairs(path: Path, pairs: Pairs, *, origin: Mapping[str, object]) -> None:
    """Write the pairs whole or not at all: a reader sees the old file or the new one. `origin` is plain JSON."""
    about = {"version": VERSION, "n_authors": pairs.n_authors, "origin": dict(origin)}
    schema = COLUMNS.with_metadata({_KEY: json.dumps(about, sort_keys=True, allow_nan=False).encode()})
    columns = [pa.array(column) for column in (pairs.first_P, pairs.second_P, pairs.score_P, pairs.count_P)]
    table = pa.Table.from_arrays(columns, schema=schema)
    with replacing(path) as part:
        pq.write_table(table, part, row_group_size=_ROW_GROUP, compression="zstd")


def read_pairs(path: Path) -> tuple[Pairs, dict[str, object]]:
    """Return the pairs of a file and their origin; a file of another kind, version or schema is refused."""
    try:
        table = pq.read_table(path, partitioning=None)  # folders named a=b are no columns
    except pa.ArrowInvalid as error:
        raise SchemaError(str(path), "a Parquet file of pairs", error) from error
    about = json.loads((table.schema.metadata or {}).get(_KEY, b"{}"))
    if about.get("version") != VERSION:
        raise SchemaError(f"{path}: metadata {_KEY.decode()}", f"version {VERSION}", about.get("version"))
    if not table.schema.equals(COLUMNS):
        raise SchemaError(f"{path}: columns", _names(COLUMNS), _names(table.schema))
    first_P, second_P, score_P, count_P = (table.column(name).to_numpy() for name, _ in _FIELDS)
    try:
        return Pairs(first_P, second_P, score_P, count_P, about["n_authors"]), about["origin"]
    except SchemaError as error:
        raise SchemaError(str(path), "pairs that keep their promise", error) from error


def _names(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} {field.type}{'' if field.nullable else ' not null'}" for field in schema)
