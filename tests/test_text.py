"""Texts: the same for ever, telling of the topic, telling nothing else."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

import simulator.text.pack as pack_module
from simulator.luck import stream
from simulator.schema import SchemaError, Texts
from simulator.sizes import N_CATEGORIES, N_TOPICS, TOPICS_PER_CATEGORY
from simulator.text import AuthorProfiles, Language, NoteBodies, NoteTitles, Pack, load
from simulator.text.pack import LANGUAGES, Topic, parse

N_NOTES = 6000
N_AUTHORS = 1500
KEY = stream(7, "text")
EVERY_NOTE = np.arange(N_NOTES, dtype=np.int32)


def _drawn(seed: int, n: int, shape: int | tuple[int, int], dtype: type[np.signedinteger[Any]]) -> NDArray[Any]:
    return np.random.default_rng(seed).integers(0, n, shape).astype(dtype)


AUTHOR_N = _drawn(1, N_AUTHORS, N_NOTES, np.int32)
TOPIC_N = _drawn(2, N_TOPICS, N_NOTES, np.int16)
SECOND_N = _drawn(3, N_TOPICS, N_NOTES, np.int16)
TOPICS_AM = _drawn(4, N_TOPICS, (N_AUTHORS, 3), np.int16)
TOPICS_AM[:500, 1:] = -1
TOPICS_AM[500:900, 2] = -1


def _titles(language: Language = "english", key: np.uint64 = KEY, second_N: NDArray[np.int16] = TOPIC_N) -> NoteTitles:
    return NoteTitles(load(language), key, TOPIC_N, second_N, AUTHOR_N)


def _bodies(language: Language = "english", key: np.uint64 = KEY, second_N: NDArray[np.int16] = TOPIC_N) -> NoteBodies:
    return NoteBodies(load(language), key, TOPIC_N, second_N, AUTHOR_N)


def _profiles(language: Language = "english", key: np.uint64 = KEY) -> AuthorProfiles:
    return AuthorProfiles(load(language), key, TOPICS_AM)


COLUMNS: dict[str, Callable[[Language, np.uint64], Texts]] = {"t": _titles, "b": _bodies, "p": _profiles}
COLUMN = st.sampled_from(sorted(COLUMNS))
LANGUAGE = st.sampled_from(LANGUAGES)


@cache
def _all(column: str, language: Language) -> list[str]:
    texts = COLUMNS[column](language, KEY)
    return texts.take(np.arange(len(texts), dtype=np.int32))


def _mentions(text: str, topic: Topic) -> int:
    return sum(word.lower() in text.lower() for word in (topic.name, *topic.things, *topic.actions))


@given(COLUMN, LANGUAGE, st.lists(st.integers(0, N_AUTHORS - 1), max_size=30))
def test_a_text_does_not_depend_on_what_is_asked_with_it(column: str, language: Language, ids: list[int]) -> None:
    taken = COLUMNS[column](language, KEY).take(np.array(ids, np.int32))
    assert taken == [_all(column, language)[i] for i in ids]


@given(COLUMN, st.integers(0, N_AUTHORS))
def test_head_is_a_prefix(column: str, n: int) -> None:
    head = COLUMNS[column]("english", KEY).head(n)
    assert len(head) == n
    assert head.take(np.arange(n, dtype=np.int32)) == _all(column, "english")[:n]


@pytest.mark.parametrize("column", sorted(COLUMNS))
def test_another_key_gives_other_texts(column: str) -> None:
    other = COLUMNS[column]("english", stream(8, "text")).take(np.arange(500, dtype=np.int32))
    same = sum(a == b for a, b in zip(other, _all(column, "english")[:500], strict=True))
    assert same < 25


@pytest.mark.parametrize("language", LANGUAGES)
def test_both_packs_have_twenty_categories_of_twelve_topics(language: Language) -> None:
    pack = load(language)
    assert len(pack.categories) == N_CATEGORIES
    assert {len(category.topics) for category in pack.categories} == {TOPICS_PER_CATEGORY}
    assert len({topic.name for topic in pack.topics}) == N_TOPICS


def test_both_packs_have_the_same_structure() -> None:
    def counts(pack: Pack) -> list[int]:
        parts = (pack.titles, pack.bodies, pack.noise, pack.profiles, pack.tags, pack.voices)
        return [len(part) for part in parts]

    assert counts(load("english")) == counts(load("chinese"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_words_of_a_topic_are_its_own(language: Language) -> None:
    uses = Counter(word for topic in load(language).topics for word in (*topic.things, *topic.actions))
    assert sum(n > 1 for n in uses.values()) <= 0.02 * len(uses)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_slot_is_left_open(language: Language) -> None:
    assert not [text for column in COLUMNS for text in _all(column, language) if "{" in text or not text.strip()]


def test_english_texts_have_the_length_of_a_note() -> None:
    title_words, body_words = ([len(text.split()) for text in _all(column, "english")] for column in "tb")
    assert np.quantile(title_words, 0.95) <= 13
    assert np.quantile(body_words, 0.05) >= 35
    assert np.quantile(body_words, 0.95) <= 85


def test_notes_of_an_author_end_their_titles_alike() -> None:
    endings = sorted((voice.title_ending for voice in load("english").voices), key=len, reverse=True)
    of_author: dict[int, set[str]] = {}
    for title, author in zip(_all("t", "english"), AUTHOR_N.tolist(), strict=True):
        of_author.setdefault(author, set()).add(next(end for end in endings if title.endswith(end)))
    assert {len(heard) for heard in of_author.values()} == {1}


def test_bodies_speak_in_the_voice_of_the_title() -> None:
    for title, body in zip(_all("t", "english"), _all("b", "english"), strict=True):
        heard = {
            voice.title_ending
            for voice in load("english").voices
            if any(phrase in body for phrase in (*voice.openers, *voice.closers))
        }
        assert not heard or any(title.endswith(ending) for ending in heard)


def test_authors_spread_evenly_over_the_voices() -> None:
    topic_A = np.zeros(N_AUTHORS, np.int16)
    author_A = np.arange(N_AUTHORS, dtype=np.int32)
    titles = NoteTitles(load("english"), KEY, topic_A, topic_A, author_A).take(author_A)
    expected = N_AUTHORS / len(load("english").voices)
    with_bang = sum(title.endswith("!!") for title in titles)
    assert abs(with_bang - expected) < 4 * np.sqrt(expected)  # 4 sigma of a binomial of small share


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_title_has_a_word_of_its_topic(language: Language) -> None:
    topics = load(language).topics
    assert all(_mentions(title, topics[t]) for title, t in zip(_all("t", language), TOPIC_N, strict=True))


def test_a_few_bodies_have_no_word_of_their_topic() -> None:
    topics = load("english").topics
    silent = sum(not _mentions(body, topics[t]) for body, t in zip(_all("b", "english"), TOPIC_N, strict=True))
    assert 0.02 < silent / N_NOTES < 0.07  # 4 % are plain, and 0.2**3.4 of the others fall silent by chance


def test_one_body_line_in_five_is_off_the_topic() -> None:
    noise = sum(sentence in body for body in _all("b", "english") for sentence in load("english").noise)
    # 3.4 lines a body; 0.96 * 0.2 + 0.04 * 0.95 of them are noise, and 0.01 is ten sigmas of their share.
    assert noise / (3.4 * N_NOTES) == pytest.approx(0.23, abs=0.01)


def test_a_third_of_the_words_tell_of_the_second_topic() -> None:
    topics = load("english").topics
    bodies = _bodies(second_N=SECOND_N).take(EVERY_NOTE)
    first = sum(_mentions(body, topics[t]) for body, t in zip(bodies, TOPIC_N, strict=True))
    second = sum(_mentions(body, topics[t]) for body, t in zip(bodies, SECOND_N, strict=True))
    assert second / (first + second) == pytest.approx(1 / 3, abs=0.03)


def test_profiles_speak_of_every_topic_of_the_author() -> None:
    pack = load("english")
    for profile, topics_M in zip(_all("p", "english"), TOPICS_AM, strict=True):
        for topic in topics_M[topics_M >= 0].tolist():
            shared = pack.categories[topic // TOPICS_PER_CATEGORY].words
            assert _mentions(profile, pack.topics[topic]) or any(word in profile for word in shared)


@cache
def _read() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return TF-IDF rows of all English notes, and the unit centroids of the topics over the first 5000."""
    texts = [f"{title} {body}" for title, body in zip(_all("t", "english"), _all("b", "english"), strict=True)]
    rows: NDArray[np.float64] = TfidfVectorizer(sublinear_tf=True, max_df=0.1).fit_transform(texts).toarray()
    centroid_T = np.stack([rows[:5000][TOPIC_N[:5000] == t].mean(axis=0) for t in range(N_TOPICS)])
    return rows, centroid_T / np.linalg.norm(centroid_T, axis=1, keepdims=True)


