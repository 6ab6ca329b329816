"""The method's own arithmetic against slow and plain ones, and what it learns on a world where the answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from methods.audience import present
from methods.author_encoder import method as encoder_method
from methods.author_encoder import runs
from methods.author_encoder.backbones import BackboneConfig
from methods.author_encoder.embedded import EmbeddedConfig
from methods.author_encoder.encoder import HeadConfig
from methods.author_encoder.filters import FilterConfig
from methods.author_encoder.learning import LearningConfig, learn
from methods.author_encoder.method import AuthorEncoder, AuthorEncoderConfig, kernel_sums, recent, with_co_readers
from methods.author_encoder.prompts import PromptConfig
from methods.author_encoder.reading import Reader
from methods.author_encoder.training import TrainingConfig
from methods.author_encoder.views import two_views
from methods.base import Budget
from methods.item_cf import ItemCFConfig
from methods.registry import create
from simulator.schema import DAY_SECONDS, Observation
from tests import checkerboard as board

WORLD = board.checkerboard()
TINY = EmbeddedConfig(vocabulary=300, hidden=16, layers=1, heads=2, feed_forward=32, context=16, tokens=1_000)
QUICK = LearningConfig(
    backbone=BackboneConfig(embedded=TINY, trained="full", head=HeadConfig(dimensions=8)),
    filters=FilterConfig(chain=("support",), min_count=1),
    training=TrainingConfig(steps=3, batch=8),
)


def vectors(n: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(n, 4)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize("block", [1, 3, 100])
@pytest.mark.parametrize("some", [None, np.array([4, 1])])
def test_sums_over_a_history_are_those_of_two_loops(
    block: int, some: np.ndarray | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder_method, "_BLOCK", block)
    vectors_AD, scale = vectors(7, 1), 5.0
    luck = np.random.default_rng(2)
    weight_QA = sp.csr_matrix((luck.random((5, 7)) * (luck.random((5, 7)) < 0.5)).astype(np.float32))
    got = kernel_sums(weight_QA, vectors_AD, scale, columns_M=some)
    columns = range(7) if some is None else some.tolist()
    for q in range(5):
        for place, b in enumerate(columns):
            wanted = 0.0
            for a in range(7):
                lift_A = [np.exp(scale * float(vectors_AD[a] @ vectors_AD[c])) for c in range(7)]
                wanted += weight_QA[q, a] * lift_A[b] / np.mean(lift_A)
            assert got[q, place] == pytest.approx(wanted, rel=1e-4)


def test_of_several_clicks_on_an_author_the_newest_counts_and_fades() -> None:
    events = WORLD.events
    got = recent(WORLD, 3.0).toarray()
    newest: dict[tuple[int, int], int] = {}
    for user, note, time, click in zip(events.user_E, events.note_E, events.time_E, events.click_E, strict=True):
        if click:
            pair = (int(user), int(board.AUTHOR_N[note]))
            newest[pair] = max(newest.get(pair, 0), int(time))
    wanted = np.zeros_like(got)
    for pair, time in newest.items():
        wanted[pair] = 0.5 ** ((WORLD.now - time) / DAY_SECONDS / 3.0)
    np.testing.assert_allclose(got, wanted, rtol=1e-5)


def test_an_author_speaks_for_itself_and_as_much_again_do_those_it_shares_readers_with() -> None:
    clicked_UA = sp.csr_matrix(np.array([[1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 1, 0]], np.float32))
    plain = ItemCFConfig(n_neighbours=2, user_power=0.0, shrinkage=0.0)
    got = with_co_readers(clicked_UA, plain).toarray()
    np.testing.assert_allclose(got[0], [1, 2 / 3, 1 / 3, 0], rtol=1e-6)  # cosines 1 and 1/2
    np.testing.assert_array_equal(got[3], [0, 0, 0, 1])  # nobody read it
    alone = with_co_readers(clicked_UA, replace(plain, n_neighbours=0)).toarray()
    np.testing.assert_array_equal(alone, np.eye(4))


@pytest.mark.parametrize("config", [PromptConfig(), PromptConfig(n_bodies=2, max_tokens=512)])
def test_no_line_stands_in_both_views_and_both_say_something(config: PromptConfig, learnt_reader: Reader) -> None:
    views = two_views(WORLD, config, learnt_reader.learnt.tokenizer)
    n_authors = len(WORLD.catalog.authors)
    assert len(views.tokens) == 2 * n_authors
    tokenizer = learnt_reader.learnt.tokenizer
    assert len(views.pairs.first_P)
    for first, second in zip(views.pairs.first_P[:5], views.pairs.second_P[:5], strict=True):
        assert second == first + n_authors
        lines = [set(str(tokenizer.decode(views.tokens.row(int(row)))).split("\n")[:-1]) for row in (first, second)]
        shared = {line for line in lines[0] & lines[1] if not line.startswith(("Category", "Notes"))}
        assert not shared


@pytest.fixture(scope="module")
def learnt_reader() -> Reader:
    return Reader(learn(WORLD, QUICK, seed=1, n_threads=1), QUICK.prompt, 1)


def test_an_author_that_was_read_is_not_read_again(learnt_reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    first = learnt_reader.vectors(WORLD)
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1, rtol=1e-5)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(type(learnt_reader.learnt.encoder), "encode", refuse)
    np.testing.assert_array_equal(learnt_reader.vectors(WORLD), first)


def test_the_same_seed_gives_the_same_vectors_and_another_gives_others(learnt_reader: Reader) -> None:
    again = Reader(learn(WORLD, QUICK, seed=1, n_threads=1), QUICK.prompt, 1).vectors(WORLD)
    np.testing.assert_array_equal(again, learnt_reader.vectors(WORLD))
    other = Reader(learn(WORLD, QUICK, seed=2, n_threads=1), QUICK.prompt, 1).vectors(WORLD)
    assert np.abs(other - again).max() > 0.01


@pytest.mark.parametrize(("positives", "learns"), [("none", False), ("two-views", True), ("co-readers", True)])
def test_positives_decide_what_is_learnt(positives: str, learns: bool) -> None:
    learnt = learn(WORLD, replace(QUICK, positives=positives), seed=1, n_threads=1)  # type: ignore[arg-type]
    assert (learnt.n_pairs > 0) == learns == (len(learnt.loss_S) == 3)


def test_at_most_so_many_pairs_are_drawn() -> None:
    assert learn(WORLD, replace(QUICK, most_pairs=5), seed=1, n_threads=1).n_pairs == 5


def test_unknown_positives_are_refused() -> None:
    with pytest.raises(ValueError, match=r"LearningConfig.positives: expected one of co-readers, two-views, none, got"):
        replace(QUICK, positives="clicks")  # type: ignore[arg-type]


def empty(seen: Observation) -> Observation:
    return replace(seen, events=seen.events.take(np.zeros(len(seen.events), bool)))


def test_without_any_event_it_still_answers() -> None:
    method = AuthorEncoder(AuthorEncoderConfig(learning=QUICK))
    nobody = empty(WORLD)
    method.fit(nobody, target="author", rng=np.random.default_rng(0), budget=Budget())
    method.index(nobody)
    slates = method.recommend(board.ask(nobody, "user", "author", np.array([0, 1])), k=5)
    assert (slates.ids_QK >= 0).any()


def test_a_note_asks_for_those_who_read_authors_like_its_own() -> None:
    method = AuthorEncoder(AuthorEncoderConfig(learning=QUICK))
    method.fit(WORLD, target="user", rng=np.random.default_rng(0), budget=Budget())
    method.index(WORLD)
    notes_Q = np.array([3, 0, 3], np.int32)
    got = method._users(notes_Q)
    np.testing.assert_array_equal(got[0], got[2])
    lift = kernel_sums(method.history_UA_, method.vectors_AD_, method.reader_.learnt.scale)
    author = int(board.AUTHOR_N[3])
    wanted = present(lift[:, [author]].T, method.presence_U_)[0]
    np.testing.assert_allclose(got[0], wanted, rtol=1e-4)


@pytest.mark.parametrize("name", runs.CONFIGS)
def test_every_named_run_is_a_method(name: str) -> None:
    assert create(f"methods.author_encoder.runs:{name}").config == runs.CONFIGS[name]


def test_named_runs_differ() -> None:
    different = [str(config) for config in runs.CONFIGS.values() if config != runs.BASE]
    assert len(set(different)) == len(different) >= len(runs.CONFIGS) - 4


def test_a_run_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected package.module:Class that can be imported, got .*no_such"):
        create("methods.author_encoder.runs:no_such")
