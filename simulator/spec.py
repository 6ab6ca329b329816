"""What a world is made of: one frozen spec a world, and the table of named worlds.

Defaults describe a two-column note feed. Rates are per day, times in seconds unless a name says otherwise.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from importlib import import_module
from typing import Any

N_CATEGORIES = 20
TOPICS_PER_CATEGORY = 12
N_TOPICS = N_CATEGORIES * TOPICS_PER_CATEGORY


@dataclass(frozen=True, slots=True)
class Affinity:
    """How much a user likes a note, as a standard normal split into three parts.

    `text_alignment` a is the share of affinity that is a function of the topic, which text reveals. Of that, the
    share a again follows the semantic tree (a zero-shot encoder is enough); the rest follows personas, which only
    behaviour reveals. What remains, 1 - a, is a matter of style, which text does not show. Variances add to one:
    a^2 + a (1 - a) + (1 - a).
    """

    text_alignment: float = 0.6
    n_personas: int = 40
    topics_per_persona: int = 8
    second_topic_share: float = 0.25  # weight of a note's second topic
    note_jitter: float = 0.2  # share of a note's style that is not its author's


@dataclass(frozen=True, slots=True)
class Responding:
    """Logits of the responses to an examined note; slopes are per standard deviation of affinity."""

    click_bias: float = -4.1
    click_slope: float = 1.5
    quality_slope: float = 0.5
    video_slope: float = 0.4
    ageing: float = 0.35  # power-law ageing: click odds fall as (1 + age / day) ** -ageing
    engage_slope: float = 0.8
    like_bias: float = -3.3
    collect_bias: float = -3.8
    comment_bias: float = -5.0
    share_bias: float = -5.4
    follow_bias: float = -5.2
    dwell_log_mean: float = 2.8  # of seconds, given a click
    dwell_log_sd: float = 0.7


@dataclass(frozen=True, slots=True)
class Logging:
    """The platform's own recommender: channels, quotas, and a ranker whose noise shrinks with exposure."""

    page_size: int = 10
    max_pages: int = 10
    candidates_per_channel: int = 24
    fresh_slots: int = 2  # of each page, kept for notes below the guarantee
    fresh_guarantee: int = 100  # impressions within 24 h
    explore_share: float = 0.04  # of slots, uniform over the pool, propensity known
    random_share: float = 0.01  # of slots, uniform over the pool, kept apart for unbiased evaluation
    pool_days: float = 30.0
    popular_size: int = 400
    ranker_noise: float = 1.6  # standard deviation, in logits, for a note and author never shown
    ranker_halving: float = 200.0  # impressions that bring the noise variance down to half


@dataclass(frozen=True, slots=True)
class Living:
    """Who is there, when they come, what makes them publish."""

    initial_users: float = 0.6
    initial_authors: float = 0.5
    authors_among_users: float = 0.5
    mean_active_share: float = 0.18
    return_slope: float = 2.0  # how far satisfaction moves the odds of coming back
    follows_log_mean: float = 2.2
    follows_log_sd: float = 1.0
    notes_per_author_day: float = 0.14
    productivity_tail: float = 2.2  # Pareto exponent of authors' rates (Lotka)
    feedback_scale: float = 20.0  # clicks a week at which the answer to feedback is 63 % of its most
    elastic_share: float = 0.35  # of authors who answer to feedback at all
    elasticity: float = 1.2


@dataclass(frozen=True, slots=True)
class WorldSpec:
    """One world but for its seed."""

    name: str
    n_users: int
    n_authors: int
    days: int
    affinity: Affinity = field(default_factory=Affinity)
    responding: Responding = field(default_factory=Responding)
    logging: Logging = field(default_factory=Logging)
    living: Living = field(default_factory=Living)

    def __post_init__(self) -> None:
        for name in ("n_users", "n_authors", "days"):
            if getattr(self, name) < 1:
                raise ValueError(f"WorldSpec.{name}: expected at least 1, got {getattr(self, name)}")
        if not 0.0 <= self.affinity.text_alignment <= 1.0:
            raise ValueError(f"Affinity.text_alignment: expected in [0, 1], got {self.affinity.text_alignment}")

    def as_dict(self) -> dict[str, Any]:
        """Return the spec as nested plain values, for a manifest."""
        return asdict(self)


TINY = WorldSpec("tiny", n_users=600, n_authors=160, days=16)
SMALL = WorldSpec("small", n_users=20_000, n_authors=4_000, days=60)

WORLDS: dict[str, str] = {
    "tiny": "simulator.spec:TINY",
    "small": "simulator.spec:SMALL",
}


def find_world(name: str) -> WorldSpec:
    """Return the spec of a named world."""
    if name not in WORLDS:
        raise ValueError(f"world: expected one of {', '.join(WORLDS)}, got {name!r}")
    module, _, attribute = WORLDS[name].partition(":")
    spec: WorldSpec = getattr(import_module(module), attribute)
    return spec
