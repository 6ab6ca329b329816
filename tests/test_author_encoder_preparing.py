"""A dataset becomes a folder that training reads, and its backbone an encoder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from methods.author_encoder import export
from methods.author_encoder.backbones import BackboneConfig
from methods.author_encoder.embedded import EmbeddedConfig
from methods.author_encoder.engines import OptimizerConfig, PlainEngine
from methods.author_encoder.filters import FilterConfig
from methods.author_encoder.learning import LearningConfig, lesson
from methods.author_encoder.prepared import read_prepared
from methods.author_encoder.preparing import config_of, like_the_method, prepare, whole, with_adapters
from methods.author_encoder.training import Run, TrainingConfig, train
from tests import checkerboard as board

WORLD = board.checkerboard()
TINY = EmbeddedConfig(vocabulary=300, hidden=16, layers=1, heads=2, feed_forward=32, context=16, tokens=1_000)
QUICK = LearningConfig(backbone=BackboneConfig(embedded=TINY), filters=FilterConfig(chain=("support",), min_count=1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared") / "folder"
    n_pairs, steps = prepare(WORLD, QUICK, out, seed=1)
    assert n_pairs > 0
    assert [step.name for step in steps] == ["support"]
    return out


def test_what_is_read_back_is_what_a_fit_would_learn_from(folder: Path) -> None:
    from transformers import AutoTokenizer

    material = read_prepared(folder)
    own, _ = lesson(WORLD, QUICK, AutoTokenizer.from_pretrained(folder / "backbone"), seed=1)
    np.testing.assert_array_equal(material.pairs.first_P, own.pairs.first_P)
    np.testing.assert_array_equal(material.pairs.second_P, own.pairs.second_P)
    rows = np.array([0, 3, 5])
    for ours, theirs in zip(material.tokens.padded(rows), own.tokens.padded(rows), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert [path.name for path in folder.parent.iterdir()] == ["folder"]


def test_its_backbone_makes_the_same_encoder_each_time_and_trains(folder: Path) -> None:
    one, two = with_adapters(folder / "backbone", 1), with_adapters(folder / "backbone", 1)
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert any(not weights.requires_grad for weights in one.parameters())
    assert all(weights.requires_grad for weights in whole(folder / "backbone", 1).parameters())
    engine = PlainEngine(one, OptimizerConfig(learning_rate=1e-2), torch.device("cpu"))
    report = train(engine, read_prepared(folder), TrainingConfig(steps=20, batch=8), Run(1))
    assert report.loss_S[-5:].mean() < report.loss_S[:5].mean()


def test_rare_tokens_count_more_for_the_encoder_that_is_made_like_the_methods(folder: Path, tmp_path: Path) -> None:
    tokens, rows = read_prepared(folder).tokens, np.arange(5)
    one, two = like_the_method(folder / "backbone", 1), like_the_method(folder / "backbone", 1)
    assert all(weights.requires_grad for weights in one.parameters())
    unweighed = one.encode(tokens, rows, n_threads=1)
    one.weigh(tokens)
    weighed = one.encode(tokens, rows, n_threads=1)
    assert np.abs(weighed - unweighed).max() > 1e-3
    export.write(PlainEngine(one, OptimizerConfig(), torch.device("cpu")), one, tmp_path)
    export.read(two, tmp_path)
    np.testing.assert_array_equal(two.encode(tokens, rows, n_threads=1), weighed)


def test_a_folder_that_is_there_is_left_alone(folder: Path) -> None:
    with pytest.raises(ValueError, match="out: expected a folder that does not exist yet, got"):
        prepare(WORLD, QUICK, folder, seed=1)


def test_where_no_pair_is_left_it_says_so(tmp_path: Path) -> None:
    strict = replace(QUICK, filters=FilterConfig(chain=("support",), min_count=10_000))
    with pytest.raises(ValueError, match="pairs: expected some that pass the filters, got none"):
        prepare(WORLD, strict, tmp_path / "none", seed=1)
    assert not (tmp_path / "none").exists()


def test_a_backbone_goes_by_name_or_folder() -> None:
    assert config_of("smollm2-135m", 64).backbone.name == "smollm2-135m"
    assert config_of("/models/qwen3", 64).backbone.folder == "/models/qwen3"
