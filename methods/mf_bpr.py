"""Matrix factorisation by Bayesian personalised ranking, each click told from many targets drawn evenly, by Adam.

Minimise the mean over clicks (u, t) and targets s, drawn uniformly from all clicked targets and anew for each click, of
log(1 + exp(x y_s - x y_t)), where x is x_u without a share of its factors, drawn anew too (dropout), plus
regularization / 2 (|X|^2 + |Y|^2) of all vectors, drawn or not. Every parameter moves at each step of Adam, as its
running means say. `bpr` is the same loss by a library: one target a click, drawn by its clicks, and plain gradient
steps. Who is new is folded in by a ridge regression, as in `bpr`.

Reference: Rendle et al. 2009, arXiv:1205.2618; many drawn targets, dropout and Adam as in MF-BPR of BARS,
doi:10.1145/3477495.3531723. U users, T targets, F factors, V clicks, P clicks of a batch, S drawn targets, K clicked
targets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from methods.base import Budget, Capabilities
from methods.factors import Factors, folded_sides
from methods.interactions import FROM_USERS_AND_AUTHORS, Sparse, binary, clicks, n_users_of
from methods.kernel import compiled_loosely
from methods.ranking import rank
from simulator.schema import Kind, Observation, Requests, Slates

LAST_RATE = 0.1  # of the learning rate
_FAR = np.float32(80)  # beyond it a pair is told apart for good, and exp would overflow
_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8  # of Adam, as published


@dataclass(frozen=True, slots=True)
class MFBPRConfig:
    """The loss and how long it is minimised."""

    factors: int = 64
    negatives: int = 300
    batch_size: int = 256
    learning_rate: float = 1e-3
    epochs: int = 25
    last_epochs: int = 5  # at a tenth of the rate, after the others
    regularization: float = 1e-7
    dropout: float = 0.2  # share of a user's factors that a click does without
    init_sd: float = 1e-4
    fold_in_l2: float = 1.0

    def __post_init__(self) -> None:
        for name in ("factors", "negatives", "batch_size", "epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"MFBPRConfig.{name}: expected at least 1, got {getattr(self, name)}")
        for name in ("learning_rate", "init_sd"):
            if getattr(self, name) <= 0:
                raise ValueError(f"MFBPRConfig.{name}: expected more than 0, got {getattr(self, name)}")
        for name in ("last_epochs", "regularization", "fold_in_l2"):
            if getattr(self, name) < 0:
                raise ValueError(f"MFBPRConfig.{name}: expected at least 0, got {getattr(self, name)}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"MFBPRConfig.dropout: expected from 0 to below 1, got {self.dropout}")


class MFBPR:
    """Rank candidates by the dot product of the user's and the target's factors."""

    capabilities: ClassVar[Capabilities] = Capabilities(FROM_USERS_AND_AUTHORS, cold_targets=False)

    def __init__(self, config: MFBPRConfig = MFBPRConfig()) -> None:
        self.config = config

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        """Learn the factors; one thread."""
        self.target_, self.clicks_UT_ = target, binary(clicks(seen, target=target))
        for users_UF, items_TF in descend(self.clicks_UT_, self.config, rng=rng):
            self.users_UF_, self.items_TF_ = users_UF, items_TF

    def index(self, seen: Observation) -> None:
        """Fold in targets first clicked after the fit, then users."""
        now_UT = binary(clicks(seen, target=self.target_))
        l2 = self.config.fold_in_l2
        users_UF, items_TF = folded_sides(self.users_UF_, self.items_TF_, self.clicks_UT_, now_UT, l2=l2)
        self.factors_ = Factors(users_UF, items_TF, np.zeros(now_UT.shape[1], np.float32))

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        """Rank by factors."""
        return rank(self.factors_.scores(requests), requests, k=k)

    def describe(self) -> NDArray[np.float32]:
        """Return the factors of the targets."""
        return self.factors_.items_TF


Sides = tuple[NDArray[np.float32], NDArray[np.float32]]  # of users (U, F), of targets (T, F)


def descend(clicks_UT: Sparse, config: MFBPRConfig, *, rng: np.random.Generator) -> Iterator[Sides]:
    """Yield the factors after each epoch, zeros for those without clicks; the next epoch changes the same arrays."""
    n_users_T, degree_U = n_users_of(clicks_UT), np.diff(clicks_UT.indptr)
    user_V = np.repeat(np.arange(len(degree_U), dtype=np.int32), degree_U)
    known_K = np.flatnonzero(n_users_T).astype(np.int32)
    users, items = (Side.start(n_X > 0, config, rng=rng) for n_X in (degree_U, n_users_T))
    for epoch in range(config.epochs + config.last_epochs):
        rate = config.learning_rate * (1 if epoch < config.epochs else LAST_RATE)
        order_V = rng.permutation(clicks_UT.nnz)
        for first in range(0, clicks_UT.nnz, config.batch_size):
            row_P = order_V[first : first + config.batch_size]
            drawn_PS = known_K[rng.integers(len(known_K), size=(len(row_P), config.negatives))]
            batch = (user_V[row_P], clicks_UT.indices[row_P], drawn_PS)
            kept_PF = kept((len(row_P), config.factors), config.dropout, rng)
            add_slope(*batch, kept_PF, users.value, items.value, users.slope, items.slope)
            users.step(rate, config.regularization)
            items.step(rate, config.regularization)
        yield users.value, items.value


def kept(shape: tuple[int, int], dropout: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return 0 for factors that a click does without, and for the others what makes up for those."""
    if not dropout:
        return np.ones(shape, np.float32)
    return (rng.random(shape, np.float32) >= dropout) * np.float32(1 / (1 - dropout))


