"""Who lives in the world: users with tastes and habits, authors with topics, style and drive.

Shapes: U users, A authors, D latent size of taste (semantic + collaborative), S style size, T topics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.luck import generator
from simulator.rings import RingTable, draw_rings
from simulator.schema import DAY_SECONDS
from simulator.sizes import N_TOPICS, TOPICS_PER_CATEGORY
from simulator.spec import WorldSpec
from simulator.topics import HALF, Topics, draw_topics

STYLE = 8
MAX_TOPICS = 3
BLOCK = 1 << 16  # users drawn at once
_PANEL = 2_000
_LINK_ROUNDS = 8  # draws of a user who is not yet an author


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """The users: when they join, what they like, how they behave."""

    joined_time_U: NDArray[np.int64]
    author_U: NDArray[np.int32]
    taste_UD: NDArray[np.float32]  # affinity for topic t: taste @ topic_DT[:, t] + topic_mean
    style_US: NDArray[np.float32]
    video_taste_U: NDArray[np.float32]
    activity_U: NDArray[np.float64]  # logit of coming on a day, before satisfaction
    readiness_U: NDArray[np.float32]  # added to the logit of every click
    novelty_U: NDArray[np.float32]  # factor on the ageing of notes: above 1 for who seeks the new
    examine_U: NDArray[np.float32]  # chance to go on to the next position of a page
    patience_U: NDArray[np.float32]  # log of the median number of slots in a session


@dataclass(frozen=True, slots=True, eq=False)
class Creators:
    """The authors: when they join, what they write about, how often, and what moves them."""

    joined_time_A: NDArray[np.int64]
    topics_AM: NDArray[np.int16]  # one to three topics, -1 pads
    topic_share_AM: NDArray[np.float64]
    style_AS: NDArray[np.float32]
    quality_A: NDArray[np.float32]
    rate_A: NDArray[np.float64]  # notes a day at neutral motivation
    video_share_A: NDArray[np.float64]
    elasticity_A: NDArray[np.float64]  # 0 for authors whom feedback does not move


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """Users, authors, rings, and the topic loadings that make affinities standard normal over random pairs."""

    people: People
    creators: Creators
    rings: RingTable
    topic_DT: NDArray[np.float32]
    topic_mean: float


def draw_population(spec: WorldSpec, seed: int) -> Population:
    """Draw everybody who will ever live in the world."""
    topics = draw_topics(spec.affinity, seed)
    creators = _draw_creators(spec, topics, generator(seed, "authors"))
    rng = generator(seed, "arrivals")
    joined_time_U = _arrivals(spec.n_users, spec.living.initial_users, spec.days, rng)
    author_U = _link(joined_time_U, creators.joined_time_A, spec.living.authors_among_users, rng)
    scale_2, mean = _standards(spec, topics, seed)
    first_B = range(0, spec.n_users, BLOCK)
    blocks = [_draw_block(spec, topics, scale_2, seed, first, min(BLOCK, spec.n_users - first)) for first in first_B]
    columns = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    people = People(joined_time_U=joined_time_U, author_U=author_U, **columns)
    topic_DT = np.concatenate([topics.semantic_TH, topics.collaborative_TH], axis=1).T.astype(np.float32)
    rings = draw_rings(spec.rings, author_U, spec.n_authors, seed)
    return Population(people, creators, rings, np.ascontiguousarray(topic_DT), mean)


def _draw_block(  # noqa: PLR0913 - the block, and what all blocks share
    spec: WorldSpec, topics: Topics, scale_2: tuple[float, float], seed: int, first: int, n: int
) -> dict[str, NDArray[Any]]:
    """Draw the users from `first` on, `n` of them; blocks keep the table of shares small."""
    living, rng = spec.living, generator(seed, f"users/{first}")
    taste_UD = _tastes(_draw_shares(spec, topics, n, rng), topics, scale_2)
    style_scale = np.sqrt((1.0 - spec.affinity.text_alignment) / STYLE)
    bell_U, other_U = rng.normal(size=n), rng.normal(size=n)
    active_U = np.sort(np.clip(rng.beta(living.active_alpha, living.active_beta, n), 1e-4, 1.0 - 1e-4))
    # Who stays longer comes more often: the shares of days are dealt out in an order that follows patience in part.
    order_U = np.argsort(living.habit * bell_U + np.sqrt(1.0 - living.habit**2) * other_U)
    activity_U = np.empty(n)
    activity_U[order_U] = np.log(active_U / (1.0 - active_U))
    return {
        "taste_UD": taste_UD,
        "style_US": (style_scale * rng.normal(size=(n, STYLE))).astype(np.float32),
        "video_taste_U": rng.normal(size=n).astype(np.float32),
        "activity_U": activity_U,
        "novelty_U": np.exp(spec.responding.novelty_log_sd * rng.normal(size=n)).astype(np.float32),
        "examine_U": rng.uniform(living.examine_low, living.examine_high, n).astype(np.float32),
        "patience_U": (living.length_log_median + living.length_log_sd_user * bell_U).astype(np.float32),
        # Half of its variance goes with patience.
        "readiness_U": (spec.responding.readiness_sd * (bell_U + rng.normal(size=n)) / np.sqrt(2.0)).astype(np.float32),
    }


def _arrivals(n: int, initial: float, days: int, rng: np.random.Generator) -> NDArray[np.int64]:
    n_initial = max(1, round(initial * n))
    later = np.sort(rng.integers(1, days * DAY_SECONDS, n - n_initial))
    return np.concatenate([np.zeros(n_initial, np.int64), later.astype(np.int64)])


def _draw_shares(spec: WorldSpec, topics: Topics, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw each user's distribution over topics: two personas and three topics of one's own."""
    main_U = rng.choice(spec.affinity.n_personas, size=n, p=topics.persona_share_P)
    other_U = rng.choice(spec.affinity.n_personas, size=n, p=topics.persona_share_P)
    weight_U1 = rng.beta(4.0, 2.0, size=(n, 1))
    share_UT = weight_U1 * topics.persona_PT[main_U] + (1.0 - weight_U1) * topics.persona_PT[other_U]
    share_UT *= 0.8
    own_U3 = rng.choice(N_TOPICS, size=(n, 3), p=topics.popularity_T)
    np.add.at(share_UT, (np.arange(n)[:, None], own_U3), 0.2 / 3.0)
    return share_UT


