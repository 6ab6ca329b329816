"""The parts of the cold-start models against slow references: histories, towers, masks, memories."""

import copy
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from methods.aldi import ALDI, ALDIConfig
from methods.als import LearntALS
from methods.base import Budget
from methods.comirec import Attention, ComiRecConfig
from methods.content_minilm import DIMENSIONS, ContentMiniLMConfig, loaded, texts
from methods.dropoutnet import DropoutNet, DropoutNetConfig, Towers, reconstruction
from methods.features import FeatureConfig, Features
from methods.gradient import Schedule, descend, torch_luck
from methods.ground import Ground, GroundConfig
from methods.heater import Heater, HeaterConfig, Mixture
from methods.histories import Histories
from methods.interactions import binary, clicks
from methods.lesson import Lesson
from methods.look_alike import LookAlike
from methods.memory import Memory
from methods.user_tower import UserTower, UserTowerConfig, by_id, known_of
from simulator.schema import Kind
from tests import checkerboard as board

WORLD = board.checkerboard()
PAST = board.as_of_fit(WORLD)
KINDS: tuple[Kind, ...] = ("note", "author")


def luck(seed: int = 1) -> torch.Generator:
    return torch_luck(np.random.default_rng(seed))


def slow_history(user: int, target: Kind) -> list[int]:
    """The targets a user clicked, each once, in order of the first click."""
    found: list[int] = []
    for at in np.flatnonzero(WORLD.events.click_E & (WORLD.events.user_E == user)):
        note = int(WORLD.events.note_E[at])
        entity = note if target == "note" else int(WORLD.catalog.notes.author_N[note])
        if entity not in found:
            found.append(entity)
    return found


def padded(history: list[int], length: int) -> list[int]:
    latest = history[::-1][:length]
    return latest + [-1] * (length - len(latest))


@pytest.mark.parametrize("target", KINDS)
def test_histories_are_first_clicks_in_order_of_time(target: Kind) -> None:
    histories = Histories.of(WORLD, target=target)
    for user in range(0, board.N_USERS, 17):
        history = slow_history(user, target)
        start, end = histories.start_U1[user : user + 2]
        assert histories.target_E[start:end].tolist() == history
        assert (histories.user_E[start:end] == user).all()
        users, rows = np.array([user], np.int32), np.arange(start, end)
        assert histories.latest(users, 3)[0].tolist() == padded(history, 3)
        assert histories.before(rows, 3).tolist() == [padded(history[:at], 3) for at in range(len(history))]


def test_a_user_without_clicks_has_an_empty_history() -> None:
    histories = Histories.of(board.without_clicks(WORLD), target="note")
    assert (histories.latest(np.array([0, 5], np.int32), 4) == -1).all()


