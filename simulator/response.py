"""How a user answers a note: the one response model, shared by the platform's hot loop and the oracle.

Shapes: T topics, D latent size of taste, S style size, N notes.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from simulator.notes import NoteTruth
from simulator.population import Population
from simulator.schema import DAY_SECONDS
from simulator.spec import Responding, WorldSpec

CLICK, LIKE, COLLECT, COMMENT, SHARE, FOLLOW = 1, 2, 4, 8, 16, 32


class Model(NamedTuple):
    """Everything about users and weights that the response kernels read."""

    taste_UD: NDArray[np.float32]
    style_US: NDArray[np.float32]
    video_taste_U: NDArray[np.float32]
    topic_DT: NDArray[np.float32]
    topic_mean: float
    second_share: float
    click_bias: float
    click_slope: float
    video_slope: float
    engage_slope: float
    engage_bias_R: NDArray[np.float64]  # like, collect, comment, share, follow
    dwell_log_mean: float
    dwell_log_sd: float


class NoteView(NamedTuple):
    """The notes as the response kernels read them, at one moment."""

    topic_N: NDArray[np.int16]
    second_N: NDArray[np.int16]
    style_NS: NDArray[np.float32]
    is_video_N: NDArray[np.bool_]
    appeal_N: NDArray[np.float32]


def response_model(spec: WorldSpec, population: Population) -> Model:
    """Gather the arrays of the response model."""
    r, people = spec.responding, population.people
    return Model(
        people.taste_UD,
        people.style_US,
        people.video_taste_U,
        population.topic_DT,
        population.topic_mean,
        spec.affinity.second_topic_share,
        r.click_bias,
        r.click_slope,
        r.video_slope,
        r.engage_slope,
        np.array([r.like_bias, r.collect_bias, r.comment_bias, r.share_bias, r.follow_bias]),
        r.dwell_log_mean,
        r.dwell_log_sd,
    )


def appeal(spec: Responding, quality_N: NDArray[np.float32], age_seconds_N: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the part of the click logit that is the note's own: quality, less power-law ageing."""
    days_N = np.maximum(age_seconds_N, 0) / DAY_SECONDS
    return (spec.quality_slope * quality_N - spec.ageing * np.log1p(days_N)).astype(np.float32)


def note_view(notes: NoteTruth, appeal_N: NDArray[np.float32]) -> NoteView:
    """Gather the arrays of the notes."""
    return NoteView(notes.topic_N, notes.second_N, notes.style_NS, notes.is_video_N, appeal_N)


@numba.njit(cache=True)
def topic_affinities(model: Model, user: int, out_T: NDArray[np.float32]) -> None:
    """Write the user's affinity for every topic (the loop order lets it vectorise without reordering sums)."""
    out_T[:] = np.float32(model.topic_mean)
    for d in range(model.topic_DT.shape[0]):
        weight = model.taste_UD[user, d]
        for t in range(len(out_T)):
            out_T[t] += weight * model.topic_DT[d, t]


@numba.njit(cache=True, inline="always")
def affinity(model: Model, notes: NoteView, row_T: NDArray[np.float32], user: int, note: int) -> float:
    """Return the affinity of a user for a note: standard normal over random pairs."""
    total = row_T[notes.topic_N[note]]
    if notes.second_N[note] != notes.topic_N[note]:
        total += model.second_share * (row_T[notes.second_N[note]] - total)
    for s in range(model.style_US.shape[1]):
        total += model.style_US[user, s] * notes.style_NS[note, s]
    return float(total)


@numba.njit(cache=True, inline="always")
def click_logit(model: Model, notes: NoteView, liking: float, user: int, note: int) -> float:
    """Return the logit of a click on an examined note."""
    video = model.video_slope * model.video_taste_U[user] if notes.is_video_N[note] else 0.0
    return float(model.click_bias + model.click_slope * liking + notes.appeal_N[note] + video)


@numba.njit(cache=True, inline="always")
def sigmoid(x: float) -> float:
    """Return 1 / (1 + exp(-x))."""
    return float(1.0 / (1.0 + np.exp(-x)))


@numba.njit(cache=True)
def engage_probability(model: Model, liking: float) -> float:
    """Return the chance of any of like, collect, comment, share, follow, given a click."""
    none = 1.0
    for bias in model.engage_bias_R:
        none *= 1.0 - sigmoid(bias + model.engage_slope * liking)
    return 1.0 - none
