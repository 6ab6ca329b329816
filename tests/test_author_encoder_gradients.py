"""Two ranks find the gradient that one process finds on the whole batch; the ways known to be wrong are seen so."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.multiprocessing.spawn import start_processes

from methods.author_encoder import engines, export
from methods.author_encoder.engines import PlainEngine
from tests.author_encoder_ranks import (
    CHUNK,
    CPU,
    EXACT,
    FAULTY,
    STEADY,
    Case,
    all_steps,
    as_rank,
    descent,
    step_of,
    two_steps,
    zero_steps,
)
from tests.author_encoder_tiny import encoder

pytestmark = [
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"),
]
TOLERANCE = 1e-5  # of the largest number of a weight's gradient; fp32 sums in another order differ by about 1e-6

Gradients = dict[str, Tensor]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def _descent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "optimizer_of", descent)


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Gradients]:
    return _loaded(_ranks(2, all_steps, tmp_path_factory.mktemp("ranks")))


@pytest.fixture(scope="module")
def one_rank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What DeepSpeed does alone, cheap enough to be looked at each time."""
    return _ranks(1, zero_steps, tmp_path_factory.mktemp("rank"))


def _ranks(n_ranks: int, body: Callable[[Path], None], folder: Path) -> Path:
    out = folder / "steps.pt"
    start_processes(as_rank, (n_ranks, free_port(), body, out), n_ranks, start_method="spawn")  # type: ignore[no-untyped-call]
    return out


def _loaded(out: Path) -> dict[str, Gradients]:
    found: dict[str, Gradients] = torch.load(out, weights_only=True)
    return found


def error(found: Gradients, expected: Gradients) -> float:
    assert found.keys() == expected.keys()
    largest = max(float(grad.abs().max()) for grad in expected.values())
    assert largest > 1e-3
    return max(
        float((found[name] - grad).abs().max() / grad.abs().max().clamp(min=largest * 1e-3))
        for name, grad in expected.items()
    )


def whole(accumulate: int = 1, *, every_known: bool = False) -> Gradients:
    return step_of(Case(-1, 0, accumulate, every_known))


@pytest.mark.usefixtures("_descent")
def test_chunks_do_not_change_the_gradient() -> None:
    assert error(step_of(Case(-1, CHUNK)), whole()) < TOLERANCE


@pytest.mark.usefixtures("_descent")
def test_activation_checkpointing_does_not_change_the_gradient() -> None:
    assert error(step_of(Case(-1, CHUNK, checkpointing=True)), whole()) < TOLERANCE


@pytest.mark.usefixtures("_descent")
def test_the_temperature_has_a_gradient() -> None:
    assert abs(float(whole()["log_scale"])) > 1e-3


@pytest.mark.parametrize("stage", [2, 3])
def test_zero_ends_where_plain_torch_ends(stage: int, one_rank: Path) -> None:
    found, plain = _loaded(one_rank)[f"stage {stage}"], two_steps(PlainEngine(encoder(), STEADY, CPU))
    start = {name: part.detach() for name, part in encoder().named_parameters() if part.requires_grad}
    assert found.keys() == plain.keys() == start.keys()
    assert all(float((plain[name] - part).abs().max()) > 0.01 for name, part in start.items())
    assert max(float((found[name] - part).abs().max()) for name, part in plain.items()) < TOLERANCE


def test_what_stage_3_exports_is_whole_though_its_module_holds_nothing(one_rank: Path) -> None:
    found, read_back = _loaded(one_rank), encoder()
    assert {part.numel() for part in found["sharded"].values()} == {0}
    export.read(read_back, one_rank.with_name("adapter"))
    trained = {name: part for name, part in read_back.named_parameters() if part.requires_grad}
    assert trained.keys() == found["stage 3"].keys()
    assert all(torch.equal(part, found["stage 3"][name]) for name, part in trained.items())


@pytest.mark.slow
@pytest.mark.usefixtures("_descent")
@pytest.mark.parametrize("case", EXACT, ids=lambda case: case.name)
def test_two_ranks_find_the_gradient_of_the_whole_batch(case: Case, two_ranks: dict[str, Gradients]) -> None:
    assert error(two_ranks[case.name], whole(case.accumulate, every_known=case.every_known)) < TOLERANCE


@pytest.mark.slow
@pytest.mark.usefixtures("_descent")
@pytest.mark.parametrize("case", FAULTY, ids=lambda case: case.name)
def test_a_known_fault_shows_in_the_gradient(case: Case, two_ranks: dict[str, Gradients]) -> None:
    assert error(two_ranks[case.name], whole()) > 0.1


@pytest.mark.slow
def test_at_stage_3_the_module_itself_holds_nothing(two_ranks: dict[str, Gradients]) -> None:
    assert {part.numel() for part in two_ranks["sharded"].values()} == {0}
    gathered = two_ranks["stage 3 chunk 0 accumulate 1"]
    assert all(part.numel() > 0 for part in gathered.values())
