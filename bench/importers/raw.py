"""What a layout's reader hands over: events, notes and users under the ids of the source.

Shapes: E events, U users, N notes. Ids are texts; an empty text, or UNKNOWN_TIME, is what the source does not say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

UNKNOWN_TIME = int(np.iinfo(np.int64).max)


@dataclass(frozen=True, slots=True, eq=False)
class RawEvents:
    """Interactions in any order. Times are seconds; equal times go by `tie_E`, then by row.

    `responses` holds what the source records; what it does not record is False.
    """

    user_E: pa.LargeStringArray
    note_E: pa.LargeStringArray
    time_E: NDArray[np.int64]
    tie_E: NDArray[np.int64]
    responses: Mapping[str, NDArray[np.bool_]]
    dwell_seconds_E: NDArray[np.float32]
    channel_E: NDArray[np.int8]
    channels: tuple[str, ...] = ("recorded",)

    def __len__(self) -> int:
        return len(self.time_E)


def clicks(user_E: pa.LargeStringArray, note_E: pa.LargeStringArray, time_E: NDArray[np.int64]) -> RawEvents:
    """Return one clicked row an interaction, ties by row: all that most recorded data knows."""
    n = len(time_E)
    responses = {"click": np.ones(n, bool)}
    return RawEvents(
        user_E, note_E, time_E, np.zeros(n, np.int64), responses, np.zeros(n, np.float32), np.zeros(n, np.int8)
    )


def joined(parts: Sequence[RawEvents]) -> RawEvents:
    """Return the rows of all parts, which record the same responses and channels."""
    first = parts[0]
    return RawEvents(
        pa.concat_arrays([part.user_E for part in parts]),
        pa.concat_arrays([part.note_E for part in parts]),
        np.concatenate([part.time_E for part in parts]),
        np.concatenate([part.tie_E for part in parts]),
        {name: np.concatenate([part.responses[name] for part in parts]) for name in first.responses},
        np.concatenate([part.dwell_seconds_E for part in parts]),
        np.concatenate([part.channel_E for part in parts]),
        first.channels,
    )


@dataclass(frozen=True, slots=True, eq=False)
class RawNotes:
    """Notes as the source lists them; those that only occur in events are added later.

    `profile_N` describes the note's author; of an author's notes the first counts.
    """

    id_N: pa.LargeStringArray
    born_time_N: NDArray[np.int64]
    author_N: pa.LargeStringArray
    profile_N: pa.LargeStringArray
    title_N: pa.LargeStringArray
    body_N: pa.LargeStringArray
    category_N: pa.LargeStringArray
    is_video: bool = False


def bare_notes(id_N: pa.LargeStringArray, born_time: int) -> RawNotes:
    """Return notes of which only the ids are known, all born at one time."""
    empty_N = unknown_texts(len(id_N))
    return RawNotes(id_N, np.full(len(id_N), born_time), empty_N, empty_N, empty_N, empty_N, empty_N)


def unknown_texts(n: int) -> pa.LargeStringArray:
    """Return `n` empty texts."""
    return pa.array([""] * n, pa.large_string())


@dataclass(frozen=True, slots=True, eq=False)
class RawUsers:
    """Users as the source lists them; those that only occur in events are added later."""

    id_U: pa.LargeStringArray
    joined_time_U: NDArray[np.int64]

    @classmethod
    def at(cls, id_U: pa.LargeStringArray, joined_time: int) -> RawUsers:
        """Return users who all joined at one time."""
        return cls(id_U, np.full(len(id_U), joined_time))
