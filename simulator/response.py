"""How a user answers a note: the one response model, shared by the platform's hot loop and the oracle.

A note is one row of 64 bytes, a card, so that a look at it costs one line of cache. Shapes: T topics, D latent size of
taste, S style size, N notes, F fields of a card, W words of a card.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.kernel import inlined, kernel
from simulator.luck import bell, mix, uniform
from simulator.notes import NoteTruth
from simulator.population import STYLE, Population
from simulator.spec import WorldSpec

CLICK, LIKE, COLLECT, COMMENT, SHARE, FOLLOW = 1, 2, 4, 8, 16, 32
N_ENGAGE = 5  # like, collect, comment, share, follow
_LIKE, _FOLLOW = 0, 4  # among them

# Fields of a card: the style comes first, the key lies in the last two as one word of 64 bits.
APPEAL, AGE, IS_VIDEO, NOISE, TOPIC, SECOND = range(STYLE, STYLE + 6)
FIELDS, KEY_WORD = 16, 7

_LESS_THAN = 1.0 / (1.0 + np.exp(-(np.arange(64) - 31.0)))  # above sigmoid(x) for x + 32 in [i, i + 1)
_LESS_THAN[0], _LESS_THAN[-1] = 1.0, 1.0


class Weights(NamedTuple):
    """The numbers of the response model."""

    second_share: float
    click_slope: float
    video_slope: float
    engage_slope: float
    like_boost: float  # factor on the odds of a follow, once liked
    unclicked: float  # factor on the odds of a like without a click
    dwell_log_mean: float
    dwell_log_sd: float
    glance_log_mean: float


class Model(NamedTuple):
    """Everything about users and weights that the response kernels read."""

    weights: Weights
    taste_UD: NDArray[np.float32]
    style_US: NDArray[np.float32]
    bias_U: NDArray[np.float32]  # logit of a click at affinity 0 of a new note of median quality
    video_taste_U: NDArray[np.float32]
    ageing_U: NDArray[np.float32]
    topic_DT: NDArray[np.float32]
    topic_mean: float
    engage_odds_R: NDArray[np.float64]  # like, collect, comment, share, follow, given a click at affinity 0


class Cards(NamedTuple):
    """The notes as the kernels read them; `word_NW` is the same memory as `card_NF`."""

    card_NF: NDArray[np.float32]
    word_NW: NDArray[np.uint64]


def response_model(spec: WorldSpec, population: Population) -> Model:
    """Gather the arrays of the response model."""
    r, people = spec.responding, population.people
    weights = Weights(
        spec.affinity.second_topic_share,
        r.click_slope,
        r.video_slope,
        r.engage_slope,
        float(np.exp(r.follow_after_like)),
        float(np.exp(r.unclicked_like)),
        r.dwell_log_mean,
        r.dwell_log_sd,
        r.glance_log_mean,
    )
    return Model(
        weights,
        people.taste_UD,
        people.style_US,
        np.float32(r.click_bias) + people.readiness_U,
        people.video_taste_U,
        (r.ageing * people.novelty_U).astype(np.float32),
        population.topic_DT,
        population.topic_mean,
        np.exp([r.like_bias, r.collect_bias, r.comment_bias, r.share_bias, r.follow_bias]),
    )


def blank_cards(n: int) -> Cards:
    """Allocate cards on lines of cache."""
    raw = np.zeros(n * FIELDS + FIELDS, np.float32)
    offset = (-raw.ctypes.data % 64) // 4
    card_NF = raw[offset : offset + n * FIELDS].reshape(n, FIELDS)
    return Cards(card_NF, card_NF.view(np.uint64))


def fill_cards(cards: Cards, truth: NoteTruth, *, first: int = 0) -> None:
    """Write what never changes of notes onto the cards from `first` on; the rest is for `refresh`."""
    rows: Any = slice(first, first + len(truth.author_N))
    cards.card_NF[rows, :STYLE] = truth.style_NS
    cards.card_NF[rows, IS_VIDEO] = truth.is_video_N
    cards.card_NF[rows, TOPIC] = truth.topic_N
    cards.card_NF[rows, SECOND] = truth.second_N
    cards.word_NW[rows, KEY_WORD] = truth.key_N


@kernel
def topic_affinities(
    taste_D: NDArray[np.float32], topic_DT: NDArray[np.float32], mean: float, out_T: NDArray[np.float32]
) -> None:
    """Write a user's affinity for every topic (the loop order lets it vectorise without reordering sums)."""
    out_T[:] = np.float32(mean)
    for d in range(0, topic_DT.shape[0], 8):
        w0, w1, w2, w3 = taste_D[d], taste_D[d + 1], taste_D[d + 2], taste_D[d + 3]
        w4, w5, w6, w7 = taste_D[d + 4], taste_D[d + 5], taste_D[d + 6], taste_D[d + 7]
        a_T, b_T, c_T, d_T = topic_DT[d], topic_DT[d + 1], topic_DT[d + 2], topic_DT[d + 3]
        e_T, f_T, g_T, h_T = topic_DT[d + 4], topic_DT[d + 5], topic_DT[d + 6], topic_DT[d + 7]
        for t in range(len(out_T)):
            half = (((out_T[t] + w0 * a_T[t]) + w1 * b_T[t]) + w2 * c_T[t]) + w3 * d_T[t]
            out_T[t] = (((half + w4 * e_T[t]) + w5 * f_T[t]) + w6 * g_T[t]) + w7 * h_T[t]


