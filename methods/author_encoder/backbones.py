"""The language models that an author encoder can start from, and which of their weights it trains.

Everything is read from local folders: nothing here looks for a network. Weights that are new (adapters, projection,
the row of [EMB]) follow from the seed given, and the state of torch's own generator is left as it was.

References: Hu et al. 2021, arXiv:2106.09685 (LoRA); Touvron et al. 2023, arXiv:2302.13971 (Llama).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar, cast

import torch
from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from methods.author_encoder.embedded import EmbeddedConfig, embedded
from methods.author_encoder.encoder import Encoder, HeadConfig
from methods.author_encoder.quiet import quiet
from methods.author_encoder.smollm2 import smollm2
from methods.author_encoder.tokens import EMBEDDING_TOKEN, Ends
from simulator.schema.checks import SchemaError

Row = TypeVar("Row")
Name = Literal["embedded", "smollm2-135m", "folder"]
Trained = Literal["lora", "full", "head"]
_LLAMA_LIKE = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
LORA_TARGETS = {"qwen3": _LLAMA_LIKE, "qwen2": _LLAMA_LIKE, "llama": _LLAMA_LIKE, "mistral": _LLAMA_LIKE}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """Low-rank adapters on every linear layer of the architecture's table row."""

    rank: int = 16
    alpha: int = 32  # adapters' output is multiplied with alpha / rank
    dropout: float = 0.0  # it would draw from torch's own generator


@dataclass(frozen=True, slots=True)
class BackboneConfig:
    """Which model, and what of it is trained."""

    name: Name = "embedded"
    folder: str = ""  # of a model and its tokenizer, for the name "folder"
    embedded: EmbeddedConfig = field(default_factory=EmbeddedConfig)
    trained: Trained = "lora"  # lora, full (every weight) or head (the projection only)
    lora: LoraSettings = field(default_factory=LoraSettings)
    head: HeadConfig = field(default_factory=HeadConfig)
    dtype: Literal["float32", "bfloat16"] = "float32"  # of the backbone; adapters and projection are float32
    checkpointing: bool = False  # recompute activations in the backward pass


def load(
    config: BackboneConfig, *, texts: Sequence[str], cache: Path, seed: int, n_threads: int = 1
) -> tuple[Encoder, PreTrainedTokenizerBase]:
    """Return an encoder in training mode and its tokenizer.

    `texts` are what an embedded model is pretrained on (`corpus`); others ignore them. `cache` keeps what takes long
    to make. Raises SchemaError for a config that names nothing there is.
    """
    folder = folder_of(config, texts=texts, cache=cache, seed=seed, n_threads=n_threads)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    with torch.random.fork_rng(devices=[]), quiet():
        backbone = AutoModel.from_pretrained(folder, local_files_only=True, dtype=_row("dtype", config.dtype, DTYPES))
        _close(backbone, tokenizer, config)
        Ends.of(tokenizer)  # refuse now what could not be closed
        luck = torch.Generator().manual_seed(seed)
        n_hidden = backbone.config.hidden_size
        encoder = Encoder(_trainable(backbone, tokenizer, config, luck=luck), n_hidden, config.head, luck=luck)
    if config.checkpointing:
        backbone.activation_checkpointing_enable({"use_reentrant": False})
    return encoder.train(), tokenizer  # from_pretrained gives eval mode, in which checkpointing does nothing


def folder_of(config: BackboneConfig, *, texts: Sequence[str], cache: Path, seed: int, n_threads: int = 1) -> Path:
    """Return the folder of the model and its tokenizer, made now where it has to be."""
    match config.name:
        case "embedded":
            return embedded(texts, config.embedded, cache=cache, seed=seed, n_threads=n_threads)
        case "smollm2-135m":
            return smollm2(cache)
        case "folder":
            folder = Path(config.folder)
            if not config.folder or not (folder / "config.json").is_file():
                raise SchemaError("BackboneConfig.folder", "a folder with a config.json", repr(config.folder))
            return folder
        case other:
            raise SchemaError("BackboneConfig.name", "embedded, smollm2-135m or folder", repr(other))


def _close(backbone: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, config: BackboneConfig) -> None:
    """Give the vocabulary the closing token that special pooling reads; it starts as the mean of all others."""
    if config.head.pooling != "special":
        return
    tokenizer.add_special_tokens({"additional_special_tokens": [EMBEDDING_TOKEN]})
    known_VH, row = _embeddings(backbone), Ends.of(tokenizer).closing
    mean_H = known_VH.detach().float().mean(0)
    if row >= len(known_VH):  # some vocabularies have rows to spare
        backbone.resize_token_embeddings(row + 1, mean_resizing=False)
    with torch.no_grad():
        _embeddings(backbone)[row] = mean_H.to(known_VH.dtype)


def _embeddings(backbone: PreTrainedModel) -> Tensor:
    return cast(nn.Embedding, backbone.get_input_embeddings()).weight


def _trainable(
    backbone: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, config: BackboneConfig, *, luck: torch.Generator
) -> nn.Module:
    """Set which weights get gradients, and put adapters on where they do the training."""
    match config.trained:
        case "full":
            return backbone.requires_grad_(True)
        case "head":
            return backbone.requires_grad_(False)
        case "lora":
            return _with_adapters(backbone, tokenizer, config, luck=luck)
        case other:
            raise SchemaError("BackboneConfig.trained", "lora, full or head", repr(other))


def _with_adapters(
    backbone: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, config: BackboneConfig, *, luck: torch.Generator
) -> nn.Module:
    new_rows = {"embed_tokens": [Ends.of(tokenizer).closing]} if config.head.pooling == "special" else None
    with_them = adapted(backbone, config.lora, new_rows=new_rows)
    for name, weights in with_them.named_parameters():
        if "lora_A" in name:  # as peft draws it, but with the luck given; lora_B is zero
            nn.init.kaiming_uniform_(weights, a=math.sqrt(5), generator=luck)
    return with_them


def adapted(
    backbone: PreTrainedModel, lora: LoraSettings, *, new_rows: dict[str, list[int]] | None = None
) -> PeftModel:
    """Put peft's adapters on every linear layer that the architecture's row names; `new_rows` of tables learn too.

    Raises SchemaError for an architecture that has no row.
    """
    settings = LoraConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(_row("architecture", backbone.config.model_type, LORA_TARGETS)),
        trainable_token_indices=new_rows,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)  # of peft 0.21's own making
        return cast(PeftModel, get_peft_model(backbone, settings))


def _row(field: str, name: str, table: Mapping[str, Row]) -> Row:
    if name not in table:
        raise SchemaError(f"BackboneConfig.{field}", f"one of {', '.join(table)}", repr(name))
    return table[name]
