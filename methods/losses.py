"""Losses that compare one positive with many negatives. B rows, N negatives."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def contrast(good_B: Tensor, bad_BN: Tensor, hidden_BN: Tensor) -> Tensor:
    """Return the mean of -log(e^good / (e^good + sum of e^bad over those not hidden))."""
    bad_BN = bad_BN.masked_fill(hidden_BN, -torch.inf)
    return (torch.logsumexp(torch.cat([good_B[:, None], bad_BN], dim=1), dim=1) - good_B).mean()


def in_batch_softmax(score_BB: Tensor, log_q_B: Tensor, hidden_BB: Tensor) -> Tensor:
    """Return the cross entropy of each row's own column, every column less the log of how often a batch draws it.

    `hidden_BB` marks columns that are no negatives to a row: targets that the row's user clicked. The row's own is
    never hidden. Yi et al. 2019, doi:10.1145/3298689.3346996.
    """
    own_BB = torch.eye(len(score_BB), dtype=torch.bool)
    logits_BB = (score_BB - log_q_B).masked_fill(hidden_BB & ~own_BB, -torch.inf)
    return functional.cross_entropy(logits_BB, torch.arange(len(score_BB)))
