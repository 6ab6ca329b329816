"""Matrix factorisation by BPR and Adam against PyTorch's gradients and steps."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch.nn import functional

from methods.base import Budget
from methods.interactions import Sparse
from methods.mf_bpr import MFBPR, MFBPRConfig, Side, add_slope, descend, kept
from tests import checkerboard as board

USERS, TARGETS, FACTORS = 7, 9, 5


def random_sides(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    users_UF, items_TF = (rng.normal(size=(n, FACTORS)).astype(np.float32) for n in (USERS, TARGETS))
    return users_UF, items_TF


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("negatives", [1, 6])
def test_the_slope_is_that_of_the_mean_loss_by_autograd(negatives: int, dropout: float) -> None:
    rng = np.random.default_rng(1)
    users_UF, items_TF = random_sides(1)
    u, t = (rng.integers(n, size=20, dtype=np.int32) for n in (USERS, TARGETS))
    s = rng.integers(TARGETS, size=(20, negatives), dtype=np.int32)
    kept_PF = kept((20, FACTORS), dropout, rng)
    slopes = np.zeros_like(users_UF), np.zeros_like(items_TF)
    add_slope(u, t, s, kept_PF, users_UF, items_TF, *slopes)

    x, y = (torch.tensor(side, dtype=torch.float64, requires_grad=True) for side in (users_UF, items_TF))
    user_PF = x[u] * torch.tensor(kept_PF)
    loss = functional.softplus((user_PF[:, None] * (y[s] - y[t][:, None])).sum(dim=2)).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    for ours, theirs in zip(slopes, (x, y), strict=True):
        assert theirs.grad is not None
        np.testing.assert_allclose(ours, theirs.grad.numpy(), rtol=1e-4, atol=1e-6)


def test_dropout_keeps_the_mean() -> None:
    kept_PF = kept((1_000, 64), 0.25, np.random.default_rng(7))
    assert np.unique(kept_PF).tolist() == [0, pytest.approx(4 / 3)]
    assert (kept_PF == 0).mean() == pytest.approx(0.25, abs=0.01)  # six sigmas


@pytest.mark.parametrize("scale", [1.0, 1e-9])  # beside which the epsilon of Adam is nothing, and much
@pytest.mark.parametrize("regularization", [0.0, 0.1])
def test_a_side_goes_as_torch_goes_and_forgets_the_slope(scale: float, regularization: float) -> None:
    rng = np.random.default_rng(2)
    side = Side.start(np.ones(4, np.bool_), MFBPRConfig(factors=3, init_sd=scale), rng=rng)
    theirs = torch.tensor(side.value.copy(), requires_grad=True)
    optimizer = torch.optim.Adam([theirs], lr=0.05 * scale, weight_decay=regularization)
    for _ in range(20):
        side.slope[:2] = scale * rng.normal(size=(2, 3))  # the others move on by what they remember
        theirs.grad = torch.tensor(side.slope.copy())
        side.step(0.05 * scale, regularization)
        optimizer.step()
        assert not side.slope.any()
    np.testing.assert_allclose(side.value, theirs.detach().numpy(), rtol=1e-4, atol=1e-5 * scale)


def test_the_last_epochs_go_at_a_tenth_and_the_unclicked_stay_at_zero() -> None:
    is_clicked_UT = np.random.default_rng(3).random((30, 12)) < 0.3
    is_clicked_UT[:, 4] = False
    clicks_UT: Sparse = sp.csr_matrix(is_clicked_UT.astype(np.float32))
    config = MFBPRConfig(factors=4, negatives=5, batch_size=8, learning_rate=0.01, epochs=2, last_epochs=1)
    after = [users_UF.copy() for users_UF, _ in descend(clicks_UT, config, rng=np.random.default_rng(4))]
    assert len(after) == 3
    ways = [np.abs(now - before).mean() for before, now in itertools.pairwise(after)]
    assert ways[1] < 0.4 * ways[0]
    *_, (_, items_TF) = descend(clicks_UT, config, rng=np.random.default_rng(4))
    assert (items_TF.any(axis=1) == (np.arange(12) != 4)).all()


def test_scores_are_dot_products_with_newcomers_folded_in() -> None:
    whole = board.checkerboard()
    method = MFBPR(MFBPRConfig(factors=8, negatives=16, batch_size=64, learning_rate=0.02, epochs=5, last_epochs=1))
    method.fit(board.as_of_fit(whole), target="note", rng=np.random.default_rng(0), budget=Budget())
    method.index(whole)
    requests = board.ask(whole, "user", "note", np.array([3, board.N_OLD_USERS + 1]))
    slates = method.recommend(requests, k=10)
    np.testing.assert_allclose(method.factors_.users_UF[3], method.users_UF_[3])
    assert method.factors_.users_UF[board.N_OLD_USERS + 1].any()
    scores_QT = method.factors_.users_UF[requests.ids_Q] @ method.describe().T
    for ids_K, scores_K, scores_T in zip(slates.ids_QK, slates.scores_QK, scores_QT, strict=True):
        np.testing.assert_allclose(scores_K, scores_T[ids_K], rtol=1e-5)
