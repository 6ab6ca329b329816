"""A token table as one file: a line that says what follows, then the offsets, then the ids, to be mapped as they lie.

The file is written beside its place and moved there when it is whole; sizes are checked when it is opened.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from methods.author_encoder.disk import replacing
from methods.author_encoder.tokens import TokenTable
from simulator.schema.checks import SchemaError

MAGIC = "coldrecall-tokens"
VERSION = 1
HEADER_BYTES = 128  # of the first line, filled up with spaces, so that the arrays are aligned


def save(table: TokenTable, path: Path) -> None:
    """Write the table to `path`, in place of what was there; a reader sees the old file or the new one."""
    header = {"kind": MAGIC, "version": VERSION, "rows": len(table), "tokens": len(table.ids_T), "pad": table.pad}
    line = json.dumps(header).encode().ljust(HEADER_BYTES - 1) + b"\n"
    with replacing(path) as part, part.open("wb") as file:
        file.write(line)
        file.write(np.ascontiguousarray(table.offsets_S).data)
        file.write(np.ascontiguousarray(table.ids_T).data)


def opened(path: Path) -> TokenTable:
    """Map the table at `path`; raises SchemaError where the file is not one, is cut off, or has too much."""
    size = path.stat().st_size
    with path.open("rb") as file:
        header = _header(file.read(HEADER_BYTES), path)
    rows, tokens = header["rows"], header["tokens"]
    expected = HEADER_BYTES + 8 * (rows + 1) + 4 * tokens
    if size != expected:
        raise SchemaError(str(path), f"{expected} bytes for {rows} rows and {tokens} tokens", size)
    offsets_S = np.memmap(path, np.int64, "r", HEADER_BYTES, (rows + 1,))
    at = HEADER_BYTES + 8 * (rows + 1)
    # An empty file cannot be mapped.
    ids_T = np.memmap(path, np.uint32, "r", at, (tokens,)) if tokens else np.empty(0, np.uint32)
    return TokenTable(ids_T, offsets_S, header["pad"])


def _header(line: bytes, path: Path) -> dict[str, int]:
    try:
        header = json.loads(line)
    except ValueError:
        header = None
    if not isinstance(header, dict) or header.get("kind") != MAGIC or header.get("version") != VERSION:
        raise SchemaError(str(path), f"a file of {MAGIC}, version {VERSION}", repr(line[:40]))
    counts = {}
    for name in ("rows", "tokens", "pad"):
        value = header.get(name)
        if type(value) is not int or value < 0:
            raise SchemaError(f"{path}: {name}", "a whole number", repr(value))
        counts[name] = value
    return counts
