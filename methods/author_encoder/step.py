"""One batch's gradient: each distinct author is encoded once, in chunks where memory is to be bounded.

With chunks (Gao et al. 2021, arXiv:2101.06983, "GradCache"): encode all chunks without gradients, take the loss on
the vectors and its gradient with respect to them, then encode each chunk again and send its share of that gradient
back. The sum over chunks is the exact gradient of the whole batch. Chunks are cut from rows sorted by length, each of
at most so many padded tokens. Shapes: B pairs, N hard negatives, M distinct authors, D dimensions, L longest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods.author_encoder.batching import batches
from methods.author_encoder.contrast import NOBODY, ContrastConfig, Ends, Known, PairTable, info_nce
from methods.author_encoder.engines import Engine
from methods.author_encoder.gather import largest
from methods.author_encoder.keyed_luck import keyed
from methods.author_encoder.sampling import Slice
from methods.author_encoder.tokens import TokenTable


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What is learnt from: a prompt an author, pairs of authors, and hard negatives of each pair or none (P, 0)."""

    tokens: TokenTable
    pairs: PairTable
    hard_PN: NDArray[np.int32]  # author ids, NOBODY where a pair has fewer

    def __post_init__(self) -> None:
        n_rows, n_authors = len(self.tokens.lengths_R), self.pairs.n_authors
        if n_rows != n_authors:
            raise ValueError(f"tokens: expected {n_authors} rows, one an author, got {n_rows}")
        if self.hard_PN.ndim != 2 or len(self.hard_PN) != len(self.pairs.first_P):
            raise ValueError(f"hard: expected shape ({len(self.pairs.first_P)}, N), got {self.hard_PN.shape}")
        columns = (("first", self.pairs.first_P, 0), ("second", self.pairs.second_P, 0), ("hard", self.hard_PN, NOBODY))
        for name, ids, least in columns:
            if ids.size and not (least <= ids.min() and ids.max() < n_authors):
                raise ValueError(f"{name}: expected {least} to {n_authors - 1}, got {ids.min()} to {ids.max()}")

    @classmethod
    def without_hard(cls, tokens: TokenTable, pairs: PairTable) -> Material:
        """Take prompts and pairs, with in-batch negatives only."""
        return cls(tokens, pairs, np.empty((len(pairs.first_P), 0), np.int32))


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A rank's share of a batch: distinct authors, and where in them the ends of each pair are."""

    authors_M: NDArray[np.int64]
    places_BX: NDArray[np.int64]  # columns: first, second, hard negatives (the first author where there is none)
    ids_BX: NDArray[np.int64]  # the same as author ids, with NOBODY

    @classmethod
    def of(cls, material: Material, own: Slice) -> Asked:
        """Look up the rows of `own`."""
        first_B, second_B = material.pairs.first_P[own.rows_B], material.pairs.second_P[own.rows_B]
        ends = np.where(own.turned_B, second_B, first_B), np.where(own.turned_B, first_B, second_B)
        ids_BX = np.column_stack([*ends, material.hard_PN[own.rows_B]]).astype(np.int64)
        real_BX = np.where(ids_BX == NOBODY, ids_BX[:, :1], ids_BX)
        authors_M, places = np.unique(real_BX, return_inverse=True)
        return cls(authors_M, places.reshape(ids_BX.shape), ids_BX)

    def ends(self, vectors_MD: Tensor) -> Ends:
        """Hand each pair the vectors of its authors."""
        ids_BX, places_BX = (torch.from_numpy(part).to(vectors_MD.device) for part in (self.ids_BX, self.places_BX))
        vectors_BXD = vectors_MD[places_BX]
        by_id = ids_BX[:, 0], ids_BX[:, 1], ids_BX[:, 2:]
        return Ends(*by_id, vectors_BXD[:, 0], vectors_BXD[:, 1], vectors_BXD[:, 2:])


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """Everything that a step needs besides the engine and the batch."""

    material: Material
    known: Known
    contrast: ContrastConfig
    chunk_tokens: int  # padded tokens of a chunk; 0 encodes the whole batch at once
    token_drop: float = 0.0  # chance of each token but a prompt's first and last to be left out


def learn(engine: Engine, lesson: Lesson, own: Slice, *, key: Sequence[int], weight: float) -> Tensor:
    """Add `weight` times the gradient of this rank's loss, return the loss, (). Within `engine.one_reduction()`.

    `key` is what dropout and dropped tokens follow from, besides rank and chunk.
    """
    asked = Asked.of(lesson.material, own)
    key = (*key, engine.rank)
    if lesson.chunk_tokens:
        return _in_chunks(engine, lesson, asked, key=key, weight=weight)
    vectors_MD, scale = _encode(engine, lesson, asked.authors_M, key=(*key, 0))
    loss = info_nce(asked.ends(vectors_MD), scale, lesson.contrast, lesson.known)
    engine.backward(loss * weight)
    return loss.detach()


def _in_chunks(engine: Engine, lesson: Lesson, asked: Asked, *, key: Sequence[int], weight: float) -> Tensor:
    chunks = batches(lesson.material.tokens.lengths_R[asked.authors_M], budget=lesson.chunk_tokens)
    n_own = len(chunks)
    if engine.needs_even_chunks:  # what is encoded beyond a rank's own chunks gets the gradient zero
        chunks += chunks[:1] * (largest(n_own, engine.device) - n_own)
    with torch.no_grad():
        read = [
            _encode(engine, lesson, asked.authors_M[chunk], key=(*key, number)) for number, chunk in enumerate(chunks)
        ]
    order_M = np.argsort(np.concatenate(chunks[:n_own]))
    sorted_MD = torch.cat([vectors_CD for vectors_CD, _ in read[:n_own]])
    vectors_MD = sorted_MD[torch.from_numpy(order_M).to(engine.device)].requires_grad_()
    scale = read[0][1].detach().clone().requires_grad_()
    loss = info_nce(asked.ends(vectors_MD), scale, lesson.contrast, lesson.known)
    grad_MD, grad_scale = torch.autograd.grad(loss * weight, (vectors_MD, scale))
    for number, chunk in enumerate(chunks):
        again_CD, scale_again = _encode(engine, lesson, asked.authors_M[chunk], key=(*key, number))
        share = (again_CD * grad_MD[torch.from_numpy(chunk).to(engine.device)]).sum() * (number < n_own)
        engine.backward(share + scale_again * grad_scale * (number == 0))
    return loss.detach()


def _encode(
    engine: Engine, lesson: Lesson, authors_M: NDArray[np.int64], *, key: Sequence[int]
) -> tuple[Tensor, Tensor]:
    luck = np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))
    ids_ML, mask_ML = lesson.material.tokens.thinned(authors_M, lesson.token_drop, luck=luck)
    with keyed(engine.device, *key):
        return engine.encode(ids_ML.to(engine.device), mask_ML.to(engine.device))
