"""Train on a prepared folder, on as many ranks as one command, torchrun or DeepSpeed's launcher starts.

`spawn` starts ranks on this machine by itself. On many nodes each rank runs this module:

    torchrun --nnodes 2 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29500 \
        -m methods.author_encoder.launch JOB.json
    deepspeed --hostfile HOSTS --module methods.author_encoder.launch JOB.json

where JOB.json is what `write_job` wrote. Rank 0 tells of its steps on standard error and to TensorBoard. What to do in
case of a kill: start again; the run goes on from its newest checkpoint, also on another number of ranks.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException, start_processes

from methods.author_encoder import checkpoints, export
from methods.author_encoder.contrast import ContrastConfig
from methods.author_encoder.deepspeed_engine import DeepSpeedEngine, ZeroConfig
from methods.author_encoder.encoder import Encoder
from methods.author_encoder.engines import Engine, OptimizerConfig, PlainEngine, local_device
from methods.author_encoder.prepared import read_prepared
from methods.author_encoder.training import Reading, Run, TrainingConfig, Watch, train
from methods.naming import function_named

Maker = Callable[[Path, int], nn.Module]  # (the folder's backbone, seed) -> encoder, equal on all ranks
ADAPTER, JOB = "adapter", "job.json"  # of a run: what it leaves, and in that folder the job, written last
REFUSED = re.compile(r"(?:ValueError|[\w.]+\.SchemaError): (.*)")  # what a rank says last when it refuses its job
TOLD = 20  # lines on the terminal, besides the first


@dataclass(frozen=True, slots=True)
class Job:
    """What every rank must know. `maker` is `package.module:function`, a `Maker`."""

    prepared: str
    out: str
    maker: str
    seed: int = 1
    engine: Literal["plain", "deepspeed"] = "deepspeed"
    zero: ZeroConfig = field(default_factory=ZeroConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def __post_init__(self) -> None:
        if self.engine not in ("plain", "deepspeed"):
            raise ValueError(f"engine: expected plain or deepspeed, got {self.engine!r}")
        module, colon, function = self.maker.partition(":")
        if not (colon and module and function):
            raise ValueError(f"encoder: expected package.module:function, got {self.maker!r}")


def write_job(job: Job, path: Path) -> None:
    """Write a job for ranks that other launchers start."""
    path.write_text(json.dumps(asdict(job), indent=1) + "\n", encoding="utf-8")


def read_job(path: Path) -> Job:
    """Read what `write_job` wrote; raises ValueError for unknown or missing fields."""
    try:
        return job_of(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: expected a job as write_job writes it, got {error!r}") from error


def job_of(facts: dict[str, Any]) -> Job:
    """Return the job that plain dictionaries say."""
    training = dict(facts["training"])
    said, optimizer = training.pop("contrast"), OptimizerConfig(**training.pop("optimizer"))
    contrast = ContrastConfig(**{**said, "prefixes": tuple(said.get("prefixes", ()))})
    config = TrainingConfig(**training, contrast=contrast, optimizer=optimizer)
    return Job(**{**facts, "zero": ZeroConfig(**facts["zero"]), "training": config})


def spawn(job: Job, *, n_ranks: int) -> None:
    """Train on `n_ranks` processes of this machine.

    Raises ValueError for an encoder or a prepared folder that is not there, before any process starts, and with what a
    rank refused, and ChildProcessError where one died: then start again.
    """
    if n_ranks < 1:
        raise ValueError(f"ranks: expected at least 1, got {n_ranks}")
    function_named("encoder", job.maker)
    read_prepared(Path(job.prepared))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    try:
        start_processes(_spawned, (n_ranks, port, job), n_ranks, start_method="spawn")  # type: ignore[no-untyped-call]
    except ProcessRaisedException as error:
        refused = REFUSED.match(str(error).strip().splitlines()[-1])
        if refused:
            raise ValueError(refused[1]) from error
        raise
    except ProcessExitedException as error:
        raise ChildProcessError(f"rank {error.error_index}: expected to train to the end, got {error}") from error


def _spawned(rank: int, n_ranks: int, port: int, job: Job) -> None:
    here = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": n_ranks, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in here.items()})
    run_rank(job)


def run_rank(job: Job) -> None:
    """Train as the rank that the environment says; join the others first, leave them in order."""
    device = local_device()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    else:
        torch.set_num_threads(_threads())
    join(device)
    try:
        _train(job, device)
    finally:
        dist.destroy_process_group()  # a process that ends without it may abort


def _threads() -> int:
    """Return OMP_NUM_THREADS where it is set, else this rank's share of the machine's cores."""
    if os.environ.get("OMP_NUM_THREADS", "").isdigit():
        return max(1, int(os.environ["OMP_NUM_THREADS"]))
    return max(1, (os.cpu_count() or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", os.environ["WORLD_SIZE"])))


def join(device: torch.device) -> None:
    """Make the process group from RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT.

    Each attempt of torchrun's keeps its keys apart: the agent's store outlives the ranks, and a second attempt would
    wait for ever for the first one's.
    """
    rank, n_ranks = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    served = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    place = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = dist.TCPStore(*place, n_ranks, is_master=rank == 0 and not served, wait_for_workers=False)  # type: ignore[attr-defined]
    own = PrefixStore(f"attempt{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=own, rank=rank, world_size=n_ranks)


def _train(job: Job, device: torch.device) -> None:
    out = Path(job.out)
    encoder = made(job, Path(job.prepared))
    material = read_prepared(Path(job.prepared))
    if isinstance(encoder, Encoder):  # one of another make pools as it likes
        encoder.weigh(material.tokens)
    engine = _engine(job, encoder, device)
    with ExitStack() as closing:
        watch = _watcher(out / "tensorboard", closing) if engine.rank == 0 else (lambda reading: None)
        run = Run(job.seed, watch, out / "checkpoints", job.maker)
        train(engine, material, job.training, run)
    export.write(engine, cast(export.Exportable, encoder), out / ADAPTER)
    if engine.rank == 0:
        write_job(job, out / ADAPTER / JOB)


def made(job: Job, prepared: Path) -> nn.Module:
    """Make the job's encoder, as it is before training, from the backbone of a prepared folder."""
    maker: Maker = function_named("encoder", job.maker)
    return maker(prepared / "backbone", job.seed)


