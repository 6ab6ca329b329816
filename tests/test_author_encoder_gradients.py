"""Two ranks find the gradient that one process finds on the whole batch; the ways known to be wrong are seen so."""

from __future__ import annotations

import socket

import pytest
import torch
from torch import Tensor
from torch.multiprocessing.spawn import start_processes

from methods.author_encoder import engines
from tests.author_encoder_ranks import CHUNK, EXACT, FAULTY, Case, all_steps, as_rank, descent, step_of

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
    out = tmp_path_factory.mktemp("ranks") / "steps.pt"
    start_processes(as_rank, (2, free_port(), all_steps, out), 2, start_method="spawn")  # type: ignore[no-untyped-call]
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


def whole(accumulate: int) -> Gradients:
    return step_of(Case(-1, 0, accumulate))


@pytest.mark.usefixtures("_descent")
def test_chunks_do_not_change_the_gradient() -> None:
    assert error(step_of(Case(-1, CHUNK)), whole(1)) < TOLERANCE


@pytest.mark.usefixtures("_descent")
def test_activation_checkpointing_does_not_change_the_gradient() -> None:
    assert error(step_of(Case(-1, CHUNK, checkpointing=True)), whole(1)) < TOLERANCE


@pytest.mark.usefixtures("_descent")
def test_the_temperature_has_a_gradient() -> None:
    assert abs(float(whole(1)["log_scale"])) > 1e-3


@pytest.mark.slow
@pytest.mark.usefixtures("_descent")
@pytest.mark.parametrize("case", EXACT, ids=lambda case: case.name)
def test_two_ranks_find_the_gradient_of_the_whole_batch(case: Case, two_ranks: dict[str, Gradients]) -> None:
    assert error(two_ranks[case.name], whole(case.accumulate)) < TOLERANCE


@pytest.mark.slow
@pytest.mark.usefixtures("_descent")
@pytest.mark.parametrize("case", FAULTY, ids=lambda case: case.name)
def test_a_known_fault_shows_in_the_gradient(case: Case, two_ranks: dict[str, Gradients]) -> None:
    assert error(two_ranks[case.name], whole(1)) > 0.1


@pytest.mark.slow
def test_at_stage_3_the_module_itself_holds_nothing(two_ranks: dict[str, Gradients]) -> None:
    assert {part.numel() for part in two_ranks["sharded"].values()} == {0}
    gathered = two_ranks["stage 3 chunk 0 accumulate 1"]
    assert all(part.numel() > 0 for part in gathered.values())
