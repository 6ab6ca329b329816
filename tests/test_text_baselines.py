"""Neighbours by text against TF-IDF and cosines written out: words counted in Python, sums one by one."""

import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from methods.audience import ContentAudience, presence
from methods.base import Budget, Method
from methods.content_knn import ContentKNN, ContentKNNConfig
from methods.content_minilm import ContentMiniLM, ContentMiniLMConfig, loaded, texts
from methods.text import TextConfig
from simulator.schema import Kind, Requests, Slates
from tests import checkerboard as board

WORLD = board.checkerboard()
PAST = board.as_of_fit(WORLD)
READERS = np.array([3, 0, 17, board.N_OLD_USERS + 2], np.int32)
Like = Callable[[int, int], float]


def listed(method: Method, query: Kind, target: Kind, ids: np.ndarray) -> Slates:
    """Fit on the past, index the present, and ask for all targets."""
    method.fit(PAST, target=target, rng=np.random.default_rng(0), budget=Budget())
    method.index(WORLD)
    everything_C, none = np.arange(WORLD.catalog.count(target), dtype=np.int32), np.empty(0, np.int32)
    start_Q1 = np.zeros(len(ids) + 1, np.int64)
    return method.recommend(Requests(query, target, ids, WORLD.now, everything_C, start_Q1, none, 7), k=80)


def history(user: int, target: Kind) -> set[int]:
    mine = WORLD.events.note_E[WORLD.events.click_E & (WORLD.events.user_E == user)]
    return set((mine if target == "note" else board.AUTHOR_N[mine]).tolist())


def document(target: Kind, id_: int, *, n_notes: int, past: bool) -> str:
    """Return a note's title and body, or an author's profile and its newest notes, as of the fit or of now."""
    catalog = (PAST if past else WORLD).catalog
    title, body = (
        column.take(np.arange(len(catalog.notes), dtype=np.int32))
        for column in (catalog.notes.title, catalog.notes.body)
    )
    if target == "note":
        return f"{title[id_]} {body[id_]}"
    own = [note for note in range(len(title)) if catalog.notes.author_N[note] == id_][-n_notes:]
    profile = catalog.authors.profile.take(np.array([id_], np.int32))[0]
    return " ".join([profile, *(f"{title[note]} {body[note]}" for note in own)])


def cosines(target: Kind, n_notes: int) -> Like:
    """TF-IDF as of the fit: (1 + log count) (1 + log((1 + n) / (1 + documents with the word))), length one."""
    past = [document(target, id_, n_notes=n_notes, past=True) for id_ in range(PAST.catalog.count(target))]
    n_with = Counter(word for text in past for word in set(text.split()))

    def vector(id_: int) -> dict[str, float]:
        counts = Counter(document(target, id_, n_notes=n_notes, past=False).split())
        made = {
            word: (1 + math.log(n)) * (1 + math.log((1 + len(past)) / (1 + n_with[word])))
            for word, n in counts.items()
            if n_with[word] >= 2
        }
        length = math.sqrt(sum(value**2 for value in made.values()))
        return {word: value / length for word, value in made.items()}

    vectors = [vector(id_) for id_ in range(WORLD.catalog.count(target))]
    return lambda a, b: sum(value * vectors[b].get(word, 0.0) for word, value in vectors[a].items())


@pytest.mark.parametrize(("target", "n_notes"), [("note", 20), ("author", 20), ("author", 1)])
def test_content_neighbours_are_summed_cosines_of_tf_idf_counted_by_hand(target: Kind, n_notes: int) -> None:
    like = cosines(target, n_notes)
    slates = listed(ContentKNN(ContentKNNConfig(TextConfig(notes_per_author=n_notes))), "user", target, READERS)
    for user, ids, scores in zip(READERS.tolist(), slates.ids_QK, slates.scores_QK, strict=True):
        for id_, score in zip(ids[ids >= 0].tolist(), scores, strict=False):
            assert score == pytest.approx(sum(like(mine, id_) for mine in history(user, target)), rel=1e-4)


def test_an_author_asks_by_its_own_text() -> None:
    like, authors = cosines("author", 20), np.array([4, 20, 25], np.int32)
    slates = listed(ContentKNN(), "author", "author", authors)
    for author, ids, scores in zip(authors.tolist(), slates.ids_QK, slates.scores_QK, strict=True):
        for id_, score in zip(ids[ids >= 0].tolist(), scores, strict=False):
            assert score == pytest.approx(like(author, id_), rel=1e-4)


def test_neighbours_by_minilm_are_summed_cosines_of_the_packaged_vectors() -> None:
    config = ContentMiniLMConfig(max_tokens=16)
    # Each text alone: how texts are batched and padded changes nothing but the last digits.
    encode, read = loaded(config, n_threads=1), texts(WORLD, config, target="author")
    rows = [encode([text])[0].astype(np.float64) for text in read]
    unit_AD = np.array([row / np.linalg.norm(row) for row in rows])
    slates = listed(ContentMiniLM(config), "user", "author", READERS)
    for user, ids, scores in zip(READERS.tolist(), slates.ids_QK, slates.scores_QK, strict=True):
        for id_, score in zip(ids[ids >= 0].tolist(), scores, strict=False):
            wanted = sum(float(unit_AD[mine] @ unit_AD[id_]) for mine in history(user, "author"))
            assert score == pytest.approx(wanted, rel=1e-3)


def test_an_audience_by_content_is_the_damped_likeness_of_what_was_clicked_times_presence() -> None:
    like, come_U, notes = cosines("note", 20), presence(WORLD, ContentAudience().config.presence), (4, 7, 87)
    slates = listed(ContentAudience(), "note", "user", np.array(notes, np.int32))
    for note, users, scores in zip(notes, slates.ids_QK, slates.scores_QK, strict=True):
        for user, score in zip(users[:10].tolist(), scores, strict=False):
            mine = history(user, "note")
            affinity = sum(like(one, note) for one in mine) / math.sqrt(len(mine))
            assert score == pytest.approx(affinity * come_U[user], rel=1e-4)
