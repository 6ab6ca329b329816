"""The author encoder: what training costs beside DDP and sentence-transformers, and what comes before and after it.

`python benchmarks/author_encoder.py [--ranks 1,2] [--steps 4] [--parts batching,pairs,daily] [--json]`. Plain torch,
DDP, DeepSpeed ZeRO 0 to 3 and sentence-transformers' losses train the same model on the same prompts and the same
number of pairs, one thread a rank. A row is the median over steps after the first: real tokens a wall and a CPU second
of all ranks, CPU seconds as a multiple of plain torch's, and the largest peak of memory of a rank, at the end of its
process. CPU seconds are the ones to trust on a busy machine. With CUDA, a 0.6 billion Qwen3 with adapters in bfloat16
is timed instead, and its arithmetic put beside what a large matrix product reaches on the card. The parts are
`author_batching.py` (padding, buckets, packing: authors a second), `author_pairs.py` (mining) and `author_daily.py`
(files, Redis, indexes), each in a process of its own.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded

import argparse
import json
import resource
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from peft import LoraConfig, TaskType, get_peft_model
from torch import Tensor, nn
from torch.multiprocessing.spawn import start_processes
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel
from transformers import Qwen3Config, Qwen3Model

sys.path[0] = str(Path(__file__).resolve().parents[1])  # else benchmarks/simulator.py would be what `simulator` names

from methods.author_encoder.contrast import PairColumns
from methods.author_encoder.deepspeed_engine import DeepSpeedEngine, ZeroConfig
from methods.author_encoder.engines import Engine, OptimizerConfig, PlainEngine, local_device
from methods.author_encoder.launch import join
from methods.author_encoder.step import Material
from methods.author_encoder.tokens import TokenTable
from methods.author_encoder.training import Reading, Run, TrainingConfig, train

TRAINER = ("sentence-transformers-trainer",) if find_spec("datasets") else ()
CONTENDERS = ("plain", "ddp", "zero-0", "zero-1", "zero-2", "zero-3", "sentence-transformers", *TRAINER)
PARTS = ("batching", "pairs", "daily")
N_AUTHORS, N_PAIRS, BATCH, CHUNK = 2_000, 20_000, 64, 2_048
SMALL = Qwen3Config(
    vocab_size=4_000,
    hidden_size=128,
    intermediate_size=384,
    num_hidden_layers=4,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=32,
)
LARGE = Qwen3Config(  # Qwen3-0.6B's
    vocab_size=151_936,
    hidden_size=1_024,
    intermediate_size=3_072,
    num_hidden_layers=28,
    num_attention_heads=16,
    num_key_value_heads=8,
    head_dim=128,
)


Steps = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Case:
    """What is timed."""

    contender: str
    n_ranks: int
    chunk: int
    steps: int

    @property
    def slug(self) -> str:
        """Its name among figures."""
        return f"{self.contender}_ranks{self.n_ranks}_chunk{self.chunk}".replace("-", "_")


@dataclass(frozen=True)
class Cost:
    """Medians: real tokens a second, CPU seconds a step summed over ranks; megabytes of the largest rank."""

    tokens_per_wall_second: float
    tokens_per_cpu_second: float
    cpu_seconds_a_step: float
    peak_megabytes: float


class Encoder(nn.Module):
    """Adapters on a random language model, last token, projection to 128 dimensions."""

    def __init__(self, config: Qwen3Config) -> None:
        super().__init__()
        lora = LoraConfig(task_type=TaskType.FEATURE_EXTRACTION, r=16, lora_alpha=32, target_modules="all-linear")
        with torch.random.fork_rng():
            torch.manual_seed(1)  # all ranks alike
            self.backbone = get_peft_model(Qwen3Model(config), lora)
            self.head = nn.Linear(config.hidden_size, 128, bias=False)
        self.log_scale = nn.Parameter(torch.tensor(3.0))

    def forward(self, ids_BL: Tensor, mask_BL: Tensor) -> tuple[Tensor, Tensor]:
        """Return unit vectors and the scale."""
        read = self.backbone(input_ids=ids_BL, attention_mask=mask_BL, use_cache=False)
        last_BH = read.last_hidden_state[torch.arange(len(ids_BL), device=ids_BL.device), mask_BL.sum(1) - 1]
        vectors_BD = functional.linear(last_BH.to(self.head.weight.dtype), self.head.weight)
        return functional.normalize(vectors_BD.float(), dim=1), self.log_scale.clamp(max=4.6).exp()


class DdpEngine(PlainEngine):
    """The plain engine with torch's DistributedDataParallel in place of our one averaging; whole batches only."""

    def __init__(self, encoder: nn.Module, config: OptimizerConfig, device: torch.device) -> None:
        super().__init__(encoder, config, device)
        self._wrapped = DistributedDataParallel(self._encoder)

    def encode(self, ids_BL: Tensor, mask_BL: Tensor) -> tuple[Tensor, Tensor]:
        """Encode through the wrapper."""
        return cast(tuple[Tensor, Tensor], self._wrapped(ids_BL, mask_BL))

    @contextmanager
    def one_reduction(self) -> Iterator[None]:
        """Leave it to the wrapper, which averages during the backward pass."""
        yield


