"""Training: batches, schedule, resuming in one process, and the folder it reads."""

from __future__ import annotations

import warnings
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods.author_encoder import checkpoints
from methods.author_encoder.batching import batches
from methods.author_encoder.contrast import NOBODY
from methods.author_encoder.deepspeed_engine import DeepSpeedEngine, ZeroConfig
from methods.author_encoder.disk import write_whole
from methods.author_encoder.engines import OptimizerConfig, PlainEngine, Precision
from methods.author_encoder.keyed_luck import keyed
from methods.author_encoder.launch import Job, read_job, write_job
from methods.author_encoder.prepared import read_prepared
from methods.author_encoder.sampling import Sampler
from methods.author_encoder.step import Material
from methods.author_encoder.training import Reading, Run, TrainingConfig, Watch, train
from tests.author_encoder_tiny import encoder, material, pair_table, prepare, rows

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
CPU = torch.device("cpu")
FAST = OptimizerConfig(learning_rate=0.02)
SHORT = TrainingConfig(steps=6, batch=16, chunk_tokens=128, save_every=2, optimizer=FAST)


class StopError(Exception):
    """The run ends here."""


def engine(*, dropout: float = 0.1) -> PlainEngine:
    return PlainEngine(encoder(dropout=dropout), FAST, CPU)


def stop_at(step: int) -> Watch:
    def watch(reading: Reading) -> None:
        if reading.step == step:
            raise StopError

    return watch


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_an_epoch_sees_every_pair_once_and_drops_the_rest() -> None:
    sampler = Sampler(23, 5, seed=1)
    seen = np.concatenate([sampler.at(step).rows_B for step in range(4)])
    assert len(np.unique(seen)) == 20
    again = np.concatenate([sampler.at(step).rows_B for step in range(4, 8)])
    assert not np.array_equal(seen, again)


@pytest.mark.parametrize("n_ranks", [2, 3, 6])
def test_ranks_share_the_batch_that_one_process_sees(n_ranks: int) -> None:
    whole = Sampler(50, 12, 7).at(9)
    parts = [Sampler(50, 12, 7, n_ranks, rank).at(9) for rank in range(n_ranks)]
    np.testing.assert_array_equal(whole.rows_B, np.concatenate([part.rows_B for part in parts]))
    np.testing.assert_array_equal(whole.turned_B, np.concatenate([part.turned_B for part in parts]))


def test_a_position_needs_no_history() -> None:
    walked = Sampler(50, 10, 7)
    for step in range(12):
        last = walked.at(step)
    np.testing.assert_array_equal(last.rows_B, Sampler(50, 10, 7).at(11).rows_B)


@pytest.mark.parametrize(("batch", "n_ranks", "message"), [(51, 1, "1 to 50"), (10, 3, "multiple of the 3 ranks")])
def test_a_batch_that_does_not_fit_is_refused(batch: int, n_ranks: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sampler(50, batch, 1, n_ranks)


def test_chunks_hold_each_row_once_within_their_budget() -> None:
    lengths_M = np.array([5, 90, 3, 7, 7, 1, 30])
    chunks = batches(lengths_M, budget=32)
    assert sorted(np.concatenate(chunks).tolist()) == list(range(7))
    assert all(len(chunk) == 1 or len(chunk) * lengths_M[chunk].max() <= 32 for chunk in chunks)


def test_dropout_follows_from_its_key_and_leaves_torch_as_it_was() -> None:
    before = torch.get_rng_state()
    drawn: list[NDArray[np.float32]] = []
    for key in ((1, 2), (1, 2), (1, 3)):
        with keyed(CPU, *key):
            drawn.append(torch.rand(4).numpy())
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])
    assert torch.equal(before, torch.get_rng_state())


def test_the_learning_rate_rises_in_a_line_and_falls_to_its_floor() -> None:
    config = TrainingConfig(steps=100, warm_up=0.1, floor=0.1, optimizer=OptimizerConfig(learning_rate=1.0))
    rates = [config.learning_rate(step) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * step for step in range(1, 11)])
    assert rates[55] == pytest.approx(0.55)
    assert rates[99] == pytest.approx(0.1, abs=1e-3)


