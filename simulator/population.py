"""Who lives in the world: users with tastes and habits, authors with topics, style and drive.

Shapes: U users, A authors, D latent size of taste (semantic + collaborative), S style size, T topics.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.luck import generator
from simulator.schema import DAY_SECONDS
from simulator.spec import N_TOPICS, TOPICS_PER_CATEGORY, Living, WorldSpec
from simulator.topics import Topics

STYLE = 8
MAX_TOPICS = 3


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """The users: when they join, what they like, how they behave."""

    joined_time_U: NDArray[np.int64]
    author_U: NDArray[np.int32]
    taste_UD: NDArray[np.float32]  # affinity for topic t: taste @ topic_DT[:, t] + topic_mean
    style_US: NDArray[np.float32]
    video_taste_U: NDArray[np.float32]
    activity_U: NDArray[np.float64]  # logit of coming on a day, before satisfaction
    examine_U: NDArray[np.float32]  # chance to go on to the next position
    go_on_U: NDArray[np.float32]  # chance to ask for another page


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
    """Users, authors and the topic loadings that make affinities standard normal over random pairs."""

    people: People
    creators: Creators
    topic_DT: NDArray[np.float32]
    topic_mean: float


def draw_population(spec: WorldSpec, topics: Topics, seed: int) -> Population:
    """Draw everybody who will ever live in the world."""
    creators = _draw_creators(spec, topics, generator(seed, "authors"))
    rng = generator(seed, "users")
    share_UT = _draw_shares(spec, topics, rng)
    taste_UD, mean = _standardise(share_UT, topics, spec.affinity.text_alignment)
    joined_time_U = _arrivals(spec.n_users, spec.living.initial_users, spec.days, rng)
    people = People(
        joined_time_U=joined_time_U,
        author_U=_link(joined_time_U, creators.joined_time_A, spec.living, rng),
        taste_UD=taste_UD,
        style_US=_draw_style(spec, rng),
        video_taste_U=rng.normal(size=spec.n_users).astype(np.float32),
        activity_U=_draw_activity(spec, rng),
        examine_U=rng.uniform(0.86, 0.99, spec.n_users).astype(np.float32),
        go_on_U=(0.35 + 0.5 * rng.beta(2.0, 2.0, spec.n_users)).astype(np.float32),
    )
    topic_DT = np.concatenate([topics.semantic_TH, topics.collaborative_TH], axis=1).T.astype(np.float32)
    return Population(people, creators, np.ascontiguousarray(topic_DT), mean)


def _arrivals(n: int, initial: float, days: int, rng: np.random.Generator) -> NDArray[np.int64]:
    n_initial = max(1, round(initial * n))
    later = np.sort(rng.integers(1, days * DAY_SECONDS, n - n_initial))
    return np.concatenate([np.zeros(n_initial, np.int64), later.astype(np.int64)])


def _draw_shares(spec: WorldSpec, topics: Topics, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw each user's distribution over topics: two personas and three topics of one's own."""
    n = spec.n_users
    main_U = rng.choice(spec.affinity.n_personas, size=n, p=topics.persona_share_P)
    other_U = rng.choice(spec.affinity.n_personas, size=n, p=topics.persona_share_P)
    weight_U1 = rng.beta(4.0, 2.0, size=(n, 1))
    share_UT = weight_U1 * topics.persona_PT[main_U] + (1.0 - weight_U1) * topics.persona_PT[other_U]
    share_UT *= 0.8
    own_U3 = rng.choice(N_TOPICS, size=(n, 3), p=topics.popularity_T)
    np.add.at(share_UT, (np.arange(n)[:, None], own_U3), 0.2 / 3.0)
    return share_UT


def _standardise(share_UT: NDArray[np.float64], topics: Topics, alignment: float) -> tuple[NDArray[np.float32], float]:
    """Scale both halves of taste to their share of variance over random (user, topic) pairs."""
    parts, mean = [], 0.0
    for vector_TH, variance in (
        (topics.semantic_TH, alignment**2),
        (topics.collaborative_TH, alignment * (1.0 - alignment)),
    ):
        taste_UH = share_UT @ vector_TH
        taste_UH /= np.linalg.norm(taste_UH, axis=1, keepdims=True)
        sample_UT = taste_UH[:2_000] @ vector_TH.T
        scale = np.sqrt(variance) / float(sample_UT.std())
        parts.append(taste_UH * scale)
        mean -= scale * float(sample_UT.mean())
    return np.concatenate(parts, axis=1).astype(np.float32), mean


def _draw_activity(spec: WorldSpec, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw heavy-tailed activity whose mean over users is the spec's (bisection on the logit's shift)."""
    spread_U = 1.3 * rng.normal(size=spec.n_users)
    low, high = -10.0, 10.0
    for _ in range(60):
        shift = (low + high) / 2.0
        mean = float((1.0 / (1.0 + np.exp(-(spread_U + shift)))).mean())
        low, high = (shift, high) if mean < spec.living.mean_active_share else (low, shift)
    return spread_U + low


def _link(
    joined_U: NDArray[np.int64], joined_A: NDArray[np.int64], spec: Living, rng: np.random.Generator
) -> NDArray[np.int32]:
    """Make some users authors: each linked author is a user who joined no later."""
    author_U = np.full(len(joined_U), -1, np.int32)
    linked_A = np.flatnonzero(rng.random(len(joined_A)) < spec.authors_among_users)
    present_A = np.searchsorted(joined_U, joined_A[linked_A], side="right")
    user_A = (rng.random(len(linked_A)) * present_A).astype(np.int64)
    users, first = np.unique(user_A, return_index=True)
    author_U[users] = linked_A[first].astype(np.int32)
    return author_U


def _draw_creators(spec: WorldSpec, topics: Topics, rng: np.random.Generator) -> Creators:
    n, living = spec.n_authors, spec.living
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
    rate_A = rng.pareto(living.productivity_tail, n) + 1.0
    rate_A = np.minimum(rate_A * living.notes_per_author_day / float(rate_A.mean()), 6.0)
    elastic_A = rng.random(n) < living.elastic_share
    return Creators(
        joined_time_A=_arrivals(n, living.initial_authors, spec.days, rng),
        topics_AM=topics_AM,
        topic_share_AM=share_AM / share_AM.sum(axis=1, keepdims=True),
        style_AS=rng.normal(size=(n, STYLE)).astype(np.float32),
        quality_A=rng.normal(size=n).astype(np.float32),
        rate_A=rate_A,
        video_share_A=rng.beta(0.5, 1.0, n),
        elasticity_A=np.where(elastic_A, living.elasticity * rng.gamma(2.0, 0.5, n), 0.0),
    )


def _draw_style(spec: WorldSpec, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw tastes in style, scaled so that a user's affinity for a style has the variance text leaves over."""
    scale = np.sqrt((1.0 - spec.affinity.text_alignment) / STYLE)
    style_US: NDArray[np.float32] = (scale * rng.normal(size=(spec.n_users, STYLE))).astype(np.float32)
    return style_US
