"""SASRec: what comes later changes nothing before, its losses are the plain formulas, and it learns from order."""

import dataclasses

import numpy as np
import pytest
import torch

from methods.base import Budget
from methods.gradient import torch_luck
from methods.histories import Histories
from methods.sasrec import Net, SASRec, SASRecConfig, dropped, latest, loss_of, yes_or_no
from simulator.schema import Observation
from tests import checkerboard as board

SMALL = SASRecConfig(dimensions=8, blocks=2, heads=2, length=6, dropout=0.2)


def luck(seed: int = 0) -> torch.Generator:
    return torch_luck(np.random.default_rng(seed))


def net(config: SASRecConfig = SMALL, *, n_targets: int = 9) -> Net:
    return Net(n_targets, config, luck=luck())


@pytest.mark.parametrize("place", range(1, 6))
def test_what_comes_later_changes_nothing_before(place: int) -> None:
    ids_BL = torch.randint(9, (4, 6), generator=luck(1))
    other_BL = ids_BL.clone()
    other_BL[:, place:] = (ids_BL[:, place:] + 1 + torch.arange(6 - place)) % 9
    one, other = (net()(ids, luck=None) for ids in (ids_BL, other_BL))
    torch.testing.assert_close(one[:, :place], other[:, :place], rtol=0, atol=1e-6)
    assert ((one[:, place:] - other[:, place:]).abs().amax(dim=2) > 1e-3).all()


def test_all_that_came_before_is_heard() -> None:
    ids_BL = torch.arange(6)[None]
    last_D = net()(ids_BL, luck=None)[0, -1]
    for place in range(6):
        changed_BL = ids_BL.clone()
        changed_BL[0, place] = 8
        assert (net()(changed_BL, luck=None)[0, -1] - last_D).abs().max() > 1e-4


def test_neither_padding_nor_the_rest_of_a_batch_changes_a_state() -> None:
    method = SASRec(SMALL)
    method.net_ = net()
    ids_UL = np.array([[3, 1, 4, -1, -1, -1], [-1] * 6, [5, 2, 6, 7, 8, 0], [8, -1, -1, -1, -1, -1]])
    together_UD = method._states(ids_UL)
    for u, ids_L in enumerate(ids_UL):
        alone_D = method._states(ids_L[ids_L >= 0][None])[0] if (ids_L >= 0).any() else np.zeros(8, np.float32)
        np.testing.assert_allclose(together_UD[u], alone_D, atol=1e-6)


def test_cross_entropy_is_minus_the_mean_log_share_of_the_next_target() -> None:
    config = dataclasses.replace(SMALL, loss="ce", dropout=0.0)
    ids = [[0, 1, 2, 3], [4, 5, -1, -1]]
    model = net(config)
    items = model.items_TD.detach().double().numpy()
    losses = []
    for history in ids:
        told = [target for target in history if target >= 0]
        states = model(torch.tensor([told]), luck=None)[0].detach().double().numpy()
        for place, wanted in enumerate(told[1:]):
            logits = items @ states[place]
            losses.append(np.log(np.exp(logits).sum()) - logits[wanted])
    assert loss_of(model, torch.tensor(ids), luck=luck()).item() == pytest.approx(np.mean(losses), rel=1e-4)


def test_the_binary_loss_is_that_of_one_yes_and_the_mean_of_the_noes() -> None:
    rng = np.random.default_rng(2)
    states_PD, items_TD = rng.normal(size=(5, 3)), rng.normal(size=(7, 3))
    next_P, drawn_PS = rng.integers(7, size=5), rng.integers(7, size=(5, 2))
    sigmoid = 1 / (1 + np.exp(-(states_PD @ items_TD.T)))
    losses = [
        -np.log(sigmoid[p, next_P[p]]) - np.mean([np.log(1 - sigmoid[p, s]) for s in drawn_PS[p]]) for p in range(5)
    ]
    got = yes_or_no(*(torch.from_numpy(array) for array in (states_PD, items_TD, next_P, drawn_PS)))
    assert got.item() == pytest.approx(np.mean(losses))


def test_dropout_keeps_the_mean_and_follows_from_the_luck() -> None:
    ones = torch.ones(200, 500)
    values = dropped(ones, 0.3, luck())
    assert sorted(set(values.ravel().tolist())) == [0.0, pytest.approx(1 / 0.7)]
    # Five standard errors of a mean of 1e5 values of variance 3/7.
    assert values.mean().item() == pytest.approx(1.0, abs=5 * (3 / 7 / 1e5) ** 0.5)
    torch.testing.assert_close(values, dropped(ones, 0.3, luck()), rtol=0, atol=0)
    assert dropped(ones, 0.3, None) is ones


def in_a_circle(*, n_users: int = 60, n_targets: int = 7) -> Observation:
    """Everybody goes through the notes in a circle, five of them, from where they like."""
    whole = board.checkerboard()
    rng = np.random.default_rng(3)
    start_U = rng.integers(n_targets, size=n_users)
    note_E = ((start_U[:, None] + np.arange(5)) % n_targets).T.ravel()
    user_E, time_E = np.tile(np.arange(n_users), 5), np.repeat(board.FIT + np.arange(5), n_users)
    return dataclasses.replace(whole, events=board._log(user_E, note_E, time_E, np.ones(len(note_E), bool)))


@pytest.mark.parametrize("loss", ["ce", "bce"])
def test_it_learns_what_comes_after_what(loss: str) -> None:
    seen = in_a_circle()
    config = SASRecConfig(
        loss="ce" if loss == "ce" else "bce", dimensions=16, length=8, dropout=0.0, learning_rate=1e-2, epochs=40
    )
    method = SASRec(config)
    method.fit(seen, target="note", rng=np.random.default_rng(0), budget=Budget())
    method.index(seen)
    slates = method.recommend(board.ask(seen, "user", "note", np.arange(60)), k=1)
    last_U = Histories.of(seen, target="note").latest(np.arange(60, dtype=np.int32), 1)[:, 0]
    assert (slates.ids_QK[:, 0] == (last_U + 1) % 7).mean() >= 0.9


def test_the_latest_come_in_order_of_time_with_pads_on_the_right() -> None:
    histories = Histories(np.array([0, 3, 3, 4]), np.array([0, 0, 0, 2], np.int32), np.array([5, 1, 7, 2], np.int32))
    assert latest(histories, np.arange(3), 2).tolist() == [[1, 7], [-1, -1], [2, -1]]
    assert latest(histories, np.array([0]), 4).tolist() == [[5, 1, 7, -1]]


def test_a_fit_leaves_the_shared_luck_and_threads_of_torch_alone() -> None:
    before, n_threads = torch.get_rng_state(), torch.get_num_threads()
    method = SASRec(dataclasses.replace(SMALL, epochs=1))
    method.fit(board.checkerboard(), target="author", rng=np.random.default_rng(0), budget=Budget())
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == n_threads
