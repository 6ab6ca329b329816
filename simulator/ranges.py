"""What the numbers of a world may be."""

from __future__ import annotations

from dataclasses import fields

from simulator.sizes import MAX_SLOTS, MAX_TRIES, N_TOPICS

_INFINITY = float("inf")
_POSITIVE = 1e-9
# Field, part, least, greatest; every other number has only to be finite.
RANGES: tuple[tuple[str, str, float, float], ...] = (
    ("n_users", "", 1, 2**31 - 1),
    ("n_authors", "", 1, 2**31 - 1),
    ("days", "", 1, 32_767),
    ("text_alignment", "affinity", 0.0, 1.0),
    ("n_personas", "affinity", 1, 10_000),
    ("topics_per_persona", "affinity", 1, N_TOPICS),
    ("second_topic_share", "affinity", 0.0, 1.0),
    ("note_jitter", "affinity", 0.0, 1.0),
    ("readiness_sd", "responding", 0.0, 5.0),
    ("dwell_log_mean", "responding", -30.0, 10.0),
    ("dwell_log_sd", "responding", 0.0, 5.0),
    ("glance_log_mean", "responding", -30.0, 10.0),
    ("page_size", "logging", 1, 50),
    ("max_slots", "logging", 1, MAX_SLOTS),
    ("tries", "logging", 1, MAX_TRIES),
    ("fresh_slots", "logging", 0, 25),
    ("fresh_guarantee", "logging", 0, _INFINITY),
    ("explore_share", "logging", 0.0, 0.5),
    ("random_share", "logging", 0.0, 0.5),
    ("pool_days", "logging", 0.1, _INFINITY),
    ("popular_power", "logging", 0.0, 2.0),
    ("ranker_noise", "logging", 0.0, _INFINITY),
    ("ranker_halving", "logging", _POSITIVE, _INFINITY),
    ("initial_users", "living", 0.0, 1.0),
    ("initial_authors", "living", 0.0, 1.0),
    ("authors_among_users", "living", 0.0, 1.0),
    ("active_alpha", "living", _POSITIVE, _INFINITY),
    ("active_beta", "living", _POSITIVE, _INFINITY),
    ("more_sessions", "living", 0.0, 20.0),
    ("neutral_ctr", "living", _POSITIVE, 1.0),
    ("boredom", "living", 0.0, 1.0),
    ("length_log_median", "living", -5.0, 6.0),
    ("length_log_sd_user", "living", 0.0, 5.0),
    ("length_log_sd_session", "living", 0.0, 5.0),
    ("examine_low", "living", _POSITIVE, 1.0),
    ("examine_high", "living", _POSITIVE, 1.0),
    ("fame_tail", "living", 0.1, _INFINITY),
    ("notes_per_author_day", "publishing", 0.0, 50.0),
    ("productivity_tail", "publishing", 0.1, _INFINITY),
    ("elastic_share", "publishing", 0.0, 1.0),
    ("feedback_scale", "publishing", _POSITIVE, _INFINITY),
    ("memory_days", "publishing", _POSITIVE, _INFINITY),
    ("per_week", "trends", 0.0, 1_000.0),
    ("rise_hours", "trends", _POSITIVE, _INFINITY),
    ("hold_days", "trends", 0.0, _INFINITY),
    ("fade_days", "trends", _POSITIVE, _INFINITY),
    ("author_share", "rings", 0.0, 0.5),
    ("size", "rings", 2, 1_000),
    ("opened", "rings", 0, 8),
)


def check_numbers(part: object, place: str) -> None:
    """Refuse the numbers of one part of a spec that are not finite or out of their range, by part and field."""
    ranges = {name: (low, high) for name, at, low, high in RANGES if at == place}
    for field_ in fields(part):  # type: ignore[arg-type]
        value = getattr(part, field_.name)
        if not isinstance(value, int | float):
            continue
        low, high = ranges.get(field_.name, (-_INFINITY, _INFINITY))
        if not (low <= value <= high and abs(value) < _INFINITY):
            least = "more than 0" if low == _POSITIVE else f"at least {low}"
            expected = (
                "a finite number" if low == -_INFINITY else least if high == _INFINITY else f"in [{low:g}, {high:g}]"
            )
            raise ValueError(f"{type(part).__name__}.{field_.name}: expected {expected}, got {value}")
