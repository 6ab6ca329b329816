"""Killed ranks go on: on as many ranks bit for bit, on others alike. DeepSpeed learns what plain torch learns."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from methods.author_encoder import checkpoints
from methods.author_encoder.deepspeed_engine import ZeroConfig
from methods.author_encoder.launch import Job, spawn
from tests.author_encoder_tiny import prepare
from tests.test_author_encoder_training import FAST, SHORT

PLAIN = Job("in", "out", "tests.author_encoder_tiny:make", engine="plain", training=SHORT)
ENGINES = {"plain": PLAIN} | {
    f"zero-{stage}": replace(PLAIN, engine="deepspeed", zero=ZeroConfig(stage, persist_below=0)) for stage in range(4)
}
MORE = pytest.mark.hours  # than the minutes that the suite of slow tests has for this
LEARNT = ("adapter_model.safetensors", "head.safetensors")


def job(place: Path, out: str, engine: str, maker: str) -> Job:
    maker = f"tests.author_encoder_tiny:{maker}"
    return replace(ENGINES[engine], prepared=str(place / "in"), out=str(place / out), maker=maker)


def learnt(place: Path, out: str) -> dict[str, Tensor]:
    return {key: part for name in LEARNT for key, part in load_file(place / out / "adapter" / name).items()}


def assert_alike(found: dict[str, Tensor], expected: dict[str, Tensor], *, atol: float = 1e-4) -> None:
    assert found.keys() == expected.keys()
    for key, part in expected.items():
        torch.testing.assert_close(found[key], part, atol=atol, rtol=1e-3)


@pytest.mark.parametrize(
    ("engine", "n_ranks", "expected"),
    [("plain", 1, False), ("zero-0", 1, False), ("zero-1", 1, True), ("zero-3", 4, True), ("zero-2", 2, False)],
)
def test_only_what_was_split_over_other_ranks_is_converted(
    engine: str, n_ranks: int, expected: bool, tmp_path: Path
) -> None:
    assert not checkpoints.needs_converting(tmp_path, n_ranks)
    (tmp_path / "step-4").mkdir()
    stamp = checkpoints.Stamp(4, 2, engine, 1, "config", "encoder", "material")
    (tmp_path / "step-4" / "stamp.json").write_text(json.dumps(asdict(stamp)))
    (tmp_path / "latest").write_text("step-4")
    assert checkpoints.needs_converting(tmp_path, n_ranks) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    "engine", ["plain", "zero-2", *(pytest.param(f"zero-{stage}", marks=MORE) for stage in (0, 1, 3))]
)
def test_ranks_killed_at_any_step_end_with_the_adapter_of_ranks_left_alone(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    prepare(tmp_path / "in")
    alone, killed = (job(tmp_path, out, engine, "make_mortal") for out in ("alone", "killed"))
    spawn(alone, n_ranks=2)
    forward = int(np.random.default_rng(os.getpid()).integers(20, 30))
    monkeypatch.setenv("TEST_FORWARDS_LEFT", str(forward))
    with pytest.raises(ChildProcessError, match="SIGKILL"):
        spawn(killed, n_ranks=2)
    assert checkpoints.latest(tmp_path / "killed" / "checkpoints") is not None
    monkeypatch.delenv("TEST_FORWARDS_LEFT")
    spawn(killed, n_ranks=2)
    for name in LEARNT:
        expected = (tmp_path / "alone" / "adapter" / name).read_bytes()
        assert (tmp_path / "killed" / "adapter" / name).read_bytes() == expected, f"killed at forward {forward}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "n_ranks"),
    [
        ("zero-2", (1, 2)),
        ("zero-3", (2, 1)),
        ("zero-0", (1, 2)),
        *(pytest.param(engine, (2, 1), marks=MORE) for engine in ("plain", "zero-0", "zero-1", "zero-2")),
        *(pytest.param(engine, (1, 2), marks=MORE) for engine in ("plain", "zero-1", "zero-3")),
    ],
)
def test_a_killed_run_goes_on_with_another_number_of_ranks(
    engine: str, n_ranks: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    prepare(tmp_path / "in")
    alone, moved = (
        replace(job(tmp_path, out, engine, "make_mortal_sure"), training=replace(SHORT, chunk_tokens=0))
        for out in ("alone", "moved")
    )
    spawn(alone, n_ranks=n_ranks[1])
    monkeypatch.setenv("TEST_FORWARDS_LEFT", "5")  # in the sixth step
    with pytest.raises(ChildProcessError, match="SIGKILL"):
        spawn(moved, n_ranks=n_ranks[0])
    monkeypatch.delenv("TEST_FORWARDS_LEFT")
    spawn(moved, n_ranks=n_ranks[1])
    converted = (tmp_path / "moved" / "checkpoints" / "step-4_universal").is_dir()
    assert converted == (engine in checkpoints.SPLIT)
    assert_alike(learnt(tmp_path, "moved"), learnt(tmp_path, "alone"))


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["zero-2", pytest.param("zero-1", marks=MORE)])
def test_adapters_on_a_backbone_in_half_precision_learn_the_same_by_deepspeed_and_plain_torch(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    prepare(tmp_path / "in")
    plan = replace(SHORT, optimizer=replace(FAST, precision="bf16-backbone"))
    for name in ("plain", engine):
        spawn(replace(job(tmp_path, name, name, "make"), training=plan), n_ranks=1)
    found = learnt(tmp_path, engine)
    assert {part.dtype for part in found.values()} == {torch.float32}
    # A step moves a weight by up to .02. The first is the same; then a last bit of float32 may be one of bfloat16, an
    # activation's 256th part: they were .0005 apart after the sixth.
    assert_alike(found, learnt(tmp_path, "plain"), atol=2e-3)
