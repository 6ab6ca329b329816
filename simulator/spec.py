"""What a world is made of: one frozen spec a world, and the table of named worlds.

Defaults describe the preset `note-feed`, two columns of covers of which few are opened; `single-column` is short video,
where every impression plays. Rates are per day, times in seconds, biases in logits, unless a name says otherwise.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from importlib import import_module
from typing import Any, Literal, get_args

from simulator.ranges import check_numbers

Preset = Literal["note-feed", "single-column"]
Language = Literal["english", "chinese"]


@dataclass(frozen=True, slots=True)
class Affinity:
    """How much a user likes a note, as a standard normal split into three parts.

    `text_alignment` a is the share of affinity that is a function of the topic, which text reveals. Of that, the
    share a again follows the semantic tree (a zero-shot encoder is enough); the rest follows personas, which only
    behaviour reveals. What remains, 1 - a, is a matter of style, which text does not show. Variances add to one:
    a^2 + a (1 - a) + (1 - a).
    """

    text_alignment: float = 0.6
    n_personas: int = 80
    topics_per_persona: int = 3
    second_topic_share: float = 0.25  # weight of a note's second topic
    note_jitter: float = 0.2  # share of a note's style that is not its author's


@dataclass(frozen=True, slots=True)
class Responding:
    """Logits of the responses to an examined note; slopes are per standard deviation of affinity."""

    click_bias: float = -9.4
    click_slope: float = 1.75
    readiness_sd: float = 1.2  # spread of users' readiness to click
    quality_slope: float = 2.4
    video_slope: float = 0.4
    ageing: float = 0.3  # power law: click odds fall as (1 + days) ** -(ageing x the user's novelty seeking)
    novelty_log_sd: float = 0.5  # spread of users' novelty seeking, whose median is 1
    engage_slope: float = 0.8
    like_bias: float = -6.35
    collect_bias: float = -6.3
    comment_bias: float = -7.2
    share_bias: float = -7.6
    follow_bias: float = -6.6
    follow_after_like: float = 2.5  # added to the follow logit of who liked
    unclicked_like: float = -30.0  # added to the like logit of who did not click; -30 is never
    dwell_log_mean: float = 2.8  # of seconds, given a click
    dwell_log_sd: float = 0.7
    glance_log_mean: float = -30.0  # of seconds, without a click; -30 is none


@dataclass(frozen=True, slots=True)
class Logging:
    """The platform's own recommender: channels, quotas, and a ranker whose noise shrinks with exposure."""

    page_size: int = 10
    max_slots: int = 200  # of a session
    whole_pages: bool = True  # the last page is shown whole; else slot by slot until the user leaves
    tries: int = 18  # candidates that a channel draws for a page; some draw twice as many, some fewer
    fresh_slots: int = 2  # of each page, spread evenly, kept for notes below the guarantee
    fresh_guarantee: int = 100  # impressions within 24 h
    explore_share: float = 0.04  # of slots, uniform over the pool, propensity known
    random_share: float = 0.01  # of slots, uniform over the pool, kept apart for unbiased evaluation
    pool_days: float = 30.0
    popular_power: float = 1.0  # the popular channel draws notes in proportion to heat ** power
    ranker_noise: float = 2.2  # standard deviation, in logits, for a note and author never shown
    ranker_halving: float = 100.0  # impressions that bring the noise variance down to half


@dataclass(frozen=True, slots=True)
class Living:
    """Who is there, when they come, how long they stay."""

    initial_users: float = 0.55
    initial_authors: float = 0.55
    authors_among_users: float = 1.0
    active_alpha: float = 0.3  # users come on a share Beta(alpha, beta) of days, at neutral satisfaction
    active_beta: float = 0.87
    habit: float = 0.9  # correlation (of ranks) between patience and the share of days
    more_sessions: float = 0.1  # beyond the first of an active day, mean for a user of median patience
    return_slope: float = 0.5  # logits of coming per relative surplus of clicks in the latest visit
    neutral_ctr: float = 0.08
    weekday: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 0.05, 0.25, 0.2)  # added to the logit; day 0 is a Monday
    length_log_median: float = 1.75  # of slots in a session
    length_log_sd_user: float = 1.0
    length_log_sd_session: float = 0.25
    boredom: float = 0.25  # chance to leave after ten slots without a click
    examine_low: float = 0.86  # chance to go on to the next position of a page, uniform over users
    examine_high: float = 0.99
    follows_log_mean: float = 2.35
    follows_log_sd: float = 1.25
    fame_tail: float = 1.45  # Pareto exponent of the first inhabitants' fame
    fame_log_sd: float = 1.92  # and its log-normal spread on top of that


