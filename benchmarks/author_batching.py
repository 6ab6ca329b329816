"""How fast an encoder reads authors by the way of batching: `python benchmarks/author_batching.py`.

Prompts have log-normal lengths (mean 45 tokens, at most 179). Each way gives the same vectors; what differs is how
many tokens are computed for each real one. Times are CPU seconds of one thread, the best of the rounds.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

sys.path[0] = str(Path(__file__).resolve().parents[1])  # else benchmarks/simulator.py would be what `simulator` names

from methods.author_encoder.batching import BUDGET, batches, packs
from methods.author_encoder.embedded import EmbeddedConfig, trained_tokenizer, untrained
from methods.author_encoder.encoder import Encoder, HeadConfig
from methods.author_encoder.tokens import TokenTable

ROWS = 64  # of a batch, where no budget decides
PACK = 512  # tokens; a packed row attends over all of it
Rows = list[NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Way:
    """What a way of batching did: authors a CPU second, tokens computed a real one, distance to one by one."""

    name: str
    authors_per_cpu_second: float
    computed_per_real: float
    largest_difference: float


def some_tokens(n_rows: int, vocabulary: int, *, rng: np.random.Generator) -> TokenTable:
    """Return rows of random ids with log-normal lengths."""
    lengths_R = np.clip(rng.lognormal(3.6, 0.65, n_rows), 5, 179).astype(np.int64)
    offsets_S = np.concatenate([[0], np.cumsum(lengths_R)])
    return TokenTable(rng.integers(0, vocabulary, int(offsets_S[-1])).astype(np.uint32), offsets_S, 0)


def an_encoder(config: EmbeddedConfig) -> Encoder:
    """Return an untrained encoder of the sizes of the embedded model."""
    luck = torch.Generator().manual_seed(1)
    model = untrained(config, trained_tokenizer(["a"], config.vocabulary), luck=luck)
    return Encoder(model.base_model, config.hidden, HeadConfig(), luck=luck).eval()


def ways(tokens: TokenTable) -> Iterator[tuple[str, Rows, bool]]:
    """List each way: its name, its batches, and whether rows lie end to end."""
    all_R, lengths_R = np.arange(len(tokens)), tokens.lengths_R
    sorted_R = np.argsort(-lengths_R, kind="stable")
    yield f"padded, {ROWS} as they come", np.split(all_R, range(ROWS, len(all_R), ROWS)), False
    yield f"sorted, {ROWS} a batch", np.split(sorted_R, range(ROWS, len(all_R), ROWS)), False
    yield f"sorted, {BUDGET} tokens a batch", batches(lengths_R), False
    yield f"packed, {PACK} tokens a row", packs(lengths_R, budget=PACK), True


def read(encoder: Encoder, tokens: TokenTable, rows: Rows, packed: bool) -> NDArray[np.float32]:
    """Return the vectors of all rows, in order."""
    vectors_RD = np.empty((len(tokens), encoder.config.dimensions), np.float32)
    for rows_B in rows:
        found = encoder.packed(*tokens.packed(rows_B)) if packed else encoder(*tokens.padded(rows_B))
        vectors_RD[rows_B] = found[0].numpy()
    return vectors_RD


def best(run: Callable[[], object], rounds: int) -> float:
    """Return the least CPU seconds of some runs."""
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        taken.append(time.process_time() - start)
    return min(taken)


def compare(n_rows: int, rounds: int) -> list[Way]:
    """Measure every way on the same rows."""
    encoder = an_encoder(EmbeddedConfig())
    tokens = some_tokens(n_rows, 258, rng=np.random.default_rng(1))
    found = []
    torch.set_num_threads(1)
    with torch.inference_mode():
        expected_RD = read(encoder, tokens, [np.array([row]) for row in range(n_rows)], False)
        for name, rows, packed in ways(tokens):
            seconds = best(lambda rows=rows, packed=packed: read(encoder, tokens, rows, packed), rounds)  # type: ignore[misc]
            real = int(tokens.lengths_R.sum())
            computed = real if packed else sum(len(part) * int(tokens.lengths_R[part].max()) for part in rows)
            difference = float(np.abs(read(encoder, tokens, rows, packed) - expected_RD).max())
            found.append(Way(name, n_rows / seconds, computed / real, difference))
    return found


def main() -> None:
    """Print the table, and with --json one object on the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--authors", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    asked = parser.parse_args()
    found = compare(asked.authors, asked.rounds)
    for way in found:
        print(
            f"{way.name:32} {way.authors_per_cpu_second:8.1f} authors/CPU-s"
            f" {way.computed_per_real:6.2f} computed/real {way.largest_difference:9.1e}"
        )
    if asked.json:
        print(json.dumps({way.name: asdict(way) for way in found}))


if __name__ == "__main__":
    main()
