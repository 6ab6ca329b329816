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

from methods.author_encoder import contrast, deepspeed_engine, engines, export, gather
from methods.author_encoder.contrast import ContrastConfig
from methods.author_encoder.deepspeed_engine import DeepSpeedEngine, ZeroConfig
from methods.author_encoder.engines import Engine, OptimizerConfig, PlainEngine
from methods.author_encoder.launch import join
from methods.author_encoder.training import Run, TrainingConfig, train
from tests.author_encoder_tiny import encoder, material

CPU = torch.device("cpu")
SEED, BATCH = 3, 8
CHUNK = 64  # tokens: several chunks a rank, not equally many
STEADY = OptimizerConfig(learning_rate=0.02)  # AdamW, which clips


@dataclass(frozen=True)
class Case:
    """How one step is taken. `fault`: naive forgets to reduce once, no-grad gathers without a gradient."""

    stage: int  # -1: no DeepSpeed
    chunk: int = 0
    accumulate: int = 1
    every_known: bool = False
    checkpointing: bool = False
    fault: str = ""

    @property
    def name(self) -> str:
        marks = {" every known": self.every_known, " checkpointing": self.checkpointing, f" {self.fault}": self.fault}
        extra = "".join(mark for mark, is_set in marks.items() if is_set)
        return f"stage {self.stage} chunk {self.chunk} accumulate {self.accumulate}{extra}"


STAGES = (-1, 0, 1, 2, 3)
EXACT = (
    *(Case(*each) for each in product(STAGES, (0, CHUNK), (1, 2))),
    # Chunks know nothing of the loss: half of the cases do for the other one, at each stage and accumulation.
    *(Case(stage, chunk, accumulate, True) for stage in STAGES for chunk, accumulate in ((0, 1), (CHUNK, 2))),
    *(Case(stage, CHUNK, checkpointing=True) for stage in (-1, 2, 3)),
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
        contrast=ContrastConfig(log_q=True, prefixes=(4,), every_known=case.every_known),
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


def zero_steps(out: Path) -> None:
    """Do `two_steps` by ZeRO-2 and ZeRO-3; write the adapter of stage 3, and what its module itself holds by then."""
    found = {}
    for stage in (2, 3):
        module = encoder()
        engine = DeepSpeedEngine(module, STEADY, ZeroConfig(stage, persist_below=0), CPU)
        found[f"stage {stage}"] = two_steps(engine)
    found["sharded"] = {name: part.clone() for name, part in module.state_dict().items() if "lora_" in name}
    export.write(engine, module, out.parent / "adapter")
    torch.save(found, out)


def two_steps(engine: Engine) -> dict[str, Tensor]:
    """Return the weights after two steps in chunks."""
    config = TrainingConfig(steps=2, batch=BATCH, chunk_tokens=CHUNK, warm_up=0.0, optimizer=STEADY)
    train(engine, material(), config, Run(SEED))
    return engine.weights()


def _naive_state() -> dict[str, Tensor]:
    """Return what the module itself says that it holds at stage 3."""
    module = encoder()
    DeepSpeedEngine(module, OptimizerConfig(), ZeroConfig(3, persist_below=0), CPU)
    return {name: part.clone() for name, part in module.state_dict().items() if "lora_" in name}