def _tastes(share_UT: NDArray[np.float64], topics: Topics, scale_2: tuple[float, float]) -> NDArray[np.float32]:
    """Return both halves of taste, unit vectors times their scale."""
    halves = []
    for vector_TH, scale in zip((topics.semantic_TH, topics.collaborative_TH), scale_2, strict=True):
        taste_UH = share_UT @ vector_TH
        halves.append(scale * taste_UH / np.linalg.norm(taste_UH, axis=1, keepdims=True))
    return np.concatenate(halves, axis=1).astype(np.float32)


def _standards(spec: WorldSpec, topics: Topics, seed: int) -> tuple[tuple[float, float], float]:
    """Return the scale of both halves of taste, and the mean to add, from a panel of users who live nowhere.

    Over random (user, topic) pairs the halves together then have variance `text_alignment`, in the proportion that
    `Affinity` says, and mean 0.
    """
    alignment = spec.affinity.text_alignment
    share_UT = _draw_shares(spec, topics, _PANEL, generator(seed, "standards"))
    taste_UD = _tastes(share_UT, topics, (1.0, 1.0))
    halves = (topics.semantic_TH, topics.collaborative_TH)
    sample_2UT = np.stack([taste_UD[:, h * HALF : (h + 1) * HALF] @ vector_TH.T for h, vector_TH in enumerate(halves)])
    share_2 = np.array([alignment**2, alignment * (1.0 - alignment)])
    scale_2 = np.sqrt(share_2) / sample_2UT.std(axis=(1, 2))
    # Both halves follow the same topics and so go together a little: the sum is held to its variance.
    together_UT = np.tensordot(scale_2, sample_2UT, 1)
    if alignment > 0.0:
        scale_2 *= np.sqrt(alignment) / together_UT.std()
    mean = -float(scale_2 @ sample_2UT.mean(axis=(1, 2)))
    return (float(scale_2[0]), float(scale_2[1])), mean


def _link(
    joined_U: NDArray[np.int64], joined_A: NDArray[np.int64], share: float, rng: np.random.Generator
) -> NDArray[np.int32]:
    """Make some users authors: each linked author is a user of its own, who joined no later."""
    author_U = np.full(len(joined_U), -1, np.int32)
    waiting_A = np.flatnonzero(rng.random(len(joined_A)) < share)
    for _ in range(_LINK_ROUNDS):
        present_A = np.searchsorted(joined_U, joined_A[waiting_A], side="right")
        user_A = (rng.random(len(waiting_A)) * present_A).astype(np.int64)
        free_A = np.flatnonzero(author_U[user_A] < 0)
        users, first = np.unique(user_A[free_A], return_index=True)
        author_U[users] = waiting_A[free_A[first]].astype(np.int32)
        waiting_A = np.delete(waiting_A, free_A[first])
    return author_U


def _draw_creators(spec: WorldSpec, topics: Topics, rng: np.random.Generator) -> Creators:
    n, drive = spec.n_authors, spec.publishing
    demand_T = 0.7 * topics.persona_share_P @ topics.persona_PT + 0.3 * topics.popularity_T
    n_topics_A = rng.choice([1, 2, 3], size=n, p=[0.5, 0.3, 0.2])
    topics_AM = np.full((n, MAX_TOPICS), -1, np.int16)
    topics_AM[:, 0] = rng.choice(N_TOPICS, size=n, p=demand_T / demand_T.sum())
    for m in (1, 2):
        sibling_A = topics_AM[:, 0] // TOPICS_PER_CATEGORY * TOPICS_PER_CATEGORY
        sibling_A = sibling_A + rng.integers(0, TOPICS_PER_CATEGORY, n).astype(np.int16)
        any_A = rng.choice(N_TOPICS, size=n, p=demand_T / demand_T.sum())
        drawn_A = np.where(rng.random(n) < 0.6, sibling_A, any_A)
        topics_AM[:, m] = np.where(n_topics_A > m, drawn_A, -1)
    share_AM = np.array([0.7, 0.2, 0.1]) * (topics_AM >= 0)
    rate_A = rng.pareto(drive.productivity_tail, n) + 1.0
    rate_A = np.minimum(rate_A * drive.notes_per_author_day / float(rate_A.mean()), 6.0)
    elastic_A = rng.random(n) < drive.elastic_share
    return Creators(
        joined_time_A=_arrivals(n, spec.living.initial_authors, spec.days, rng),
        topics_AM=topics_AM,
        topic_share_AM=share_AM / share_AM.sum(axis=1, keepdims=True),
        style_AS=rng.normal(size=(n, STYLE)).astype(np.float32),
        quality_A=rng.normal(size=n).astype(np.float32),
        rate_A=rate_A,
        video_share_A=rng.beta(0.5, 1.0, n),
        elasticity_A=np.where(elastic_A, drive.elasticity * rng.gamma(2.0, 0.5, n), 0.0),
    )
