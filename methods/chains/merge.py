"""Merging channels into one list: quotas, the order of turns or a calibrated score, and every source kept.

    interleave   channels take turns in the order given, each giving its next candidate that is not there yet
    snake        the same, but every second round goes backwards, so that the last is not always last
    score        all by calibrated score: the chance, learnt from earlier lists, that a place of a channel hits

A channel gives no more than its quota. A candidate that several channels give is taken once, at the turn of the first
that offers it or at the greatest score. `channels_QK` keeps all that gave it within their quotas, as bits, whoever's
turn it was. Shapes: Q requests, C channels, K places of the merged list, L places of a channel's, T turns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from methods.kernel import compiled
from simulator.schema import SchemaError

Order = Literal["interleave", "snake", "score"]
MAX_CHANNELS = 31  # bits of a mask


@dataclass(frozen=True, slots=True, eq=False)
class Channel:
    """One channel's lists, best first with -1 pads, and how many of each it may give.

    `chance_L`, needed for the order by score, is the calibrated chance that the candidate of a place hits.
    """

    name: str
    ids_QL: NDArray[np.int32]
    quota: int
    chance_L: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if self.ids_QL.dtype != np.int32 or self.ids_QL.ndim != 2:
            got = f"{self.ids_QL.dtype}{self.ids_QL.shape}"
            raise SchemaError(f"Channel({self.name}).ids_QL", "int32(Q, L)", got)
        if self.quota < 0:
            raise SchemaError(f"Channel({self.name}).quota", "at least 0", self.quota)
        if self.chance_L is not None and self.chance_L.shape != (self.ids_QL.shape[1],):
            raise SchemaError(f"Channel({self.name}).chance_L", f"({self.ids_QL.shape[1]},)", self.chance_L.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """The merged lists (Q, K) with -1 pads; bit c of `channels_QK` is set where channel c gave the candidate.

    `taken_from_QK` is the channel whose turn, or score, brought it; -1 on pads.
    """

    names: tuple[str, ...]
    ids_QK: NDArray[np.int32]
    channels_QK: NDArray[np.int32]
    taken_from_QK: NDArray[np.int32]


def merge(channels: Sequence[Channel], *, k: int, order: Order = "snake") -> Merged:
    """Merge the channels' lists into one of at most `k` candidates a request."""
    _check(channels, k, order)
    lists_QCL = stacked(channels)
    asked = np.ones(len(channels), np.bool_)
    if order == "score":
        turns_QT = by_chance(channels, lists_QCL)
    else:
        turns_QT = in_turn(lists_QCL, snake=order == "snake")
    ids_QK = np.full((len(lists_QCL), k), -1, np.int32)
    taken_QK = np.full(ids_QK.shape, -1, np.int32)
    take_turns(lists_QCL, turns_QT, asked, ids_QK, taken_QK)
    bits_QK = np.zeros(ids_QK.shape, np.int32)
    for c in range(len(channels)):
        bits_QK |= np.where(given_by(lists_QCL[:, c], ids_QK), np.int32(1 << c), np.int32(0))
    return Merged(tuple(channel.name for channel in channels), ids_QK, bits_QK, taken_QK)


def stacked(channels: Sequence[Channel]) -> NDArray[np.int32]:
    """Return the lists side by side (Q, C, L), cut to their quotas, padded with -1."""
    length = max(min(channel.quota, channel.ids_QL.shape[1]) for channel in channels)
    lists_QCL = np.full((len(channels[0].ids_QL), len(channels), length), -1, np.int32)
    for c, channel in enumerate(channels):
        cut_QL = channel.ids_QL[:, : channel.quota]
        lists_QCL[:, c, : cut_QL.shape[1]] = cut_QL
    return lists_QCL


def in_turn(lists_QCL: NDArray[np.int32], *, snake: bool) -> NDArray[np.int32]:
    """Return the one order (1, T) in which channels take turns: -1 - c where c offers its next new candidate."""
    n_channels, length = lists_QCL.shape[1:]
    rounds_LC = np.tile(np.arange(n_channels, dtype=np.int32), (length, 1))
    if snake:
        rounds_LC[1::2] = rounds_LC[1::2, ::-1]
    return (-1 - rounds_LC).reshape(1, -1)


