"""LightGCN: vectors of users and targets, smoothed over the graph of clicks, learnt by ranking what was clicked first.

E = (E0 + A E0 + ... + A^L E0) / (L + 1), A = D^-1/2 [[0, X], [X', 0]] D^-1/2, and Adam minimises over E0 the mean of
log(1 + sum over s of exp(e_u e_s - e_u e_t)) + regularization / 2 (|e0_u|^2 + |e0_t|^2 + mean over s of |e0_s|^2) over
clicks (u, t), s drawn uniformly from all clicked targets: BPR, as published, where each click draws one s of its own;
a sampled softmax where all clicks of a batch share many. A is symmetric, so the gradient is smoothed as the vectors
are: no autograd is needed.
Who is new has no vector of its own and lives on what its neighbours pass on. With no layers it is matrix factorisation,
where nothing is passed on: who is new is folded in by a ridge regression on the other side's vectors, as in `bpr`.

Reference: He et al. 2020, doi:10.1145/3397271.3401063; the sampled softmax: Wu et al. 2024, arXiv:2201.02327. U users,
T targets, F factors, P pairs of a batch, S negatives, K clicked targets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from methods.base import Budget, Capabilities
from methods.factors import Factors, folded_sides, grown
from methods.interactions import FROM_USERS_AND_AUTHORS, Sparse, binary, clicks, n_users_of
from methods.kernel import compiled
from methods.ranking import rank
from simulator.schema import Kind, Observation, Requests, Slates

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8  # of Adam, as published: arXiv:1412.6980


@dataclass(frozen=True, slots=True)
class LightGCNConfig:
    """The graph, the loss and how long it is minimised."""

    factors: int = 64
    layers: int = 3
    learning_rate: float = 3e-2  # of the first step; it falls in a straight line to nothing after the last
    regularization: float = 6e-3
    batch_size: int = 8_192
    epochs: int = 6
    negatives: int = 256
    shared: bool = False  # drawn once for all clicks of a batch; else for each click, and 1 is BPR
    init_sd: float = 0.1
    fold_in_l2: float = 1.0  # without layers


TRIALS = {
    "base": LightGCNConfig(),
    "loose": LightGCNConfig(regularization=4e-3),
    "loose and short": LightGCNConfig(regularization=4e-3, epochs=4),
    "loose and slow": LightGCNConfig(regularization=4e-3, learning_rate=2e-2, epochs=8),
    "long": LightGCNConfig(epochs=8),
}
MF = LightGCNConfig(layers=0, negatives=2_048, shared=True, learning_rate=2e-2, regularization=0.1, epochs=8)


class LightGCN:
    """Rank candidates by the dot product of vectors smoothed over the graph of clicks."""

    capabilities: ClassVar[Capabilities] = Capabilities(FROM_USERS_AND_AUTHORS, cold_targets=False)

    def __init__(self, config: LightGCNConfig = LightGCNConfig()) -> None:
        self.config = config

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        """Learn the vectors E0; one thread."""
        self.target_, self.clicks_UT_ = target, binary(clicks(seen, target=target))
        self.users_UF_, self.items_TF_ = learn(self.clicks_UT_, self.config, rng=rng)

    def index(self, seen: Observation) -> None:
        """Smooth over the graph of now."""
        clicks_UT = binary(clicks(seen, target=self.target_))
        n_users, n_targets = clicks_UT.shape
        if self.config.layers:
            graph = Graph.of(clicks_UT, self.config.layers)
            users_UF, items_TF = graph.smoothed(grown(self.users_UF_, n_users), grown(self.items_TF_, n_targets))
        else:
            l2 = self.config.fold_in_l2
            users_UF, items_TF = folded_sides(self.users_UF_, self.items_TF_, self.clicks_UT_, clicks_UT, l2=l2)
        self.factors_ = Factors(users_UF, items_TF, np.zeros(n_targets, np.float32))

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        """Rank by factors."""
        return rank(self.factors_.scores(requests), requests, k=k)

    def describe(self) -> NDArray[np.float32]:
        """Return the smoothed vectors of the targets."""
        return self.factors_.items_TF


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """The normalised clicks in both directions, and how often they are walked."""

    weight_UT: Sparse
    weight_TU: Sparse
    layers: int

    @classmethod
    def of(cls, clicks_UT: Sparse, layers: int) -> Graph:
        """Weigh each click by one over the root of both degrees."""
        degree_U = np.maximum(np.diff(clicks_UT.indptr), 1).astype(np.float32)
        degree_T = np.maximum(n_users_of(clicks_UT), 1).astype(np.float32)
        row_V = np.repeat(np.arange(clicks_UT.shape[0]), np.diff(clicks_UT.indptr))
        weight_V = 1 / np.sqrt(degree_U[row_V] * degree_T[clicks_UT.indices])
        weight_UT: Sparse = sp.csr_matrix((weight_V, clicks_UT.indices, clicks_UT.indptr), shape=clicks_UT.shape)
        return cls(weight_UT, weight_UT.T.tocsr(), layers)

    def smoothed(
        self, users_UF: NDArray[np.float32], items_TF: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the mean over the layers; a gradient is smoothed by the same map."""
        sum_UF, sum_TF = users_UF.copy(), items_TF.copy()
        for _ in range(self.layers):
            users_UF, items_TF = self.weight_UT @ items_TF, self.weight_TU @ users_UF
            sum_UF += users_UF
            sum_TF += items_TF
        share = np.float32(1 / (self.layers + 1))
        return sum_UF * share, sum_TF * share


