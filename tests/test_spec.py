"""Worlds are called by name, settings by their field; what cannot be is refused by name."""

from dataclasses import fields

import numpy as np
import pytest

from simulator.simulate import live
from simulator.spec import TINY, WORLDS, WorldSpec, find_world


@pytest.mark.parametrize("name", WORLDS)
def test_every_named_world_is_found_by_its_name(name: str) -> None:
    assert find_world(name).name == name


def test_settings_are_called_by_their_field() -> None:
    spec = find_world(
        "tiny:text_alignment=0.2,days=5,whole_pages=false,weekday=0+0+1+0+0+0+0,per_week=0,language=chinese"
    )
    assert (spec.affinity.text_alignment, spec.days, spec.logging.whole_pages) == (0.2, 5, False)
    assert (spec.living.weekday, spec.trends.per_week, spec.language) == (
        (0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0),
        0.0,
        "chinese",
    )
    assert spec.responding == TINY.responding
    assert spec.name.startswith("tiny:")


def test_fields_of_all_parts_have_different_names() -> None:
    parts = [getattr(TINY, field.name) for field in fields(TINY) if hasattr(getattr(TINY, field.name), "__slots__")]
    names = [field.name for part in parts for field in fields(part)]
    assert len(parts) == 7
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tinny", r"world: expected one of tiny, .*, got 'tinny'"),
        ("tiny:colour=3", r"world setting: expected one of .*text_alignment.*, got 'colour'"),
        ("tiny:days=two", r"world setting days: expected a int, got 'two'"),
        ("tiny:days=0", r"WorldSpec\.days: expected in \[1, 32767\], got 0"),
        ("tiny:text_alignment=1.2", r"Affinity\.text_alignment: expected in \[0, 1\], got 1\.2"),
        ("tiny:max_slots=45", r"Logging\.max_slots: expected whole pages of 10, got 45"),
        ("tiny:explore_share=0.9", r"Logging\.explore_share: expected in \[0, 0\.5\], got 0\.9"),
    ],
)
def test_what_cannot_be_is_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_world(name)


# Each of these was once taken, and then overran a buffer, divided by nothing, or never ended.
HARMFUL = (
    "tries=400",  # more candidates than a session has room for
    "tries=0",  # nobody to draw from
    "popular_power=nan",
    "popular_power=-1",  # the less a note is clicked, the hotter it would be
    "page_size=0",
    "size=0",  # of a ring
    "rise_hours=0",
    "neutral_ctr=0",
    "memory_days=0",
    "feedback_scale=0",
    "second_topic_share=nan",
)


@pytest.mark.parametrize("setting", HARMFUL)
def test_settings_that_break_a_world_are_refused(setting: str) -> None:
    field = setting.partition("=")[0]
    with pytest.raises(ValueError, match=rf"\.{field}: expected"):
        find_world(f"tiny:{setting}")


def test_a_spec_as_plain_values_is_for_a_manifest() -> None:
    plain = TINY.as_dict()
    assert plain["logging"]["page_size"] == TINY.logging.page_size
    assert isinstance(plain["living"]["weekday"], list)
    assert WorldSpec("x", n_users=1, n_authors=1, days=1).as_dict()["name"] == "x"


def test_a_preset_is_no_setting_and_a_language_is_one_that_is_spoken() -> None:
    with pytest.raises(ValueError, match=r"world setting: expected one of .*, got 'preset'"):
        find_world("tiny:preset=single-column")
    with pytest.raises(ValueError, match=r"WorldSpec\.language: expected one of english, chinese, got 'latin'"):
        find_world("tiny:language=latin")


def test_a_chinese_world_speaks_chinese_and_is_else_the_same() -> None:
    one, other = (live(find_world(f"tiny:days=3,language={name}"), seed=3) for name in ("english", "chinese"))
    assert one.events.note_E.tobytes() == other.events.note_E.tobytes()
    ids = np.arange(20, dtype=np.int32)
    assert all(text.isascii() for text in one.catalog.notes.title.take(ids))
    assert not any(text.isascii() for text in other.catalog.notes.title.take(ids))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("weekday=0+0", "Living.weekday: expected 7 finite numbers"),
        ("weekday=nan+0+0+0+0+0+0", "Living.weekday: expected 7 finite numbers"),
        ("length_log_median=100", "Living.length_log_median: expected in"),
        ("dwell_log_mean=1000", "Responding.dwell_log_mean: expected in"),
        ("fresh_slots=6", "Logging.fresh_slots: expected at most half of a page, 5, got 6"),
        ("page_size=5,fresh_slots=3", "Logging.fresh_slots: expected at most half of a page, 2, got 3"),
        ("examine_low=0.99,examine_high=0.98", "Living.examine_low: expected at most examine_high"),
    ],
)
def test_settings_that_make_no_world_are_refused(setting: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_world(f"tiny:{setting}")
