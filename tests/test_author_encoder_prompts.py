"""Prompts say who an author is, in the order of the template, and lose the least important first."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.author_encoder.prompts import PromptConfig, cleaned, corpus, n_bytes, prompts
from methods.author_encoder.tokens import measure
from simulator.schema import SchemaError
from tests.author_encoder_examples import Written, all_of, observed, small_tokenizer
from tests.world_examples import seen as world_seen

LONG = PromptConfig(max_tokens=4096)
BAKER = Written("Bakes bread.", 0, ("rye", "wheat", "spelt"))


def one(author: Written, config: PromptConfig = LONG, categories: tuple[str, ...] = ("food", "travel")) -> str:
    seen = observed(author, categories=categories)
    return prompts(seen, all_of(seen), config)[0]


def test_a_prompt_is_profile_then_category_then_titles_in_time_order() -> None:
    assert one(BAKER) == (
        "Profile: Bakes bread.\nCategory: food\nNotes:\n- rye\n- wheat\n- spelt\nThis author in one word:"
    )


def test_a_chinese_category_name_chooses_the_chinese_template() -> None:
    text = one(Written("做面包", 0, ("黑麦",)), categories=("美食", "travel"))
    assert text == "简介：做面包\n类目：美食\n笔记：\n- 黑麦\n用一个词概括这位作者："  # noqa: RUF001


def test_the_config_chooses_the_template_over_the_categories() -> None:
    assert one(BAKER, PromptConfig("chinese", max_tokens=4096)).startswith("简介：Bakes bread.\n类目：food\n")  # noqa: RUF001
    assert one(BAKER, PromptConfig("english", max_tokens=4096), ("美食",)).startswith(
        "Profile: Bakes bread.\nCategory: 美食"
    )


def test_an_author_without_any_text_still_has_a_prompt() -> None:
    assert one(Written()) == "Category: food\nThis author in one word:"


def test_only_an_author_without_any_text_has_the_empty_prompt_where_the_frame_is_left_out() -> None:
    seen = observed(Written(), Written("Bakes."), Written(titles=(" ",)), Written(titles=("",), bodies=("rye",)))
    framed = prompts(seen, all_of(seen), LONG)
    assert prompts(seen, all_of(seen), LONG, silent_framed=False) == ["", framed[1], "", framed[3]]


def test_an_unknown_category_is_said_to_be_unknown() -> None:
    assert "Category: unknown\n" in one(Written(category=-1))
    assert "类目：未知\n" in one(Written(category=-1), categories=("美食",))  # noqa: RUF001


def test_a_note_without_a_title_is_the_beginning_of_its_body() -> None:
    author = Written(titles=("", "named"), bodies=("a body  that\ngoes on", "unread"))
    assert "- a body that\n- named\n" in one(author, PromptConfig(title_characters=11, max_tokens=4096))


def test_only_the_newest_titles_are_read() -> None:
    assert "Notes:\n- wheat\n- spelt\nThis" in one(BAKER, PromptConfig(n_titles=2, max_tokens=4096))
    assert "Notes" not in one(BAKER, PromptConfig(n_titles=0, max_tokens=4096))


def test_bodies_of_the_newest_notes_follow_the_titles_newest_first() -> None:
    author = Written("Bakes.", 0, ("rye", "wheat", "spelt"), bodies=("old", "a  sour\ndough", "a loaf"))
    assert one(author, PromptConfig(n_bodies=2, max_tokens=4096)) == (
        "Profile: Bakes.\nCategory: food\nNotes:\n- rye\n- wheat\n- spelt\nNewest: a loaf a sour dough\n"
        "This author in one word:"
    )
    assert "最新：a loaf\n" in one(author, PromptConfig("chinese", n_bodies=1, max_tokens=4096))  # noqa: RUF001


@pytest.mark.parametrize("shorter", range(1, 60, 3))
def test_bodies_are_lost_from_their_end_before_any_title(shorter: int) -> None:
    author = Written("Bakes bread.", 0, ("rye", "wheat"), bodies=("of old", "a loaf of the new sort"))
    room = n_bytes([one(author, PromptConfig(n_bodies=2, max_tokens=4096))])[0] - shorter
    text = one(author, PromptConfig(n_bodies=2, max_tokens=room + 2))
    assert n_bytes([text])[0] <= room
    written = "a loaf of the new sort of old"
    bodies = text.partition("Newest: ")[2].partition("\n")[0]
    assert written.startswith(bodies)
    if bodies:
        assert "- rye\n- wheat\n" in text
        lost = written[len(bodies) :]
        assert len(lost) - len(lost.lstrip()) + 1 > room - n_bytes([text])[0]  # the next letter would not fit


@pytest.mark.parametrize("shorter", range(1, 52, 3))
def test_what_is_too_long_loses_oldest_titles_then_the_profile_and_never_the_category(shorter: int) -> None:
    room = n_bytes([one(BAKER)])[0] - shorter
    text = one(BAKER, PromptConfig(max_tokens=room + 2))
    assert n_bytes([text])[0] <= room
    assert "Category: food\n" in text
    titles = [title for title in BAKER.titles if f"- {title}\n" in text]
    assert titles == list(BAKER.titles[len(BAKER.titles) - len(titles) :])
    whole_profile = "Profile: Bakes bread.\n" in text
    assert whole_profile or not titles
    # Nothing was dropped that there was room for: one title more would not fit.
    if whole_profile and len(titles) < len(BAKER.titles):
        one_more = len(f"- {BAKER.titles[2 - len(titles)]}\n") + (0 if titles else len("Notes:\n"))
        assert n_bytes([text])[0] + one_more > room


def test_max_tokens_that_cannot_hold_the_category_is_refused() -> None:
    with pytest.raises(SchemaError, match=r"PromptConfig.max_tokens: expected room for the category 'food', got 20"):
        one(BAKER, PromptConfig(max_tokens=20))


def test_an_author_of_fifty_thousand_tokens_is_cut_in_moments() -> None:
    tokenizer = small_tokenizer()
    seen = observed(Written("oven bread flour " * 50_000, 1, ("rye " * 50_000,) * 30), BAKER)
    config = PromptConfig(max_tokens=96)
    long, short = prompts(seen, all_of(seen), config, measure=measure(tokenizer))
    assert 80 <= measure(tokenizer)([long])[0] <= 94
    assert "Category: travel\n" in long
    assert short == one(BAKER)


@pytest.mark.parametrize(
    ("odd", "clean"),
    [
        ("a\ud800b", "a\ufffdb"),
        ("\udfff", "\ufffd"),
        ("\ud83d\ude00", "\U0001f600"),  # both halves of one character
        (" a \r\n\tb\x00\x1b[31m ", "a b [31m"),
        ("\u3000全角\u2028", "全角"),
        ("", ""),
    ],
)
def test_odd_text_becomes_one_line_that_utf8_can_hold(odd: str, clean: str) -> None:
    assert cleaned(odd) == clean
    assert one(Written(odd, titles=(odd,))).encode().decode() == one(Written(clean, titles=(clean,)))


@settings(max_examples=40)
@given(st.lists(st.text(st.characters(codec=None), max_size=80), max_size=5), st.text(st.characters(codec=None)))
def test_any_text_fits_in_tokens(titles: list[str], profile: str) -> None:
    seen = observed(Written(profile, 1, tuple(titles)))
    tokenizer = small_tokenizer()
    text = prompts(seen, all_of(seen), PromptConfig(max_tokens=64), measure=measure(tokenizer))[0]
    assert measure(tokenizer)([text])[0] <= 62
    assert "Category: travel\n" in text


def test_prompts_come_in_the_order_asked_for_and_the_same_each_time() -> None:
    seen = observed(BAKER, Written("Walks.", 1, ("hill",)), Written())
    ids = np.array([2, 0, 1, 0], np.int32)
    whole = prompts(seen, all_of(seen), LONG)
    assert prompts(seen, ids, LONG) == [whole[i] for i in ids] == prompts(seen, ids, LONG)
    assert prompts(seen, ids[:0], LONG) == []


def test_a_corpus_is_whole_prompts_and_the_newest_bodies() -> None:
    seen = observed(Written("x", 0, ("a", "b"), ("old", " new\ud800")), Written())
    short = PromptConfig(max_tokens=30)
    assert corpus(seen, short, n_bodies=1) == [*prompts(seen, all_of(seen), LONG), "new\ufffd"]
    assert len(corpus(seen, short, n_bodies=9)) == 4


def test_prompts_of_a_world_read_as_they_should() -> None:
    seen = world_seen("tiny:language=chinese", seed=1, hours=24 * 6)
    texts = prompts(seen, all_of(seen), PromptConfig(), measure=n_bytes)
    assert len(texts) == len(seen.catalog.authors)
    assert all("类目：" in text and text.endswith("：") for text in texts)  # noqa: RUF001


def test_ids_that_are_no_authors_are_refused() -> None:
    seen = observed(BAKER)
    with pytest.raises(SchemaError, match=r"ids_M: expected values in \[0, 1\)"):
        prompts(seen, np.array([1], np.int32), LONG)
    with pytest.raises(SchemaError, match=r"ids_M: expected int32"):
        prompts(seen, np.array([0]), LONG)


@pytest.mark.parametrize(
    ("field", "value"),
    [("max_tokens", 2), ("n_titles", -1), ("n_bodies", -1), ("title_characters", 0), ("language", "x")],
)
def test_a_bad_config_is_refused(field: str, value: object) -> None:
    with pytest.raises(SchemaError, match=rf"PromptConfig.{field}: expected"):
        PromptConfig(**{field: value})  # type: ignore[arg-type]
