"""A dataset becomes a folder that training reads, and its backbone an encoder."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from typer.testing import CliRunner

from bench.cli import app
from methods.author_encoder import export, preparing
from methods.author_encoder.backbones import BackboneConfig
from methods.author_encoder.contrast import NOBODY
from methods.author_encoder.embedded import EmbeddedConfig
from methods.author_encoder.engines import OptimizerConfig, PlainEngine
from methods.author_encoder.filters import FilterConfig
from methods.author_encoder.hard import HardConfig, hard_negatives
from methods.author_encoder.learning import LearningConfig, lesson, sharing_any
from methods.author_encoder.mining import mine
from methods.author_encoder.pair_files import write_pairs
from methods.author_encoder.pairs import Pairs
from methods.author_encoder.prepared import read_prepared
from methods.author_encoder.preparing import (
    Found,
    Prepared,
    backbone_of,
    like_the_method,
    prepare,
    whole,
    with_adapters,
)
from methods.author_encoder.readers import readers_of
from methods.author_encoder.tokens import TokenTable
from methods.author_encoder.training import Run, TrainingConfig, train
from simulator import dataset
from simulator.schema import SchemaError
from tests import checkerboard as board

WORLD = board.checkerboard()
TINY = EmbeddedConfig(vocabulary=300, hidden=16, layers=1, heads=2, feed_forward=32, context=16, tokens=1_000)
QUICK = LearningConfig(backbone=BackboneConfig(embedded=TINY), filters=FilterConfig(chain=("support",), min_count=1))
READERS = readers_of(WORLD, QUICK.pairs)
FOUND = Found(READERS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared") / "folder"
    prepared = prepare(WORLD, FOUND, QUICK, out, seed=1)
    assert prepared.n_pairs > 0
    assert [step.name for step in prepared.steps] == ["support"]
    return out


def unread(tokens: TokenTable) -> NDArray[np.float32]:
    raise AssertionError("expected not to be asked without hard negatives")


def test_what_is_read_back_is_what_a_fit_would_learn_from(folder: Path) -> None:
    from transformers import AutoTokenizer

    material = read_prepared(folder)
    own, _ = lesson(WORLD, QUICK, AutoTokenizer.from_pretrained(folder / "backbone"), seed=1, read=unread)
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
        prepare(WORLD, FOUND, QUICK, folder, seed=1)


def test_where_no_pair_is_left_it_says_so(tmp_path: Path) -> None:
    strict = replace(QUICK, filters=FilterConfig(chain=("support",), min_count=10_000))
    with pytest.raises(ValueError, match="pairs: expected some that pass the filters, got none"):
        prepare(WORLD, FOUND, strict, tmp_path / "none", seed=1)
    nobody = np.empty(0, np.int32)
    none = Pairs(nobody, nobody, np.empty(0, np.float32), nobody, n_authors=5)
    with pytest.raises(SchemaError, match="pairs: expected at least one, got 0"):
        prepare(WORLD, Found(pairs=none), QUICK, tmp_path / "none", seed=1)
    assert list(tmp_path.iterdir()) == []


def test_what_hard_negatives_need_is_asked_for(tmp_path: Path) -> None:
    hard = replace(QUICK, hard=HardConfig(n=2, margin=1e-6))
    with pytest.raises(SchemaError, match="readers: expected who reads whom, for pairs or for hard negatives"):
        prepare(WORLD, Found(pairs=mine(READERS, QUICK.pairs)), hard, tmp_path / "none", seed=1)
    short = np.eye(board.N_AUTHORS - 1, dtype=np.float32)
    with pytest.raises(SchemaError, match=r"vectors: expected one of each of 26 authors, got \(25, 25\)"):
        prepare(WORLD, Found(READERS, vectors_AD=short), hard, tmp_path / "none", seed=1)
    alike = np.ones((board.N_AUTHORS, 1), np.float32)
    with pytest.raises(ValueError, match="hard: expected negatives that HardConfig"):
        prepare(WORLD, Found(READERS, vectors_AD=alike), hard, tmp_path / "none", seed=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("file", ["prompt.json", "pairs.npy", "prepared.json"])
def test_a_folder_is_there_whole_or_not_at_all(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full when a file is to be written; the next attempt is as if there had been none."""
    place: object = np if file.endswith("npy") else Path
    name = "save" if file.endswith("npy") else "write_text"
    written = getattr(place, name)

    def full(path: Path, *what: object, **how: object) -> None:
        if Path(path).name == file:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written(path, *what, **how)

    with monkeypatch.context() as patch:
        patch.setattr(place, name, full)
        with pytest.raises(OSError, match="No space left"):
            prepare(WORLD, FOUND, QUICK, tmp_path / "out", seed=1)
    assert not (tmp_path / "out").exists()
    prepare(WORLD, FOUND, QUICK, tmp_path / "out", seed=1)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "backbone").stat().st_mode == (tmp_path / "out").stat().st_mode


def test_a_backbone_goes_by_name_or_folder() -> None:
    assert backbone_of("smollm2-135m").name == "smollm2-135m"
    assert backbone_of("/models/qwen3").folder == "/models/qwen3"