@dataclass(slots=True, eq=False)
class Side:
    """The factors of users or of targets on their way down by Adam, and the slope of the batch in hand, else zeros.

    Reference: Kingma and Ba 2015, arXiv:1412.6980.
    """

    value: NDArray[np.float32]
    mean: NDArray[np.float32]
    square: NDArray[np.float32]
    slope: NDArray[np.float32]
    n_steps: int = 0

    @classmethod
    def start(cls, has_clicks_X: NDArray[np.bool_], config: MFBPRConfig, *, rng: np.random.Generator) -> Side:
        """Draw small vectors, zeros for those without clicks."""
        value_XF = rng.standard_normal((len(has_clicks_X), config.factors), np.float32) * np.float32(config.init_sd)
        value_XF *= has_clicks_X[:, None]
        return cls(value_XF, np.zeros_like(value_XF), np.zeros_like(value_XF), np.zeros_like(value_XF))

    def step(self, learning_rate: float, regularization: float) -> None:
        """Go one step down the slope and towards zero, and forget the slope."""
        self.n_steps += 1
        root = np.sqrt(1 - _BETA2**self.n_steps)
        rate, epsilon = learning_rate * root / (1 - _BETA1**self.n_steps), _EPSILON * root
        arrays = (self.value.ravel(), self.mean.ravel(), self.square.ravel(), self.slope.ravel())
        _step(arrays, np.float32(rate), np.float32(epsilon), np.float32(regularization))


_Flat = NDArray[np.float32]


@compiled_loosely
def _step(
    arrays: tuple[_Flat, _Flat, _Flat, _Flat], rate: np.float32, epsilon: np.float32, regularization: np.float32
) -> None:
    value, mean, square, slope = arrays
    b1, b2, one = np.float32(_BETA1), np.float32(_BETA2), np.float32(1)
    for i in range(len(value)):
        down = slope[i] + regularization * value[i]
        mean[i] = b1 * mean[i] + (one - b1) * down
        square[i] = b2 * square[i] + (one - b2) * down * down
        value[i] -= rate * mean[i] / (np.sqrt(square[i]) + epsilon)
        slope[i] = 0


@compiled_loosely
def add_slope(  # noqa: PLR0913 - a kernel takes its arrays one by one
    user_P: NDArray[np.int32],
    target_P: NDArray[np.int32],
    drawn_PS: NDArray[np.int32],
    kept_PF: NDArray[np.float32],
    users_UF: NDArray[np.float32],
    items_TF: NDArray[np.float32],
    slope_UF: NDArray[np.float32],
    slope_TF: NDArray[np.float32],
) -> None:
    """Add the gradient of the batch's mean loss, users' factors times `kept`, without regularization, to the slopes."""
    (n_pairs, n_drawn), n_factors = drawn_PS.shape, users_UF.shape[1]
    weight_S, user_F = np.empty(n_drawn, np.float32), np.empty(n_factors, np.float32)
    pull_F = np.empty(n_factors, np.float32)
    each, one = np.float32(1 / drawn_PS.size), np.float32(1)
    for p in range(n_pairs):
        u, t = user_P[p], target_P[p]
        user_F[:], pull_F[:] = users_UF[u] * kept_PF[p], 0
        own = (user_F * items_TF[t]).sum()
        for i in range(n_drawn):
            s, z = drawn_PS[p, i], np.float32(0)
            for f in range(n_factors):
                z += user_F[f] * items_TF[s, f]
            weight_S[i] = min(own - z, _FAR)
        weight_S[:] = each / (one + np.exp(weight_S))
        total = weight_S.sum()
        for i in range(n_drawn):
            s, weight = drawn_PS[p, i], weight_S[i]
            for f in range(n_factors):
                pull_F[f] += weight * items_TF[s, f]
                slope_TF[s, f] += weight * user_F[f]
        slope_UF[u] += (pull_F - total * items_TF[t]) * kept_PF[p]
        slope_TF[t] -= total * user_F
