"""One JSON line of evidence per (task, method, seed): append-only, schema-versioned, safe against a kill.

What the harness measured and what a method claims never share a dict. Per-request values lie beside the lines, one
npz file a cell, so that a new interval or a paired difference is a later pass.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

SCHEMA_VERSION = 1


Status = Literal["ok", "failed", "timeout", "oom"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class MetricValue(_Frozen):
    """A mean over the requests where the metric is defined, with its 95 % interval given this world.

    `low` and `high` are None where one number describes all slates together (coverage) or n < 2; `mean` is None
    where no request defines the metric.
    """

    mean: float | None
    low: float | None
    high: float | None
    n: int
    n_undefined: int


class Measured(_Frozen):
    """What the harness measured: seconds of wall and CPU, milliseconds of one-request latency, peak bytes."""

    fit_seconds: float
    fit_cpu_seconds: float
    index_seconds: float
    requests_per_second: float
    latency_p50_ms: float
    latency_p95_ms: float
    latency_cpu_p50_ms: float
    peak_bytes: int


class Machine(_Frozen):
    """Where it ran, and with which versions."""

    cpu: str
    cores: int
    python: str
    packages: dict[str, str]


class ResultRecord(_Frozen):
    """The evidence of one cell. `cell` is the sha256 of its inputs: task, data, method, config, seed.

    `confined` says whether the kernel kept the method from all files but code: see docs/safety.md.
    """

    schema_version: Literal[1] = 1
    cell: str
    task: str
    source: str
    fingerprint: str
    method: str
    config: dict[str, JsonValue]
    seed: int
    commit: str
    status: Status
    error: str | None = None
    metrics: dict[str, MetricValue] = {}
    measured: Measured | None = None
    claimed: dict[str, float] = {}
    confined: bool = False
    machine: Machine
    values: str | None = None


Line = TypeVar("Line", bound=BaseModel)


class RecordError(ValueError):
    """A line of the record file that is not a record; the message names file, line and field."""


def append(path: Path, record: BaseModel) -> None:
    """Add one line and force it to disk."""
    line = record.model_dump_json() + "\n"
    with path.open("ab") as file:
        file.write(line.encode())
        file.flush()
        os.fsync(file.fileno())


def renew(path: Path, cells: Collection[str]) -> dict[str, ResultRecord]:
    """Return the newest record of each cell, written anew where one of other code or another config has come after it.

    The newest record of a method is the one that is shown.
    """
    latest: dict[tuple[str, str, int, str], str] = {}
    found: dict[str, ResultRecord] = {}
    for record in load(path):
        latest[record.task, record.source, record.seed, record.method] = record.cell
        if record.cell in cells:
            found[record.cell] = record
    for cell, record in found.items():
        if latest[record.task, record.source, record.seed, record.method] != cell:
            append(path, record)
    return found


def load(path: Path) -> list[ResultRecord]:
    """Read every whole line of a file of results."""
    return load_lines(path, ResultRecord)


def load_lines(path: Path, kind: type[Line]) -> list[Line]:
    """Read every whole line; a last line without its newline is a write that a kill cut short, and is no record."""
    if not path.exists():
        return []
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    records = []
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            records.append(kind.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "line"
            raise RecordError(f"{path}:{number}: {field}: {first['msg']}") from error
    return records


def repair(path: Path) -> None:
    """Cut off a last line that was not finished, so that the next append starts on a fresh line."""
    if not path.exists():
        return
    content = path.read_bytes()
    whole, newline, torn = content.rpartition(b"\n")
    if torn:
        with path.open("r+b") as file:
            file.truncate(len(whole) + len(newline))
