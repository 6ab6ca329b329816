"""A small language model of the world's own language, made here in about a minute on one core.

A byte-level BPE tokenizer is trained on the texts, then a small Qwen3 or Llama to say the next token. It is what the
encoder starts from where no downloaded backbone is at hand. So small a model learns in a minute what follows what and
not what belongs together: its token vectors are spectral ones (`spectral`), to which its layers add. The result is
cached by the hash of texts, config, seed and code version. Shapes: W windows, C context + 1, S steps, T tokens.

References: Sennrich et al. 2016, arXiv:1508.07909 (BPE); Yang et al. 2025, arXiv:2505.09388 (Qwen3).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerFast, Qwen3ForCausalLM
from transformers import Qwen3Config as Qwen3ModelConfig

from methods.author_encoder.quiet import quiet
from methods.author_encoder.spectral import token_vectors
from methods.author_encoder.stored import stored
from methods.author_encoder.tokens import token_ids
from methods.gradient import threads
from simulator.schema.checks import SchemaError

CODE_VERSION = 2  # raise it when the same texts and config give another model
END, PAD = "<|endoftext|>", "<|pad|>"
REPORT = "learned.json"
HELD_OUT = 0.05  # share of the windows that loss is measured on


@dataclass(frozen=True, slots=True)
class EmbeddedConfig:
    """A model of about 0.9 million parameters, 1.4 while it says next tokens, and how it is pretrained."""

    architecture: Literal["qwen3", "llama"] = "qwen3"
    start: Literal["spectral", "random"] = "spectral"  # of token vectors; spectral ones stay as they are in pretraining
    vocabulary: int = 4096  # at most; fewer where the texts do not have so many
    hidden: int = 128
    layers: int = 2
    heads: int = 4
    key_value_heads: int = 2
    feed_forward: int = 384
    context: int = 128  # tokens a window
    tokens: int = 250_000  # to be trained on, at least; texts are read as often as that takes; 0: none, no pretraining
    characters: int = 2_500_000  # for tokenizer and pretraining about so many are read, of texts evenly spread
    batch: int = 8  # windows
    learning_rate: float = 5e-4  # a higher one lets the layers drown spectral token vectors
    warm_up: float = 0.1  # share of the steps; then the rate falls to zero on a cosine

    def __post_init__(self) -> None:
        if self.start not in ("spectral", "random"):
            raise SchemaError("EmbeddedConfig.start", "spectral or random", repr(self.start))


@dataclass(frozen=True, slots=True)
class Learned:
    """Mean loss on held-out windows in nats a token, beside that of saying each token by its frequency."""

    loss: float
    unigram: float
    n_parameters: int
    n_steps: int


def embedded(texts: Sequence[str], config: EmbeddedConfig, *, cache: Path, seed: int, n_threads: int = 1) -> Path:
    """Return the folder of the model and tokenizer pretrained on `texts`, made now or found whole in `cache`.

    Raises SchemaError where the texts make less than two windows.
    """
    key = {"texts": _digest(texts), "config": asdict(config), "seed": seed, "code": CODE_VERSION}
    name = sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]

    def make(folder: Path) -> None:
        some = spread(texts, config.characters)
        tokenizer = trained_tokenizer(some, config.vocabulary)
        luck = torch.Generator().manual_seed(seed)
        model = untrained(config, tokenizer, luck=luck)
        if config.start == "spectral":  # of all texts: a factorisation is quick, and each tells what goes together
            with threadpool_limits(n_threads, "blas"):
                _settle(model, token_ids(tokenizer, texts), seed=seed)
        windows_WC = windows(some, tokenizer, config.context)
        with threads(n_threads):
            learned = pretrain(model, windows_WC, config, luck=luck)
        tokenizer.save_pretrained(folder)
        with quiet():
            cast(PreTrainedModel, model.base_model).save_pretrained(folder)  # nothing says next tokens from here on
        (folder / REPORT).write_text(json.dumps(asdict(learned), indent=1))

    return stored(cache / f"embedded-{config.architecture}-{name}", make)


def learned(folder: Path) -> Learned:
    """Return how well the model in `folder` learned."""
    return Learned(**json.loads((folder / REPORT).read_text()))


def spread(texts: Sequence[str], characters: int) -> Sequence[str]:
    """Return every n-th text, with the n that leaves about so many characters."""
    return texts[:: max(1, sum(map(len, texts)) // characters)]


def trained_tokenizer(texts: Sequence[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE: every text can be said, and the same texts give the same merges."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    if vocabulary < len(alphabet) + 2:
        raise SchemaError("EmbeddedConfig.vocabulary", f"at least {len(alphabet) + 2}", vocabulary)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END, PAD],
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=PAD)  # type: ignore[no-untyped-call]


def untrained(config: EmbeddedConfig, tokenizer: PreTrainedTokenizerFast, *, luck: torch.Generator) -> PreTrainedModel:
    """Return a model whose weights follow from the luck given: matrices normal with deviation 0.02, norms one."""
    sizes = {
        "vocab_size": len(tokenizer),
        "hidden_size": config.hidden,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.key_value_heads,
        "head_dim": config.hidden // config.heads,
        "intermediate_size": config.feed_forward,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": config.start != "spectral",
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    with torch.random.fork_rng(devices=[]):  # what transformers draws is drawn anew below
        match config.architecture:
            case "qwen3":
                model: PreTrainedModel = Qwen3ForCausalLM(Qwen3ModelConfig(**sizes))
            case "llama":
                model = LlamaForCausalLM(LlamaConfig(**sizes))
            case other:
                raise SchemaError("EmbeddedConfig.architecture", "qwen3 or llama", repr(other))
    for weights in model.parameters():
        if weights.dim() > 1:
            nn.init.normal_(weights, std=0.02, generator=luck)
        else:
            nn.init.ones_(weights)
    return model


def _settle(model: PreTrainedModel, rows: Sequence[Sequence[int]], *, seed: int) -> None:
    """Give the model spectral token vectors that do not learn, and layers that add nothing to them yet."""
    table = cast(nn.Embedding, model.get_input_embeddings())
    vectors_VH = token_vectors(rows, *table.weight.shape, luck=np.random.default_rng(seed))
    table.weight = nn.Parameter(torch.from_numpy(vectors_VH), requires_grad=False)
    for name, weights in model.named_parameters():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            nn.init.zeros_(weights)


def windows(texts: Sequence[str], tokenizer: PreTrainedTokenizerFast, context: int) -> NDArray[np.int64]:
    """Return the texts end to end, cut into windows, (W, C); each begins with the token the one before ended with."""
    rows = token_ids(tokenizer, list(dict.fromkeys(texts)))
    flat_T = np.array([i for row in rows for i in (*row, tokenizer.eos_token_id)], np.int64)
    n_windows = (len(flat_T) - 1) // context
    if n_windows < 2:
        raise SchemaError("texts", f"more than {2 * context} tokens to pretrain on", len(flat_T))
    starts_W = np.arange(n_windows) * context
    windows_WC: NDArray[np.int64] = flat_T[starts_W[:, None] + np.arange(context + 1)]
    return windows_WC


def pretrain(
    model: PreTrainedModel, windows_WC: NDArray[np.int64], config: EmbeddedConfig, *, luck: torch.Generator
) -> Learned:
    """Train the model to say the next token, and measure it on windows it did not see."""
    order_W = torch.randperm(len(windows_WC), generator=luck)
    n_held = max(1, int(HELD_OUT * len(windows_WC)))
    all_WC = torch.from_numpy(windows_WC)
    held_WC, train_WC = all_WC[order_W[:n_held]], all_WC[order_W[n_held:]]
    n_steps = -(-config.tokens // (min(config.batch, len(train_WC)) * config.context))
    optimizer = torch.optim.AdamW(
        [w for w in model.parameters() if w.requires_grad], config.learning_rate, betas=(0.9, 0.95), weight_decay=0.1
    )
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, n_steps, config.warm_up))
    model.train()
    queue: list[Tensor] = []
    for _ in range(n_steps):
        if not queue:
            queue = list(torch.split(torch.randperm(len(train_WC), generator=luck), config.batch))
        optimizer.zero_grad()
        _loss(model, train_WC[queue.pop()]).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
    model.train(False)
    with torch.no_grad():
        losses = [float(_loss(model, part)) * len(part) for part in torch.split(held_WC, config.batch)]
    unigram = _unigram(train_WC, held_WC, model.config.vocab_size)
    return Learned(sum(losses) / n_held, unigram, sum(weights.numel() for weights in model.parameters()), n_steps)


def _loss(model: PreTrainedModel, windows_BC: Tensor) -> Tensor:
    logits_BCV = model(input_ids=windows_BC[:, :-1], use_cache=False).logits
    return nn.functional.cross_entropy(logits_BCV.flatten(0, 1), windows_BC[:, 1:].flatten())


def _unigram(train_WC: Tensor, held_WC: Tensor, vocabulary: int) -> float:
    """Return the loss of frequencies in training, each count plus one."""
    counts_V = torch.bincount(train_WC[:, 1:].flatten(), minlength=vocabulary) + 1.0
    return float(-(counts_V / counts_V.sum()).log()[held_WC[:, 1:]].mean())


def _rate(step: int, n_steps: int, warm_up: float) -> float:
    n_warm = max(1.0, warm_up * n_steps)
    if step < n_warm:
        return float((step + 1) / (n_warm + 1))
    return float(0.5 * (1 + np.cos(np.pi * (step - n_warm) / max(1.0, n_steps - n_warm))))


def _digest(texts: Sequence[str]) -> str:
    """Hash the texts and where each ends."""
    whole = sha256()
    for text in texts:
        written = text.encode()
        whole.update(len(written).to_bytes(8, "little") + written)
    return whole.hexdigest()
