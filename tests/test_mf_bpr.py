"""Matrix factorisation by BPR and Adam against PyTorch's gradients and steps."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch.nn import functional

from methods import mf_bpr
from methods.base import Budget
from methods.interactions import Sparse, binary, clicks
from methods.mf_bpr import MFBPR, MFBPRConfig, Side, add_slope, descend, kept
from tests import checkerboard as board

USERS, TARGETS, FACTORS = 7, 9, 5


def random_sides(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    users_UF, items_TF = (rng.normal(size=(n, FACTORS)).astype(np.float32) for n in (USERS, TARGETS))
    return users_UF, items_TF


def ridge_by_hand(known_RO: Sparse, learnt_RF: np.ndarray, others_OF: np.ndarray, new_1O: Sparse) -> np.ndarray:
    """Return what the regression of learnt vectors on [mean y, log(1 + n) mean y, log(1 + n), 1] makes of a row."""

    def features(clicks_RO: Sparse) -> np.ndarray:
        rows = []
        for r in range(clicks_RO.shape[0]):
            ids = clicks_RO.indices[clicks_RO.indptr[r] : clicks_RO.indptr[r + 1]]
            mean_F, log_n = others_OF[ids].mean(axis=0), np.log1p(len(ids))
            rows.append(np.concatenate([mean_F, mean_F * log_n, [log_n, 1]]))
        return np.array(rows)

    some_R = np.flatnonzero(np.diff(known_RO.indptr))
    x_RX = features(known_RO[some_R])
    weights_XF = np.linalg.solve(x_RX.T @ x_RX + np.eye(x_RX.shape[1]), x_RX.T @ learnt_RF[some_R])
    return np.asarray(features(new_1O)[0] @ weights_XF)


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


def test_each_batch_is_drawn_as_the_config_says(monkeypatch: pytest.MonkeyPatch) -> None:
    clicks_UT: Sparse = sp.csr_matrix(np.ones((40, 30), np.float32))
    config = MFBPRConfig(factors=8, negatives=20, batch_size=100, epochs=2, last_epochs=0, dropout=0.5)
    batches, pulls, add, step = [], [], mf_bpr.add_slope, Side.step

    def heard(*words: np.ndarray) -> None:
        batches.append([word.copy() for word in words[:4]])
        add(*words)

    def felt(side: Side, learning_rate: float, regularization: float) -> None:
        pulls.append((learning_rate, regularization))
        step(side, learning_rate, regularization)

    monkeypatch.setattr(mf_bpr, "add_slope", heard)
    monkeypatch.setattr(Side, "step", felt)
    list(descend(clicks_UT, config, rng=np.random.default_rng(5)))
    assert set(pulls) == {(config.learning_rate, config.regularization)}
    assert len(batches) == 2 * 12
    for epoch in (batches[:12], batches[12:]):  # every click once, in another order each time
        user_V, target_V = (np.concatenate([batch[i] for batch in epoch]) for i in (0, 1))
        assert np.unique(user_V * 30 + target_V).size == clicks_UT.nnz
        assert (np.diff(user_V) < 0).any()
    assert (batches[0][0] != batches[12][0]).any()
    for _, _, drawn_PS, kept_PF in batches:
        assert drawn_PS.shape == (100, 20)
        assert len(np.unique(drawn_PS, axis=0)) == 100  # anew for each click
        assert 0.3 < (kept_PF == 0).mean() < 0.7  # eleven sigmas
    counts_T = np.bincount(np.concatenate([batch[2].ravel() for batch in batches]), minlength=30)
    assert np.abs(counts_T / counts_T.mean() - 1).max() < 0.1  # evenly; four sigmas of 1,600


def test_a_pair_that_is_far_apart_pulls_no_more_and_breaks_nothing() -> None:
    users_UF, items_TF = np.array([[1e3]], np.float32), np.array([[1.0], [-1.0]], np.float32)
    slopes = np.zeros_like(users_UF), np.zeros_like(items_TF)
    none, one = np.zeros(1, np.int32), np.ones((1, 1), np.int32)
    add_slope(none, none, one, np.ones((1, 1), np.float32), users_UF, items_TF, *slopes)
    assert all(np.abs(slope).max() < 1e-30 for slope in slopes)
    add_slope(none, one[0], none[None], np.ones((1, 1), np.float32), users_UF, items_TF, *slopes)  # and the wrong way
    np.testing.assert_allclose(slopes[0], [[2]])


@pytest.mark.parametrize(
    ("name", "value"),
    [("batch_size", 0), ("negatives", 0), ("epochs", 0), ("init_sd", 0), ("regularization", -1), ("dropout", 1)],
)
def test_a_config_that_would_teach_nothing_is_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"MFBPRConfig.{name}: expected .*, got {value}"):
        MFBPRConfig(**{name: value})  # type: ignore[arg-type]


def test_scores_are_dot_products_with_newcomers_folded_in() -> None:
    whole = board.checkerboard()
    method = MFBPR(MFBPRConfig(factors=8, negatives=16, batch_size=64, learning_rate=0.02, epochs=5, last_epochs=1))
    method.fit(board.as_of_fit(whole), target="note", rng=np.random.default_rng(0), budget=Budget())
    method.index(whole)
    requests = board.ask(whole, "user", "note", np.array([3, board.N_OLD_USERS + 1]))
    slates = method.recommend(requests, k=10)
    np.testing.assert_allclose(method.factors_.users_UF[3], method.users_UF_[3])
    clicks_UT = binary(clicks(whole, target="note"))
    new_1T = clicks_UT[[board.N_OLD_USERS + 1]]
    newcomer = ridge_by_hand(method.clicks_UT_, method.users_UF_, method.factors_.items_TF, new_1T)
    np.testing.assert_allclose(method.factors_.users_UF[board.N_OLD_USERS + 1], newcomer, rtol=1e-2, atol=1e-3)
    scores_QT = method.factors_.users_UF[requests.ids_Q] @ method.describe().T
    for ids_K, scores_K, scores_T in zip(slates.ids_QK, slates.scores_QK, scores_QT, strict=True):
        np.testing.assert_allclose(scores_K, scores_T[ids_K], rtol=1e-5)
