"""What a method's process says of one task: a line of JSON, then lists and descriptions as plain numbers.

It may be forged, so nothing in it is opened, imported or unpickled, and only what the form has a place for is read:
there is none for a score. Shapes: Q requests, K list length, T targets, D numbers of each.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from bench.record import Measured
from bench.watching import Spent

_LIST_TYPE = np.dtype("<i4")
_DESCRIPTION_TYPES = {"vectors": np.dtype("<f4"), "codes": np.dtype("<i4")}
# A share of what the kernel says was spent, and seconds on top: the kernel counts in ticks, and looks come in between.
_ACCOUNTED, _SLACK_SECONDS = 0.5, 4.0


class Answer(BaseModel):
    """The head of an answer. `shape` is that of each list, `described` (T, D); `cpu_seconds` all that it took.

    `confined` says whether the process could still reach files beyond code and system.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    task: str
    status: Literal["ok", "failed", "oom"]
    error: str | None = Field(default=None, max_length=4_000)
    measured: Measured | None = None
    cpu_seconds: float = 0.0
    confined: bool = False
    shape: tuple[int, int] = (0, 0)
    described: tuple[int, int] = (0, 0)
    described_as: Literal["nothing", "vectors", "codes"] = "nothing"


Lists = NDArray[np.int32] | None
Description = NDArray[np.float32] | NDArray[np.int32] | None


class Said(NamedTuple):
    """An answer, its lists, and what the method holds of each target where it says so."""

    answer: Answer
    ids_QK: Lists = None
    cold_only_ids_QK: Lists = None
    described_TD: Description = None


def pack(said: Said) -> bytes:
    """Return what is said as bytes; the head takes the shape of the description."""
    answer, described_TD, columns = said.answer, said.described_TD, (said.ids_QK, said.cold_only_ids_QK)
    parts = [np.ascontiguousarray(ids_QK, _LIST_TYPE).tobytes() for ids_QK in columns if ids_QK is not None]
    if described_TD is not None:
        kind = "codes" if np.issubdtype(described_TD.dtype, np.integer) else "vectors"
        answer = answer.model_copy(update={"described": described_TD.shape, "described_as": kind})
        parts.append(np.ascontiguousarray(described_TD, _DESCRIPTION_TYPES[kind]).tobytes())
    return b"\n".join((answer.model_dump_json().encode(), b"".join(parts)))


def unpack(content: bytes) -> Said:
    """Read an answer, its lists and its description; raise ValueError where it is none."""
    head, _, rest = content.partition(b"\n")
    answer = Answer.model_validate_json(head)
    if min(answer.shape) < 0 or min(answer.described) < 0:
        raise ValueError(f"lists: expected shapes from 0, got {answer.shape} and {answer.described}")
    described_TD: Description = None
    n_described = 0
    if answer.described_as != "nothing":
        kind, n_described = _DESCRIPTION_TYPES[answer.described_as], answer.described[0] * answer.described[1]
        numbers = np.frombuffer(rest[max(0, len(rest) - n_described * kind.itemsize) :], kind)
        if len(numbers) != n_described:
            raise ValueError(f"description: expected shape {answer.described}, got {len(numbers)} numbers")
        is_vectors, numbers = answer.described_as == "vectors", numbers.reshape(answer.described)
        described_TD = numbers.astype(np.float32) if is_vectors else numbers.astype(np.int32)
    n_values = answer.shape[0] * answer.shape[1]
    lists = np.frombuffer(rest[: len(rest) - n_described * _LIST_TYPE.itemsize], _LIST_TYPE).astype(np.int32)
    if len(lists) not in (n_values, 2 * n_values):
        raise ValueError(f"lists: expected one or two of shape {answer.shape}, got {len(lists)} ids")
    one, two = lists[:n_values].reshape(answer.shape), lists[n_values:]
    return Said(answer, one, two.reshape(answer.shape) if len(two) else None, described_TD)


def unaccounted(answer: Answer, spent: Spent) -> str | None:
    """Say where the clock of an answer misses CPU time that the process is known to have spent.

    Wall time is not held to this: on a busy machine a process waits where no stopwatch runs.
    """
    told, known = answer.cpu_seconds, spent.cpu
    if told < _ACCOUNTED * known - _SLACK_SECONDS:
        return f"clock: expected about {known:.1f} s of CPU time, as seen from outside, got {told:.1f} s"
    return None