def test_training_lowers_the_loss() -> None:
    config = replace(SHORT, steps=30, batch=32)
    report = train(engine(dropout=0.0), material(n_hard=0), config, Run(1))
    assert report.loss_S[-5:].mean() < report.loss_S[:5].mean() - 0.5
    assert report.n_pairs == 30 * 32


@pytest.mark.parametrize("token_drop", [0.0, 0.5])
def test_a_run_that_was_stopped_ends_bit_for_bit_as_one_left_alone(token_drop: float, tmp_path: Path) -> None:
    config = replace(SHORT, token_drop=token_drop)
    alone = engine()
    train(alone, material(), config, Run(1))
    with pytest.raises(StopError):
        train(engine(), material(), config, Run(1, stop_at(5), tmp_path))
    again = engine()
    report = train(again, material(), config, Run(1, folder=tmp_path))
    assert report.first_step == 4
    assert same(alone.weights(), again.weights())


class Recording(PlainEngine):
    """An engine that remembers what it was given to encode."""

    def encode(self, ids_BL: Tensor, mask_BL: Tensor) -> tuple[Tensor, Tensor]:
        self.__dict__.setdefault("given", []).append((ids_BL * mask_BL).tolist())
        return super().encode(ids_BL, mask_BL)


def test_a_chunk_is_read_twice_with_the_same_tokens_left_out_and_others_at_the_next_step() -> None:
    recording = Recording(encoder(dropout=0.0), FAST, CPU)
    train(recording, material(), replace(SHORT, steps=2, token_drop=0.5), Run(1))
    given = recording.__dict__["given"]
    first, second = given[: given.index(given[0], 1)], given[given.index(given[0], 1) :]
    assert len(first) > 1
    assert second[: len(first)] == first
    assert given[2 * len(first)] not in first


def test_a_kill_while_saving_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise StopError

    with pytest.raises(StopError):
        train(engine(), material(), SHORT, Run(1, stop_at(3), tmp_path))
    monkeypatch.setattr(checkpoints, "write_whole", killed)
    with pytest.raises(StopError):
        train(engine(), material(), SHORT, Run(1, folder=tmp_path))
    monkeypatch.setattr(checkpoints, "write_whole", write_whole)
    assert train(engine(), material(), SHORT, Run(1, folder=tmp_path)).first_step == 2


@pytest.mark.parametrize(
    ("config", "seed", "field"), [(SHORT, 2, "seed"), (replace(SHORT, batch=8), 1, "config"), (SHORT, 1, "material")]
)
def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path, config: TrainingConfig, seed: int, field: str) -> None:
    train(engine(), material(), replace(SHORT, steps=6), Run(1, folder=tmp_path))
    other = Material.without_hard(rows(), pair_table(seed=2)) if field == "material" else material()
    with pytest.raises(ValueError, match=f"{field}: expected"):
        train(engine(), other, config, Run(seed, folder=tmp_path))


def test_a_checkpoint_of_other_prompts_hard_negatives_or_encoders_is_refused(tmp_path: Path) -> None:
    of, run = material(), Run(1, folder=tmp_path, encoder="one")
    train(engine(), of, SHORT, run)
    tokens = of.tokens
    ids_T, hard_PN = tokens.ids_T.copy(), of.hard_PN.copy()
    ids_T[5], hard_PN[3, 0] = ids_T[5] + 1, NOBODY
    others = (replace(of, tokens=replace(tokens, ids_T=ids_T)), replace(of, hard_PN=hard_PN), material(n_hard=0))
    for other in others:
        with pytest.raises(ValueError, match="checkpoint at step 6: material: expected "):
            train(engine(), other, SHORT, run)
    with pytest.raises(ValueError, match="checkpoint at step 6: encoder: expected one, got another"):
        train(engine(), of, SHORT, replace(run, encoder="another"))
    assert len(train(engine(), of, SHORT, run).loss_S) == 0  # the same has nothing left to do