@dataclass(frozen=True, slots=True)
class Publishing:
    """What makes authors publish, and what their feedback does to them (a mixture: most do not answer)."""

    notes_per_author_day: float = 0.125
    productivity_tail: float = 1.35  # Pareto exponent of authors' rates: Lotka's exponent is one more
    elastic_share: float = 0.45  # of authors who answer to feedback at all
    elasticity: float = 1.5
    feedback_scale: float = 3.0  # decayed clicks at which the answer is 63 % of its most
    exposure_weight: float = 0.03  # an impression in clicks
    memory_days: float = 3.0  # feedback fades by a factor e, within the week that is remembered


@dataclass(frozen=True, slots=True)
class Trends:
    """Topics that rise and fade; the change points are known (`simulator.trends`)."""

    per_week: float = 3.0
    height: float = 1.2  # mean of the height in logits
    rise_hours: float = 12.0
    hold_days: float = 2.0
    fade_days: float = 4.0


@dataclass(frozen=True, slots=True)
class Rings:
    """Spam rings: authors who like each other whatever they publish."""

    author_share: float = 0.015
    size: int = 6
    opened: int = 3  # notes of ring mates that a member opens a session


@dataclass(frozen=True, slots=True)
class WorldSpec:
    """One world but for its seed."""

    name: str
    n_users: int
    n_authors: int
    days: int
    preset: Preset = "note-feed"
    language: Language = "english"
    affinity: Affinity = field(default_factory=Affinity)
    responding: Responding = field(default_factory=Responding)
    logging: Logging = field(default_factory=Logging)
    living: Living = field(default_factory=Living)
    publishing: Publishing = field(default_factory=Publishing)
    trends: Trends = field(default_factory=Trends)
    rings: Rings = field(default_factory=Rings)

    def __post_init__(self) -> None:
        for place in ("", *_PARTS):
            check_numbers(getattr(self, place) if place else self, place)
        for name, known in (("preset", get_args(Preset)), ("language", get_args(Language))):
            if getattr(self, name) not in known:
                raise ValueError(f"WorldSpec.{name}: expected one of {', '.join(known)}, got {getattr(self, name)!r}")
        logging = self.logging
        if len(self.living.weekday) != 7 or not all(abs(lift) < 100.0 for lift in self.living.weekday):
            raise ValueError(f"Living.weekday: expected 7 finite numbers, got {self.living.weekday}")
        if self.living.examine_low > self.living.examine_high:
            bounds = f"{self.living.examine_low} > {self.living.examine_high}"
            raise ValueError(f"Living.examine_low: expected at most examine_high, got {bounds}")
        if logging.fresh_slots > logging.page_size // 2:
            most = f"half of a page, {logging.page_size // 2}"
            raise ValueError(f"Logging.fresh_slots: expected at most {most}, got {logging.fresh_slots}")
        if logging.max_slots % logging.page_size:
            raise ValueError(f"Logging.max_slots: expected whole pages of {logging.page_size}, got {logging.max_slots}")

    def as_dict(self) -> dict[str, Any]:
        """Return the spec as nested plain values, for a manifest."""
        plain = asdict(self)
        plain["living"]["weekday"] = list(self.living.weekday)
        return plain


_PARTS = ("affinity", "responding", "logging", "living", "publishing", "trends", "rings")

