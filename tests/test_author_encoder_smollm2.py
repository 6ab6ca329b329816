"""SmolLM2 out of its package: it learns on two ranks, comes back through peft, says likeness, and is unpacked once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from peft import PeftModel
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]
from transformers import AutoModel, AutoTokenizer

from methods.author_encoder.backbones import BackboneConfig, folder_of
from methods.author_encoder.encoder import Encoder
from methods.author_encoder.engines import OptimizerConfig
from methods.author_encoder.export import HEAD, read
from methods.author_encoder.launch import Job, spawn
from methods.author_encoder.prepared import write_prepared
from methods.author_encoder.preparing import with_adapters
from methods.author_encoder.quiet import quiet
from methods.author_encoder.tokens import TokenTable
from methods.author_encoder.training import TrainingConfig

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # of the GGUF reader's and transformers' making

CONFIG = BackboneConfig("smollm2-135m")  # float32: bfloat16 is slower on most CPUs
SEED, MAX_TOKENS = 1, 48
# Each author in two wordings that share hardly a word.
TRAINED = (
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
# The same kinds of authors in words that training does not read, then kinds of which it reads nothing.
REWORDED = (
    ("Bread recipes: rye, baguettes and long rises.", "My kneading bench smells of yeast and warm crust."),
    ("Peaks, ridges and huts of the Dolomites.", "Trekking in high valleys, with a rucksack and poles."),
    ("Studio headshots and natural light for couples.", "I take photos of people, close up, on film."),
    ("Investing for beginners: bonds, pensions, debt.", "Making your salary last and your wealth grow."),
    ("Two tabbies and a foster kitten.", "Feline care: fur, whiskers, scratching posts."),
    ("Retro platformers and boss fights.", "A gamer with a controller and too many unfinished quests."),
    ("Eyeshadow looks and skincare routines.", "Beauty tips about mascara, blush and foundation."),
    ("Fingerpicking, riffs and music theory.", "I write songs on an acoustic instrument and sing them."),
)
UNSEEN = (
    ("Balcony gardener: tomatoes, herbs and compost.", "Growing vegetables in pots, from seed to harvest."),
    ("Vintage motorcycles, engines and rust.", "Restoring old bikes in my garage, bolt by bolt."),
    ("Astronomer with a telescope in the backyard.", "Watching planets, stars and galaxies on clear nights."),
    ("Marathon plans and interval training.", "Running every morning to be ready for the next race."),
    ("Crochet patterns and knitted jumpers.", "Needles, wool and cosy handmade clothes."),
    ("Street food in Bangkok and Hanoi.", "Eating noodles and skewers at Asian night markets."),
    ("Raising twins: sleep, nappies and daycare.", "A mother's notes about babies and toddlers."),
    ("Teaching French grammar and pronunciation.", "Lessons for those who want to speak a foreign language."),
)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(CONFIG, texts=(), cache=tmp_path_factory.mktemp("smollm2"), seed=SEED)


@pytest.fixture(scope="module")
def trained(backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a few steps on two ranks leave behind, started as `coldrecall train-author-encoder` starts them."""
    place = tmp_path_factory.mktemp("trained")
    ends = np.arange(2 * len(TRAINED), dtype=np.int32).reshape(-1, 2)
    write_prepared(place / "in", ends, tokens(TRAINED, backbone), np.empty((len(ends), 0), np.int32))
    (place / "in" / "backbone").symlink_to(backbone)
    plan = TrainingConfig(steps=6, batch=len(TRAINED), warm_up=0.0, optimizer=OptimizerConfig(learning_rate=5e-4))
    maker = "methods.author_encoder.preparing:with_adapters"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("OMP_NUM_THREADS", "1")
        spawn(Job(str(place / "in"), str(place / "out"), maker, SEED, training=plan), n_ranks=2)
    return place / "out"


def tokens(wordings: tuple[tuple[str, str], ...], backbone: Path) -> TokenTable:
    tokenizer = AutoTokenizer.from_pretrained(backbone, local_files_only=True)
    return TokenTable.of([text for pair in wordings for text in pair], tokenizer, max_tokens=MAX_TOKENS)


def cosines(encoder: Encoder, table: TokenTable) -> NDArray[np.float32]:
    """Return those of the authors' first wordings (rows) with their second ones (columns)."""
    vectors_RD = vectors(encoder, table)
    found: NDArray[np.float32] = vectors_RD[0::2] @ vectors_RD[1::2].T
    return found


def vectors(encoder: Encoder, table: TokenTable) -> NDArray[np.float32]:
    return encoder.encode(table, np.arange(len(table)), n_threads=1)


def margins(cosines_AA: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much more alike each author's two wordings are than its first and those of others, on the mean."""
    own_A = np.diag(cosines_AA)
    margins_A: NDArray[np.float32] = own_A - (cosines_AA.sum(1) - own_A) / (len(own_A) - 1)
    return margins_A


def through_peft(backbone: Path, adapter: Path) -> Encoder:
    """Put the adapter on by peft's own reader, the projection by safetensors'."""
    encoder = with_adapters(backbone, SEED)
    with quiet():
        plain = AutoModel.from_pretrained(backbone, dtype=torch.float32)
    encoder.backbone = PeftModel.from_pretrained(plain, adapter)
    encoder.head.weight.data.copy_(load_file(adapter / HEAD)["head.weight"])
    return encoder


def test_a_few_steps_on_two_ranks_lower_the_loss(trained: Path) -> None:
    told = cast(Any, EventAccumulator)(str(trained / "tensorboard")).Reload()
    losses = [each.value for each in told.Scalars("loss")]
    assert len(losses) == 6
    assert losses[-1] < 0.5 * losses[0]  # 2.01 to 0.26 where this was written


def test_peft_reads_the_adapter_as_we_do(backbone: Path, trained: Path) -> None:
    table, own = tokens(TRAINED[:2], backbone), with_adapters(backbone, SEED)
    before = vectors(own, table)
    read(own, trained / "adapter")
    theirs = vectors(through_peft(backbone, trained / "adapter"), table)
    assert np.abs(theirs - vectors(own, table)).max() < 1e-3
    assert np.abs(theirs - before).max() > 0.01


@pytest.mark.parametrize("wordings", [REWORDED, UNSEEN], ids=["reworded", "unseen"])
def test_wordings_not_trained_on_are_closer_to_their_paraphrase_than_to_others(
    wordings: tuple[tuple[str, str], ...], backbone: Path, trained: Path
) -> None:
    table = tokens(wordings, backbone)
    before_A = margins(cosines(with_adapters(backbone, SEED), table))
    after_A = margins(cosines(through_peft(backbone, trained / "adapter"), table))
    # Where this was written: .008 to .057 reworded, .004 to .032 unseen, each for 7 of the 8 authors.
    assert before_A.mean() > 0.001  # a language model knows paraphrases before it learns from pairs, if faintly
    assert after_A.mean() > 2 * before_A.mean()
    assert (after_A > 0).sum() >= 6


def test_smollm2_is_unpacked_once(backbone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("methods.author_encoder.smollm2.AutoModelForCausalLM", None)
    again = folder_of(replace(CONFIG, dtype="bfloat16"), texts=(), cache=backbone.parent, seed=2)
    assert again == backbone
