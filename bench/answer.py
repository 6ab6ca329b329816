"""What a method's process says of one task: a line of JSON, then the lists as plain numbers.

It may be forged, so nothing in it is opened, imported or unpickled, and only what the form has a place for is read:
there is none for a score. Shapes: Q requests, K list length.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from bench.record import Measured
from bench.watching import Spent

_LIST_TYPE = np.dtype("<i4")
# A share of what the kernel says was spent, and seconds on top: the kernel counts in ticks, and looks come in between.
_ACCOUNTED, _SLACK_SECONDS = 0.5, 4.0


class Answer(BaseModel):
    """The head of an answer. `shape` is that of each list; `cpu_seconds` all that it took.

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


Lists = NDArray[np.int32] | None


def pack(answer: Answer, ids_QK: Lists, cold_only_ids_QK: Lists) -> bytes:
    """Return the answer as bytes."""
    lists = [np.ascontiguousarray(ids, _LIST_TYPE).tobytes() for ids in (ids_QK, cold_only_ids_QK) if ids is not None]
    return b"\n".join((answer.model_dump_json().encode(), b"".join(lists)))


def unpack(content: bytes) -> tuple[Answer, Lists, Lists]:
    """Read an answer and its lists; raise ValueError where it is none."""
    head, _, rest = content.partition(b"\n")
    answer = Answer.model_validate_json(head)
    n_values = answer.shape[0] * answer.shape[1]
    lists = np.frombuffer(rest, _LIST_TYPE).astype(np.int32)
    if min(answer.shape) < 0 or len(lists) not in (n_values, 2 * n_values):
        raise ValueError(f"lists: expected one or two of shape {answer.shape}, got {len(lists)} ids")
    one, two = lists[:n_values].reshape(answer.shape), lists[n_values:]
    return answer, one, two.reshape(answer.shape) if len(two) else None


def unaccounted(answer: Answer, spent: Spent) -> str | None:
    """Say where the clock of an answer misses CPU time that the process is known to have spent.

    Wall time is not held to this: on a busy machine a process waits where no stopwatch runs.
    """
    told, known = answer.cpu_seconds, spent.cpu
    if told < _ACCOUNTED * known - _SLACK_SECONDS:
        return f"clock: expected about {known:.1f} s of CPU time, as seen from outside, got {told:.1f} s"
    return None
