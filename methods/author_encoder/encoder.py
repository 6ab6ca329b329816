"""An author's vector: a language model reads the prompt; one of its states, or their mean, is projected to length one.

The module also holds the logarithm of the scale by which InfoNCE multiplies cosines, and returns the scale from
`forward`: under ZeRO-3 a parameter is empty anywhere else. Shapes: B rows, L longest, H hidden units, D dimensions,
M rows asked for.

References: van den Oord et al. 2018, arXiv:1807.03748 (InfoNCE); Kusupati et al. 2022, arXiv:2205.13147 (Matryoshka).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from methods.author_encoder.batching import BUDGET, batches
from methods.author_encoder.pooling import Pooling, pooled, pooled_packed, rarity
from methods.author_encoder.tokens import TokenTable
from methods.gradient import threads
from simulator.schema.checks import SchemaError, check_range

MAX_LOG_SCALE = math.log(100)  # CLIP's bound: Radford et al. 2021, arXiv:2103.00020, section 2.5


@dataclass(frozen=True, slots=True)
class HeadConfig:
    """What stands on top of the backbone."""

    dimensions: int = 128  # D
    pooling: Pooling = "last"
    log_scale: float = 3.0  # at the start; NoteLLM's: Zhang et al. 2024, arXiv:2403.01744


class Encoder(nn.Module):
    """Backbone, pooling, projection and scale."""

    weight_V: Tensor  # how rare each token is; only where pooling is "sif"

    def __init__(self, backbone: nn.Module, n_hidden: int, config: HeadConfig, *, luck: torch.Generator) -> None:
        super().__init__()
        if config.dimensions < 1:
            raise SchemaError("HeadConfig.dimensions", "at least 1", config.dimensions)
        self.backbone, self.config = backbone, config
        # Orthogonal: at the start a projection keeps what the backbone says about likeness.
        weights_DH = nn.init.orthogonal_(torch.empty(config.dimensions, n_hidden), generator=luck)
        self.head = nn.Linear(n_hidden, config.dimensions, bias=False, device="meta").to_empty(device="cpu")
        self.head.weight = nn.Parameter(weights_DH)
        self.log_scale = nn.Parameter(torch.tensor(config.log_scale))
        if config.pooling == "sif":  # all alike until `weigh`
            self.register_buffer("weight_V", torch.ones(cast(Any, backbone).config.vocab_size))

    def weigh(self, tokens: TokenTable) -> None:
        """Let "sif" pooling take how rare a token is from `tokens`; other poolings take nothing."""
        if self.config.pooling == "sif":
            self.weight_V.copy_(rarity(tokens.ids_T, len(self.weight_V)))

    def forward(self, ids_BL: Tensor, mask_BL: Tensor) -> tuple[Tensor, Tensor]:
        """Return unit vectors (B, D) in float32, and the scale of cosines, ()."""
        read = self.backbone(input_ids=ids_BL, attention_mask=mask_BL, use_cache=False)
        pooled_BH = pooled(read.last_hidden_state, self._weights(ids_BL, mask_BL), self.config.pooling)
        return self._projected(pooled_BH), self.scale()

    def packed(self, ids_1T: Tensor, positions_1T: Tensor, lengths_B: Tensor) -> tuple[Tensor, Tensor]:
        """Return the same of rows that lie end to end (`TokenTable.packed`)."""
        read = self.backbone(input_ids=ids_1T, position_ids=positions_1T, use_cache=False)
        weight_T = self._weights(ids_1T, torch.ones_like(ids_1T))[0]
        pooled_BH = pooled_packed(read.last_hidden_state[0], weight_T, lengths_B, self.config.pooling)
        return self._projected(pooled_BH), self.scale()

    def scale(self) -> Tensor:
        """Return what cosines are multiplied with, at most 100. Ask for it inside `forward` only."""
        return self.log_scale.float().clamp(max=MAX_LOG_SCALE).exp()

    def encode(
        self, tokens: TokenTable, rows_M: NDArray[np.integer], *, n_threads: int, budget: int = BUDGET
    ) -> NDArray[np.float32]:
        """Return the unit vectors (M, D) of rows of `tokens`, in the order asked for.

        Without dropout and gradients; the module is left in the mode it was in. Raises SchemaError for a row that is
        not in `tokens`.
        """
        check_range("rows", rows_M, 0, len(tokens))
        vectors_MD = np.empty((len(rows_M), self.config.dimensions), np.float32)
        was_training = self.training
        self.eval()
        try:
            with threads(n_threads), torch.inference_mode():
                for places_B in batches(tokens.lengths_R[rows_M], budget=budget):
                    ids_BL, mask_BL = (part.to(self.log_scale.device) for part in tokens.padded(rows_M[places_B]))
                    vectors_MD[places_B] = self(ids_BL, mask_BL)[0].cpu().numpy()
        finally:
            self.train(was_training)
        return vectors_MD

    def _weights(self, ids_BL: Tensor, mask_BL: Tensor) -> Tensor:
        return mask_BL * self.weight_V[ids_BL] if self.config.pooling == "sif" else mask_BL

    def _projected(self, pooled_BH: Tensor) -> Tensor:
        # The head has a dtype of its own, also where ZeRO-3 made it after a bfloat16 backbone.
        vectors_BD = functional.linear(pooled_BH.to(self.head.weight.dtype), self.head.weight)
        return functional.normalize(vectors_BD.float(), dim=1)


class FrozenEncoder:
    """An encoder that learns no more: copies of a fitted method share it, since nothing in it can change."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder.eval().requires_grad_(False)

    def __deepcopy__(self, memo: dict[int, object]) -> FrozenEncoder:
        return self

    @property
    def dimensions(self) -> int:
        """Return D."""
        return self._encoder.config.dimensions

    def encode(self, tokens: TokenTable, rows_M: NDArray[np.integer], *, n_threads: int) -> NDArray[np.float32]:
        """Return the unit vectors (M, D) of rows of `tokens`."""
        return self._encoder.encode(tokens, rows_M, n_threads=n_threads)
