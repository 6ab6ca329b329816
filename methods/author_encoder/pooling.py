"""How the hidden states of a text become one vector: its last real token's, or a mean over its real tokens.

"sif" weighs each token by its smooth inverse frequency, a / (a + p): words that stand in every prompt count little,
so that two texts are not alike for having the same frame.

A closing token of its own ([EMB]) is the last real token too, so it needs no pooling of its own. Places are found by
mask, never by -1: with padding on the right, hidden[:, -1] is a pad's state, and nothing says so.
Shapes: B rows, L longest, H hidden units, T tokens of rows end to end, V vocabulary.

Reference: Arora et al. 2017, "A simple but tough-to-beat baseline for sentence embeddings", ICLR (SIF).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simulator.schema.checks import SchemaError

Pooling = Literal["last", "mean", "sif", "special"]
POOLINGS: tuple[Pooling, ...] = ("last", "mean", "sif", "special")
MEANS: tuple[Pooling, ...] = ("mean", "sif")
COMMON = 1e-3  # share of all tokens at which a token counts half; the paper's
BLOCK = 1 << 24  # ids counted at once


def pooled(hidden_BLH: Tensor, weight_BL: Tensor, pooling: Pooling) -> Tensor:
    """Return one vector a row, (B, H), wherever the padding lies; raises SchemaError for an unknown pooling.

    Weights are 0 on pads, and for all but "sif" 1 elsewhere; a row has at least one token that weighs something.
    """
    if _checked(pooling) in MEANS:
        weight_BL1 = weight_BL.unsqueeze(-1).to(hidden_BLH.dtype)
        return (hidden_BLH * weight_BL1).sum(1) / weight_BL1.sum(1)
    places_L = torch.arange(weight_BL.shape[1], device=weight_BL.device)
    last_B = (places_L * (weight_BL > 0)).argmax(1)
    return hidden_BLH[torch.arange(len(last_B), device=last_B.device), last_B]


def pooled_packed(hidden_TH: Tensor, weight_T: Tensor, lengths_B: Tensor, pooling: Pooling) -> Tensor:
    """Return one vector a row, (B, H), of rows that lie end to end."""
    if _checked(pooling) in MEANS:
        weight_T1 = weight_T.unsqueeze(-1).to(hidden_TH.dtype)
        weighed, weights = (torch.split(part, lengths_B.tolist()) for part in (hidden_TH * weight_T1, weight_T1))
        return torch.stack([row_LH.sum(0) / row_L1.sum() for row_LH, row_L1 in zip(weighed, weights, strict=True)])
    return hidden_TH[lengths_B.cumsum(0) - 1]


def rarity(ids_T: NDArray[np.uint32], n_tokens: int) -> Tensor:
    """Return the smooth inverse frequency of each token of a vocabulary, float32 (V,), by how often texts have it."""
    n_V = np.zeros(n_tokens, np.int64)
    for first in range(0, len(ids_T), BLOCK):  # ids may lie in a mapped file, larger than memory
        n_V += np.bincount(ids_T[first : first + BLOCK], minlength=n_tokens)
    return torch.from_numpy((COMMON / (COMMON + n_V / max(1, len(ids_T)))).astype(np.float32))


def _checked(pooling: Pooling) -> Pooling:
    if pooling not in POOLINGS:
        raise SchemaError("pooling", f"one of {', '.join(POOLINGS)}", repr(pooling))
    return pooling
