"""Rows of all ranks as one matrix, with the exact gradient.

Each rank scores its own rows against all columns and takes the mean over its own rows. A column's gradient is then
the sum of what all ranks say of it, and averaging parameters' gradients over ranks gives the gradient of the mean over
the whole batch, temperature included, with no factor for the number of ranks. Ranks must bring equally many rows.
Shapes: B rows of a rank, W ranks, G = W * B, D dimensions.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor


def n_ranks() -> int:
    """Return how many processes train together; 1 without a process group."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Return this process's place among them."""
    return dist.get_rank() if dist.is_initialized() else 0


def gathered(rows_BD: Tensor) -> Tensor:
    """Return the rows of all ranks, (G, D), in order of rank; a gradient flows back to the rank it came from."""
    return rows_BD if n_ranks() == 1 else cast(Tensor, _Gather.apply(rows_BD))  # type: ignore[no-untyped-call]


def gathered_ids(ids_B: Tensor) -> Tensor:
    """Return the ids of all ranks, (G,)."""
    return ids_B if n_ranks() == 1 else _all_gather(ids_B)


def largest(value: int, device: torch.device) -> int:
    """Return the largest of the ranks' values."""
    if n_ranks() == 1:
        return value
    found = torch.tensor(value, device=device)
    dist.all_reduce(found, op=dist.ReduceOp.MAX)
    return int(found)


def mean_over_ranks(value: Tensor) -> Tensor:
    """Return the mean of the ranks' tensors, which must have one shape."""
    found = value.detach().clone()
    if n_ranks() > 1:
        dist.all_reduce(found)
    return found / n_ranks()


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows_BD: Tensor) -> Tensor:
        ctx.n_rows = len(rows_BD)
        return _all_gather(rows_BD)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        grad_GD = grads[0].contiguous()
        if dist.get_backend() == "nccl":
            own_BD = grad_GD.new_empty((ctx.n_rows, *grad_GD.shape[1:]))
            # torch 2.13's name; the older one warns there.
            reduce = getattr(dist, "reduce_scatter_single", None) or dist.reduce_scatter_tensor
            reduce(own_BD, grad_GD)
            return own_BD
        total_GD = grad_GD.clone()
        dist.all_reduce(total_GD)
        return total_GD[rank() * ctx.n_rows :][: ctx.n_rows]


def _all_gather(rows_B: Tensor) -> Tensor:
    rows_B = rows_B.contiguous()
    all_G = rows_B.new_empty((n_ranks() * len(rows_B), *rows_B.shape[1:]))
    gather = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor
    gather(all_G, rows_B)
    return all_G
