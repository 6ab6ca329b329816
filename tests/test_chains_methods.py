"""Sources of similar authors, and the chains as methods, in the world whose answer is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from methods.audience import PresenceConfig, presence
from methods.base import Budget, Method
from methods.chains.i2a2a2u import I2A2A2UConfig, ReverseChain
from methods.chains.similar import BlendedSimilar, SimilarAuthors, SimilarSource, TableSimilar, VectorSimilar
from methods.chains.sources import (
    BlendedAuthors,
    CoClickedAuthors,
    FactorAndTextAuthors,
    FactorAuthors,
    SwingAuthors,
    TextAuthors,
)
from methods.chains.u2a2a2i import U2A2A2I, Chain, U2A2A2IConfig
from methods.registry import create
from methods.retrieval import IndexConfig
from simulator.schema import Kind, Observation, Requests, SchemaError
from tests import checkerboard as board

WORLD = board.checkerboard()
PAST = board.as_of_fit(WORLD)
WARM: tuple[SimilarSource, ...] = (SwingAuthors(), CoClickedAuthors(), FactorAuthors())
COLD: tuple[SimilarSource, ...] = (FactorAndTextAuthors(), TextAuthors(), BlendedAuthors())
CLICKED = np.arange(20, dtype=np.int32)
NEW_WARM, NEW_COLD = np.array([22, 23], np.int32), np.array([20, 21, 24, 25], np.int32)


def learnt(source: SimilarSource) -> SimilarAuthors:
    return source.learn(PAST, rng=np.random.default_rng(0), budget=Budget()).now(WORLD)


def named(sources: Iterable[SimilarSource]) -> list[object]:
    return [pytest.param(source, id=type(source).__name__) for source in sources]


@pytest.mark.parametrize("source", named((*WARM, *COLD)))
def test_similar_authors_are_of_the_same_parity_and_never_oneself(source: SimilarSource) -> None:
    similar = learnt(source)
    asked = np.concatenate([CLICKED, NEW_WARM])
    found = similar.top(asked, k=4)
    assert similar.n_authors == board.N_AUTHORS
    assert (np.diff(found.start_R1) == 4).all()
    assert (found.ids_P % 2 == asked[found.row_P] % 2).all()
    assert (found.ids_P != asked[found.row_P]).all()
    assert (np.diff(found.weights_P)[np.diff(found.row_P) == 0] <= 0).all()


@pytest.mark.parametrize("source", named(COLD))
def test_authors_without_a_click_are_like_some_and_some_are_like_them(source: SimilarSource) -> None:
    similar = learnt(source)
    found = similar.top(NEW_COLD, k=3)
    assert (found.ids_P % 2 == NEW_COLD[found.row_P] % 2).all()
    assert (np.diff(found.start_R1) == 3).all()
    assert np.isin(NEW_COLD, similar.top(CLICKED, k=12).ids_P).all()


@pytest.mark.parametrize("source", named(WARM))
def test_clicks_alone_say_nothing_of_authors_without_a_click(source: SimilarSource) -> None:
    similar = learnt(source)
    assert len(similar.top(NEW_COLD, k=3).ids_P) == 0
    assert not np.isin(NEW_COLD, similar.top(CLICKED, k=25).ids_P).any()


@pytest.mark.parametrize("kind", ["exact", "flat", "hnsw"])
def test_vectors_are_searched_by_cosine_whatever_the_index(kind: str) -> None:
    vectors_AD = np.random.default_rng(1).standard_normal((60, 8)).astype(np.float32)
    vectors_AD *= np.random.default_rng(2).uniform(0.1, 9, (60, 1)).astype(np.float32)
    vectors_AD[7] = 0
    similar = VectorSimilar.of(vectors_AD, index=IndexConfig(kind, links=32, search_width=200))  # type: ignore[arg-type]
    found = similar.top(np.arange(60, dtype=np.int32), k=5)
    length = np.linalg.norm(vectors_AD, axis=1)
    cosine_AA = vectors_AD @ vectors_AD.T / np.maximum(np.outer(length, length), 1e-9)
    np.fill_diagonal(cosine_AA, 0)
    for a in range(60):
        part = slice(found.start_R1[a], found.start_R1[a + 1])
        wanted = [b for b in np.argsort(-cosine_AA[a])[:5] if cosine_AA[a, b] > 0]
        assert found.ids_P[part].tolist() == wanted
        np.testing.assert_allclose(found.weights_P[part], cosine_AA[a, wanted], rtol=1e-4)


def test_a_blend_gives_cold_authors_their_share_and_counts_nobody_twice() -> None:
    table = TableSimilar(sp.csr_matrix(np.array([[0, 5, 4, 3], [5, 0, 1, 0], [4, 1, 0, 2], [0, 0, 0, 0]], np.float32)))
    vectors = VectorSimilar.of(np.array([[1, 0], [1, 0.1], [0.5, 1], [1, 0.3]], np.float32))
    is_cold_A = np.array([False, False, False, True])
    blend = BlendedSimilar(table, vectors, is_cold_A, cold_share=0.5, cold_weight=0.9)
    warm = blend.top(np.array([0], np.int32), k=4)
    assert dict(zip(warm.ids_P.tolist(), warm.weights_P.tolist(), strict=True)) == pytest.approx(
        {1: 1.0, 3: 0.9, 2: 0.8}
    )
    assert blend.top(np.array([3], np.int32), k=2).ids_P.tolist() == [1, 0]
    with pytest.raises(SchemaError, match="BlendedSimilar: expected one number of authors"):
        BlendedSimilar(table, vectors, is_cold_A[:3])


def fitted(name: str, target: Kind) -> Method:
    method = create(name)
    method.fit(PAST, target=target, rng=np.random.default_rng(3), budget=Budget())
    method.index(WORLD)
    return method


def readers_asked(notes: np.ndarray) -> Requests:
    none = np.zeros(len(notes) + 1, np.int64)
    everybody_C = np.arange(board.N_USERS, dtype=np.int32)
    return Requests("note", "user", notes.astype(np.int32), WORLD.now, everybody_C, none, np.empty(0, np.int32), 7)


@pytest.mark.parametrize(("name", "n_notes"), [("i2a2a2u-swing", 80), ("i2a2a2u-als-knn", 88)])
def test_notes_are_given_users_of_their_parity(name: str, n_notes: int) -> None:
    # Text also answers for the notes 80, 81, 86 and 87, whose authors nobody has clicked.
    notes = np.arange(n_notes)
    slates = fitted(name, "user").recommend(readers_asked(notes), k=20)
    assert (board.parity(slates.ids_QK) == board.parity(notes)[:, None]).all()


def test_whom_the_reverse_chain_does_not_reach_follow_by_presence() -> None:
    method = fitted("i2a2a2u-swing", "user")
    slates = method.recommend(readers_asked(np.array([86])), k=board.N_USERS)  # its author has no reader
    come_U = presence(WORLD, PresenceConfig())
    assert (np.diff(come_U[slates.ids_QK[0]]) <= 0).all()
    reached = method.recommend(readers_asked(np.array([3])), k=board.N_USERS)
    assert sorted(reached.ids_QK[0].tolist()) == list(range(board.N_USERS))


def test_the_reverse_chain_is_affinity_times_similarity_times_presence() -> None:
    similar = learnt(SwingAuthors())
    chain = ReverseChain.of(WORLD, similar, I2A2A2UConfig())
    found = chain.candidates(readers_asked(np.array([4, 7])))
    for q, note in enumerate((4, 7)):
        author = board.AUTHOR_N[note]
        near = chain.similar.take(np.array([author]))
        wanted = np.zeros(board.N_USERS)
        for other, weight in zip(near.ids_P, near.weights_P, strict=True):
            part = slice(chain.readers.start_R1[other], chain.readers.start_R1[other + 1])
            wanted[chain.readers.ids_P[part]] += weight * chain.readers.weights_P[part]
        wanted *= chain.presence_U
        n = int((wanted > 0).sum())
        np.testing.assert_allclose(found.scores_QK[q, :n], np.sort(wanted)[::-1][:n], rtol=1e-4)
        assert (found.ids_QK[q, n:] == -1).all()
        assert np.isin(found.seed_QK[q, :n], near.ids_P).all()


def test_every_candidate_names_a_seed_of_the_user_and_its_own_author() -> None:
    chain = Chain.of(WORLD, learnt(SwingAuthors()), U2A2A2IConfig())
    users = np.array([3, 0, 17])
    found = chain.candidates(board.ask(WORLD, "user", "note", users))
    for q, user in enumerate(users):
        there = found.ids_QK[q] >= 0
        part = slice(chain.seeds.start_R1[user], chain.seeds.start_R1[user + 1])
        assert there.any()
        assert np.isin(found.seed_QK[q, there], chain.seeds.ids_P[part]).all()
        np.testing.assert_array_equal(found.via_QK[q, there], board.AUTHOR_N[found.ids_QK[q, there]])
        assert (found.seed_QK[q, ~there] == -1).all()


def test_vectors_of_ones_own_take_the_place_of_a_source() -> None:
    parity_AD = np.eye(2, dtype=np.float32)[np.arange(board.N_AUTHORS) % 2]
    chain = Chain.of(WORLD, VectorSimilar.of(parity_AD), U2A2A2IConfig())
    users = np.arange(40)
    found = chain.candidates(board.ask(WORLD, "user", "note", users))
    there = found.ids_QK >= 0
    assert there[:, :3].all()
    assert (board.parity(found.ids_QK) == board.parity(users)[:, None])[there].all()
    assert np.isin([80, 81, 86, 87], found.ids_QK).all()  # of authors whom nobody has clicked
    with pytest.raises(SchemaError, match="similar: expected 26 authors, got 25"):
        Chain.of(WORLD, VectorSimilar.of(parity_AD[:25]), U2A2A2IConfig())


def test_users_without_seeds_are_given_nothing_by_the_chain_and_a_whole_list_by_the_method() -> None:
    mute: Observation = board.without_clicks(WORLD)
    method = U2A2A2I()
    method.fit(board.without_clicks(PAST), target="note", rng=np.random.default_rng(0), budget=Budget())
    method.index(mute)
    requests = board.ask(mute, "user", "note", np.array([1, 2]))
    assert (method.chain_.candidates(requests).ids_QK == -1).all()
    assert (method.recommend(requests, k=5).ids_QK >= 0).all()


def test_seeds_may_be_left_to_other_channels() -> None:
    config = U2A2A2IConfig()
    similar = VectorSimilar.of(np.eye(board.N_AUTHORS, dtype=np.float32))  # nobody is like another
    asked = board.ask(WORLD, "user", "author", np.array([3]))
    requests = replace(asked, seen_S=np.empty(0, np.int32), seen_start_Q1=np.zeros(2, np.int64))
    with_seeds = Chain.of(WORLD, similar, config).candidates(requests)
    without = Chain.of(WORLD, similar, replace(config, hop=replace(config.hop, itself=0.0))).candidates(requests)
    assert (with_seeds.ids_QK >= 0).sum() > 0
    assert (without.ids_QK >= 0).sum() == 0
