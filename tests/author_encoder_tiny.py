"""Tiny encoders, prompts and pairs for the tests of training, and what their ranks run."""

from __future__ import annotations

import math
import os
import signal
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from peft import LoraConfig, TaskType, get_peft_model
from torch import Tensor, nn
from torch.nn import functional
from transformers import Qwen3Config, Qwen3Model

from methods.author_encoder.contrast import PairColumns
from methods.author_encoder.prepared import write_prepared
from methods.author_encoder.step import Material
from methods.author_encoder.tokens import TokenTable

VOCABULARY, WIDTH = 64, 16


class TinyEncoder(nn.Module):
    """The smallest thing that keeps the encoder's contract."""

    def __init__(self, backbone: nn.Module, n_dims: int, luck: torch.Generator) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(WIDTH, n_dims, bias=False)
        self.head.weight.data.normal_(std=0.2, generator=luck)
        self.log_scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, ids_BL: Tensor, mask_BL: Tensor) -> tuple[Tensor, Tensor]:
        hidden_BLH = self.backbone(input_ids=ids_BL, attention_mask=mask_BL, use_cache=False).last_hidden_state
        last_BH = hidden_BLH[torch.arange(len(ids_BL)), mask_BL.sum(1) - 1]
        vectors_BD = functional.linear(last_BH.to(self.head.weight.dtype), self.head.weight)
        return functional.normalize(vectors_BD.float(), dim=1), self.log_scale.float().clamp(max=math.log(100)).exp()


def backbone(*, seed: int) -> Qwen3Model:
    config = Qwen3Config(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        max_position_embeddings=64,
    )
    model = Qwen3Model(config)
    luck = torch.Generator().manual_seed(seed)
    for weights in model.parameters():
        if weights.ndim >= 2:
            weights.data.normal_(std=0.3, generator=luck)
    return model


def encoder(*, seed: int = 1, dropout: float = 0.0) -> TinyEncoder:
    """Adapters on a frozen backbone; both halves of an adapter are non-zero, so that all of them get gradients."""
    luck = torch.Generator().manual_seed(seed)
    settings = LoraConfig(
        task_type=TaskType.FEATURE_EXTRACTION, r=2, lora_alpha=4, lora_dropout=dropout, target_modules="all-linear"
    )
    adapted = get_peft_model(backbone(seed=seed), settings)
    for name, weights in adapted.named_parameters():
        if "lora_" in name:
            weights.data.normal_(std=0.2, generator=luck)
    return TinyEncoder(adapted, 8, luck)


def make(_: Path, seed: int) -> TinyEncoder:
    """What a job names; with dropout, so that resuming has luck to lose."""
    return encoder(seed=seed, dropout=0.1)


class Mortal(TinyEncoder):
    """An encoder whose process is killed, as from outside, at a forward pass that the environment names.

    Of torchrun's attempts only the first dies.
    """

    def forward(self, ids_BL: Tensor, mask_BL: Tensor) -> tuple[Tensor, Tensor]:
        left = int(os.environ.get("TEST_FORWARDS_LEFT", "-1"))
        os.environ["TEST_FORWARDS_LEFT"] = str(left - 1)
        if left == 0 and os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(ids_BL, mask_BL)


def make_mortal(_: Path, seed: int) -> Mortal:
    whole = encoder(seed=seed, dropout=0.1)
    return Mortal(whole.backbone, 8, torch.Generator().manual_seed(seed))


def make_mortal_sure(_: Path, seed: int) -> Mortal:
    """The same without dropout, which other numbers of ranks draw otherwise."""
    return Mortal(encoder(seed=seed).backbone, 8, torch.Generator().manual_seed(seed))


def prepare(folder: Path) -> None:
    """Write a prepared folder."""
    made = material()
    pairs_P2 = np.column_stack([made.pairs.first_P, made.pairs.second_P])
    write_prepared(folder, pairs_P2, rows(), made.hard_PN)


def rows(*, n_authors: int = 40, seed: int = 1) -> TokenTable:
    rng = np.random.default_rng(seed)
    lengths_R = rng.integers(2, 20, n_authors)
    offsets_S = np.concatenate([[0], np.cumsum(lengths_R)]).astype(np.int64)
    return TokenTable(rng.integers(3, VOCABULARY, offsets_S[-1]).astype(np.uint32), offsets_S, 0)


def pair_table(*, n_authors: int = 40, n_pairs: int = 64, seed: int = 1) -> PairColumns:
    rng = np.random.default_rng(seed)
    upper = np.argwhere(np.triu(np.ones((n_authors, n_authors), bool), 1))
    chosen_P2 = upper[np.sort(rng.choice(len(upper), n_pairs, replace=False))].astype(np.int32)
    return PairColumns(chosen_P2[:, 0].copy(), chosen_P2[:, 1].copy(), n_authors)


def material(*, n_hard: int = 2, seed: int = 1) -> Material:
    pairs = pair_table(seed=seed)
    hard_PN: NDArray[np.int32] = (
        np.random.default_rng(seed).integers(-1, pairs.n_authors, (len(pairs.first_P), n_hard)).astype(np.int32)
    )
    return Material(rows(seed=seed), pairs, hard_PN)
