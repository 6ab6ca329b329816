"""What holds the weights while they are trained: plain torch, which needs nothing but torch, behind one protocol.

An engine runs on one process or as one rank of many. It averages gradients over ranks once a step, at the end of
`one_reduction`, however many times `backward` ran within. The DeepSpeed engine is in deepspeed_engine.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, cast, get_args

import torch
import torch.distributed as dist
from torch import Tensor, nn
from transformers import PreTrainedModel

from methods.author_encoder.gather import n_ranks, rank

Precision = Literal["fp32", "bf16-backbone", "bf16", "fp16"]


@dataclass(frozen=True, slots=True)
class OptimizerConfig:
    """AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101), and in what numbers it works.

    Precision: `fp32`; `bf16-backbone`: the frozen weights in bfloat16, what is trained in float32; `bf16`, `fp16`:
    everything in half precision with float32 masters, by DeepSpeed at stages 1 to 3 only.
    """

    learning_rate: float = 1e-4
    weight_decay: float = 0.01  # of matrices; vectors and the scale do not decay
    beta1: float = 0.9
    beta2: float = 0.999
    clip: float = 1.0  # largest norm of the gradient; 0 does not clip
    precision: Precision = "fp32"
    checkpointing: bool = False  # recompute activations in the backward pass

    def __post_init__(self) -> None:
        if self.precision not in get_args(Precision):
            raise ValueError(f"precision: expected one of {', '.join(get_args(Precision))}, got {self.precision!r}")
        for name in ("learning_rate", "weight_decay", "clip"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"OptimizerConfig.{name}: expected at least 0, got {getattr(self, name)}")


class Engine(Protocol):
    """The weights, their gradients and their optimizer, on one rank of many."""

    name: str  # what its checkpoints are of: plain, zero-2
    device: torch.device
    rank: int
    n_ranks: int
    needs_even_chunks: bool  # whether ranks must encode equally often

    def encode(self, ids_BL: Tensor, mask_BL: Tensor) -> tuple[Tensor, Tensor]:
        """Return unit vectors (B, D) and the scale, ()."""
        ...

    def one_reduction(self) -> AbstractContextManager[None]:
        """Add up what `backward` gives within, and average it over ranks at the end, once."""
        ...

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of `loss`."""
        ...

    def step(self, learning_rate: float) -> float:
        """Update the weights, forget the gradients, and return the norm that they had before clipping."""
        ...

    def weights(self) -> dict[str, Tensor]:
        """Return what is trained, whole and on the CPU, on rank 0; empty elsewhere. All ranks call it together."""
        ...

    def save(self, folder: Path) -> None:
        """Write this rank's part of weights and optimizer into `folder`. All ranks call it together."""
        ...

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        ...


def prepared(encoder: nn.Module, config: OptimizerConfig, device: torch.device) -> nn.Module:
    """Return the encoder in training mode, on its device, in its precision.

    Raises ValueError where nothing is trained, or bf16-backbone meets an encoder of which nothing is frozen.
    """
    frozen = [weights for weights in encoder.parameters() if not weights.requires_grad]
    if all(not weights.requires_grad for weights in encoder.parameters()):
        raise ValueError("encoder: expected weights that require a gradient, got none")
    if config.precision == "bf16-backbone":
        if not frozen:
            raise ValueError("precision: expected fp32, bf16 or fp16 where nothing is frozen, got bf16-backbone")
        for weights in frozen:
            weights.data = weights.data.to(torch.bfloat16)
    if config.checkpointing:
        _checkpoint_activations(encoder)
    return encoder.to(device).train()  # in eval mode, in which models are loaded, checkpointing does nothing


