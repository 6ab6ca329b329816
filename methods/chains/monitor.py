"""The numbers by which a channel is watched from day to day. Shapes: Q requests, K places, C channels, T targets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from methods.chains.merge import Channel, Merged
from simulator.schema import SchemaError


@dataclass(frozen=True, slots=True)
class Reading:
    """One channel over a set of requests; shares are NaN where there is nothing to share.

    `fill_rate`: candidates given of those that the quota allows. `empty_rate`: requests without any, such as users
    without seeds. `quota_use`: the part of its quota that entered the merged lists by its turn. `kept_rate`: given
    candidates that entered them, by anyone's turn. `n_targets`, `n_authors`: distinct ones given. `cold_share`: given
    candidates that are cold. `top_author_share`: that of the author given most often.
    """

    name: str
    fill_rate: float
    empty_rate: float
    quota_use: float
    kept_rate: float
    n_targets: int
    n_authors: int
    cold_share: float
    top_author_share: float


def readings(
    channels: Sequence[Channel],
    merged: Merged,
    *,
    author_T: NDArray[np.int32],
    is_cold_T: NDArray[np.bool_],
) -> list[Reading]:
    """Read all channels; `author_T` is a target's author (-1 unknown), `is_cold_T` whether it counts as cold."""
    if len(author_T) != len(is_cold_T):
        raise SchemaError("is_cold_T", f"({len(author_T)},) flags", is_cold_T.shape)
    if tuple(channel.name for channel in channels) != merged.names:
        raise SchemaError("merged", f"that of {[channel.name for channel in channels]}", list(merged.names))
    return [_reading(c, channel, merged, author_T, is_cold_T) for c, channel in enumerate(channels)]


def _reading(
    c: int, channel: Channel, merged: Merged, author_T: NDArray[np.int32], is_cold_T: NDArray[np.bool_]
) -> Reading:
    given_QL = channel.ids_QL[:, : channel.quota]
    is_there_QL = given_QL >= 0
    given, places = given_QL[is_there_QL], len(given_QL) * channel.quota
    if len(given) and int(given.max()) >= len(author_T):
        raise SchemaError("author_T", f"more than {int(given.max())} targets", len(author_T))
    authors = author_T[given]
    known = authors[authors >= 0]
    return Reading(
        channel.name,
        _share(len(given), places),
        _share(int((~is_there_QL.any(axis=1)).sum()), len(given_QL)),
        _share(int((merged.taken_from_QK == c).sum()), places),
        _share(int(((merged.channels_QK >> c) & 1).sum()), len(given)),
        len(np.unique(given)),
        len(np.unique(known)),
        _share(int(is_cold_T[given].sum()), len(given)),
        _share(int(np.bincount(known).max()) if len(known) else 0, len(known)),
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
