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


class Weights(NamedTuple):
    """The numbers of the response model."""

    second_share: float
    click_bias: float
    click_slope: float
    video_slope: float
    engage_slope: float
    dwell_log_mean: float
    dwell_log_sd: float


class Model(NamedTuple):
    """Everything about users and weights that the response kernels read."""

    weights: Weights
    taste_UD: NDArray[np.float32]
    style_US: NDArray[np.float32]
    video_taste_U: NDArray[np.float32]
    topic_DT: NDArray[np.float32]
    topic_mean: float
    engage_odds_R: NDArray[np.float64]  # like, collect, comment, share, follow, given a click at affinity 0


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
    weights = Weights(
        spec.affinity.second_topic_share,
        r.click_bias,
        r.click_slope,
        r.video_slope,
        r.engage_slope,
        r.dwell_log_mean,
        r.dwell_log_sd,
    )
    return Model(
        weights,
        people.taste_UD,
        people.style_US,
        people.video_taste_U,
        population.topic_DT,
        population.topic_mean,
        np.exp([r.like_bias, r.collect_bias, r.comment_bias, r.share_bias, r.follow_bias]),
    )


def appeal(spec: Responding, quality_N: NDArray[np.float32], age_seconds_N: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the part of the click logit that is the note's own: quality, less power-law ageing."""
    days_N = np.maximum(age_seconds_N, 0) / DAY_SECONDS
    return (spec.quality_slope * quality_N - spec.ageing * np.log1p(days_N)).astype(np.float32)


def note_view(notes: NoteTruth, appeal_N: NDArray[np.float32]) -> NoteView:
    """Gather the arrays of the notes."""
    return NoteView(notes.topic_N, notes.second_N, notes.style_NS, notes.is_video_N, appeal_N)


@numba.njit(cache=True)
def topic_affinities(
    taste_D: NDArray[np.float32], topic_DT: NDArray[np.float32], mean: float, out_T: NDArray[np.float32]
) -> None:
    """Write a user's affinity for every topic (the loop order lets it vectorise without reordering sums)."""
    out_T[:] = np.float32(mean)
    for d in range(topic_DT.shape[0]):
        weight = taste_D[d]
        for t in range(len(out_T)):
            out_T[t] += weight * topic_DT[d, t]


# The functions below take plain arrays and numbers: reading an array out of a tuple inside a hot loop costs more than
# the arithmetic (reference counts), so kernels take tuples apart first.


@numba.njit(cache=True, inline="always")
def affinity(  # noqa: PLR0913 - a kernel takes its arrays one by one
    row_T: NDArray[np.float32],
    style_S: NDArray[np.float32],
    second_share: float,
    topic: int,
    second: int,
    style_NS: NDArray[np.float32],
    note: int,
) -> float:
    """Return the affinity of a user (topic row and style) for a note: standard normal over random pairs."""
    total = row_T[topic]
    if second != topic:
        total += np.float32(second_share) * (row_T[second] - total)
    for s in range(len(style_S)):
        total += style_S[s] * style_NS[note, s]
    return float(total)


@numba.njit(cache=True, inline="always")
def click_logit(weights: Weights, liking: float, appeal: float, is_video: bool, video_taste: float) -> float:
    """Return the logit of a click on an examined note."""
    logit = weights.click_bias + weights.click_slope * liking + appeal
    return float(logit + weights.video_slope * video_taste if is_video else logit)


@numba.njit(cache=True, inline="always")
def sigmoid(x: float) -> float:
    """Return 1 / (1 + exp(-x))."""
    return float(1.0 / (1.0 + np.exp(-x)))


@numba.njit(cache=True, inline="always")
def engage_probability(odds_R: NDArray[np.float64], slope: float, liking: float) -> float:
    """Return the chance of any of like, collect, comment, share, follow, given a click."""
    # 1 - sigmoid(b + x) = 1 / (1 + e^b e^x): one exponential serves all responses.
    odds, some = np.exp(slope * liking), 1.0
    for base in odds_R:
        some *= 1.0 + base * odds
    return float(1.0 - 1.0 / some)
