"""SASRec: self-attention over what a user clicked, in order, to say what comes next.

h_l sees places 0 .. l of the history; the score of target t after it is h_l E_t, E being the vectors that histories are
made of too. Loss "ce" is the cross entropy over all clicked targets; "bce" that of the next target against some
of them drawn uniformly, each a yes or no. A history longer than `length` keeps its latest; an author asks as who
clicked that alone.
Targets first clicked after the fit are folded in from the states of those who clicked them, by `factors.folded`.

Reference: Kang and McAuley 2018, doi:10.1109/ICDM.2018.00035; Klenitskiy and Vasilev 2023, doi:10.1145/3604915.3610644.
B histories, L places, D dimensions, H heads, P places with a next target, S negatives, T targets, K clicked ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from methods.base import Budget, Capabilities
from methods.factors import folded
from methods.gradient import Dense, plain, tensor, threads, torch_luck
from methods.histories import Histories
from methods.interactions import FROM_USERS_AND_AUTHORS, Sparse, binary, clicks, n_users_of
from methods.ranking import rank
from simulator.schema import Kind, Observation, Requests, Slates

_BLOCK = 256  # histories encoded at a time


@dataclass(frozen=True, slots=True)
class SASRecConfig:
    """The network, the loss and how long it is minimised."""

    loss: Literal["ce", "bce"] = "ce"
    dimensions: int = 64
    blocks: int = 2
    heads: int = 2
    length: int = 50
    dropout: float = 0.5
    learning_rate: float = 1e-3
    batch_size: int = 64  # histories
    epochs: int = 4
    negatives: int = 1  # drawn for each place; of loss "bce"
    fold_in_l2: float = 1.0


CE_TRIALS = {
    "base": SASRecConfig(),
    "fast": SASRecConfig(learning_rate=2e-3),
    "less dropout": SASRecConfig(dropout=0.3),
    "wide": SASRecConfig(dimensions=128),
    "one block": SASRecConfig(blocks=1),
}
CE_WIDE = SASRecConfig(epochs=20)  # for a log as small as Beauty

BCE = SASRecConfig(loss="bce", epochs=10)
BCE_TRIALS = {
    "base": BCE,
    "fast": replace(BCE, learning_rate=2e-3),
    "less dropout": replace(BCE, dropout=0.3),
    "more noes": replace(BCE, negatives=16),
    "wide and more noes": replace(BCE, dimensions=128, negatives=16),
}
BCE_WIDE = replace(BCE_TRIALS["wide and more noes"], epochs=40)


class SASRec:
    """Rank candidates by what self-attention over the history expects next."""

    capabilities: ClassVar[Capabilities] = Capabilities(FROM_USERS_AND_AUTHORS, cold_targets=False)

    def __init__(self, config: SASRecConfig = SASRecConfig()) -> None:
        self.config = config

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        """Minimise the loss over all histories."""
        self.target_ = target
        self.clicks_UT_ = binary(clicks(seen, target=target))
        n_users, n_targets = self.clicks_UT_.shape
        known_K, luck = np.flatnonzero(n_users_of(self.clicks_UT_)), torch_luck(rng)
        histories = Histories.of(seen, target=target)
        ids_UL = latest(histories, np.arange(n_users), self.config.length + 1)
        with threads(budget.threads):
            self.net_ = Net(len(known_K), self.config, luck=luck)
            learn(self.net_, np.where(ids_UL >= 0, np.searchsorted(known_K, ids_UL), -1), luck=luck)
            self.items_TD_ = np.zeros((n_targets, self.config.dimensions), np.float32)
            self.items_TD_[known_K] = plain(self.net_.items_TD)
            self._place(self.items_TD_)
            self.users_UD_ = self._states(latest(histories, np.arange(n_users), self.config.length))

    def index(self, seen: Observation) -> None:
        """Take in the histories of now, and vectors for targets that were first clicked after the fit."""
        self.histories_ = Histories.of(seen, target=self.target_)
        now_UT, fitted_TU = binary(clicks(seen, target=self.target_)), self.clicks_UT_.T.tocsr()
        now_TU: Sparse = now_UT[: fitted_TU.shape[1]].T.tocsr()
        self._place(folded(self.items_TD_, self.users_UD_, fitted_TU, now_TU, l2=self.config.fold_in_l2))

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        """Rank by the state after the history."""
        if requests.query == "user":
            ids_QL = latest(self.histories_, requests.ids_Q, self.config.length)
        else:
            ids_QL = requests.ids_Q.astype(np.int64)[:, None]
        with threads(1):
            scores_QT = self._states(ids_QL) @ plain(self.net_.items_TD).T
        return rank(scores_QT, requests, k=k)

    def describe(self) -> NDArray[np.float32]:
        """Return the targets' vectors."""
        return plain(self.net_.items_TD)

    def _place(self, items_TD: NDArray[np.float32]) -> None:
        """Let the network read and say these targets."""
        self.net_.items_TD = nn.Parameter(tensor(items_TD), requires_grad=False)

    def _states(self, ids_UL: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the state (U, D) after each history; zeros after none."""
        length_U = (ids_UL >= 0).sum(axis=1)
        states_UD = np.zeros((len(ids_UL), self.config.dimensions), np.float32)
        order_U = np.argsort(length_U, kind="stable")[int((length_U == 0).sum()) :]  # equally long ones together
        with torch.no_grad():
            for first in range(0, len(order_U), _BLOCK):
                row_B = order_U[first : first + _BLOCK]
                ids_BL = torch.from_numpy(ids_UL[row_B, : length_U[row_B[-1]]])
                states_BLD = self.net_(ids_BL, luck=None)
                states_UD[row_B] = plain(states_BLD[torch.arange(len(row_B)), torch.from_numpy(length_U[row_B]) - 1])
        return states_UD


def latest(histories: Histories, users_U: NDArray[np.integer], length: int) -> NDArray[np.int64]:
    """Return the last `length` targets (U, L) of each user in order of time, -1 on the right."""
    backwards_UL = histories.latest(users_U.astype(np.int32), length)
    count_U1 = (backwards_UL >= 0).sum(axis=1, keepdims=True)
    place_UL = count_U1 - 1 - np.arange(length)
    forwards_UL = np.take_along_axis(backwards_UL, np.maximum(place_UL, 0), axis=1)
    return np.where(place_UL >= 0, forwards_UL, -1)


class Net(nn.Module):
    """Self-attention over places 0 .. l, normalised before each part."""

    def __init__(self, n_targets: int, config: SASRecConfig, *, luck: torch.Generator) -> None:
        super().__init__()
        self.config, d = config, config.dimensions
        self.items_TD = nn.Parameter(torch.randn(n_targets, d, generator=luck) * 0.02)
        self.places_LD = nn.Parameter(torch.randn(config.length, d, generator=luck) * 0.02)
        self.blocks = nn.ModuleList(Block(config, luck=luck) for _ in range(config.blocks))
        self.norm = nn.LayerNorm(d)

    def forward(self, ids_BL: Tensor, *, luck: torch.Generator | None) -> Tensor:
        """Return the states (B, L, D), each of what came up to its place; `luck` draws dropout, None for none."""
        states_BLD = functional.embedding(ids_BL.clamp(min=0), self.items_TD) * self.config.dimensions**0.5
        states_BLD = dropped(states_BLD + self.places_LD[: ids_BL.shape[1]], self.config.dropout, luck)
        for block in self.blocks:
            states_BLD = block(states_BLD, luck=luck)
        normed: Tensor = self.norm(states_BLD)
        return normed


class Block(nn.Module):
    """Causal attention, then a network for each place alone."""

    def __init__(self, config: SASRecConfig, *, luck: torch.Generator) -> None:
        super().__init__()
        d = config.dimensions
        self.config = config
        self.before, self.between = nn.LayerNorm(d), nn.LayerNorm(d)
        self.ask_know_say = Dense(d, 3 * d, luck=luck)
        self.join, self.widen, self.narrow = (
            Dense(n_in, n_out, luck=luck) for n_in, n_out in ((d, d), (d, 4 * d), (4 * d, d))
        )

    def forward(self, states_BLD: Tensor, *, luck: torch.Generator | None) -> Tensor:
        """Return new states (B, L, D)."""
        n, length, d = states_BLD.shape
        parts = self.ask_know_say(self.before(states_BLD)).view(n, length, 3, self.config.heads, -1)
        ask_BHLD, know_BHLD, say_BHLD = parts.permute(2, 0, 3, 1, 4)
        heard = functional.scaled_dot_product_attention(ask_BHLD, know_BHLD, say_BHLD, is_causal=True)
        joined_BLD = self.join(heard.transpose(1, 2).reshape(n, length, d))
        states_BLD = states_BLD + dropped(joined_BLD, self.config.dropout, luck)
        inner = functional.gelu(self.widen(self.between(states_BLD)))
        return states_BLD + dropped(self.narrow(inner), self.config.dropout, luck)


def dropped(values: Tensor, share: float, luck: torch.Generator | None) -> Tensor:
    """Return the values with a random share of them at zero and the rest scaled up; all of them without luck."""
    if luck is None or share == 0:
        return values
    kept = torch.rand(values.shape, generator=luck) >= share
    return values * kept / (1 - share)


def learn(net: Net, ids_UL: NDArray[np.int64], *, luck: torch.Generator) -> None:
    """Minimise the loss over the histories, those of like length in one batch, batches in random order."""
    config = net.config
    length_U = torch.from_numpy((ids_UL >= 0).sum(axis=1))
    users_X = (length_U > 1).nonzero().squeeze(1)
    optimizer = torch.optim.Adam(net.parameters(), lr=config.learning_rate)
    for _ in range(config.epochs):
        shuffled_X = users_X[torch.randperm(len(users_X), generator=luck)]
        sorted_X = shuffled_X[length_U[shuffled_X].argsort(stable=True)]
        parts = torch.split(sorted_X, config.batch_size)
        for p in torch.randperm(len(parts), generator=luck) if len(users_X) else ():
            rows_B = parts[int(p)]
            ids_BL = torch.from_numpy(ids_UL[rows_B.numpy(), : int(length_U[rows_B].max())])
            optimizer.zero_grad()
            loss_of(net, ids_BL, luck=luck).backward()  # type: ignore[no-untyped-call]
            optimizer.step()


def loss_of(net: Net, ids_BL: Tensor, *, luck: torch.Generator) -> Tensor:
    """Return the mean loss of all places that have a next target."""
    states_BLD = net(ids_BL[:, :-1], luck=luck)
    next_BL = ids_BL[:, 1:]
    states_PD, next_P = states_BLD[next_BL >= 0], next_BL[next_BL >= 0]
    if net.config.loss == "ce":
        return functional.cross_entropy(states_PD @ net.items_TD.T, next_P)
    drawn_PS = torch.randint(len(net.items_TD), (len(next_P), net.config.negatives), generator=luck)
    return yes_or_no(states_PD, net.items_TD, next_P, drawn_PS)


def yes_or_no(states_PD: Tensor, items_TD: Tensor, next_P: Tensor, drawn_PS: Tensor) -> Tensor:
    """Return the mean of -log sigmoid(h E_next) - mean over s of log(1 - sigmoid(h E_s))."""
    yes_P = (states_PD * functional.embedding(next_P, items_TD)).sum(dim=1)
    no_PS = torch.einsum("pd,psd->ps", states_PD, functional.embedding(drawn_PS, items_TD))
    return (functional.softplus(-yes_P) + functional.softplus(no_PS).mean(dim=1)).mean()