def test_a_loss_that_is_not_finite_is_refused() -> None:
    broken = encoder()
    broken.log_scale.data.fill_(float("nan"))
    with pytest.raises(ValueError, match="loss at step 0: expected a finite number, got nan"):
        train(PlainEngine(broken, FAST, CPU), material(), SHORT, Run(1))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_needs_deepspeed(precision: Precision) -> None:
    with pytest.raises(ValueError, match="without DeepSpeed"):
        PlainEngine(encoder(), OptimizerConfig(precision=precision), CPU)


@pytest.mark.parametrize(
    ("precision", "stage", "message"),
    [("bf16", 0, "stage: expected 1, 2 or 3"), ("fp16", 0, "stage: expected 1, 2 or 3"), ("fp16", 2, "it lacks")],
)
def test_half_precision_that_would_be_wrong_or_is_not_there_is_refused(
    precision: Precision, stage: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DS_ACCELERATOR", "cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # DeepSpeed's own, while it is imported
        accelerator = import_module("deepspeed.accelerator.cpu_accelerator").CPU_Accelerator
        monkeypatch.setattr(accelerator, "is_fp16_supported", lambda _: False)  # newer processors have it
        with pytest.raises(ValueError, match=message):
            DeepSpeedEngine(encoder(), OptimizerConfig(precision=precision), ZeroConfig(stage), CPU)


def test_a_frozen_backbone_in_half_precision_trains_adapters_in_full() -> None:
    config = replace(SHORT, steps=2, optimizer=replace(FAST, precision="bf16-backbone"))
    module = encoder()
    held = PlainEngine(module, config.optimizer, CPU)
    report = train(held, material(), config, Run(1))
    assert np.isfinite(report.loss_S).all()
    assert {part.dtype for part in module.parameters() if part.requires_grad} == {torch.float32}
    assert torch.bfloat16 in {part.dtype for part in module.parameters()}


def test_an_encoder_with_nothing_to_train_is_refused() -> None:
    with pytest.raises(ValueError, match="expected weights that require a gradient"):
        PlainEngine(encoder().requires_grad_(False), FAST, CPU)


@pytest.mark.parametrize(("training", "n_calls"), [(True, 2), (False, 1)])
def test_activations_are_recomputed_in_training_mode_alone(training: bool, n_calls: int) -> None:
    """In eval mode, in which models are loaded, checkpointing does nothing and says nothing: an engine leaves it."""
    module = encoder().eval()
    PlainEngine(module, replace(FAST, checkpointing=True), CPU)
    assert module.training
    assert all(part.training for part in module.modules())
    module.train(training)
    calls: list[int] = []
    layers = module.backbone.get_submodule("base_model.model.layers.0.mlp")
    layers.register_forward_pre_hook(lambda *_: calls.append(1))
    vectors_BD, _ = module(*rows().padded(np.arange(4)))
    vectors_BD.sum().backward()
    assert len(calls) == n_calls


def test_a_prepared_folder_comes_back_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    prepare(tmp_path)
    found, made = read_prepared(tmp_path), material()
    np.testing.assert_array_equal(found.pairs.first_P, made.pairs.first_P)
    np.testing.assert_array_equal(found.hard_PN, made.hard_PN)
    ids_BL, mask_BL = found.tokens.padded(np.array([3, 5]))
    assert torch.equal(ids_BL, made.tokens.padded(np.array([3, 5]))[0])
    assert mask_BL.sum(1).tolist() == made.tokens.lengths_R[[3, 5]].tolist()
    np.save(tmp_path / "pairs.npy", np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"pairs.npy: expected int32 of 2 dimensions, got float64\(3, 2\)"):
        read_prepared(tmp_path)
    with pytest.raises(ValueError, match=r"expected a folder with prepared.json"):
        read_prepared(tmp_path / "nowhere")


def test_a_job_comes_back_from_its_file(tmp_path: Path) -> None:
    job = Job("in", "out", "package.module:function", training=SHORT)
    write_job(job, tmp_path / "job.json")
    assert read_job(tmp_path / "job.json") == job
    (tmp_path / "job.json").write_text("{}")
    with pytest.raises(ValueError, match="expected a job"):
        read_job(tmp_path / "job.json")
