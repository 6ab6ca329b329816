"""What the environment shows: public memory of the platform at the start of an hour, in arrays of fixed capacity.

Nothing of it is truth: joining days, clicks, counts and labels are what any platform has in its own tables. Shapes: B
requests (Q of them used), K slots, R responses, H clicks, M newest notes, N notes, E impressions of the slates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.gym_env.booked import BookedWorld
from simulator.gym_env.settings import Reward, Settings
from simulator.schema import DAY_SECONDS, RESPONSES, EventLog
from simulator.shelf import HOUR_SECONDS

Shown = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Feedback:
    """The slates of an hour and what came of them; -1 users and notes, and zeros, where nothing was asked."""

    user_B: NDArray[np.int32]
    slate_BK: NDArray[np.int32]
    shown_BK: NDArray[np.int8]
    responses_BKR: NDArray[np.int8]
    dwell_BK: NDArray[np.float32]

    def reward(self, weights: Reward) -> float:
        """Return the weighted sum of responses and dwell over all slates, divided by the batch."""
        n_R = self.responses_BKR.sum(axis=(0, 1), dtype=np.int64)
        minutes = float(self.dwell_BK.sum(dtype=np.float64)) / 60.0
        return float(n_R @ weights.weights() + weights.dwell_minute * minutes) / len(self.user_B)


def no_feedback(n_requests: int, n_slots: int) -> Feedback:
    """Return the feedback of an hour in which nobody was served."""
    shape = (n_requests, n_slots)
    return Feedback(
        np.full(n_requests, -1, np.int32),
        np.full(shape, -1, np.int32),
        np.zeros(shape, np.int8),
        np.zeros((*shape, len(RESPONSES)), np.int8),
        np.zeros(shape, np.float32),
    )


def feedback(action_BK: NDArray[np.int32], user_Q: NDArray[np.int32], own: EventLog | None) -> Feedback:
    """Lay the impressions of one's slates back into their slots: a session shows its slots in order of time."""
    got = no_feedback(*action_BK.shape)
    if own is None:
        return got
    got.user_B[: len(user_Q)], got.slate_BK[: len(user_Q)] = user_Q, action_BK[: len(user_Q)]
    order_Q = np.argsort(user_Q)
    row_E = order_Q[np.searchsorted(user_Q, own.user_E, sorter=order_Q)]
    order_E = np.argsort(row_E, kind="stable")
    row_E = row_E[order_E]
    slot_E = np.arange(len(row_E)) - np.searchsorted(row_E, row_E)
    got.shown_BK[row_E, slot_E] = 1
    got.dwell_BK[row_E, slot_E] = own.dwell_seconds_E[order_E]
    for r, name in enumerate(RESPONSES):
        got.responses_BKR[row_E, slot_E, r] = own.response(name)[order_E]
    return got


def observation(booked: BookedWorld, last: Feedback, settings: Settings, n_notes: int) -> Shown:
    """Return an observation of the hour that begins; `n_notes` is the capacity. All of it is new, or `last`'s own."""
    user_Q = booked.visitors()[: settings.batch]
    n_servable, hours = min(booked.n_born, n_notes), booked.world.now // HOUR_SECONDS
    note_mask_N = np.zeros(n_notes, np.int8)
    note_mask_N[:n_servable] = 1
    return {
        "now": np.array([hours % 24, hours // 24], np.int32),
        **_requests(booked, user_Q, settings, n_servable),
        "n_notes": np.array([n_servable], np.int32),
        "note_mask": note_mask_N,
        **_newest(booked, n_servable, settings.newest),
        "last_user": last.user_B,
        "last_slate": last.slate_BK,
        "last_shown": last.shown_BK,
        "last_responses": last.responses_BKR,
        "last_dwell_seconds": last.dwell_BK,
    }


def _requests(booked: BookedWorld, user_Q: NDArray[np.int32], settings: Settings, n_servable: int) -> Shown:
    joined_time_Q = booked.catalog.users.joined_time_U[user_Q]
    tenure_Q = ((booked.world.now - joined_time_Q) / DAY_SECONDS).astype(np.float32)
    click_QH = known_first(booked.world.recent_clicks(user_Q, settings.history), n_servable)
    n = settings.batch
    return {
        "request_mask": _padded(np.ones(len(user_Q), np.int8), n, 0),
        "request_user": _padded(user_Q, n, -1),
        "request_history": _padded(click_QH, n, -1),
        "request_tenure_days": _padded(tenure_Q, n, 0),
        "request_visits": _padded(booked.visits_U[user_Q], n, 0),
    }


def _newest(booked: BookedWorld, n_servable: int, n: int) -> Shown:
    """Return the table of the newest notes that can be served, newest first."""
    notes, rows = booked.catalog.notes, slice(max(0, n_servable - n), n_servable)
    age_M = ((booked.world.now - notes.born_time_N[rows]) / HOUR_SECONDS).astype(np.float32)
    impressions_M, clicks_M = booked.world.note_counts(rows.start, rows.stop)
    return {
        "new_id": _padded(np.arange(rows.start, rows.stop, dtype=np.int32)[::-1], n, -1),
        "new_author": _padded(notes.author_N[rows][::-1], n, -1),
        "new_category": _padded(notes.category_N[rows][::-1].astype(np.int32), n, -1),
        "new_is_video": _padded(notes.is_video_N[rows][::-1].astype(np.int8), n, 0),
        "new_age_hours": _padded(age_M[::-1], n, 0),
        "new_impressions": _padded(impressions_M[::-1], n, 0),
        "new_clicks": _padded(clicks_M[::-1], n, 0),
    }


def known_first(click_QH: NDArray[np.int32], n_notes: int) -> NDArray[np.int32]:
    """Drop the notes that cannot be served, closing the gaps and keeping the order."""
    is_known_QH = click_QH < n_notes
    if is_known_QH.all():
        return click_QH
    order_QH = np.argsort(~is_known_QH, axis=1, kind="stable")
    return np.take_along_axis(np.where(is_known_QH, click_QH, np.int32(-1)), order_QH, axis=1)


def _padded(rows: NDArray[Any], n: int, pad: int) -> NDArray[Any]:
    """Copy rows into the first of `n`, the others filled with `pad`."""
    out = np.full((n, *rows.shape[1:]), pad, rows.dtype)
    out[: len(rows)] = rows
    return out
