"""SmolLM2 out of its package: it loads, says likeness, learns through adapters, and is unpacked once."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from torch.nn import functional
from transformers import AutoModel

from methods.author_encoder.backbones import BackboneConfig, folder_of, load
from methods.author_encoder.encoder import Encoder
from methods.author_encoder.tokens import TokenTable

pytestmark = pytest.mark.slow

CONFIG = BackboneConfig("smollm2-135m")  # float32: bfloat16 is slower on most CPUs
# Each author in two wordings that share hardly a word.
WORDINGS = (
    (
        "Home baker: sourdough loaves, crusts and patient proofing.",
        "I ferment dough at night and pull bread from the oven.",
    ),
    ("Alpine hiker, long trails and summit sunrises.", "Walking up mountains with boots and a tent every weekend."),
    ("Portrait photographer who loves soft light.", "Pictures of faces, taken with a fast lens at dusk."),
    ("Personal finance, budgets and index funds.", "How to save money and put it into the stock market."),
    ("Cat rescue diary with three kittens.", "Life with my adopted pets: litter, vets and purring."),
    ("Indie game reviews and speedruns.", "I play and rate small titles on the console."),
    ("Nail art and lipstick swatches.", "Trying make-up: polish, shades, brushes."),
    ("Learning guitar, chords and songwriting.", "Strumming six strings and composing melodies."),
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("smollm2")


def read(encoder: Encoder, tokens: TokenTable) -> np.ndarray[Any, np.dtype[np.float32]]:
    return encoder.encode(tokens, np.arange(len(tokens)), n_threads=1)


def margin(vectors: np.ndarray[Any, np.dtype[np.float32]]) -> float:
    """How much more alike the two wordings of an author are than those of two authors, on the mean."""
    cosines = vectors[0::2] @ vectors[1::2].T
    n = len(cosines)
    return float(np.trace(cosines) / n - (cosines.sum() - np.trace(cosines)) / (n * n - n))


@pytest.mark.filterwarnings("ignore")  # of the GGUF reader's and transformers' own making
def test_adapters_on_smollm2_learn_likeness_and_come_back(cache: Path, tmp_path: Path) -> None:
    encoder, tokenizer = load(CONFIG, texts=(), cache=cache, seed=1)
    tokens = TokenTable.of([text for pair in WORDINGS for text in pair], tokenizer, max_tokens=48)
    before = margin(read(encoder, tokens))
    assert before > 0.001  # a language model knows paraphrases before it learns from pairs, if faintly
    losses = []
    optimizer = torch.optim.AdamW([w for w in encoder.parameters() if w.requires_grad], 5e-4)
    for _ in range(6):
        vectors, scale = encoder(*tokens.padded(np.arange(len(tokens))))
        loss = functional.cross_entropy(scale * vectors[0::2] @ vectors[1::2].T, torch.arange(len(WORDINGS)))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    learned = read(encoder, tokens)
    print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}, margin {before:.3f} -> {margin(learned):.3f}")  # noqa: T201
    assert losses[-1] < 0.7 * losses[0]
    assert margin(learned) > 2 * before
    encoder.backbone.save_pretrained(tmp_path)  # type: ignore[operator]
    plain = AutoModel.from_pretrained(folder_of(CONFIG, texts=(), cache=cache, seed=1), dtype=torch.float32)
    encoder.backbone = PeftModel.from_pretrained(plain, tmp_path)
    assert np.abs(read(encoder, tokens) - learned).max() < 1e-3


@pytest.mark.filterwarnings("ignore")
def test_smollm2_is_unpacked_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_of(CONFIG, texts=(), cache=cache, seed=1)
    monkeypatch.setattr("methods.author_encoder.smollm2.AutoModelForCausalLM", None)
    assert folder_of(replace(CONFIG, dtype="bfloat16"), texts=(), cache=cache, seed=2) == folder
