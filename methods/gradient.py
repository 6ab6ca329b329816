"""Learning by gradient descent, with luck and threads passed in: nothing global is seeded or stays changed.

Shapes: R rows, B batch, S batches, N negatives, I inputs, O outputs, U users, T targets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from methods.interactions import Sparse

REDRAWS = 8  # of negatives that turn out clicked; then they stay, lest a user who clicked everything hang the fit


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long a loss is minimised, by Adam. Small worlds get smaller batches, more epochs; large ones fewer."""

    epochs: int
    batch: int  # rows
    learning_rate: float = 1e-3
    weight_decay: float = 0.0  # half of this times the squared length of all parameters joins the loss
    least_batches: int = 16  # an epoch
    least_steps: int = 320
    most_steps: int = 500  # but always one epoch

    def n_batches(self, n_rows: int) -> int:
        """Return the batches of an epoch."""
        return min(n_rows, max(self.least_batches, -(-n_rows // self.batch)))

    def n_epochs(self, n_rows: int) -> int:
        """Return the epochs, or as many as lie between `least_steps` and `most_steps`; none without rows."""
        if n_rows == 0:
            return 0
        n_batches = self.n_batches(n_rows)
        return max(1, min(max(self.epochs, -(-self.least_steps // n_batches)), self.most_steps // n_batches))


def torch_luck(rng: np.random.Generator) -> torch.Generator:
    """Return a generator of torch's own that follows from `rng`."""
    return torch.Generator().manual_seed(int(rng.integers(2**63)))


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Let torch use `n` threads, and afterwards as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Dense(nn.Module):
    """A linear layer whose weights follow from the luck given; biases start at zero.

    The weights are uniform after Glorot, or, where `std` is given, normal and cut at two of it.
    """

    def __init__(self, n_in: int, n_out: int, *, luck: torch.Generator, std: float | None = None) -> None:
        super().__init__()
        weights_OI = torch.empty(n_out, n_in)
        if std is None:
            nn.init.xavier_uniform_(weights_OI, generator=luck)
        else:
            nn.init.trunc_normal_(weights_OI, std=std, a=-2 * std, b=2 * std, generator=luck)
        self.weights_OI, self.bias_O = nn.Parameter(weights_OI), nn.Parameter(torch.zeros(n_out))

    def forward(self, rows_RI: Tensor) -> Tensor:
        """Return (R, O)."""
        return functional.linear(rows_RI, self.weights_OI, self.bias_O)


def some(n_rows: int, share: float, *, luck: torch.Generator) -> Tensor:
    """Mark `share` of the rows, rounded down and drawn at random."""
    marked_R = torch.zeros(n_rows, dtype=torch.bool)
    marked_R[torch.randperm(n_rows, generator=luck)[: int(share * n_rows)]] = True
    return marked_R


def table(n_rows: int, n_columns: int, *, luck: torch.Generator) -> nn.Parameter:
    """Return one learnt vector a row, uniform after Glorot."""
    return nn.Parameter(nn.init.xavier_uniform_(torch.empty(n_rows, n_columns), generator=luck))


def descend(
    parameters: Iterable[nn.Parameter],
    loss_of: Callable[[Tensor], Tensor],
    schedule: Schedule,
    *,
    n_rows: int,
    luck: torch.Generator,
) -> None:
    """Minimise the mean of `loss_of(rows)` over batches of all rows, epoch by epoch."""
    optimizer = torch.optim.Adam(list(parameters), schedule.learning_rate, weight_decay=schedule.weight_decay)
    for _ in range(schedule.n_epochs(n_rows)):
        order_R = torch.randperm(n_rows, generator=luck)
        for rows_B in torch.tensor_split(order_R, schedule.n_batches(n_rows)):
            optimizer.zero_grad()
            loss_of(rows_B).backward()  # type: ignore[no-untyped-call]
            optimizer.step()


@dataclass(frozen=True, slots=True, eq=False)
class Clicked:
    """The clicked pairs as tensors, and negatives to them: targets that somebody clicked, but not this user."""

    user_R: Tensor
    target_R: Tensor
    known_T: Tensor  # ids of the targets that somebody clicked
    n_targets: int
    key_R: Tensor  # user * T + target, ascending

    @classmethod
    def of(cls, clicks_UT: Sparse) -> Clicked:
        """Take the pairs of `clicks_UT`; those of equal user are neighbours."""
        pairs = clicks_UT.tocoo()
        user_R, target_R = (torch.from_numpy(ids.astype(np.int64)) for ids in (pairs.row, pairs.col))
        n_targets = clicks_UT.shape[1]
        key_R = (user_R * n_targets + target_R).sort().values
        return cls(user_R, target_R, torch.from_numpy(np.unique(pairs.col).astype(np.int64)), n_targets, key_R)

    def __len__(self) -> int:
        return len(self.user_R)

    def has(self, user_X: Tensor, target_X: Tensor) -> Tensor:
        """Whether each user clicked each target; the two are broadcast against each other."""
        key_X = user_X * self.n_targets + target_X
        at_X = torch.searchsorted(self.key_R, key_X).clamp(max=len(self.key_R) - 1)
        return self.key_R[at_X] == key_X

    def negatives(self, user_B: Tensor, *, luck: torch.Generator) -> Tensor:
        """Draw one known target a user, uniformly among those it did not click; see REDRAWS."""
        drawn_B = self.draw(len(user_B), luck=luck)
        for _ in range(REDRAWS):
            wrong = self.has(user_B, drawn_B).nonzero().squeeze(1)
            if len(wrong) == 0:
                break
            drawn_B[wrong] = self.draw(len(wrong), luck=luck)
        return drawn_B

    def others(self, n: int, *, luck: torch.Generator) -> Tensor:
        """Return `n` known targets drawn uniformly, or each of them once where there are no more than that."""
        return self.known_T if len(self.known_T) <= n else self.draw(n, luck=luck)

    def draw(self, n: int, *, luck: torch.Generator) -> Tensor:
        """Draw known targets uniformly, with repetition."""
        return self.known_T[torch.randint(len(self.known_T), (n,), generator=luck)]


def tensor(array: NDArray[np.float32]) -> Tensor:
    """Return a tensor with the values of `array`, which nothing else will change."""
    return torch.from_numpy(np.array(array, np.float32))


def plain(values: Tensor) -> NDArray[np.float32]:
    """Return the values of a tensor as an array of its own."""
    return np.array(values.detach().numpy(), np.float32)