def material(vocabulary: int) -> Material:
    """Draw prompts of log-normal length, 45 tokens on average and at most 179, and pairs at random."""
    rng = np.random.default_rng(1)
    lengths_R = np.clip(rng.lognormal(3.6, 0.6, N_AUTHORS), 8, 179).astype(np.int64)
    offsets_S = np.concatenate([[0], np.cumsum(lengths_R)]).astype(np.int64)
    rows = TokenTable(rng.integers(5, vocabulary, offsets_S[-1]).astype(np.uint32), offsets_S, 0)
    first_P, second_P = rng.integers(0, N_AUTHORS, (2, N_PAIRS)).astype(np.int32)
    return Material.without_hard(rows, PairColumns(first_P, second_P, N_AUTHORS))


def engine_of(contender: str, encoder: nn.Module, config: OptimizerConfig, device: torch.device) -> Engine:
    """Return the contender's engine."""
    if contender == "ddp":
        return DdpEngine(encoder, config, device)
    if contender == "plain":
        return PlainEngine(encoder, config, device)
    return DeepSpeedEngine(encoder, config, ZeroConfig(int(contender[-1])), device)


def time_ours(case: Case, config: Qwen3Config, optimizer: OptimizerConfig) -> Steps:
    """Return wall and CPU seconds, (S, 2), and real tokens of all ranks, (S,), of each step but the first."""
    clock: list[tuple[float, float]] = []
    tokens: list[float] = []

    def watch(reading: Reading) -> None:
        clock.append((time.perf_counter(), time.process_time()))
        tokens.append(reading.tokens_per_second * BATCH / reading.pairs_per_second)

    engine = engine_of(case.contender, Encoder(config), optimizer, local_device())
    plan = TrainingConfig(steps=case.steps + 1, batch=BATCH, chunk_tokens=case.chunk, optimizer=optimizer)
    train(engine, material(config.vocab_size), plan, Run(1, watch))
    return np.diff(np.array(clock), axis=0), np.array(tokens[1:])


