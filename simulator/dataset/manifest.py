"""What a dataset folder says of itself: `manifest.json`, checked strictly and sealed by a fingerprint."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

SCHEMA_VERSION: Literal[2] = 2
MANIFEST_FILE = "manifest.json"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class DatasetError(ValueError):
    """A folder that is not a sound dataset; the message names file or field, what was expected and what came."""

    def __init__(self, place: str, expected: object, got: object) -> None:
        super().__init__(f"{place}: expected {expected}, got {got}")
        self.place = place


class Part(BaseModel):
    """One Parquet file of a table: its path in the folder, its rows, and the sha256 of its bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    file: str
    rows: Annotated[int, Field(ge=0)]
    sha256: Sha256


class Table(BaseModel):
    """A table in one or more parts; `content` digests its values, whatever the encoding and the cut into parts."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    content: Sha256
    parts: Annotated[tuple[Part, ...], Field(min_length=1)]

    @property
    def rows(self) -> int:
        """How many rows all parts have."""
        return sum(part.rows for part in self.parts)


class Manifest(BaseModel):
    """A dataset's label, its moment `now` (seconds, end of the log), where it came from, and its tables.

    Without `texts` the columns of texts were left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    schema_version: Literal[2]
    name: str
    now: int
    categories: tuple[str, ...]
    channels: tuple[str, ...]
    texts: bool
    origin: dict[str, JsonValue]
    tables: dict[str, Table]
    fingerprint: str = ""

    def sealed(self) -> Manifest:
        """Return this manifest with its fingerprint."""
        return self.model_copy(update={"fingerprint": fingerprint(self)})


def fingerprint(manifest: Manifest) -> str:
    """Return the sha256 of all fields and of the tables' rows and content.

    Parts and their bytes are left out: a table may be cut otherwise, and another version of Arrow may write it in
    other bytes.
    """
    fields = manifest.model_dump(mode="json", exclude={"fingerprint", "tables"})
    fields["tables"] = {name: {"rows": table.rows, "content": table.content} for name, table in manifest.tables.items()}
    text = json.dumps(fields, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest as indented JSON."""
    (folder / MANIFEST_FILE).write_bytes(manifest.model_dump_json(indent=1).encode() + b"\n")


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest and check it against its own fingerprint."""
    path = folder / MANIFEST_FILE
    if not path.is_file():
        raise DatasetError(str(path), "a file", "none")
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise _refusal(path, error) from error
    if manifest.fingerprint != fingerprint(manifest):
        raise DatasetError(f"{path}: fingerprint", fingerprint(manifest), manifest.fingerprint or "none")
    return manifest


def _refusal(path: Path, error: ValidationError) -> DatasetError:
    """Say the version first: a manifest of another version may break every other rule."""
    faults = sorted(error.errors(), key=lambda fault: fault["loc"] != ("schema_version",))
    field = ".".join(str(part) for part in faults[0]["loc"])
    return DatasetError(f"{path}: {field}" if field else str(path), faults[0]["msg"], repr(faults[0]["input"])[:80])
