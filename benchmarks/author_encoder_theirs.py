"""sentence-transformers' model and losses on the prompts and the weights that ours is timed with.

Timed are its losses in a plain loop, the least one around them, and, where the package `datasets` is installed
(`.[benchmarks]`), its Trainer. In the loop prompts are token ids before the clock starts, as ours are; the Trainer
tokenizes as it goes.
"""

from __future__ import annotations

import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from safetensors.torch import save_file
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    MultipleNegativesRankingLoss,
)
from sentence_transformers.sentence_transformer.modules import Pooling
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from torch import nn
from transformers import PreTrainedTokenizerFast, Qwen3Model, TrainerCallback

from methods.author_encoder.gather import n_ranks, rank
from methods.author_encoder.quiet import quiet
from methods.author_encoder.step import Material


def seconds_of(
    backbone: Any, made: Material, *, batch: int, chunk: int, steps: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return wall and CPU seconds, (S, 2), and real tokens of the global batch, (S,), of each step but the first."""
    model, loss_of = _parts(backbone, chunk)
    trained = [weights for weights in model.parameters() if weights.requires_grad]
    n_ours = sum(weights.requires_grad for weights in backbone.parameters()) + 1  # and the projection
    if len(trained) != n_ours:
        raise ValueError(f"trained weights: expected the {n_ours} that ours trains, got {len(trained)}")
    optimizer, order = torch.optim.AdamW(trained), np.random.default_rng(1).permutation(len(made.pairs.first_P))
    columns_S = [_columns(made, order[(s * n_ranks() + rank()) * batch :][:batch]) for s in range(steps + 1)]
    features_S = [[model.preprocess([_words(made, author) for author in ids]) for ids in each] for each in columns_S]
    clock = []
    for features in features_S:
        loss_of(features, torch.empty(0)).backward()
        for weights in trained:
            if n_ranks() > 1:
                dist.all_reduce(weights.grad)
            weights.grad = None if weights.grad is None else weights.grad / n_ranks()
        optimizer.step()
        optimizer.zero_grad()
        clock.append((time.perf_counter(), time.process_time()))
    n_tokens = [n_ranks() * float(made.tokens.lengths_R[np.concatenate(columns)].sum()) for columns in columns_S]
    return np.diff(np.array(clock), axis=0), np.array(n_tokens[1:])


def trainer_seconds_of(
    backbone: Any, made: Material, *, batch: int, chunk: int, steps: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the same of its Trainer, whose own loader draws the batches: tokens are those of a mean batch."""
    model, loss_of = _parts(backbone, chunk)
    n_rows = (steps + 1) * batch * n_ranks()
    columns = _columns(made, np.random.default_rng(1).permutation(len(made.pairs.first_P))[:n_rows])
    texts = {name: [_words(made, author) for author in ids] for name, ids in zip(_SIDES, columns, strict=True)}
    clock: list[tuple[float, float]] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            clock.append((time.perf_counter(), time.process_time()))

    with tempfile.TemporaryDirectory() as folder:
        plan = SentenceTransformerTrainingArguments(
            folder,
            max_steps=steps + 1,
            per_device_train_batch_size=batch,
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            use_cpu=True,
        )
        data = import_module("datasets").Dataset.from_dict(texts)
        SentenceTransformerTrainer(model, plan, data, loss=loss_of, callbacks=[Clock()]).train()
    n_tokens = sum(float(made.tokens.lengths_R[ids].mean()) for ids in columns) * batch * n_ranks()
    return np.diff(np.array(clock), axis=0), np.full(steps, n_tokens)


_SIDES = ("anchor", "positive")


def _parts(backbone: Any, chunk: int) -> tuple[SentenceTransformer, Any]:
    """Return its model and its loss; a chunk there is so many rows, ours is so many tokens, about 45 a row."""
    with tempfile.TemporaryDirectory() as folder, quiet():
        model = _model(backbone, Path(folder)).train()
    if chunk:
        rows = max(1, chunk // 45)
        return model, CachedMultipleNegativesRankingLoss(model, mini_batch_size=rows, gather_across_devices=True)
    return model, MultipleNegativesRankingLoss(model, gather_across_devices=True)


def _columns(made: Material, rows_B: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    return made.pairs.first_P[rows_B], made.pairs.second_P[rows_B]


def _words(made: Material, author: int) -> str:
    return " ".join(f"w{i}" for i in made.tokens.padded(np.array([author]))[0][0].tolist())


def _model(backbone: Any, folder: Path) -> SentenceTransformer:
    """Put sentence-transformers' modules around the same adapters and the same projection."""
    inner = Tokenizer(WordLevel({f"w{i}": i for i in range(backbone.config.vocab_size)}, unk_token="w0"))
    inner.pre_tokenizer = Whitespace()
    words = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="w1", pad_token="w0", padding_side="right")  # type: ignore[no-untyped-call]
    bare = Qwen3Model(backbone.get_base_model().config)
    bare.config.save_pretrained(folder / "model")  # among ranks, the model's own save_pretrained writes on one alone
    save_file(bare.state_dict(), folder / "model" / "model.safetensors", metadata={"format": "pt"})
    words.save_pretrained(folder / "model")
    reader = Transformer(str(folder / "model"), max_seq_length=200)
    reader.model = backbone  # `auto_model` only reads it: setting that would train the other model, and all of it
    n_hidden = backbone.config.hidden_size
    dense = Dense(n_hidden, 128, bias=False, activation_function=nn.Identity())
    return SentenceTransformer(
        modules=[reader, Pooling(n_hidden, pooling_mode="lasttoken"), dense, Normalize()], device="cpu"
    )
