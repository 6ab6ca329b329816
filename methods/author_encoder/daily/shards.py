"""Vectors of authors, and their Parquet file: one a chunk, whole or not there, with the sha256 of its bytes.

Columns: author int64, category int32, changed_day int32, hash uint64, fill uint8, vector fixed-size list of D float16
or float32. The schema's metadata hold the format, model, model version and, in a part, what was counted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from methods.author_encoder.daily.encoders import Floats
from methods.author_encoder.daily.texts import check_ascending, check_vector
from methods.author_encoder.disk import write_whole
from simulator.schema import SchemaError

ENCODED, CATEGORY_MEAN, GLOBAL_MEAN, PENDING = 0, 1, 2, 3  # PENDING: without a text, in parts only
NO_TEXT = 0  # the hash of an author without text
FORMAT = "coldrecall author vectors 1"


class ShardError(SchemaError):
    """A file of vectors whose bytes are not those that were written; the message names it."""


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """Authors in ascending order with one vector each; `fill_A` says which are means and whose."""

    author_A: NDArray[np.int64]
    category_A: NDArray[np.int32]
    changed_day_A: NDArray[np.int32]
    hash_A: NDArray[np.uint64]
    fill_A: NDArray[np.uint8]
    vectors_AD: Floats

    def __post_init__(self) -> None:
        n_authors = len(self.author_A)
        check_vector("Vectors.author", self.author_A, np.int64, n_authors)
        check_vector("Vectors.category", self.category_A, np.int32, n_authors)
        check_vector("Vectors.changed_day", self.changed_day_A, np.int32, n_authors)
        check_vector("Vectors.hash", self.hash_A, np.uint64, n_authors)
        check_vector("Vectors.fill", self.fill_A, np.uint8, n_authors)
        check_ascending("Vectors.author", self.author_A)
        rows_AD = self.vectors_AD
        if rows_AD.dtype not in (np.float16, np.float32) or rows_AD.ndim != 2 or len(rows_AD) != n_authors:
            raise SchemaError(
                "Vectors.vectors", f"float16 or float32({n_authors}, D)", f"{rows_AD.dtype}{rows_AD.shape}"
            )

    def __len__(self) -> int:
        return len(self.author_A)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64] | slice) -> Vectors:
        """Return some rows, in ascending order."""
        return Vectors(
            self.author_A[rows],
            self.category_A[rows],
            self.changed_day_A[rows],
            self.hash_A[rows],
            self.fill_A[rows],
            self.vectors_AD[rows],
        )


def write_shard(path: Path, vectors: Vectors, about: Mapping[str, Any]) -> str:
    """Write a file whole and return the sha256 of its bytes; `about` goes into the schema's metadata as JSON."""
    n_dimensions = vectors.vectors_AD.shape[1]
    flat = pa.array(np.ascontiguousarray(vectors.vectors_AD).reshape(-1))
    columns = {
        "author": vectors.author_A,
        "category": vectors.category_A,
        "changed_day": vectors.changed_day_A,
        "hash": vectors.hash_A,
        "fill": vectors.fill_A,
        "vector": pa.FixedSizeListArray.from_arrays(flat, n_dimensions),
    }
    table = pa.table(columns).replace_schema_metadata({"format": FORMAT, "about": json.dumps(dict(about))})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="none", use_dictionary=False)
    data = memoryview(sink.getvalue())
    write_whole(path, data)
    return hashlib.sha256(data).hexdigest()


def read_shard(path: Path, *, sha256: str = "") -> tuple[Vectors, dict[str, Any]]:
    """Read a file and its `about`; one that is missing, damaged or of another sha256 raises ShardError."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise ShardError(str(path), "a file of vectors", "none") from error
    got = hashlib.sha256(data).hexdigest() if sha256 else ""
    if got != sha256:
        raise ShardError(str(path), f"sha256 {sha256}", got)
    try:
        table = pq.read_table(pa.BufferReader(data)).combine_chunks()
    except pa.ArrowInvalid as error:
        raise ShardError(str(path), "a readable Parquet file", error) from error
    metadata = table.schema.metadata or {}
    if metadata.get(b"format") != FORMAT.encode():
        raise ShardError(f"{path}: format", FORMAT, metadata.get(b"format"))
    return _vectors_of(table), json.loads(metadata[b"about"])


def _vectors_of(table: pa.Table) -> Vectors:
    names = ("author", "category", "changed_day", "hash", "fill")
    vector = table.column("vector")
    n_dimensions = vector.type.list_size
    flat = np.concatenate([chunk.flatten().to_numpy() for chunk in vector.chunks] or [np.empty(0, np.float16)])
    author_A, category_A, day_A, hash_A, fill_A = (table.column(name).to_numpy() for name in names)
    return Vectors(author_A, category_A, day_A, hash_A, fill_A, flat.reshape(-1, n_dimensions))