def time_theirs(case: Case) -> Steps:
    """Time sentence-transformers' model and losses on the same prompts, written as words."""
    from benchmarks.author_encoder_theirs import seconds_of, trainer_seconds_of

    made, backbone = material(SMALL.vocab_size), Encoder(SMALL).backbone
    timed = trainer_seconds_of if case.contender.endswith("trainer") else seconds_of
    return timed(backbone, made, batch=BATCH // case.n_ranks, chunk=case.chunk, steps=case.steps)


def work(rank: int, port: int, case: Case, out: Path) -> None:
    """Be one rank of a case; rank 0 writes the cost."""
    warnings.filterwarnings("ignore")
    places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": case.n_ranks, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in places.items()}, MASTER_ADDR="127.0.0.1")
    torch.set_num_threads(1)
    join(local_device())
    theirs = case.contender.startswith("sentence-transformers")
    seconds_S2, tokens_S = time_theirs(case) if theirs else time_ours(case, SMALL, OptimizerConfig())
    every: list[Any] = [None] * case.n_ranks
    dist.all_gather_object(every, (seconds_S2, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
    if rank == 0:
        seconds_RS2 = np.stack([seconds for seconds, _ in every])
        wall_S, cpu_S = seconds_RS2[:, :, 0].max(0), seconds_RS2[:, :, 1].sum(0)
        per_wall, per_cpu, cpu = (float(np.median(each_S)) for each_S in (tokens_S / wall_S, tokens_S / cpu_S, cpu_S))
        out.write_text(json.dumps(asdict(Cost(per_wall, per_cpu, cpu, max(peak for _, peak in every)))))
    dist.barrier()  # a rank whose peer has gone may abort
    dist.destroy_process_group()


def measure(case: Case) -> Cost:
    """Run a case in processes of its own, so that memory and imports are its own."""
    with socket.socket() as free, tempfile.TemporaryDirectory() as folder:
        free.bind(("127.0.0.1", 0))
        port, out = free.getsockname()[1], Path(folder) / "cost.json"
        free.close()
        start_processes(work, (port, case, out), case.n_ranks, start_method="spawn")  # type: ignore[no-untyped-call]
        return Cost(**json.loads(out.read_text()))


def matmul_peak(device: torch.device) -> float:
    """Return the floating-point operations a second of a large bfloat16 matrix product, the best of five."""
    n, best = 8_192, 0.0
    a, b = (torch.randn(n, n, device=device, dtype=torch.bfloat16) for _ in range(2))
    for _ in range(5):
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(10):
            a @ b
        torch.cuda.synchronize()
        best = max(best, 10 * 2 * n**3 / (time.perf_counter() - began))
    return best


def on_gpu(steps: int) -> dict[str, float]:
    """Time a 0.6 billion Qwen3 on the GPU. 4 operations a weight and token: frozen weights need no gradient."""
    device = local_device()
    case = Case("plain", 1, 0, steps)
    seconds_S2, tokens_S = time_ours(case, LARGE, OptimizerConfig(precision="bf16-backbone"))
    rate, peak = float(np.median(tokens_S / seconds_S2[:, 0])), matmul_peak(device)
    with torch.device("meta"):
        n_weights = sum(part.numel() for name, part in Qwen3Model(LARGE).named_parameters() if "embed" not in name)
    share = rate * 4 * n_weights / peak
    memory = torch.cuda.max_memory_allocated(device) / 2**20
    return {"tokens_per_second": rate, "peak_flops": peak, "share_of_peak": share, "peak_megabytes": memory}


def training(ranks: str, contenders: str, steps: int) -> dict[str, float]:
    """Time each contender, whole batches and chunks; print a line each."""
    figures: dict[str, float] = {}
    plain: dict[tuple[int, int], float] = {}
    for n_ranks, contender, chunk in product(map(int, ranks.split(",")), contenders.split(","), (0, CHUNK)):
        if contender == "ddp" and chunk:
            continue  # it knows whole batches only
        case = Case(contender, n_ranks, chunk, steps)
        cost = measure(case)
        if contender == "plain":
            plain[n_ranks, chunk] = cost.cpu_seconds_a_step
        times = cost.cpu_seconds_a_step / plain.get((n_ranks, chunk), float("nan"))
        print(
            f"{contender:>22} ranks {n_ranks} chunk {chunk:>5}: {cost.tokens_per_wall_second:8.0f} tokens/s, "
            f"{cost.tokens_per_cpu_second:8.0f} tokens/CPU-s, {cost.cpu_seconds_a_step:6.2f} CPU-s a step "
            f"({times:.2f} x plain), {cost.peak_megabytes:6.0f} MB",
            flush=True,
        )
        figures |= {f"{case.slug}_{name}": value for name, value in asdict(cost).items()}
        if (n_ranks, chunk) in plain:
            figures[f"{case.slug}_times_plain"] = times
    return figures


def part(name: str) -> Any:
    """Run another benchmark and return its figures; what it prints for people is passed on."""
    print(f"\n{name}", flush=True)
    command = [sys.executable, str(Path(__file__).with_name(f"author_{name}.py")), "--json"]
    *lines, last = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    print("\n".join(lines), flush=True)
    return json.loads(last)


def main() -> None:
    """Time all contenders and parts, print tables, and with --json one object of figures on the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", default="1,2")
    parser.add_argument("--contenders", default=",".join(CONTENDERS))
    parser.add_argument("--steps", type=int, default=4, help="timed, after one that is not")
    parser.add_argument("--parts", default=",".join(PARTS), help="beside training; '' for none")
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    asked = parser.parse_args()
    figures: dict[str, Any] = {}
    if torch.cuda.is_available():
        figures["gpu"] = on_gpu(asked.steps)
        print(figures["gpu"])
    else:
        figures["training"] = training(asked.ranks, asked.contenders, asked.steps)
    figures |= {name: part(name) for name in filter(None, asked.parts.split(","))}
    if asked.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