def optimizer_of(encoder: nn.Module, config: OptimizerConfig) -> torch.optim.AdamW:
    """Return AdamW over what is trained; only matrices decay."""
    trained = [weights for weights in encoder.parameters() if weights.requires_grad]
    groups = [
        {"params": [weights for weights in trained if weights.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [weights for weights in trained if weights.ndim < 2], "weight_decay": 0.0},
    ]
    kept = [group for group in groups if group["params"]]
    return torch.optim.AdamW(kept, lr=config.learning_rate, betas=(config.beta1, config.beta2))


def local_device() -> torch.device:
    """Return this rank's own GPU, or the CPU where there is none."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


class PlainEngine:
    """torch alone: one process, or data-parallel ranks that average their gradients."""

    def __init__(self, encoder: nn.Module, config: OptimizerConfig, device: torch.device) -> None:
        if config.precision not in ("fp32", "bf16-backbone"):
            raise ValueError(f"precision: expected fp32 or bf16-backbone without DeepSpeed, got {config.precision}")
        self.name, self.device, self.rank, self.n_ranks = "plain", device, rank(), n_ranks()
        self.needs_even_chunks = False
        self._encoder = prepared(encoder, config, device)
        self._named = {name: weights for name, weights in encoder.named_parameters() if weights.requires_grad}
        self._clip = config.clip or float("inf")
        self._optimizer = optimizer_of(encoder, config)
        if self.n_ranks > 1:
            for weights in self._named.values():
                dist.broadcast(weights.data, src=0)

    def encode(self, ids_BL: Tensor, mask_BL: Tensor) -> tuple[Tensor, Tensor]:
        """Return unit vectors (B, D) and the scale, ()."""
        return cast(tuple[Tensor, Tensor], self._encoder(ids_BL, mask_BL))

    @contextmanager
    def one_reduction(self) -> Iterator[None]:
        """Average the gradients over ranks at the end."""
        yield
        if self.n_ranks == 1:
            return
        grads = [weights.grad if weights.grad is not None else torch.zeros_like(weights) for weights in self._trained]
        flat = torch.cat([grad.flatten() for grad in grads])
        dist.all_reduce(flat)
        flat /= self.n_ranks
        for weights, part in zip(self._trained, torch.split(flat, [grad.numel() for grad in grads]), strict=True):
            weights.grad = part.view_as(weights).clone()

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of `loss`."""
        loss.backward()  # type: ignore[no-untyped-call]

    def step(self, learning_rate: float) -> float:
        """Clip, update, forget the gradients."""
        norm = torch.nn.utils.clip_grad_norm_(self._trained, self._clip, error_if_nonfinite=True)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._optimizer.step()
        self._optimizer.zero_grad()
        return float(norm)

    def weights(self) -> dict[str, Tensor]:
        """Return what is trained on rank 0."""
        return {name: part.detach().cpu().clone() for name, part in self._named.items()} if self.rank == 0 else {}

    def save(self, folder: Path) -> None:
        """Write weights and optimizer, from rank 0: they are the same on every rank."""
        if self.rank == 0:
            torch.save({"weights": self.weights(), "optimizer": self._optimizer.state_dict()}, folder / "plain.pt")

    def load(self, folder: Path) -> None:
        """Read weights and optimizer; raises ValueError for those of another model."""
        state = torch.load(folder / "plain.pt", map_location="cpu", weights_only=True)
        if state["weights"].keys() != self._named.keys():
            odd = sorted(state["weights"].keys() ^ self._named.keys())
            raise ValueError(f"{folder}: expected the weights that are trained, got others: {', '.join(odd[:5])}")
        for name, weights in self._named.items():
            weights.data.copy_(state["weights"][name])
        self._optimizer.load_state_dict(state["optimizer"])

    @property
    def _trained(self) -> list[nn.Parameter]:
        return list(self._named.values())


def _checkpoint_activations(encoder: nn.Module) -> None:
    """Turn on recomputation in the language model within the encoder."""
    models = [part for part in encoder.modules() if isinstance(part, PreTrainedModel)]
    if not models:
        raise ValueError("checkpointing: expected an encoder with a transformers model in it, got none")
    models[0].activation_checkpointing_enable({"use_reentrant": False})
