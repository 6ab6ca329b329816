"""Which pairs a step sees: a function of (seed, step) alone, so that a position is all there is to save.

An epoch is a random order of all pairs, cut into global batches of equal size; what is left over is dropped. Each rank
takes its slice of the global batch, which is the same for any number of ranks. Batches are not sorted by length: length
goes with activity and category, and negatives alike in length would be no random negatives. Shapes: P pairs, B rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows of the table of pairs, and which of them are to be read second author first."""

    rows_B: NDArray[np.int64]
    turned_B: NDArray[np.bool_]


@dataclass(slots=True)
class Sampler:
    """Batches of `batch` pairs out of `n_pairs`, split evenly over `n_ranks`."""

    n_pairs: int
    batch: int  # of all ranks
    seed: int
    n_ranks: int = 1
    rank: int = 0
    _epoch: int = field(default=-1, init=False)
    _order_P: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32), init=False)

    def __post_init__(self) -> None:
        if self.batch < 1 or self.batch > self.n_pairs:
            raise ValueError(f"batch: expected 1 to {self.n_pairs} (the pairs there are), got {self.batch}")
        if self.batch % self.n_ranks:
            raise ValueError(f"batch: expected a multiple of the {self.n_ranks} ranks, got {self.batch}")
        if self.n_pairs > np.iinfo(np.int32).max:
            raise ValueError(f"pairs: expected at most {np.iinfo(np.int32).max}, got {self.n_pairs}")

    @property
    def n_batches(self) -> int:
        """Return the batches of an epoch."""
        return self.n_pairs // self.batch

    def at(self, step: int) -> Slice:
        """Return this rank's share of global batch number `step`, counted from 0 over all epochs."""
        epoch, place = divmod(step, self.n_batches)
        if epoch != self._epoch:
            luck = np.random.Generator(np.random.PCG64(np.random.SeedSequence((self.seed, epoch))))
            self._order_P, self._epoch = luck.permutation(np.arange(self.n_pairs, dtype=np.int32)), epoch
        turned_G = np.random.Generator(np.random.PCG64(np.random.SeedSequence((self.seed, epoch, place)))).random(
            self.batch
        )
        n_own = self.batch // self.n_ranks
        own = slice(self.rank * n_own, (self.rank + 1) * n_own)
        start = place * self.batch
        return Slice(self._order_P[start : start + self.batch][own].astype(np.int64), turned_G[own] < 0.5)
