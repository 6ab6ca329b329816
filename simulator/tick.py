"""The hour as its sessions see it, and the impressions they leave: plain tuples of arrays for the kernels.

Shapes: U users, I rings, M members of a ring, E impressions in order of session and slot.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.response import Cards, Model
from simulator.shelf import Shelf
from simulator.spec import Living, Logging, Rings
from simulator.state import State


class Rules(NamedTuple):
    """The constants of serving."""

    page_size: int
    max_slots: int
    whole_pages: bool
    tries: int
    fresh_slots: int
    explore_share: float
    random_share: float
    boredom: float
    length_log_sd: float
    opened: int  # notes of ring mates


class Habits(NamedTuple):
    """How users read, and which ring they and their mates are in."""

    examine_U: NDArray[np.float32]
    patience_U: NDArray[np.float32]
    ring_U: NDArray[np.int32]
    author_U: NDArray[np.int32]
    member_IM: NDArray[np.int32]


class Luck(NamedTuple):
    """The keys of the streams, mixed with the tick (the day for rank and respond)."""

    serve: np.uint64
    rank: np.uint64
    read: np.uint64
    respond: np.uint64


class Tick(NamedTuple):
    """All that sessions read during one tick; none of it changes before the tick is over."""

    rules: Rules
    habits: Habits
    shelf: Shelf
    state: State
    model: Model
    cards: Cards
    luck: Luck


class Impressions(NamedTuple):
    """What was shown and answered, one row an impression: `slot_E` counts in the session, `position_E` in a page."""

    session_E: NDArray[np.int32]
    note_E: NDArray[np.int32]
    slot_E: NDArray[np.int16]
    position_E: NDArray[np.int16]
    channel_E: NDArray[np.int8]
    propensity_E: NDArray[np.float32]
    responses_E: NDArray[np.uint8]
    dwell_E: NDArray[np.float32]

    def head(self, n: int) -> Impressions:
        """Return a copy of the first `n` rows."""
        return of_columns([column[:n].copy() for column in self])


def of_columns(columns: Iterable[NDArray[Any]]) -> Impressions:
    """Return columns, in their order, as impressions."""
    return Impressions(*columns)


def serving_rules(logging: Logging, living: Living, rings: Rings) -> Rules:
    """Gather the constants of serving."""
    return Rules(
        logging.page_size,
        logging.max_slots,
        logging.whole_pages,
        logging.tries,
        logging.fresh_slots,
        logging.explore_share,
        logging.random_share,
        living.boredom,
        living.length_log_sd_session,
        rings.opened,
    )


def blank(n: int) -> Impressions:
    """Allocate room for `n` impressions."""
    return Impressions(
        np.empty(n, np.int32),
        np.empty(n, np.int32),
        np.empty(n, np.int16),
        np.empty(n, np.int16),
        np.empty(n, np.int8),
        np.empty(n, np.float32),
        np.empty(n, np.uint8),
        np.empty(n, np.float32),
    )


def joined(parts: list[Impressions]) -> Impressions:
    """Return the impressions of successive sessions as one."""
    if len(parts) == 1:
        return parts[0]
    return of_columns([np.concatenate(columns) for columns in zip(*parts, strict=True)])
