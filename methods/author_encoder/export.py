"""What training leaves behind: an adapter in peft's format with the projection beside it, and sentence-transformers'.

`write` puts `adapter_model.safetensors` (or, without adapters, the backbone's own files) and `head.safetensors` into a
folder; `read` puts them back on an encoder. `write_sentence_transformer` writes a folder that `SentenceTransformer`
opens and that gives the same vectors, adapters merged in. An encoder here is a module with `backbone`, `head` (a linear
projection without bias) and `log_scale`.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Protocol, cast

from peft import PeftModel, set_peft_model_state_dict
from safetensors.torch import load_file, save_file
from tokenizers.processors import Sequence, TemplateProcessing
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from methods.author_encoder.engines import Engine
from methods.author_encoder.pooling import MEANS, Pooling
from methods.author_encoder.quiet import quiet
from methods.author_encoder.tokens import EMBEDDING_TOKEN

BACKBONE = "backbone."
ADAPTER, HEAD = "adapter_model.safetensors", "head.safetensors"


class Exportable(Protocol):
    """The parts that an encoder must have to be written."""

    backbone: Any  # a transformers model, or one of peft around it
    head: nn.Linear
    log_scale: nn.Parameter


def write(engine: Engine, encoder: Exportable, folder: Path) -> None:
    """Write what `engine` trained of `encoder` and how rare its tokens are; all ranks call it together, rank 0 writes.

    Raises ValueError where a weight came out empty, as under ZeRO-3 those do that were not gathered.
    """
    weights = engine.weights()
    if engine.rank != 0:
        return
    empty = [name for name, part in weights.items() if part.numel() == 0]
    if empty:
        raise ValueError(f"weights: expected none empty, got {len(empty)}, first {empty[0]}")
    folder.mkdir(parents=True, exist_ok=True)
    inner = {name.removeprefix(BACKBONE): part for name, part in weights.items() if name.startswith(BACKBONE)}
    if inner:
        with quiet():
            encoder.backbone.save_pretrained(folder, state_dict=inner)
    outside = {name: part for name, part in weights.items() if not name.startswith(BACKBONE)}
    save_file(outside | _own_buffers(cast(nn.Module, encoder)), folder / HEAD)


def read(encoder: nn.Module, folder: Path) -> None:
    """Put back onto an encoder of the same shape what `write` wrote.

    Raises ValueError where the folder holds other weights than the encoder has.
    """
    buffers, found = _own_buffers(encoder), load_file(folder / HEAD)
    own = dict(encoder.named_parameters()) | buffers
    if lacking := buffers.keys() - found.keys():
        raise ValueError(f"{folder / HEAD}: expected {', '.join(sorted(lacking))} of this encoder, got none")
    for name, part in found.items():
        if name not in own or own[name].shape != part.shape:
            raise ValueError(f"{folder / HEAD}: expected weights of this encoder, got {name} {tuple(part.shape)}")
        own[name].data.copy_(part)
    backbone = cast(Exportable, encoder).backbone
    if isinstance(backbone, PeftModel):
        set_peft_model_state_dict(backbone, load_file(folder / ADAPTER))
    elif (folder / "model.safetensors").is_file():
        backbone.load_state_dict(load_file(folder / "model.safetensors"))


def write_sentence_transformer(
    encoder: Exportable, tokenizer: PreTrainedTokenizerBase, folder: Path, *, max_tokens: int, pooling: Pooling = "last"
) -> None:
    """Write an encoder in the format of sentence-transformers, float32, adapters merged.

    The tokenizer there closes each text, after cutting it, with the token that closes ours.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense, Normalize, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling as TheirPooling

    inside = folder / "merged"
    _merged(encoder).save_pretrained(inside)
    _closing(tokenizer).save_pretrained(inside)
    reader = Transformer(str(inside), max_seq_length=max_tokens)
    n_out, n_in = encoder.head.weight.shape
    dense = Dense(n_in, n_out, bias=False, activation_function=nn.Identity())
    dense.linear.weight.data.copy_(encoder.head.weight.detach().float())
    mode = "mean" if pooling in MEANS else "lasttoken"
    weighing = [_word_weights(encoder, tokenizer)] if pooling == "sif" else []
    parts = [reader, *weighing, TheirPooling(n_in, pooling_mode=mode), dense, Normalize()]
    SentenceTransformer(modules=parts, device="cpu").save(str(folder), create_model_card=False)
    for path in sorted(inside.iterdir()):
        path.unlink()
    inside.rmdir()


def _own_buffers(encoder: nn.Module) -> dict[str, Tensor]:
    """Return what the encoder itself keeps besides weights: how rare each token is, where pooling asks for it."""
    kept = encoder.state_dict().keys()
    return {name: part for name, part in encoder.named_buffers(recurse=False) if name in kept}


def _word_weights(encoder: Exportable, tokenizer: PreTrainedTokenizerBase) -> nn.Module:
    from sentence_transformers.sentence_transformer.modules import WordWeights

    weight_V = _own_buffers(cast(nn.Module, encoder))["weight_V"].tolist()
    found = cast(list[str | None], tokenizer.convert_ids_to_tokens(list(range(len(weight_V)))))
    words = [word or f"<{i}>" for i, word in enumerate(found)]  # some vocabularies have rows to spare
    return WordWeights(words, dict(zip(words, weight_V, strict=True)))


def _merged(encoder: Exportable) -> PreTrainedModel:
    backbone = copy.deepcopy(encoder.backbone).float().eval()
    if isinstance(backbone, PeftModel):
        backbone = cast(Any, backbone).merge_and_unload()
    return cast(PreTrainedModel, backbone)


def _closing(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """Return a copy of the tokenizer that reads and ends each text as training did.

    The end is the token of special pooling, or the end of text; what an author writes never becomes a special token.
    """
    if tokenizer.eos_token is None:
        raise ValueError("tokenizer.eos_token: expected an end of text, got None")
    closing = copy.deepcopy(tokenizer)
    fast = cast(Any, closing).backend_tokenizer
    token = EMBEDDING_TOKEN if EMBEDDING_TOKEN in closing.get_added_vocab() else closing.eos_token
    ending = TemplateProcessing(single=f"$A {token}", special_tokens=[(token, closing.convert_tokens_to_ids(token))])
    fast.post_processor = ending if fast.post_processor is None else Sequence([fast.post_processor, ending])
    if closing.pad_token is None:
        closing.pad_token = closing.eos_token
    closing.padding_side = "right"
    cast(Any, closing).init_kwargs["split_special_tokens"] = closing.split_special_tokens = True  # saved if in both
    return closing