def _engine(job: Job, encoder: nn.Module, device: torch.device) -> Engine:
    if job.engine == "plain":
        return PlainEngine(encoder, job.training.optimizer, device)
    folder = Path(job.out) / "checkpoints"
    elsewhere = checkpoints.needs_converting(folder, dist.get_world_size())
    if elsewhere:
        checkpoints.convert(folder)
    zero = ZeroConfig(job.zero.stage, job.zero.persist_below, elsewhere)
    return DeepSpeedEngine(encoder, job.training.optimizer, zero, device)


def _watcher(folder: Path, closing: ExitStack) -> Watch:
    """Return what writes each reading to TensorBoard, and some to standard error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries that TensorBoard finds
        from torch.utils.tensorboard import SummaryWriter
    writer = cast(Any, SummaryWriter)(str(folder))
    closing.callback(writer.close)

    def watch(reading: Reading) -> None:
        for name in ("loss", "norm", "learning_rate", "pairs_per_second", "tokens_per_second"):
            writer.add_scalar(name, getattr(reading, name), reading.step)
        if reading.step == 1 or reading.step * TOLD // reading.steps > (reading.step - 1) * TOLD // reading.steps:
            sys.stderr.write(
                f"step {reading.step} of {reading.steps}: loss {reading.loss:.4f}, "
                f"{reading.pairs_per_second:,.0f} pairs/s, {reading.tokens_per_second:,.0f} tokens/s\n"
            )
            sys.stderr.flush()

    return watch


def main(words: list[str]) -> None:
    """Run one rank of the job that the last word names; DeepSpeed's launcher puts --local_rank before it."""
    run_rank(read_job(Path(words[-1])))


if __name__ == "__main__":
    main(sys.argv[1:])