@given(st.integers(0, 2**32 - 1))
def test_a_user_is_the_mean_of_the_clicks_there_are(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tower = UserTower(6, 0, UserTowerConfig(factors=4, hidden=5), luck=luck(seed))
    for values in tower.layers.parameters():
        values.data += torch.from_numpy(rng.normal(size=values.shape)).float()  # with zero biases, length cancels
    clicks_TF = torch.from_numpy(rng.normal(size=(6, 4))).float()
    history = rng.integers(0, 6, rng.integers(1, 5)).tolist()
    with torch.no_grad():
        got_F = tower.users(torch.tensor([[*history, -1, -1]]), clicks_TF)[0]
        wanted_F = tower.layers(torch.stack([clicks_TF[id_] for id_ in history]).mean(dim=0))
    torch.testing.assert_close(got_F, wanted_F / wanted_F.norm().clamp(min=1e-12), atol=1e-5, rtol=1e-4)


def test_unknown_ids_share_the_last_row() -> None:
    ids = torch.arange(8.0).reshape(4, 2)  # three known at the fit, and the default
    known_T = known_of(np.array([2, 0, 1]), 5)
    assert known_T.tolist() == [True, False, True, False, False]
    assert by_id(ids, known_T).tolist() == [[0, 1], [6, 7], [4, 5], [6, 7], [6, 7]]


def test_interests_are_the_attention_over_the_clicks_there_are() -> None:
    net = Attention(5, ComiRecConfig(factors=3, interests=2, history=4), luck=luck())
    ids = [3, 0, 2]
    with torch.no_grad():
        got_KF = net.interests(torch.tensor([[*ids, -1]]), net.items_TF)[0].numpy()
        first, second = net.first, net.second
        clicks_LF, places_LF = net.items_TF[torch.tensor(ids)].numpy(), net.places_LF[:3].numpy()
        hidden = np.tanh((clicks_LF + places_LF) @ first.weights_OI.numpy().T + first.bias_O.numpy())
        logits_LK = hidden @ second.weights_OI.numpy().T + second.bias_O.numpy()
    weights_LK = np.exp(logits_LK) / np.exp(logits_LK).sum(axis=0)
    np.testing.assert_allclose(got_KF, weights_LK.T @ clicks_LF, rtol=1e-4, atol=1e-6)


def test_a_user_without_clicks_has_no_interest() -> None:
    net = Attention(5, ComiRecConfig(factors=3, interests=2, history=4), luck=luck())
    assert (net.interests(torch.full((1, 4), -1), net.items_TF) == 0).all()


def test_the_mixture_is_the_gated_sum_of_its_experts() -> None:
    config = HeaterConfig(n_experts=3, hidden=4)
    mixture = Mixture(2, 5, config, luck=luck())
    features_BX = torch.randn(6, 5, generator=luck(2))
    with torch.no_grad():
        gates_BE = torch.tanh(mixture.gate(features_BX))
        total_BF = torch.stack([gates_BE[:, e : e + 1] * mixture.experts[e](features_BX) for e in range(3)]).sum(dim=0)
        torch.testing.assert_close(mixture.made(features_BX), torch.tanh(total_BF))


def learnt_towers(dropout: float) -> tuple[Towers, Lesson, torch.Tensor]:
    """Towers after a few steps, and the weights of their first layer of targets before."""
    ground = Ground.learn(PAST, GroundConfig(), target="note", rng=np.random.default_rng(1), threads=1)
    towers = Towers(64, ground.fitted_TX.shape[1], (8,), luck=luck())
    before_OI = first_weights(towers)
    lesson = Lesson.of(ground)
    loss_of = reconstruction(towers, lesson, dropout, luck())
    descend(towers.parameters(), loss_of, Schedule(1, 512, least_steps=4), n_rows=len(lesson.clicked), luck=luck())
    return towers, lesson, before_OI


def first_weights(towers: Towers) -> torch.Tensor:
    return next(iter(towers.of_items.parameters())).detach().clone()


def test_where_all_factors_are_dropped_only_content_is_learnt_from() -> None:
    towers, _, before_OI = learnt_towers(1.0)
    after_OI = first_weights(towers)
    assert torch.equal(after_OI[:, :64], before_OI[:, :64])
    assert not torch.equal(after_OI[:, 64:], before_OI[:, 64:])


def test_where_none_are_dropped_the_factors_are_learnt_from() -> None:
    towers, _, before_OI = learnt_towers(0.0)
    assert not torch.equal(first_weights(towers)[:, :64], before_OI[:, :64])


def test_the_reconstruction_is_the_mean_squared_error_to_the_factors() -> None:
    towers, lesson, _ = learnt_towers(0.0)
    towers.eval()  # batch statistics as learnt, so that rows can be looked at one by one
    rows, clicked = torch.arange(40), lesson.clicked
    with torch.no_grad():
        got = reconstruction(towers, lesson, 0.0, luck(5))(rows)
        bad_B = clicked.negatives(clicked.user_R[rows], luck=luck(5))
        errors = []
        for target_B in (clicked.target_R[rows], bad_B):
            for user, target in zip(clicked.user_R[rows].tolist(), target_B.tolist(), strict=True):
                x, y, features = lesson.users_UF[user], lesson.items_TF[target], lesson.features_TX[target]
                made = towers.users(x[None])[0] @ towers.items(y[None], features[None])[0]
                errors.append(float(made - x @ y) ** 2)
    assert float(got) == pytest.approx(np.mean(errors), rel=1e-4)


def test_a_fit_leaves_the_shared_luck_of_torch_alone() -> None:
    before, n_threads = torch.get_rng_state(), torch.get_num_threads()
    method = DropoutNet(DropoutNetConfig(schedule=Schedule(1, 512, least_steps=1)))
    method.fit(PAST, target="author", rng=np.random.default_rng(1), budget=Budget(threads=1))
    method.index(WORLD)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == n_threads


def test_aldi_scores_clicked_targets_by_the_teacher_itself() -> None:
    method = ALDI(ALDIConfig(schedule=Schedule(1, 512, least_steps=1)))
    method.fit(PAST, target="note", rng=np.random.default_rng(1), budget=Budget())
    method.index(PAST)
    requests = board.ask(PAST, "user", "note", np.arange(5))
    slates = method.recommend(requests, k=len(requests.candidates_C))
    teacher = LearntALS.learn(
        clicks(PAST, target="note"), method.config.ground.als, rng=np.random.default_rng(1), threads=1
    ).model
    cold = set(board.OLD_COLD["note"])
    for user, (ids, scores) in enumerate(zip(slates.ids_QK, slates.scores_QK, strict=True)):
        warm = [place for place, id_ in enumerate(ids) if id_ >= 0 and int(id_) not in cold]
        wanted = teacher.user_factors[user] @ teacher.item_factors[ids[warm]].T * method.config.teacher_scale
        np.testing.assert_allclose(scores[warm], wanted, rtol=1e-4, atol=1e-5)
        assert cold <= set(ids.tolist())


@pytest.mark.parametrize("least", [1, 1_000])
def test_aldi_and_heater_take_a_target_of_few_clicks_for_a_new_one(least: int) -> None:
    schedule = Schedule(1, 512, least_steps=1)
    aldi, heater = (
        ALDI(ALDIConfig(min_users=least, schedule=schedule)),
        Heater(HeaterConfig(min_users=least, schedule=schedule)),
    )
    for method in (aldi, heater):
        method.fit(PAST, target="note", rng=np.random.default_rng(1), budget=Budget())
        method.index(PAST)
    clicked_T = np.asarray(binary(clicks(PAST, target="note")).sum(axis=0)).ravel() > 0
    np.testing.assert_array_equal(aldi.is_warm_T_, clicked_T & (least == 1))
    with torch.no_grad():
        made_TF = heater.mixture_.items(heater.mixture_.made(torch.from_numpy(heater.now_.features_TX))).numpy()
    by_content_T = np.isclose(heater.items_TF_, made_TF, rtol=1e-4, atol=1e-5).all(axis=1)
    np.testing.assert_array_equal(by_content_T, ~clicked_T | (least > 1))


def test_a_look_alike_target_is_the_mean_of_those_who_clicked_it() -> None:
    method = LookAlike()
    method.fit(PAST, target="note", rng=np.random.default_rng(1), budget=Budget())
    method.index(WORLD)
    clicks_UT, now = binary(clicks(WORLD, target="note")), method.folded_
    learnt = method.learnt_.model.user_factors
    for note in (0, 7, *board.NEW_WARM["note"], *board.NEW_COLD["note"]):
        rows = []
        for user in clicks_UT[:, note].nonzero()[0]:
            x_F = learnt[user] if user < len(learnt) else now.users(np.array([user], np.int32))[0]
            rows.append(x_F / np.linalg.norm(x_F))
        wanted_F = np.mean(rows, axis=0) if rows else np.zeros(learnt.shape[1])
        np.testing.assert_allclose(method.items_TF_[note], wanted_F, rtol=1e-3, atol=1e-5)


def test_features_are_text_of_length_one_and_the_category() -> None:
    features = Features.learn(PAST, FeatureConfig(n_dimensions=5), target="note", rng=np.random.default_rng(1))
    rows_TX = features.of(WORLD)
    assert rows_TX.shape == (board.N_NOTES, 7)
    np.testing.assert_allclose(np.linalg.norm(rows_TX[:, :5], axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(rows_TX[:, 5:], np.eye(2)[board.parity(np.arange(board.N_NOTES))])


def test_features_without_the_category_are_text_alone() -> None:
    config = FeatureConfig(n_dimensions=5, category=False)
    assert Features.learn(PAST, config, target="note", rng=np.random.default_rng(1)).of(PAST).shape[1] == 5


class Counting:
    """An encoder whose vectors tell the length of the text, and that remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, asked: Sequence[str]) -> NDArray[np.float32]:
        self.asked += asked
        return np.repeat(np.array([[len(text)] for text in asked], np.float32), DIMENSIONS, axis=1)


def test_each_distinct_text_is_encoded_once() -> None:
    encode = Counting()
    memory = Memory(encode, 100, DIMENSIONS)
    first = memory.vectors(["ab", "c", "ab", ""])
    assert first[:, 0].tolist() == [2, 1, 2, 0]
    again = copy.deepcopy(memory).vectors(["c", "def"])
    assert again[:, 0].tolist() == [1, 3]
    assert encode.asked == ["ab", "c", "def"]


def test_a_memory_forgets_the_oldest() -> None:
    encode = Counting()
    memory = Memory(encode, 2, DIMENSIONS)
    assert memory.vectors(["a", "bb", "ccc"])[:, 0].tolist() == [
        1,
        2,
        3,
    ]  # more than it keeps
    memory.vectors(["bb", "ccc"])
    assert encode.asked == ["a", "bb", "ccc"]
    memory.vectors(["a"])
    assert encode.asked == ["a", "bb", "ccc", "a"]


def test_authors_are_read_by_profile_and_newest_titles() -> None:
    config = ContentMiniLMConfig(notes_per_author=1)
    notes, authors = WORLD.catalog.notes, WORLD.catalog.authors
    read = texts(WORLD, config, target="author")
    for author in (0, 20, 24):
        newest = np.flatnonzero(notes.author_N == author)[-1:].astype(np.int32)
        assert read[author] == f"{authors.profile.take(np.array([author], np.int32))[0]} {notes.title.take(newest)[0]}"
    assert texts(WORLD, config, target="note") == notes.title.take(np.arange(len(notes), dtype=np.int32))


def test_the_packaged_encoder_knows_what_words_mean() -> None:
    encode = loaded(ContentMiniLMConfig(), n_threads=1)
    cat, kitten, tax = encode(["my cat sleeps", "a kitten at rest", "corporate income tax law"])
    np.testing.assert_allclose([np.linalg.norm(row) for row in (cat, kitten, tax)], 1, rtol=1e-4)
    assert cat @ kitten > 0.5 > 0.2 > cat @ tax