def test_the_topic_of_a_note_can_be_read() -> None:
    rows, centroids = _read()
    guess = (rows[5000:] @ centroids.T).argmax(axis=1)
    assert (guess == TOPIC_N[5000:]).mean() > 0.8


def test_sibling_topics_are_nearer_than_strangers() -> None:
    _, centroids = _read()
    near_TT = centroids @ centroids.T
    category_T = np.arange(N_TOPICS) // TOPICS_PER_CATEGORY
    sibling_TT = category_T[:, None] == category_T
    itself_TT = np.eye(N_TOPICS, dtype=bool)
    assert near_TT[sibling_TT & ~itself_TT].mean() > 1.5 * near_TT[~sibling_TT].mean()


def test_a_hidden_label_of_authors_cannot_be_read() -> None:
    rows, _ = _read()
    label_A = np.random.default_rng(5).random(N_AUTHORS) < 0.5
    train_N = AUTHOR_N < N_AUTHORS // 2
    centroids = [rows[train_N & (label_A[AUTHOR_N] == label)].mean(axis=0) for label in (False, True)]
    # One note an author, so that the guesses are independent coins.
    held_out, first = np.unique(AUTHOR_N[~train_N], return_index=True)
    guess = rows[~train_N][first] @ (centroids[1] - centroids[0]) > 0
    hits = (guess == label_A[held_out]).mean()
    assert abs(hits - 0.5) < 4 * 0.5 / np.sqrt(len(held_out))  # 4 sigma of a fair coin


