"""EASE against the dense closed form, LightGCN against powers of the dense adjacency and gradients by autograd."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch.nn import functional

from methods import lightgcn
from methods.base import Budget
from methods.ease import EASEConfig, LearntEASE, inverted
from methods.interactions import Sparse
from methods.lightgcn import Adam, Graph, LightGCN, LightGCNConfig
from tests import checkerboard as board

USERS, TARGETS, FACTORS = 30, 12, 5


def random_clicks(seed: int, *, n_users: int = USERS, n_targets: int = TARGETS) -> Sparse:
    likes_UT = np.random.default_rng(seed).random((n_users, n_targets)) < 0.3
    return sp.csr_matrix(likes_UT.astype(np.float32))


def dense_ease(x_UT: np.ndarray, l2: float) -> np.ndarray:
    """B column by column: the ridge regression of a target on all the others."""
    weights_TT = np.zeros((x_UT.shape[1], x_UT.shape[1]))
    for t in range(x_UT.shape[1]):
        others = np.delete(np.arange(x_UT.shape[1]), t)
        gram = x_UT[:, others].T @ x_UT[:, others] + l2 * np.eye(len(others))
        weights_TT[others, t] = np.linalg.solve(gram, x_UT[:, others].T @ x_UT[:, t])
    return weights_TT


@pytest.mark.parametrize("l2", [0.5, 80.0])
def test_ease_is_the_ridge_regression_of_each_target_on_all_others(l2: float) -> None:
    clicks_UT = random_clicks(1)
    learnt = LearntEASE.learn(clicks_UT, EASEConfig(l2=l2))
    scores_UT = learnt.scores(clicks_UT, learnt.gram(clicks_UT), "user")
    x_UT = clicks_UT.toarray().astype(np.float64)
    np.testing.assert_allclose(scores_UT, x_UT @ dense_ease(x_UT, l2), rtol=1e-3, atol=1e-5)


def test_a_target_that_predicts_nobody_gets_the_ridge_regression_on_those_that_do() -> None:
    clicks_UT, l2 = random_clicks(2), 3.0
    learnt = LearntEASE.learn(clicks_UT, EASEConfig(l2=l2, max_regressors=8))
    n_clicks_T = np.asarray(clicks_UT.sum(axis=0)).ravel()
    others = np.setdiff1d(np.arange(TARGETS), learnt.regressor_R)
    assert len(learnt.regressor_R) == 8
    assert n_clicks_T[learnt.regressor_R].min() >= n_clicks_T[others].max()
    x_UR, x_UO = (clicks_UT[:, ids].toarray().astype(np.float64) for ids in (learnt.regressor_R, others))
    ridge_RO = np.linalg.solve(x_UR.T @ x_UR + l2 * np.eye(8), x_UR.T @ x_UO)
    scores_UT = learnt.scores(clicks_UT, learnt.gram(clicks_UT), "user")
    np.testing.assert_allclose(scores_UT[:, others], x_UR @ ridge_RO, rtol=1e-3, atol=1e-5)
    # The regressors stay as if there were nobody else.
    alone_UR = x_UR @ dense_ease(x_UR, l2)
    np.testing.assert_allclose(scores_UT[:, learnt.regressor_R], alone_UR, rtol=1e-3, atol=1e-5)


def test_an_author_asks_with_its_own_row_or_as_the_mix_that_predicts_it() -> None:
    clicks_UT, l2 = random_clicks(3), 3.0
    learnt = LearntEASE.learn(clicks_UT, EASEConfig(l2=l2, max_regressors=8))
    one_TT: Sparse = sp.identity(TARGETS, np.float32, format="csr")
    gram_RT = learnt.gram(clicks_UT)
    scores_TT = learnt.scores(one_TT, gram_RT, "author")
    regressors, others = learnt.regressor_R, np.setdiff1d(np.arange(TARGETS), learnt.regressor_R)
    x_UR = clicks_UT[:, regressors].toarray().astype(np.float64)
    weights_RR = dense_ease(x_UR, l2)
    np.testing.assert_allclose(scores_TT[np.ix_(regressors, regressors)], weights_RR, rtol=1e-3, atol=1e-5)
    mix_RO = np.linalg.solve(x_UR.T @ x_UR + l2 * np.eye(8), x_UR.T @ clicks_UT[:, others].toarray())
    np.testing.assert_allclose(scores_TT[np.ix_(others, regressors)], mix_RO.T @ weights_RR, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("n", [0, 1, 7, 1_500])
def test_the_inverse_is_the_inverse_in_both_triangles(n: int) -> None:
    rows = np.random.default_rng(n).normal(size=(n, n)).astype(np.float32)
    gram = np.asfortranarray(rows @ rows.T + n * np.eye(n, dtype=np.float32))
    inverse = inverted(gram.copy(order="F"))
    np.testing.assert_array_equal(inverse, inverse.T)
    np.testing.assert_allclose(gram @ inverse, np.eye(n), atol=1e-3)


def test_a_ridge_of_zero_on_twins_is_refused() -> None:
    twins_UT = sp.csr_matrix(np.ones((3, 2), np.float32))
    with pytest.raises(ValueError, match="l2: expected a ridge that makes the Gram matrix positive definite"):
        LearntEASE.learn(twins_UT, EASEConfig(l2=0.0))


def dense_smoothing(x_UT: np.ndarray, layers: int) -> np.ndarray:
    """The mean of the powers 0 .. L of D^-1/2 A D^-1/2, users before targets."""
    n_users, n_targets = x_UT.shape
    a_NN = np.block([[np.zeros((n_users, n_users)), x_UT], [x_UT.T, np.zeros((n_targets, n_targets))]])
    root_N = np.sqrt(np.maximum(a_NN.sum(axis=1), 1))
    a_NN /= np.outer(root_N, root_N)
    mean: np.ndarray = np.mean([np.linalg.matrix_power(a_NN, n) for n in range(layers + 1)], axis=0)
    return mean


def random_vectors(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(USERS, FACTORS)).astype(np.float32), rng.normal(size=(TARGETS, FACTORS)).astype(np.float32)


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_smoothing_is_the_mean_of_the_powers_of_the_adjacency(layers: int) -> None:
    clicks_UT, (users_UF, items_TF) = random_clicks(4), random_vectors(4)
    smooth_UF, smooth_TF = Graph.of(clicks_UT, layers).smoothed(users_UF, items_TF)
    slow = dense_smoothing(clicks_UT.toarray(), layers) @ np.concatenate([users_UF, items_TF])
    np.testing.assert_allclose(np.concatenate([smooth_UF, smooth_TF]), slow, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("layers", "negatives", "shared"), [(0, 1, False), (3, 1, False), (2, 4, False), (2, 7, True)])
def test_the_gradient_is_that_of_the_loss_by_autograd(layers: int, negatives: int, shared: bool) -> None:
    clicks_UT, (users_UF, items_TF), weight = random_clicks(5), random_vectors(5), 0.3
    rng = np.random.default_rng(5)
    row_P = rng.permutation(clicks_UT.nnz)[:20]
    user_P, target_P = (ids[row_P].astype(np.int32) for ids in clicks_UT.nonzero())
    drawn_PS = rng.integers(TARGETS, size=(1 if shared else 20, negatives), dtype=np.int32)
    slopes = lightgcn.gradient(Graph.of(clicks_UT, layers), users_UF, items_TF, (user_P, target_P, drawn_PS), weight)

    own_NF = torch.tensor(np.concatenate([users_UF, items_TF]), dtype=torch.float64, requires_grad=True)
    smooth_NF = torch.tensor(dense_smoothing(clicks_UT.toarray(), layers)) @ own_NF
    u, t, s = user_P, target_P + USERS, np.broadcast_to(drawn_PS, (20, negatives)) + USERS
    lead_PS = (smooth_NF[u][:, None] * (smooth_NF[s] - smooth_NF[t][:, None])).sum(dim=2)
    length_PS = own_NF[u][:, None].square().sum(2) + own_NF[t][:, None].square().sum(2) + own_NF[s].square().sum(2)
    loss = torch.log1p(lead_PS.exp().sum(dim=1)).mean()
    if negatives == 1:
        torch.testing.assert_close(loss, functional.softplus(lead_PS).mean())  # BPR
    (loss + weight / 2 * length_PS.mean()).backward()  # type: ignore[no-untyped-call]
    assert own_NF.grad is not None
    np.testing.assert_allclose(np.concatenate(slopes), own_NF.grad.numpy(), rtol=1e-4, atol=1e-6)


def test_adam_goes_as_torch_goes() -> None:
    rng = np.random.default_rng(6)
    start = rng.normal(size=(4, 3)).astype(np.float32)
    ours, theirs = Adam.start(start.copy()), torch.tensor(start.copy(), requires_grad=True)
    optimizer = torch.optim.Adam([theirs], lr=0.05)
    for _ in range(20):
        slope = rng.normal(size=(4, 3)).astype(np.float32)
        ours.step(slope, 0.05)
        theirs.grad = torch.tensor(slope)
        optimizer.step()
    np.testing.assert_allclose(ours.value, theirs.detach().numpy(), rtol=1e-4, atol=1e-6)


def test_scores_are_dot_products_of_vectors_smoothed_over_the_graph_of_now() -> None:
    whole = board.checkerboard()
    method = LightGCN(LightGCNConfig(factors=8, epochs=1))
    method.fit(board.as_of_fit(whole), target="note", rng=np.random.default_rng(0), budget=Budget())
    method.index(whole)
    requests = board.ask(whole, "user", "note", np.array([3, board.N_OLD_USERS + 1]))
    slates = method.recommend(requests, k=10)
    clicked_E = whole.events.click_E
    pairs = np.unique(np.stack([whole.events.user_E[clicked_E], whole.events.note_E[clicked_E]]), axis=1)
    clicks_UT = np.zeros((board.N_USERS, board.N_NOTES))
    clicks_UT[*pairs] = 1
    own_NF = np.zeros((board.N_USERS + board.N_NOTES, 8))
    own_NF[: len(method.users_UF_)] = method.users_UF_
    own_NF[board.N_USERS : board.N_USERS + len(method.items_TF_)] = method.items_TF_
    smooth_NF = dense_smoothing(clicks_UT, 3) @ own_NF
    scores_QT = smooth_NF[requests.ids_Q] @ smooth_NF[board.N_USERS :].T
    expected_QK = np.take_along_axis(scores_QT, slates.ids_QK, axis=1)
    np.testing.assert_allclose(slates.scores_QK, expected_QK, rtol=1e-3, atol=1e-5)
