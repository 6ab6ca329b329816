"""What two ranks do in the tests of gradients: one step of plain descent a case, so that a step is a gradient."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from methods.author_encoder import contrast, deepspeed_engine, engines, gather
from methods.author_encoder.contrast import ContrastConfig
from methods.author_encoder.deepspeed_engine import DeepSpeedEngine, ZeroConfig
from methods.author_encoder.engines import Engine, OptimizerConfig, PlainEngine
from methods.author_encoder.launch import join
from methods.author_encoder.training import Run, TrainingConfig, train
from tests.author_encoder_tiny import encoder, material

CPU = torch.device("cpu")
SEED, BATCH = 3, 8
CHUNK = 64  # tokens: several chunks a rank, not equally many


@dataclass(frozen=True)
class Case:
    """How one step is taken. `fault`: naive forgets to reduce once, no-grad gathers without a gradient."""

    stage: int  # -1: no DeepSpeed
    chunk: int = 0
    accumulate: int = 1
    checkpointing: bool = False
    fault: str = ""

    @property
    def name(self) -> str:
        extra = " checkpointing" * self.checkpointing + f" {self.fault}" * bool(self.fault)
        return f"stage {self.stage} chunk {self.chunk} accumulate {self.accumulate}{extra}"


EXACT = tuple(Case(*each) for each in product((-1, 0, 1, 2, 3), (0, CHUNK), (1, 2))) + tuple(
    Case(stage, CHUNK, checkpointing=True) for stage in (-1, 2, 3)
)
FAULTY = (Case(1, CHUNK, fault="naive"), Case(2, CHUNK, fault="naive"), Case(-1, fault="no-grad"))


def descent(module: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    return torch.optim.SGD([weights for weights in module.parameters() if weights.requires_grad], lr=1.0)


def step_of(case: Case) -> dict[str, Tensor]:
    """Return, on rank 0, by how much one step at rate 1 moves each weight down: its gradient."""
    module = encoder()
    before = {name: part.detach().clone() for name, part in module.named_parameters() if part.requires_grad}
    optimizer = OptimizerConfig(learning_rate=1.0, clip=0.0, checkpointing=case.checkpointing)
    config = TrainingConfig(
        steps=1,
        batch=BATCH,
        accumulate=case.accumulate,
        chunk_tokens=case.chunk,
        warm_up=0.0,
        optimizer=optimizer,
        contrast=ContrastConfig(log_q=True, prefixes=(4,), every_known=case.accumulate == 2),
    )
    engine: Engine
    if case.stage < 0:
        engine = PlainEngine(module, optimizer, CPU)
    else:
        engine = DeepSpeedEngine(module, optimizer, ZeroConfig(case.stage, persist_below=0), CPU)
    if case.fault == "naive":
        engine.needs_even_chunks = True  # else it hangs, which at least is not silent
        engine.one_reduction = _nothing  # type: ignore[method-assign]
    train(engine, material(), config, Run(SEED))
    after = engine.weights()
    return {name: before[name] - part for name, part in after.items()}


def _nothing() -> AbstractContextManager[None]:
    return nullcontext()


def use_descent() -> None:
    """Give engines plain descent in this process."""
    for module in (engines, deepspeed_engine):
        module.optimizer_of = descent  # type: ignore[attr-defined]


def without_gradient(rows_BD: Tensor) -> Tensor:
    return gather.gathered_ids(rows_BD.detach())


def as_rank(rank: int, n_ranks: int, port: int, body: Callable[..., None], *given: Any) -> None:
    """Join the other ranks, do the body, leave."""
    here = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": n_ranks, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in here.items()}, OMP_NUM_THREADS="1")
    torch.set_num_threads(1)
    join(CPU)
    body(*given)
    dist.barrier()
    dist.destroy_process_group()


def all_steps(out: Path) -> None:
    """Do all cases, exact and faulty, and write what rank 0 finds."""
    use_descent()
    found = {}
    for case in EXACT + FAULTY:
        if case.fault == "no-grad":
            contrast.gathered = without_gradient  # type: ignore[attr-defined]
        found[case.name] = step_of(case)
        contrast.gathered = gather.gathered  # type: ignore[attr-defined]
    found["sharded"] = _naive_state()
    if dist.get_rank() == 0:
        torch.save(found, out)


def _naive_state() -> dict[str, Tensor]:
    """Return what the module itself says that it holds at stage 3."""
    module = encoder()
    DeepSpeedEngine(module, OptimizerConfig(), ZeroConfig(3, persist_below=0), CPU)
    return {name: part.clone() for name, part in module.state_dict().items() if "lora_" in name}
