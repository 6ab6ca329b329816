"""The engine on DeepSpeed ZeRO, stages 0 to 3 (Rajbhandari et al. 2020, arXiv:1910.02054).

Many backwards in one step are exact only where they are reduced once: `coalesce_grad_reduction` does it at stages 1 to
3; without it, stages 1 and 2 keep the last chunk's gradient alone and say nothing. Stage 0 reduces what has added up
each time, which is exact. Stage 0 in half precision is refused: its optimizer's first step runs Adam once on zeros,
which makes the first update a quarter too small.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from methods.author_encoder.checkpoints import universal
from methods.author_encoder.engines import OptimizerConfig, optimizer_of, prepared
from methods.author_encoder.gather import n_ranks, rank

# Numbers that a scalar is kept as; the first counts, the others never change. DeepSpeed cannot broadcast a tensor
# without dimensions, and its universal loader fails on a rank that got no part of a group of parameters: of adapters,
# the scale is the only one that does not decay.
SPREAD = 16_384


@dataclass(frozen=True, slots=True)
class ZeroConfig:
    """What of the training state is split over ranks."""

    stage: int = 2  # 0 nothing, 1 optimizer, 2 and gradients, 3 and weights
    persist_below: int = 100_000  # stage 3 keeps weights of fewer numbers whole on each rank
    universal: bool = False  # load a checkpoint in the form that fits any number of ranks

    def __post_init__(self) -> None:
        if self.stage not in (0, 1, 2, 3):
            raise ValueError(f"stage: expected 0, 1, 2 or 3, got {self.stage}")


class DeepSpeedEngine:
    """DeepSpeed's engine behind ours. A process group must be there, with RANK and LOCAL_RANK in the environment."""

    def __init__(self, encoder: nn.Module, config: OptimizerConfig, zero: ZeroConfig, device: torch.device) -> None:
        deepspeed = _deepspeed(device)
        _check_precision(config, zero, deepspeed)
        deepspeed.init_distributed(dist_backend="nccl" if device.type == "cuda" else "gloo", verbose=False)
        self.name, self.device, self.rank, self.n_ranks = f"zero-{zero.stage}", device, rank(), n_ranks()
        # Each backward averages at stage 0, each encoding gathers weights at stage 3: all ranks must take part.
        self.needs_even_chunks = zero.stage in (0, 3)
        encoder = prepared(encoder, config, device)
        self._scalars = {name for name, weights in encoder.named_parameters() if weights.ndim == 0}
        for name in self._scalars:
            encoder.get_parameter(name).data = encoder.get_parameter(name).data.repeat(SPREAD)
        optimizer = optimizer_of(encoder, config)
        self._stage, self._universal, self._deepspeed = zero.stage, zero.universal, deepspeed
        self._engine, self._optimizer, *_ = deepspeed.initialize(
            model=encoder, optimizer=optimizer, config=settings(config, zero), dist_init_required=False
        )

    def encode(self, ids_BL: Tensor, mask_BL: Tensor) -> tuple[Tensor, Tensor]:
        """Return unit vectors (B, D) and the scale, ()."""
        vectors_BD, scale = self._engine(ids_BL, mask_BL)
        return vectors_BD, scale[0]

    def one_reduction(self) -> AbstractContextManager[None]:
        """Add up what `backward` gives within, and average it over ranks at the end."""
        if self._stage == 0:
            return nullcontext()
        return cast(AbstractContextManager[None], self._engine.coalesce_grad_reduction())

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of `loss`."""
        self._engine.backward(loss, scale_wrt_gas=False)

    def step(self, learning_rate: float) -> float:
        """Clip, update, forget the gradients."""
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._engine.step()
        norm = self._engine.get_global_grad_norm()
        return float("nan") if norm is None else float(norm)

    def weights(self) -> dict[str, Tensor]:
        """Return what is trained, whole, on rank 0, gathered one tensor at a time: at stage 3 each is a shard."""
        found = {}
        for name, weights in self._engine.module.named_parameters():
            if weights.requires_grad:
                with self._whole(weights):
                    if self.rank == 0:
                        part = weights.detach().float().cpu().clone()
                        found[name] = part[0].clone() if name in self._scalars else part
        return found

    def save(self, folder: Path) -> None:
        """Write this rank's part; frozen weights, which are the backbone's own, stay out."""
        state = {"universal_checkpoint_info": {"universal_checkpoint_version": 0.2}}  # what ds_to_universal asks for
        self._engine.save_checkpoint(
            str(folder.parent), tag=folder.name, client_state=state, save_latest=False, exclude_frozen_parameters=True
        )

    def load(self, folder: Path) -> None:
        """Read this rank's part, or what `checkpoints.convert` made; raises ValueError where there is none."""
        folder = universal(folder) if self._universal else folder
        found, _ = self._engine.load_checkpoint(str(folder.parent), tag=folder.name, load_module_strict=False)
        if found is None:
            raise ValueError(f"{folder}: expected a DeepSpeed checkpoint, got none that can be read")

    @contextmanager
    def _whole(self, weights: nn.Parameter) -> Iterator[None]:
        with self._deepspeed.zero.GatheredParameters([weights], enabled=self._stage == 3):
            yield


def settings(config: OptimizerConfig, zero: ZeroConfig) -> dict[str, Any]:
    """Return DeepSpeed's configuration. Accumulation is ours: to DeepSpeed each step is one reduction."""
    return {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": config.clip,
        "zero_allow_untested_optimizer": True,  # torch's own AdamW: DeepSpeed's would be compiled first
        "zero_optimization": {"stage": zero.stage, "stage3_param_persistence_threshold": zero.persist_below},
        "bf16": {"enabled": config.precision == "bf16"},
        "fp16": {"enabled": config.precision == "fp16"},
        "checkpoint": {"load_universal": zero.universal},
        "steps_per_print": 10**9,
    }


def _deepspeed(device: torch.device) -> Any:
    """Import DeepSpeed for this device, without the part that it would compile at each start on a CPU."""
    os.environ.setdefault("DS_ACCELERATOR", device.type)
    # It calls collectives by names that torch 2.13 warns of, a line a call.
    warnings.filterwarnings("ignore", message=r".*torch\.distributed.*is deprecated", category=FutureWarning)
    import deepspeed

    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False  # serves inference only; compiles for minutes
    return deepspeed


def _check_precision(config: OptimizerConfig, zero: ZeroConfig, deepspeed: Any) -> None:
    if config.precision in ("bf16", "fp16") and zero.stage == 0:
        raise ValueError(
            f"stage: expected 1, 2 or 3 with precision {config.precision}, got 0, whose first update in half precision "
            "is wrong: its optimizer starts with a step on zero gradients"
        )
    if config.precision == "fp16" and not deepspeed.accelerator.get_accelerator().is_fp16_supported():
        raise ValueError("precision: expected fp32, bf16-backbone or bf16 on this device, got fp16, which it lacks")
