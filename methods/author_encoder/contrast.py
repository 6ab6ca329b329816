"""InfoNCE over pairs of authors: a row's positive is its own column, all other columns of all ranks are negatives.

A column is hidden from a row, and so no negative, when it is the row's own author or the row's positive again, or
when the two are a known pair: authors who share readers would otherwise be pushed apart. With logQ, each column is
lowered by the log of how often a batch draws its author, so that busy authors are not punished for being drawn. With
prefixes the loss is the mean over the whole vectors and their first so many dimensions, each of length one again, so
that a shorter index can be made of what was learnt.

Authors are costly to encode and pairs of encoded ones are not. With every known pair, each two authors of the batch
that are one, drawn together or not, are a row and its positive: the mean over them of log(1 + sum over negatives of
e^(negative - positive)), where each author of the batch is one row and one column however often it was drawn.

Shapes: B pairs of a rank, G pairs of all ranks, R = 2 B ends of them, N hard negatives of a pair, C columns, P known
pairs, A authors, D dimensions.

References: van den Oord et al. 2018, arXiv:1807.03748 (InfoNCE); Yi et al. 2019, doi:10.1145/3298689.3346996 (logQ);
Kusupati et al. 2022, arXiv:2205.13147 (Matryoshka); Khosla et al. 2020, arXiv:2004.11362 (many positives).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from methods.author_encoder.gather import gathered, gathered_ids, n_ranks, rank
from simulator.schema.checks import SchemaError

HIDDEN = -1e9  # not -inf: a row whose every negative is hidden keeps a finite gradient
NOBODY = -1  # in place of a hard negative that a pair lacks


class PairTable(Protocol):
    """What training reads of pairs: two columns of author ids, and how many authors there are."""

    @property
    def first_P(self) -> NDArray[np.int32]: ...  # noqa: D102
    @property
    def second_P(self) -> NDArray[np.int32]: ...  # noqa: D102
    @property
    def n_authors(self) -> int: ...  # noqa: D102


@dataclass(frozen=True, slots=True, eq=False)
class PairColumns:
    """The two columns alone, in memory or mapped."""

    first_P: NDArray[np.int32]
    second_P: NDArray[np.int32]
    n_authors: int


@dataclass(frozen=True, slots=True)
class ContrastConfig:
    """Which terms the loss has."""

    symmetric: bool = True  # mean of both directions; else the first of a pair looks for the second
    temperature: float = 0.0  # fixed; 0 takes the scale that the encoder learns
    hide_known_pairs: bool = True
    hide_same_author: bool = True
    log_q: bool = False  # correct for how often an author is drawn
    prefixes: tuple[int, ...] = ()  # dimensions that are to do without the rest
    every_known: bool = False  # known pairs that were not drawn together are positives too; symmetric only

    def __post_init__(self) -> None:
        if any(n < 1 for n in self.prefixes):
            raise ValueError(f"ContrastConfig.prefixes: expected numbers of at least 1, got {self.prefixes}")
        if self.every_known and not self.symmetric:
            raise ValueError("ContrastConfig.every_known: expected symmetric with it, got one direction")
        if not 0 <= self.temperature < float("inf"):
            raise ValueError(f"ContrastConfig.temperature: expected at least 0, got {self.temperature}")


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is known of all pairs: their sorted keys, and the log frequency of each author among their ends."""

    key_P: Tensor  # int64, ascending: lesser id * A + greater id
    log_q_A: Tensor  # float32; 0 for authors in no pair, who are never a column but by being a hard negative
    n_authors: int

    @classmethod
    def of(cls, pairs: PairTable, device: torch.device) -> Known:
        """Take keys and frequencies from a table of pairs."""
        first_P, second_P = pairs.first_P.astype(np.int64), pairs.second_P.astype(np.int64)
        key_P = np.sort(np.minimum(first_P, second_P) * pairs.n_authors + np.maximum(first_P, second_P))
        n_A = np.bincount(first_P, minlength=pairs.n_authors) + np.bincount(second_P, minlength=pairs.n_authors)
        log_q_A = np.log(np.maximum(n_A, 1) / max(n_A.sum(), 1)).astype(np.float32)
        return cls(torch.from_numpy(key_P).to(device), torch.from_numpy(log_q_A).to(device), pairs.n_authors)

    def has(self, one_X: Tensor, other_X: Tensor) -> Tensor:
        """Whether each two authors are a known pair; the two are broadcast against each other."""
        key_X = torch.minimum(one_X, other_X) * self.n_authors + torch.maximum(one_X, other_X)
        if len(self.key_P) == 0:
            return torch.zeros_like(key_X, dtype=torch.bool)
        at_X = torch.searchsorted(self.key_P, key_X.contiguous()).clamp(max=len(self.key_P) - 1)
        return self.key_P[at_X] == key_X


@dataclass(frozen=True, slots=True, eq=False)
class Ends:
    """A rank's share of a batch by author: ids int64 (B,) and (B, N) with NOBODY, vectors alike with D behind."""

    first_B: Tensor
    second_B: Tensor
    hard_BN: Tensor
    first_BD: Tensor
    second_BD: Tensor
    hard_BND: Tensor

    def prefix(self, n: int) -> Ends:
        """Return the same with the first `n` dimensions alone; raises SchemaError where there are fewer."""
        first_BD, second_BD, hard_BND = (prefix(part, n) for part in (self.first_BD, self.second_BD, self.hard_BND))
        return replace(self, first_BD=first_BD, second_BD=second_BD, hard_BND=hard_BND)