def by_chance(channels: Sequence[Channel], lists_QCL: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the one order (1, T) of places c * L + l by falling chance; of equals the earlier channel's."""
    n_channels, length = lists_QCL.shape[1:]
    chance_CL = np.full((n_channels, length), -np.inf)
    for c, channel in enumerate(channels):
        assert channel.chance_L is not None  # checked at the door
        given = min(length, channel.quota, len(channel.chance_L))
        chance_CL[c, :given] = channel.chance_L[:given]
    return np.argsort(-chance_CL.ravel(), kind="stable").astype(np.int32)[None]


def given_by(list_QL: NDArray[np.int32], ids_QK: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return where the ids, pads aside, are in the same request's list."""
    base = int(max(list_QL.max(initial=0), ids_QK.max(initial=0))) + 2
    shift_Q1 = np.arange(len(ids_QK), dtype=np.int64)[:, None] * base
    return np.isin(shift_Q1 + ids_QK, shift_Q1 + list_QL) & (ids_QK >= 0)


def calibrated(
    lists_QL: NDArray[np.int32], start_Q1: NDArray[np.int64], relevant_R: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Learn the chance (L,) that a place hits, from earlier lists and what was then relevant to each request.

    Isotonic in the place: a later place never has a greater chance (Zadrozny and Elkan 2002,
    doi:10.1145/775047.775151). Request q found `relevant_R[start_Q1[q]:start_Q1[q + 1]]` relevant.
    """
    if len(start_Q1) != len(lists_QL) + 1:
        raise SchemaError("start_Q1", f"{len(lists_QL) + 1} offsets", len(start_Q1))
    hit_QL = np.zeros(lists_QL.shape, np.bool_)
    for q, list_L in enumerate(lists_QL):
        hit_QL[q] = np.isin(list_L, relevant_R[start_Q1[q] : start_Q1[q + 1]]) & (list_L >= 0)
    n_L = (lists_QL >= 0).sum(axis=0)
    rate_L = hit_QL.sum(axis=0) / np.maximum(n_L, 1)
    place_L = np.arange(len(n_L))
    fitted = IsotonicRegression(increasing=False).fit(place_L, rate_L, sample_weight=np.maximum(n_L, 1e-9))
    return np.asarray(fitted.predict(place_L), np.float32)


def quotas(shares: Mapping[str, float], k: int) -> dict[str, int]:
    """Split `k` places by shares, by largest remainders, so that they add up to `k`."""
    total = sum(shares.values())
    if not shares or min(shares.values()) < 0 or not total > 0:
        raise SchemaError("shares", "shares of at least 0 that do not all vanish", dict(shares))
    exact = {name: k * share / total for name, share in shares.items()}
    whole = {name: int(places) for name, places in exact.items()}
    by_rest = sorted(exact, key=lambda name: whole[name] - exact[name])
    for name in by_rest[: k - sum(whole.values())]:
        whole[name] += 1
    return whole


@compiled
def take_turns(
    lists_QCL: NDArray[np.int32],
    turns_QT: NDArray[np.int32],
    is_asked_C: NDArray[np.bool_],
    ids_QK: NDArray[np.int32],
    taken_QK: NDArray[np.int32],
) -> None:
    """Fill the merged lists. A turn is a place c * L + l, or -1 - c for channel c's next new candidate.

    One row of turns serves all requests. Candidates there already are found by walking a small hash table.
    """
    n_queries, n_channels, length = lists_QCL.shape
    k = ids_QK.shape[1]
    size = 4
    while size < 2 * k + 2:
        size *= 2
    table = np.empty(size, np.int32)
    next_C = np.empty(n_channels, np.int64)
    for q in range(n_queries):
        table[:], next_C[:] = -1, 0
        n = 0
        for turn in turns_QT[q if turns_QT.shape[0] > 1 else 0]:
            if n == k:
                break
            c = -1 - turn if turn < 0 else turn // length
            if not is_asked_C[c]:
                continue
            at = next_C[c] if turn < 0 else turn % length
            end = length if turn < 0 else at + 1
            while at < end and lists_QCL[q, c, at] >= 0:
                wanted = lists_QCL[q, c, at]
                at += 1
                slot = (wanted * 40503) & (size - 1)
                while table[slot] >= 0 and table[slot] != wanted:
                    slot = (slot + 1) & (size - 1)
                if table[slot] < 0:
                    table[slot] = wanted
                    ids_QK[q, n], taken_QK[q, n] = wanted, c
                    n += 1
                    break
            next_C[c] = at


def _check(channels: Sequence[Channel], k: int, order: str) -> None:
    if not 1 <= len(channels) <= MAX_CHANNELS:
        raise SchemaError("channels", f"1 to {MAX_CHANNELS}", len(channels))
    if len({channel.name for channel in channels}) < len(channels):
        raise SchemaError("channels", "distinct names", [channel.name for channel in channels])
    if len({len(channel.ids_QL) for channel in channels}) > 1:
        raise SchemaError("channels", "as many requests each", [len(channel.ids_QL) for channel in channels])
    if k < 1:
        raise SchemaError("k", "at least 1", k)
    if order not in ("interleave", "snake", "score"):
        raise SchemaError("order", "one of interleave, snake, score", repr(order))
    if order == "score" and any(channel.chance_L is None for channel in channels):
        raise SchemaError("channels", "a calibrated chance_L each, to be ordered by score", "one without")
