"""Whose work a hit is, when several channels give the same candidate.

exclusive    hits that one channel alone gave
any-touch    hits that it gave, whoever else did
fractional   each hit split evenly among the channels that gave it
Shapley      the mean, over all orders in which channels may join, of the recall that one adds when it joins

Without a limit on the merged list the last two agree. With one, they do not: the list is fixed, so that a new channel
takes places from the others; the Shapley value is then that of replaying the merge for every set of channels, exactly,
for up to 12. It adds up to the recall of all (Shapley 1953). Shapes: Q requests, C channels, K places, S sets of
channels (bit c says whether channel c is in), R relevant.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from methods.chains.merge import Channel, Merged, Order, by_chance, given_by, in_turn, stacked, take_turns
from simulator.schema import SchemaError

MOST_CHANNELS = 12  # 4,096 merges


@dataclass(frozen=True, slots=True, eq=False)
class Relevant:
    """What is relevant to each request: `ids_R[start_Q1[q]:start_Q1[q + 1]]`."""

    start_Q1: NDArray[np.int64]
    ids_R: NDArray[np.int32]

    def __post_init__(self) -> None:
        if len(self.start_Q1) == 0 or self.start_Q1[0] != 0 or self.start_Q1[-1] != len(self.ids_R):
            raise SchemaError("Relevant.start_Q1", f"offsets from 0 to {len(self.ids_R)}", self.start_Q1[[0, -1]])

    def hits(self, ids_QK: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Return where a list (Q, K) has something relevant."""
        if len(ids_QK) != len(self.start_Q1) - 1:
            raise SchemaError("lists", f"{len(self.start_Q1) - 1} requests", len(ids_QK))
        n_Q = np.diff(self.start_Q1)
        row_R = np.repeat(np.arange(len(n_Q)), n_Q)
        base = int(max(self.ids_R.max(initial=0), ids_QK.max(initial=0))) + 1
        pairs_QK = np.arange(len(n_Q), dtype=np.int64)[:, None] * base + ids_QK
        return np.isin(pairs_QK, row_R * base + self.ids_R) & (ids_QK >= 0)

    def recall(self, ids_QK: NDArray[np.int32]) -> float:
        """Return the mean, over requests with anything relevant, of the share of it in their lists."""
        n_Q = np.diff(self.start_Q1)
        asked_Q = n_Q > 0
        if not asked_Q.any():
            return math.nan
        return float((self.hits(ids_QK).sum(axis=1)[asked_Q] / n_Q[asked_Q]).mean())


@dataclass(frozen=True, slots=True)
class Share:
    """One channel's part, of all hits of the merged lists or, for Shapley, in recall."""

    name: str
    exclusive: float
    any_touch: float
    fractional: float
    shapley: float


def report(channels: Sequence[Channel], merged: Merged, relevant: Relevant, *, order: Order) -> list[Share]:
    """Return every channel's part in the hits of `merged`; `order` is the one it was merged by."""
    bits_H = merged.channels_QK[relevant.hits(merged.ids_QK)]
    touched_HC = (bits_H[:, None] >> np.arange(len(channels))) & 1
    n_channels_H1 = touched_HC.sum(axis=1, keepdims=True)
    n_hits = max(1, len(bits_H))
    worth_C = shapley(values_of_sets(channels, relevant, k=merged.ids_QK.shape[1], order=order))
    return [
        Share(
            channel.name,
            float((touched_HC[:, c] & (n_channels_H1[:, 0] == 1)).sum() / n_hits),
            float(touched_HC[:, c].sum() / n_hits),
            float((touched_HC[:, c] / n_channels_H1[:, 0]).sum() / n_hits),
            float(worth_C[c]),
        )
        for c, channel in enumerate(channels)
    ]


def values_of_sets(channels: Sequence[Channel], relevant: Relevant, *, k: int, order: Order) -> NDArray[np.float64]:
    """Return the recall (S,) of what each set of channels merges into, the merge replayed for each."""
    if not 1 <= len(channels) <= MOST_CHANNELS:
        raise SchemaError("channels", f"1 to {MOST_CHANNELS} for exact Shapley values", len(channels))
    lists_QCL = stacked(channels)
    hits_QCL = np.stack([relevant.hits(lists_QCL[:, c]) for c in range(len(channels))], axis=1)
    busy_Q = hits_QCL.sum(axis=(1, 2)) > 0  # the others add nothing whatever the set
    n_Q = np.diff(relevant.start_Q1)
    asked = int((n_Q > 0).sum())
    lists_QCL, n_hits_Q = lists_QCL[busy_Q], n_Q[busy_Q]
    turns_QT = by_chance(channels, lists_QCL) if order == "score" else in_turn(lists_QCL, snake=order == "snake")
    part = _rows(relevant, busy_Q)
    values_S = np.zeros(1 << len(channels))
    for subset in range(1, len(values_S)):
        is_asked_C = (subset >> np.arange(len(channels)) & 1).astype(np.bool_)
        ids_QK = np.full((len(lists_QCL), k), -1, np.int32)
        # Turns of those who are not asked are left out, as if the channel had never been.
        take_turns(lists_QCL, turns_QT, is_asked_C, ids_QK, np.empty_like(ids_QK))
        values_S[subset] = (part.hits(ids_QK).sum(axis=1) / n_hits_Q).sum() / max(1, asked)
    return values_S


def shapley(values_S: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each player's Shapley value (C,) in a game of which the value of every set is given."""
    n_players = len(values_S).bit_length() - 1
    if len(values_S) != 1 << n_players or n_players < 1:
        raise SchemaError("values_S", "2 ** C values, C at least 1", len(values_S))
    sets_S = np.arange(len(values_S))
    size_S = sum((sets_S >> c) & 1 for c in range(n_players))
    weight_N = [1.0 / (n_players * math.comb(n_players - 1, size)) for size in range(n_players)]
    worth_C = np.empty(n_players)
    for c in range(n_players):
        without = sets_S[(sets_S >> c) & 1 == 0]
        gain = values_S[without | (1 << c)] - values_S[without]
        worth_C[c] = (np.array(weight_N)[np.asarray(size_S)[without]] * gain).sum()
    return worth_C


def overlap(channels: Sequence[Channel]) -> NDArray[np.float64]:
    """Return (C, C): the share of row channel's candidates, within quotas, that column channel gives to the same."""
    lists_QCL = stacked(channels)
    n = len(channels)
    shared_CC = np.full((n, n), math.nan)
    for c in range(n):
        n_given = int((lists_QCL[:, c] >= 0).sum())
        for other in range(n if n_given else 0):
            shared_CC[c, other] = given_by(lists_QCL[:, other], lists_QCL[:, c]).sum() / n_given
    return shared_CC


def _rows(relevant: Relevant, kept_Q: NDArray[np.bool_]) -> Relevant:
    n_Q = np.diff(relevant.start_Q1)
    start_Q1 = np.concatenate([[0], np.cumsum(n_Q[kept_Q])]).astype(np.int64)
    return Relevant(start_Q1, relevant.ids_R[np.repeat(kept_Q, n_Q)])
