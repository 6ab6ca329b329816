"""How the hidden states of a text become one vector: its last real token's, or the mean over its real tokens.

A closing token of its own ([EMB]) is the last real token too, so it needs no pooling of its own. Places are found by
mask, never by -1: with padding on the right, hidden[:, -1] is a pad's state, and nothing says so.
Shapes: B rows, L longest, H hidden units, T tokens of rows end to end.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from simulator.schema.checks import SchemaError

Pooling = Literal["last", "mean", "special"]
POOLINGS: tuple[Pooling, ...] = ("last", "mean", "special")


def pooled(hidden_BLH: Tensor, mask_BL: Tensor, pooling: Pooling) -> Tensor:
    """Return one vector a row, (B, H), wherever the padding lies; raises SchemaError for an unknown pooling."""
    if _checked(pooling) == "mean":
        weights_BL1 = mask_BL.unsqueeze(-1).to(hidden_BLH.dtype)
        return (hidden_BLH * weights_BL1).sum(1) / weights_BL1.sum(1).clamp(min=1)
    places_L = torch.arange(mask_BL.shape[1], device=mask_BL.device)
    last_B = (places_L * (mask_BL > 0)).argmax(1)
    return hidden_BLH[torch.arange(len(last_B), device=last_B.device), last_B]


def pooled_packed(hidden_TH: Tensor, lengths_B: Tensor, pooling: Pooling) -> Tensor:
    """Return one vector a row, (B, H), of rows that lie end to end."""
    if _checked(pooling) == "mean":
        return torch.stack([rows_LH.mean(0) for rows_LH in torch.split(hidden_TH, lengths_B.tolist())])
    return hidden_TH[lengths_B.cumsum(0) - 1]


def _checked(pooling: Pooling) -> Pooling:
    if pooling not in POOLINGS:
        raise SchemaError("pooling", f"one of {', '.join(POOLINGS)}", repr(pooling))
    return pooling