@cache
def _raw() -> dict[str, Any]:
    raw: dict[str, Any] = json.loads(Path(pack_module.__file__).with_name("english.json").read_text(encoding="utf-8"))
    return raw


BREAKS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "missing": (lambda p: p.pop("noise"), r"Pack: expected fields .*noise.*, got bodies"),
    "unknown": (lambda p: p.update(extra=1), r"Pack: expected fields .*, got .*extra"),
    "short": (lambda p: p["categories"].pop(), r"Pack\.categories: expected 20 entries, got 19"),
    "topics": (lambda p: p["categories"][3]["topics"].pop(), r"categories\[3\]\.topics: expected 12 entries, got 11"),
    "things": (
        lambda p: p["categories"][0]["topics"][2]["things"].append("spoon"),
        r"categories\[0\]\.topics\[2\]\.things: expected 8 entries, got 9",
    ),
    "kind": (lambda p: p["tags"].append(3), r"Pack\.tags\[8\]: expected a string, got int"),
    "empty": (lambda p: p["noise"].append(" "), r"Pack\.noise\[40\]: expected some text, got ' '"),
    "slot": (lambda p: p["titles"].append("My {cat}"), r"Pack\.titles\[25\]: expected slots among .*, got {cat}"),
    "slotless": (lambda p: p["bodies"].append("Hello."), r"Pack\.bodies\[40\]: expected 1 to 3 slots, got 0"),
    "names": (lambda p: p["profiles"].append("{Name}, {name}"), r"Pack\.profiles\[15\]: expected one name at most"),
    "voice": (lambda p: p["voices"][1]["closers"].pop(), r"voices\[1\]\.closers: expected 4 entries, got 3"),
    "list": (lambda p: p.update(voices="loud"), r"Pack\.voices: expected a list, got str"),
}


@pytest.mark.parametrize("name", sorted(BREAKS))
def test_a_malformed_pack_is_refused_by_field(name: str) -> None:
    spoil, message = BREAKS[name]
    raw = copy.deepcopy(_raw())
    spoil(raw)
    with pytest.raises(SchemaError, match=message):
        parse(raw)


def test_a_pack_that_is_no_object_is_refused() -> None:
    with pytest.raises(SchemaError, match="Pack: expected an object, got list"):
        parse([])


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(SchemaError, match="language: expected one of english, chinese, got 'latin'"):
        load("latin")  # type: ignore[arg-type, unused-ignore]


def test_columns_that_break_the_contract_are_refused() -> None:
    pack, topic_N, author_N = load("english"), np.zeros(3, np.int16), np.zeros(3, np.int32)
    with pytest.raises(SchemaError, match=r"NoteTitles\.topic: expected values in \[0, 240\)"):
        NoteTitles(pack, KEY, topic_N + np.int16(240), topic_N, author_N)
    with pytest.raises(SchemaError, match=r"NoteBodies\.author: expected int32"):
        NoteBodies(pack, KEY, topic_N, topic_N, topic_N)  # type: ignore[arg-type]
    with pytest.raises(SchemaError, match=r"NoteBodies\.author: expected values"):
        NoteBodies(pack, KEY, topic_N, topic_N, author_N - np.int32(1))


@pytest.mark.parametrize(
    ("topics", "message"),
    [([[-1, -1, -1]], "a first topic"), ([[3, -1, 4]], "on the right only"), ([[3, 4]], r"int16\(1, 3\)")],
)
def test_topics_of_authors_that_break_the_contract_are_refused(topics: list[list[int]], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        AuthorProfiles(load("english"), KEY, np.array(topics, np.int16))


@pytest.mark.parametrize("column", sorted(COLUMNS))
def test_ids_that_do_not_exist_are_refused(column: str) -> None:
    with pytest.raises(SchemaError, match="ids: expected values in"):
        COLUMNS[column]("english", KEY).take(np.array([0, -1], np.int32))
