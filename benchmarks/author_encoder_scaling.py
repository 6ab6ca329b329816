"""What it costs to teach a large backbone: floating-point operations counted, days and links by arithmetic.

`python benchmarks/author_encoder_scaling.py [--json] [--pairs 25e6] [--tokens 200] [--share 0.45]`. One step of the
real modules (Qwen3 of the sizes published, LoRA of rank 16 on every linear layer, the projection) is run on torch's
meta device, which computes nothing, and its products are counted: the operations are exact and need no GPU. Days
follow from the printed peak of a card and the share of it that is reached, which is an assumption, not measured here.

Legend: forward, step: operations a token, in units of 2 N and of N parameters; plain: all activations kept; twice:
with chunks (GradCache) or with checkpointing, each one more forward; both: two more. Links: seconds that a step waits
for the adapters' gradients (ring all-reduce, float32) and a batch's vectors, over the seconds it computes.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import Qwen3Config, Qwen3Model

sys.path[0] = str(Path(__file__).resolve().parents[1])  # else benchmarks/simulator.py would be what `simulator` names

from methods.author_encoder.backbones import LoraSettings, adapted
from methods.author_encoder.encoder import HeadConfig

PEAKS = {"A100": 312e12, "H100": 989e12}  # dense bfloat16, printed by the maker, operations a second
GPUS = (1, 8, 32, 64)
PASSES = {"plain": 0, "twice": 1, "both": 2}  # forwards beyond the first
ROWS, DAY, FLOAT = 4, 86_400, 4


@dataclass(frozen=True, slots=True)
class Size:
    """A published model: layers, widths, heads of queries and of keys, and words."""

    layers: int
    hidden: int
    feed_forward: int
    heads: int
    key_heads: int
    words: int = 151_936


# Qwen3's own: arXiv:2505.09388 and the config.json beside the weights.
SIZES = {
    "Qwen3-0.6B": Size(28, 1_024, 3_072, 16, 8),
    "Qwen3-4B": Size(36, 2_560, 9_728, 32, 8),
    "Qwen3-8B": Size(36, 4_096, 12_288, 32, 8),
}


@dataclass(frozen=True, slots=True)
class Counted:
    """Operations a token of one forward and of a whole step, and parameters by what becomes of them."""

    forward: float
    step: float
    frozen: int  # words' vectors left out: looking up multiplies nothing
    trained: int


def counted(size: Size, tokens: int) -> Counted:
    """Count one forward and one step of `ROWS` prompts of so many tokens."""
    config = Qwen3Config(
        vocab_size=size.words,
        hidden_size=size.hidden,
        num_hidden_layers=size.layers,
        intermediate_size=size.feed_forward,
        num_attention_heads=size.heads,
        num_key_value_heads=size.key_heads,
        head_dim=128,
    )
    with torch.device("meta"):
        backbone = adapted(Qwen3Model(config), LoraSettings())
        head = nn.Linear(size.hidden, HeadConfig().dimensions, bias=False)
        ids_BL = torch.zeros((ROWS, tokens), dtype=torch.long)
    with FlopCounterMode(display=False) as forward:
        # A mask that is given as none at all asks for plain causal attention; to make one, values would be looked at.
        read = backbone(input_ids=ids_BL, attention_mask={"full_attention": None}, use_cache=False)
        vectors_BD = head(read.last_hidden_state[:, -1])
    with FlopCounterMode(display=False) as backward:
        vectors_BD.sum().backward()
    n_tokens = ROWS * tokens
    parts = [(part.numel(), part.requires_grad) for part in (*backbone.parameters(), *head.parameters())]
    trained = sum(n for n, learns in parts if learns)
    frozen = sum(n for n, learns in parts if not learns) - size.words * size.hidden
    one, other = forward.get_total_flops() / n_tokens, backward.get_total_flops() / n_tokens
    return Counted(one, one + other, frozen, trained)


def days(counted: Counted, passes: int, args: argparse.Namespace, peak: float, n_gpus: int) -> float:
    """Return the days that one epoch of the pairs takes where links cost nothing."""
    operations = (counted.step + passes * counted.forward) * args.pairs * 2 * args.tokens
    return float(operations / (peak * args.share * n_gpus * DAY))


def waiting(counted: Counted, args: argparse.Namespace, peak: float, n_gpus: int) -> float:
    """Return the seconds of a step on the links as a share of those that it computes."""
    per_gpu = args.batch / n_gpus
    computes = counted.step * per_gpu * 2 * args.tokens / (peak * args.share)
    ring = 2 * (n_gpus - 1) / n_gpus * counted.trained * FLOAT / args.link
    vectors = (n_gpus - 1) * per_gpu * 2 * HeadConfig().dimensions * FLOAT / args.link
    return float((ring + vectors) / computes)


def main() -> None:
    """Count, work out and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=float, default=25e6)
    parser.add_argument("--tokens", type=int, default=200, help="of a prompt")
    parser.add_argument("--batch", type=int, default=8_192, help="pairs over all GPUs")
    parser.add_argument("--share", type=float, default=0.45, help="of the printed peak that is reached: an assumption")
    parser.add_argument("--link", type=float, default=25e9, help="bytes a second of one GPU to another node")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    console, figures = Console(), dict[str, float]()
    found = {name: counted(size, args.tokens) for name, size in SIZES.items()}
    operations = Table("model", "frozen N", "trained", "forward / 2N", "step / N", title="operations, counted")
    for name, one in found.items():
        ratios = one.forward / (2 * one.frozen), one.step / one.frozen
        operations.add_row(name, f"{one.frozen:.3g}", f"{one.trained:.3g}", *(f"{ratio:.3f}" for ratio in ratios))
        figures |= {f"{name}/forward_per_2n": ratios[0], f"{name}/step_per_n": ratios[1]}
    console.print(operations)
    title = f"days of {args.pairs:.3g} pairs, {args.tokens} tokens a prompt, {args.share:.0%} of the printed peak"
    table = Table("model", "card", "passes", *(f"{n} GPUs" for n in GPUS), "links at 64", title=title)
    for (name, one), (card, peak), (passes, extra) in product(found.items(), PEAKS.items(), PASSES.items()):
        row = [days(one, extra, args, peak, n) for n in GPUS]
        share = waiting(one, args, peak, GPUS[-1])
        table.add_row(name, card, passes, *(f"{value:.2f}" for value in row), f"{share:.1%}" if extra == 0 else "")
        figures |= {f"{name}/{card}/{passes}/days_{n}": value for n, value in zip(GPUS, row, strict=True)}
        figures[f"{name}/{card}/links_64"] = share
    console.print(table)
    if args.json:
        print(json.dumps({name: round(value, 6) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