def test_pairs_mined_before_are_taken_as_they_are(tmp_path: Path) -> None:
    """They may be older than the catalog: authors who joined since come after those they know."""
    first_P, second_P = np.array([0, 2], np.int32), np.array([2, 4], np.int32)
    pairs = Pairs(first_P, second_P, np.ones(2, np.float32), np.full(2, 3, np.int32), n_authors=5)
    strict = replace(QUICK, filters=FilterConfig())
    prepared = prepare(WORLD, Found(pairs=pairs), strict, tmp_path / "given", seed=1)
    found = read_prepared(tmp_path / "given").pairs
    assert (prepared, found.n_authors) == (Prepared(board.N_AUTHORS, 2, 0, ()), board.N_AUTHORS)
    np.testing.assert_array_equal([found.first_P, found.second_P], [first_P, second_P])
    many = replace(pairs, n_authors=board.N_AUTHORS + 1)
    with pytest.raises(SchemaError, match="pairs: expected of at most the 26 authors of the dataset, got of 27"):
        prepare(WORLD, Found(pairs=many), QUICK, tmp_path / "strangers", seed=1)
    assert not (tmp_path / "strangers").exists()


def test_hard_negatives_are_the_nearest_of_whoever_is_no_co_reader(tmp_path: Path) -> None:
    """Authors of equal parity share readers, so the nearest of the others it is."""
    vectors_AD = np.random.default_rng(1).standard_normal((board.N_AUTHORS, 4)).astype(np.float32)
    vectors_AD /= np.linalg.norm(vectors_AD, axis=1, keepdims=True)
    hard = replace(QUICK, hard=HardConfig(n=2))
    for name, given in (("by text", None), ("by vectors", vectors_AD)):
        prepare(WORLD, Found(READERS, vectors_AD=given), hard, tmp_path / name, seed=1)
    by_text, by_vectors = (read_prepared(tmp_path / name) for name in ("by text", "by vectors"))
    expected = hard_negatives(vectors_AD, by_vectors.pairs, sharing_any(READERS, QUICK.pairs), hard.hard, seed=1)
    np.testing.assert_array_equal(by_vectors.hard_PN, expected)
    assert (expected != NOBODY).any()
    assert by_text.hard_PN.shape == expected.shape
    assert (by_text.hard_PN != expected).any()


def typed(*words: str | Path) -> None:
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output


def test_by_command_from_a_streamed_log_with_a_chain_or_pairs_and_hard_negatives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "backbone_of", lambda name: BackboneConfig(embedded=TINY))
    dataset.write(tmp_path / "world", WORLD, name="checkerboard", origin={})
    np.save(tmp_path / "vectors.npy", 3 * np.eye(board.N_AUTHORS, dtype=np.float32))
    prepare_from = ("prepare-author-encoder", "--dataset", tmp_path / "world", "--cache", tmp_path / "kept", "--out")
    typed(*prepare_from, tmp_path / "mined", "--window-days", "9", "--score", "cosine", "--filters", "")
    found = mine(READERS, replace(QUICK.pairs, score="cosine"))
    mined = read_prepared(tmp_path / "mined").pairs
    np.testing.assert_array_equal(mined.first_P, found.first_P)
    np.testing.assert_array_equal(mined.second_P, found.second_P)

    half = found.take(np.arange(0, len(found), 2))
    write_pairs(tmp_path / "pairs.parquet", half, origin={})
    given = ("--pairs", tmp_path / "pairs.parquet", "--hard", "2", "--hard-vectors", tmp_path / "vectors.npy")
    typed(*prepare_from, tmp_path / "given", *given)
    material, sharing = read_prepared(tmp_path / "given"), sharing_any(READERS, QUICK.pairs)
    assert material.hard_PN.shape == (len(half), 2)
    known = set(zip(sharing.first_P.tolist(), sharing.second_P.tolist(), strict=True))
    for end_P in (half.first_P, half.second_P):  # also those whose pair is not in the file
        drawn = {(min(a, b), max(a, b)) for a, b in zip(end_P.tolist(), material.hard_PN[:, 0].tolist(), strict=True)}
        assert not drawn & known


def test_by_command_what_does_not_fit_is_named_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "folder_of", None)  # the backbone, which takes long
    dataset.write(tmp_path / "world", WORLD, name="checkerboard", origin={})
    np.save(tmp_path / "vectors.npy", np.eye(5, dtype=np.float32))
    np.savez(tmp_path / "vectors.npz", np.eye(5, dtype=np.float32))
    write_pairs(tmp_path / "others.parquet", mine(READERS, QUICK.pairs), origin={"fingerprint": "another"})
    wrong = {
        r"vectors\.npy: expected float32 \(26, D\), got float32\(5, 5\)": "--hard 2 --hard-vectors vectors.npy",
        r"vectors\.npz: expected float32 \(26, D\), got NpzFile": "--hard 2 --hard-vectors vectors.npz",
        r"vectors: expected a \.npy file, got .*others\.parquet": "--hard 2 --hard-vectors others.parquet",
        r"expected a version with manifest\.json, got none": "--hard 2 --hard-vectors world/events",
        r"--hard-vectors: expected --hard with it": "--hard-vectors vectors.npy",
        r"--pairs: expected of the dataset with fingerprint": "--pairs others.parquet",
        r"--pairs: expected a Parquet file, got .*none\.parquet, which is none": "--pairs none.parquet",
        r"FilterConfig\.chain: expected distinct names": "--filters supports",
        r"score: expected one of": "--score cosin",
        r"HardConfig\.margin: expected a number from 0 to 1, got 2": "--hard 1 --hard-margin 2",
    }
    monkeypatch.chdir(tmp_path)
    for said, words in wrong.items():
        with pytest.raises(ValueError, match=said):
            typed("prepare-author-encoder", "--dataset", "world", "--out", "out", *words.split())
    assert not (tmp_path / "out").exists()