# The functions below take plain arrays and numbers: reading an array out of a tuple inside a hot loop costs more than
# the arithmetic (reference counts), so kernels take tuples apart first.


@inlined
def affinity(
    row_T: NDArray[np.float32],
    style_S: NDArray[np.float32],
    second_share: float | np.float32,
    card_NF: NDArray[np.float32],
    note: int,
) -> float:
    """Return the affinity of a user (topic row and style) for a note: standard normal over random pairs."""
    total = row_T[int(card_NF[note, TOPIC])]
    total += second_share * (row_T[int(card_NF[note, SECOND])] - total)
    for s in range(STYLE):
        total += style_S[s] * card_NF[note, s]
    return total  # type: ignore[no-any-return]


@inlined
def reading(model: Model, user: int) -> tuple[float, float, float]:
    """Return what of a user the click logit reads besides affinity: bias, taste for video, ageing of notes."""
    return model.bias_U[user], model.video_taste_U[user], model.ageing_U[user]


@inlined
def click_logit(
    weights: Weights, user: tuple[float, float, float], liking: float, card_NF: NDArray[np.float32], note: int
) -> float:
    """Return the logit of a click on an examined note; `user` is what `reading` says."""
    bias, video_taste, ageing = user
    logit = bias + weights.click_slope * liking + card_NF[note, APPEAL] - ageing * card_NF[note, AGE]
    return float(logit + weights.video_slope * video_taste * card_NF[note, IS_VIDEO])


@inlined
def sigmoid(x: float) -> float:
    """Return 1 / (1 + exp(-x))."""
    return float(1.0 / (1.0 + np.exp(-x)))


@kernel
def answer(
    weights: Weights, odds_R: NDArray[np.float64], logit: float, liking: float, key: np.uint64
) -> tuple[int, float]:
    """Draw the responses to an examined note as a bit mask, and the dwell in seconds."""
    luck = uniform(mix(key, np.uint64(0)))
    # Most luck is above any click rate of this order: that is cheaper to see than the exponential.
    if luck >= _LESS_THAN[min(max(int(logit + 32.0), 0), 63)] or luck >= sigmoid(logit):
        return _pass_by(weights, odds_R[_LIKE], liking, key)
    mask, odds = CLICK, np.exp(weights.engage_slope * liking)
    for r in range(N_ENGAGE):
        raised = odds_R[r] * odds
        if r == _FOLLOW and mask & LIKE:
            raised *= weights.like_boost
        if uniform(mix(key, np.uint64(r + 1))) * (1.0 + raised) < raised:
            mask |= LIKE << r
    spread = weights.dwell_log_sd * bell(mix(key, np.uint64(9)))
    return mask, np.exp(weights.dwell_log_mean + 0.25 * liking + spread)


@kernel
def _pass_by(weights: Weights, like_odds: float, liking: float, key: np.uint64) -> tuple[int, float]:
    """Draw what comes without a click, where the preset knows such a thing: a like now and then, a glance."""
    mask, dwell = 0, 0.0
    if weights.unclicked > 1e-9:
        raised = like_odds * np.exp(weights.engage_slope * liking) * weights.unclicked
        if uniform(mix(key, np.uint64(1))) * (1.0 + raised) < raised:
            mask = LIKE
    if weights.glance_log_mean > -10.0:
        dwell = np.exp(weights.glance_log_mean + weights.dwell_log_sd * bell(mix(key, np.uint64(9))))
    return mask, dwell


@inlined
def engage_probability(weights: Weights, odds_R: NDArray[np.float64], click: float, liking: float) -> float:
    """Return the chance of any of like, collect, comment, share, follow, when a click has chance `click`."""
    # 1 - sigmoid(b + x) = 1 / (1 + e^b e^x): one exponential serves all responses.
    odds, none = np.exp(weights.engage_slope * liking), 1.0
    for r in range(N_ENGAGE):
        none *= 1.0 + odds_R[r] * odds
    passing = odds_R[_LIKE] * odds * weights.unclicked
    return float(click * (1.0 - 1.0 / none) + (1.0 - click) * passing / (1.0 + passing))