def prefix(vectors_XD: Tensor, n: int) -> Tensor:
    """Return the first `n` dimensions of each vector, made unit length again; raises SchemaError outside 1..D."""
    if not 1 <= n <= vectors_XD.shape[-1]:
        raise SchemaError("prefix", f"1 to {vectors_XD.shape[-1]} dimensions", n)
    return functional.normalize(vectors_XD[..., :n], dim=-1)


def info_nce(ends: Ends, scale: Tensor, config: ContrastConfig, known: Known) -> Tensor:
    """Return the mean over this rank's pairs of the cross entropy of the own column, and over prefixes, ().

    The mean over ranks is the loss of the whole batch. All ranks must call it together, with equally many pairs.
    """
    if config.temperature:
        scale = scale.new_tensor(1 / config.temperature) + 0 * scale  # the parameter keeps a gradient, which is zero
    loss_of = _over_known if config.every_known else _cross_entropy
    whole_and_prefixes = ends, *(ends.prefix(n) for n in config.prefixes)
    return torch.stack([loss_of(part, scale, config, known) for part in whole_and_prefixes]).mean()


def _cross_entropy(ends: Ends, scale: Tensor, config: ContrastConfig, known: Known) -> Tensor:
    hard_M, hard_MD = ends.hard_BN.flatten(), ends.hard_BND.flatten(0, 1)
    hard_K, hard_KD = (gathered_ids(hard_M), gathered(hard_MD)) if len(hard_M) else (hard_M, hard_MD)
    first = ends.first_B, ends.first_BD
    second = ends.second_B, ends.second_BD
    directions = ((first, second), (second, first)) if config.symmetric else ((first, second),)
    losses = []
    for (row_B, row_BD), (own_B, own_BD) in directions:
        column_C = torch.cat([gathered_ids(own_B), hard_K])
        column_CD = torch.cat([gathered(own_BD), hard_KD])
        logits_BC = scale * (row_BD @ column_CD.T) - _correction(column_C, config, known)
        hidden_BC = hidden(row_B, own_B, column_C, config, known)
        target_B = rank() * len(row_B) + torch.arange(len(row_B), device=row_B.device)
        hidden_BC[torch.arange(len(row_B), device=row_B.device), target_B] = False
        losses.append(functional.cross_entropy(logits_BC.masked_fill(hidden_BC, HIDDEN), target_B))
    return torch.stack(losses).mean()


def _over_known(ends: Ends, scale: Tensor, config: ContrastConfig, known: Known) -> Tensor:
    own_R, own_RD = torch.cat([ends.first_B, ends.second_B]), torch.cat([ends.first_BD, ends.second_BD])
    drawn_C, hard_C = gathered_ids(own_R), gathered_ids(ends.hard_BN.flatten())
    column_C = torch.cat([drawn_C, hard_C])
    column_CD = torch.cat([gathered(own_RD), gathered(ends.hard_BND.flatten(0, 1))])
    logits_RC = scale * (own_RD @ column_CD.T) - _correction(column_C, config, known)
    is_first_C = _first_of_each(drawn_C)
    is_known_RC = known.has(own_R[:, None], column_C.clamp(min=0)[None, :])
    is_far_RC = ~is_known_RC & (column_C != own_R[:, None]) & torch.cat([is_first_C, hard_C != NOBODY])
    is_near_RC = is_known_RC[:, : len(drawn_C)] & is_first_C
    own = slice(rank() * len(own_R), (rank() + 1) * len(own_R))
    is_near_RC &= is_first_C[own, None]
    rest_R1 = logits_RC.masked_fill(~is_far_RC, HIDDEN).logsumexp(1, keepdim=True)
    losses = functional.softplus(rest_R1 - logits_RC[:, : len(drawn_C)])[is_near_RC]
    n_all = gathered_ids(is_near_RC.sum()[None]).sum()
    return losses.sum() * n_ranks() / n_all


def _correction(column_C: Tensor, config: ContrastConfig, known: Known) -> Tensor:
    """Return what each column's logits are lowered by: (C,) with logQ, else ()."""
    log_q_A = known.log_q_A
    return log_q_A[column_C.clamp(min=0)] if config.log_q else log_q_A.new_zeros(())


def _first_of_each(ids_C: Tensor) -> Tensor:
    """Mark the first place of each id."""
    _, group_C = torch.unique(ids_C, return_inverse=True)
    place_C = torch.arange(len(ids_C), device=ids_C.device)
    first_C = torch.full_like(place_C, len(ids_C)).scatter_reduce(0, group_C, place_C, "amin")
    return first_C[group_C] == place_C


def hidden(row_B: Tensor, own_B: Tensor, column_C: Tensor, config: ContrastConfig, known: Known) -> Tensor:
    """Mark, (B, C), the columns that are no negatives to a row; the row's own column is marked too."""
    hidden_BC = (column_C == NOBODY)[None, :].repeat(len(row_B), 1)
    if config.hide_same_author:
        hidden_BC |= (column_C == row_B[:, None]) | (column_C == own_B[:, None])
    if config.hide_known_pairs:
        hidden_BC |= known.has(row_B[:, None], column_C.clamp(min=0)[None, :])
    return hidden_BC