# Short video. Rates per impression and given a click are those of KuaiRand-Pure, session lengths those of KuaiRec.
_VIDEO = {
    "preset": "single-column",
    "responding": Responding(
        click_bias=-4.6,
        click_slope=0.9,
        quality_slope=3.0,
        readiness_sd=0.5,
        engage_slope=0.6,
        like_bias=-4.04,
        collect_bias=-5.1,
        comment_bias=-5.95,
        share_bias=-6.95,
        follow_bias=-7.27,
        follow_after_like=2.4,
        unclicked_like=-1.35,
        dwell_log_mean=3.25,
        dwell_log_sd=0.9,
        glance_log_mean=0.9,
    ),
    "logging": Logging(whole_pages=False),
    "living": Living(
        more_sessions=0.13,
        neutral_ctr=0.46,
        length_log_median=2.76,
        length_log_sd_user=0.95,
        length_log_sd_session=0.2,
        examine_low=1.0,
        examine_high=1.0,
        follows_log_mean=2.3,
        follows_log_sd=1.3,
        fame_log_sd=1.9,
    ),
    "publishing": Publishing(notes_per_author_day=0.125, productivity_tail=1.25, elasticity=1.5),
}

TINY = WorldSpec("tiny", n_users=600, n_authors=160, days=16)
SMALL = WorldSpec("small", n_users=20_000, n_authors=4_000, days=60)
MEDIUM = WorldSpec("medium", n_users=200_000, n_authors=30_000, days=60)
LARGE = WorldSpec("large", n_users=2_000_000, n_authors=300_000, days=60)
TINY_VIDEO = WorldSpec("tiny-video", n_users=600, n_authors=160, days=16, **_VIDEO)  # type: ignore[arg-type]
SMALL_VIDEO = WorldSpec("small-video", n_users=20_000, n_authors=3_600, days=30, **_VIDEO)  # type: ignore[arg-type]

WORLDS: dict[str, str] = {
    "tiny": "simulator.spec:TINY",
    "small": "simulator.spec:SMALL",
    "medium": "simulator.spec:MEDIUM",
    "large": "simulator.spec:LARGE",
    "tiny-video": "simulator.spec:TINY_VIDEO",
    "small-video": "simulator.spec:SMALL_VIDEO",
}


def find_world(name: str) -> WorldSpec:
    """Return the spec of a named world, with settings after a colon: `small:text_alignment=0,days=20`."""
    base, _, settings = name.partition(":")
    if base not in WORLDS:
        raise ValueError(f"world: expected one of {', '.join(WORLDS)}, got {base!r}")
    module, _, attribute = WORLDS[base].partition(":")
    spec: WorldSpec = getattr(import_module(module), attribute)
    for setting in settings.split(",") if settings else ():
        spec = _changed(spec, *setting.partition("=")[::2])
    return replace(spec, name=name)


def _changed(spec: WorldSpec, name: str, text: str) -> WorldSpec:
    """Return the spec with one setting changed; settings are called by their field's name, which is unique."""
    own = {part.name for part in fields(spec)} - {"name", "preset"} - set(_PARTS)  # a preset is many numbers: a world
    if name in own:
        return replace(spec, **{name: _parsed(name, text, getattr(spec, name))})  # type: ignore[arg-type]
    for place in _PARTS:
        part = getattr(spec, place)
        if name in {field_.name for field_ in fields(part)}:
            changed = replace(part, **{name: _parsed(name, text, getattr(part, name))})
            return replace(spec, **{place: changed})
    known = sorted(own | {field_.name for place in _PARTS for field_ in fields(getattr(spec, place))})
    raise ValueError(f"world setting: expected one of {', '.join(known)}, got {name!r}")


def _parsed(name: str, text: str, like: object) -> object:
    """Read a setting as the type of the value it replaces."""
    try:
        if isinstance(like, bool):
            return {"true": True, "false": False}[text.lower()]
        if isinstance(like, tuple):
            return tuple(float(word) for word in text.split("+"))
        return {int: int, float: float}.get(type(like), str)(text)
    except (KeyError, ValueError) as error:
        raise ValueError(f"world setting {name}: expected a {type(like).__name__}, got {text!r}") from error