def learn(
    clicks_UT: Sparse, config: LightGCNConfig, *, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return E0 of users and targets, zeros for those without clicks."""
    graph = Graph.of(clicks_UT, config.layers)
    (n_users, n_targets), degree_U = clicks_UT.shape, np.diff(clicks_UT.indptr)
    user_V, known_K = np.repeat(np.arange(n_users, dtype=np.int32), degree_U), np.unique(clicks_UT.indices)
    sides = [
        Adam.start((rng.standard_normal((n, config.factors), np.float32) * np.float32(config.init_sd)) * has_clicks)
        for n, has_clicks in ((n_users, degree_U[:, None] > 0), (n_targets, n_users_of(clicks_UT)[:, None] > 0))
    ]
    firsts, n_done = range(0, clicks_UT.nnz, config.batch_size), 0
    for _ in range(config.epochs):
        order_V = rng.permutation(clicks_UT.nnz)
        for first in firsts:
            row_P = order_V[first : first + config.batch_size]
            drawn_PS = rng.choice(known_K, size=(1 if config.shared else len(row_P), config.negatives))
            batch = (user_V[row_P], clicks_UT.indices[row_P], drawn_PS)
            slopes = gradient(graph, sides[0].value, sides[1].value, batch, config.regularization)
            learning_rate = config.learning_rate * (1 - n_done / (config.epochs * len(firsts)))
            n_done += 1
            for side, slope in zip(sides, slopes, strict=True):
                side.step(slope, learning_rate)
    return sides[0].value, sides[1].value


Batch = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]  # user_P, target_P, drawn_PS or drawn_1S


def gradient(
    graph: Graph, users_UF: NDArray[np.float32], items_TF: NDArray[np.float32], batch: Batch, regularization: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the gradient of a batch's loss by E0, of users and of targets."""
    smooth_UF, smooth_TF = graph.smoothed(users_UF, items_TF)
    slope_UF, slope_TF = np.zeros_like(smooth_UF), np.zeros_like(smooth_TF)
    user_P, target_P, drawn_PS = batch
    if len(drawn_PS) == len(user_P):
        _pull(*batch, smooth_UF, smooth_TF, slope_UF, slope_TF)
    else:
        _pull_shared(user_P, target_P, drawn_PS[0], (smooth_UF, smooth_TF), (slope_UF, slope_TF))
    slope_UF, slope_TF = graph.smoothed(slope_UF, slope_TF)
    pull = np.float32(regularization / len(user_P))
    n_U = np.bincount(user_P, minlength=len(users_UF))[:, None].astype(np.float32)
    n_T = np.bincount(target_P, minlength=len(items_TF)).astype(np.float32)
    each = np.float32(len(user_P) / drawn_PS.size)  # of a click's mean over its negatives
    n_T += np.bincount(drawn_PS.ravel(), minlength=len(items_TF)).astype(np.float32) * each
    return slope_UF + pull * n_U * users_UF, slope_TF + pull * n_T[:, None] * items_TF


@compiled
def _pull(  # noqa: PLR0913 - a kernel takes its arrays one by one
    user_P: NDArray[np.int32],
    target_P: NDArray[np.int32],
    drawn_PS: NDArray[np.int32],
    users_UF: NDArray[np.float32],
    items_TF: NDArray[np.float32],
    slope_UF: NDArray[np.float32],
    slope_TF: NDArray[np.float32],
) -> None:
    """Add the gradient of the mean of log(1 + sum over s of exp(e_u e_s - e_u e_t))."""
    (n_pairs, n_drawn), n_factors = drawn_PS.shape, users_UF.shape[1]
    weight_S, slope_F = np.empty(n_drawn, np.float32), np.empty(n_factors, np.float32)
    for p in range(n_pairs):
        u, t = user_P[p], target_P[p]
        own = _dot(users_UF[u], items_TF[t])
        for i in range(n_drawn):
            weight_S[i] = _dot(users_UF[u], items_TF[drawn_PS[p, i]]) - own
        top = max(weight_S.max(), np.float32(0))
        weight_S[:] = np.exp(weight_S - top)
        weight_S /= (np.exp(-top) + weight_S.sum()) * np.float32(n_pairs)
        slope_F[:] = -weight_S.sum() * items_TF[t]
        slope_TF[t] -= weight_S.sum() * users_UF[u]
        for i in range(n_drawn):
            s, weight = drawn_PS[p, i], weight_S[i]
            for f in range(n_factors):
                slope_F[f] += weight * items_TF[s, f]
                slope_TF[s, f] += weight * users_UF[u, f]
        slope_UF[u] += slope_F


Sides = tuple[NDArray[np.float32], NDArray[np.float32]]  # of users (U, F), of targets (T, F)


def _pull_shared(
    user_P: NDArray[np.int32], target_P: NDArray[np.int32], drawn_S: NDArray[np.int32], smooth: Sides, slope: Sides
) -> None:
    """Add the same gradient where every click has the same negatives: products of whole matrices."""
    users_PF, own_PF, drawn_SF = smooth[0][user_P], smooth[1][target_P], smooth[1][drawn_S]
    weight_PS = users_PF @ drawn_SF.T - (users_PF * own_PF).sum(axis=1, keepdims=True)
    top_P1 = np.maximum(weight_PS.max(axis=1, keepdims=True), np.float32(0))
    np.exp(weight_PS - top_P1, out=weight_PS)
    weight_PS /= (np.exp(-top_P1) + weight_PS.sum(axis=1, keepdims=True)) * np.float32(len(user_P))
    sum_P1 = weight_PS.sum(axis=1, keepdims=True)
    _add_rows(slope[0], user_P, weight_PS @ drawn_SF - sum_P1 * own_PF)
    _add_rows(slope[1], target_P, -sum_P1 * users_PF)
    _add_rows(slope[1], drawn_S, weight_PS.T @ users_PF)


@compiled
def _add_rows(total_XF: NDArray[np.float32], id_P: NDArray[np.int32], rows_PF: NDArray[np.float32]) -> None:
    """Add each row to that of its id; ids may repeat."""
    for p in range(len(id_P)):
        for f in range(rows_PF.shape[1]):
            total_XF[id_P[p], f] += rows_PF[p, f]


@compiled
def _dot(a_F: NDArray[np.float32], b_F: NDArray[np.float32]) -> np.float32:
    total = np.float32(0)
    for f in range(len(a_F)):
        total += a_F[f] * b_F[f]
    return total


@dataclass(slots=True, eq=False)
class Adam:
    """One array of parameters on its way down. Reference: Kingma and Ba 2015, arXiv:1412.6980."""

    value: NDArray[np.float32]
    mean: NDArray[np.float32]
    square: NDArray[np.float32]
    n_steps: int = 0

    @classmethod
    def start(cls, value: NDArray[np.float32]) -> Adam:
        """Begin at `value`."""
        return cls(value.astype(np.float32), np.zeros(value.shape, np.float32), np.zeros(value.shape, np.float32))

    def step(self, slope: NDArray[np.float32], learning_rate: float) -> None:
        """Go one step down the slope."""
        self.n_steps += 1
        rate = learning_rate * np.sqrt(1 - _BETA2**self.n_steps) / (1 - _BETA1**self.n_steps)
        _adam(self.value.ravel(), self.mean.ravel(), self.square.ravel(), slope.ravel(), np.float32(rate))


@compiled
def _adam(
    value: NDArray[np.float32],
    mean: NDArray[np.float32],
    square: NDArray[np.float32],
    slope: NDArray[np.float32],
    rate: np.float32,
) -> None:
    b1, b2, epsilon = np.float32(_BETA1), np.float32(_BETA2), np.float32(_EPSILON)
    one = np.float32(1)
    for i in range(len(value)):
        mean[i] = b1 * mean[i] + (one - b1) * slope[i]
        square[i] = b2 * square[i] + (one - b2) * slope[i] * slope[i]
        value[i] -= rate * mean[i] / (np.sqrt(square[i]) + epsilon)
