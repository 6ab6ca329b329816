"""What training exports gives the vectors that training had."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from methods.author_encoder.engines import OptimizerConfig, PlainEngine
from methods.author_encoder.export import ADAPTER, HEAD, read, write, write_sentence_transformer
from methods.author_encoder.pooling import POOLINGS, Pooling
from methods.author_encoder.tokens import EMBEDDING_TOKEN, TokenTable
from tests.author_encoder_examples import sentences, small_encoder, small_tokenizer
from tests.author_encoder_tiny import VOCABULARY, TinyEncoder, encoder, rows

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
CPU = torch.device("cpu")


class Emptied(PlainEngine):
    """An engine whose weights were not gathered."""

    def weights(self) -> dict[str, Tensor]:
        return {name: part[:0] if part.ndim else part for name, part in super().weights().items()}


def vectors(of: TinyEncoder) -> Tensor:
    of.eval()
    with torch.no_grad():
        found: Tensor = of(*rows().padded(np.arange(8)))[0]
    return found


def tokenizer() -> PreTrainedTokenizerFast:
    words = {f"w{i}": i for i in range(VOCABULARY - 2)} | {"<end>": VOCABULARY - 2, "<pad>": VOCABULARY - 1}
    inner = Tokenizer(WordLevel(words, unk_token="w0"))
    inner.pre_tokenizer = Whitespace()
    settings = {"eos_token": "<end>", "pad_token": "<pad>", "padding_side": "left"}
    return PreTrainedTokenizerFast(tokenizer_object=inner, **settings)  # type: ignore[no-untyped-call]


def test_an_adapter_written_and_read_gives_the_same_vectors(tmp_path: Path) -> None:
    trained = encoder()
    for part in trained.parameters():
        if part.requires_grad:
            part.data += 0.1
    write(PlainEngine(trained, OptimizerConfig(), CPU), trained, tmp_path)
    fresh = encoder()
    assert not torch.allclose(vectors(fresh), vectors(trained), atol=1e-3)
    read(fresh, tmp_path)
    assert torch.equal(vectors(fresh), vectors(trained))
    assert torch.equal(fresh.log_scale, trained.log_scale)


def test_no_exported_tensor_is_empty_and_none_is_frozen(tmp_path: Path) -> None:
    module = encoder()
    write(PlainEngine(module, OptimizerConfig(), CPU), module, tmp_path)
    adapter, head = load_file(tmp_path / ADAPTER), load_file(tmp_path / HEAD)
    n_trained = sum(part.requires_grad for part in module.parameters())
    assert len(adapter) + len(head) == n_trained
    assert all(part.numel() for part in (*adapter.values(), *head.values()))
    assert all("lora_" in name for name in adapter)


def test_weights_that_came_out_empty_are_refused(tmp_path: Path) -> None:
    module = encoder()
    with pytest.raises(ValueError, match=r"weights: expected none empty, got \d+"):
        write(Emptied(module, OptimizerConfig(), CPU), module, tmp_path)


def test_a_head_of_another_shape_is_refused(tmp_path: Path) -> None:
    module = encoder()
    write(PlainEngine(module, OptimizerConfig(), CPU), module, tmp_path)
    other = TinyEncoder(encoder().backbone, 4, torch.Generator().manual_seed(1))
    with pytest.raises(ValueError, match=r"expected weights of this encoder, got head\.weight"):
        read(other, tmp_path)


@pytest.mark.slow
def test_sentence_transformers_opens_the_export_and_gives_the_same_vectors(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    module, words = encoder().eval(), tokenizer()
    write_sentence_transformer(module, words, tmp_path / "out", max_tokens=6)
    texts = ["w1 w2 w3", "w4", "w5 w6 w7 w8 w9 w10 w11 w12", "w2 w3"]
    closed = [[*words(text, add_special_tokens=False)["input_ids"][:5], words.eos_token_id] for text in texts]
    with torch.no_grad():
        ours_MD = torch.cat([module(torch.tensor([row]), torch.ones(1, len(row)).long())[0] for row in closed])
    theirs_MD = SentenceTransformer(str(tmp_path / "out"), device="cpu").encode(texts)
    np.testing.assert_allclose(theirs_MD, ours_MD.numpy(), atol=1e-5)
    assert (tmp_path / "out" / "modules.json").is_file()
    assert not (tmp_path / "out" / "merged").exists()


@pytest.mark.slow
@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_export_pools_as_the_encoder_does(pooling: Pooling, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    words = small_tokenizer()
    if pooling == "special":
        words = copy.deepcopy(words)
        words.add_tokens([EMBEDDING_TOKEN], special_tokens=True)
    module, texts = small_encoder(pooling=pooling).eval(), list(sentences())[:4]
    if pooling == "special":
        cast(Any, module.backbone).resize_token_embeddings(len(words), mean_resizing=False)
    table = TokenTable.of(texts, words, max_tokens=12)
    module.weigh(table)
    ours_MD = module.encode(table, np.arange(len(texts)), n_threads=1)
    write_sentence_transformer(module, words, tmp_path / "out", max_tokens=12, pooling=pooling)
    theirs_MD = SentenceTransformer(str(tmp_path / "out"), device="cpu").encode(texts)
    np.testing.assert_allclose(theirs_MD, ours_MD, atol=1e-5)
