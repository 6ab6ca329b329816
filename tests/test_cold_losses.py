"""The losses of the cold-start models and what they are made of, against plain formulas and known answers."""

import contextlib

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

from methods.aldi import Triple, distillation
from methods.gradient import REDRAWS, Clicked, Dense, Schedule, descend, some, table, threads, torch_luck
from methods.interactions import Sparse
from methods.losses import contrast, in_batch_softmax

SEEDS = st.integers(0, 2**32 - 1)


def luck(seed: int = 1) -> torch.Generator:
    return torch_luck(np.random.default_rng(seed))


def plain_contrast(good: np.ndarray, bad: np.ndarray, hidden: np.ndarray) -> float:
    losses = []
    for b in range(len(good)):
        total = np.exp(good[b]) + sum(np.exp(bad[b, n]) for n in range(bad.shape[1]) if not hidden[b, n])
        losses.append(-np.log(np.exp(good[b]) / total))
    return float(np.mean(losses))


@given(SEEDS, st.integers(1, 6), st.integers(0, 6))
def test_contrast_is_the_plain_formula(seed: int, n_rows: int, n_bad: int) -> None:
    rng = np.random.default_rng(seed)
    good, bad = rng.normal(size=n_rows) * 3, rng.normal(size=(n_rows, n_bad)) * 3
    hidden = rng.random((n_rows, n_bad)) < 0.3
    got = contrast(*(torch.from_numpy(values) for values in (good, bad, hidden)))
    assert float(got) == pytest.approx(plain_contrast(good, bad, hidden), rel=1e-9)


def plain_softmax(scores: np.ndarray, q: np.ndarray, hidden: np.ndarray) -> float:
    losses = []
    for b in range(len(scores)):
        left = [c for c in range(len(scores)) if c == b or not hidden[b, c]]
        weights = {c: np.exp(scores[b, c]) / q[c] for c in left}
        losses.append(-np.log(weights[b] / sum(weights.values())))
    return float(np.mean(losses))


@given(SEEDS, st.integers(1, 6))
def test_the_batch_softmax_divides_by_how_often_each_column_is_drawn(seed: int, n_rows: int) -> None:
    rng = np.random.default_rng(seed)
    scores, q = rng.normal(size=(n_rows, n_rows)) * 2, rng.uniform(0.01, 0.9, n_rows)
    hidden = rng.random((n_rows, n_rows)) < 0.4
    got = in_batch_softmax(*(torch.from_numpy(values) for values in (scores, np.log(q), hidden)))
    assert float(got) == pytest.approx(plain_softmax(scores, q, hidden), rel=1e-9)


def test_with_log_q_the_best_scores_are_the_log_of_how_often_each_is_clicked() -> None:
    # One user, three targets: without the correction the best scores would all be equal.
    share_T = torch.tensor([0.7, 0.2, 0.1])
    target_R = torch.repeat_interleave(torch.arange(3), torch.tensor([700, 200, 100]))
    scores_T = torch.nn.Parameter(torch.zeros(3))

    def loss_of(rows_B: torch.Tensor) -> torch.Tensor:
        target_B = target_R[rows_B]
        same_BB = target_B[:, None] == target_B
        # Repeated targets share their column's weight rather than being hidden: the sum then runs over draws.
        return in_batch_softmax(
            scores_T[target_B].expand(len(target_B), -1), share_T.log()[target_B], torch.zeros_like(same_BB)
        )

    descend(
        [scores_T],
        loss_of,
        Schedule(epochs=150, batch=500, learning_rate=0.05, least_batches=1),
        n_rows=1_000,
        luck=luck(),
    )
    centred_T = (scores_T - scores_T.mean()).detach()
    torch.testing.assert_close(centred_T, share_T.log() - share_T.log().mean(), atol=0.05, rtol=0)


def sigmoid(x: np.ndarray) -> np.ndarray:
    made: np.ndarray = 1 / (1 + np.exp(-x))
    return made


def plain_distillation(student: list[np.ndarray], teacher: list[np.ndarray], a: float, b: float, g: float) -> float:
    n = len(student[0])

    def scores(of: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        return (of[0] * of[1]).sum(1), (of[0] * of[2]).sum(1)

    def identity(of: list[np.ndarray]) -> np.ndarray:
        return np.array([of[1][i] @ of[1][i] - np.mean([of[1][i] @ of[2][j] for j in range(n)]) for i in range(n)])

    def entropy(logit: np.ndarray, wanted: np.ndarray) -> float:
        p, q = sigmoid(wanted), sigmoid(logit)
        return float(np.mean(-p * np.log(q) - (1 - p) * np.log(1 - q)))

    (good, bad), (wanted_good, wanted_bad) = scores(student), scores(teacher)
    bpr = -np.log(sigmoid(good - bad)).mean()
    rating = (np.abs(wanted_good - good) + np.abs(wanted_bad - bad)).mean()
    ranking, identification = (
        entropy(good - bad, wanted_good - wanted_bad),
        entropy(identity(student), identity(teacher)),
    )
    return float(bpr + g * rating + a * ranking + b * identification)


@given(SEEDS, st.integers(1, 6), st.integers(1, 4))
def test_the_distillation_is_the_plain_formula(seed: int, n_rows: int, n_factors: int) -> None:
    rng = np.random.default_rng(seed)
    student, teacher = ([rng.normal(size=(n_rows, n_factors)) for _ in range(3)] for _ in range(2))
    made, wanted = (Triple(*(torch.from_numpy(rows) for rows in side)) for side in (student, teacher))
    got = distillation(made, wanted, alpha=0.9, beta=0.05, gamma=0.1)
    assert float(got) == pytest.approx(plain_distillation(student, teacher, 0.9, 0.05, 0.1), rel=1e-6)


@given(SEEDS)
def test_a_student_that_is_its_teacher_is_nearer_to_it_than_any_other(seed: int) -> None:
    rng = np.random.default_rng(seed)
    teacher = Triple(*(torch.from_numpy(rng.normal(size=(5, 3))) for _ in range(3)))
    other = Triple(*(torch.from_numpy(rng.normal(size=(5, 3))) for _ in range(3)))

    def distance(student: Triple) -> float:
        plain = distillation(student, teacher, alpha=0, beta=0, gamma=0)  # its own loss alone
        return float(distillation(student, teacher, alpha=1, beta=1, gamma=1) - plain)

    assert distance(teacher) <= distance(other)


@given(SEEDS, st.integers(0, 30), st.floats(0, 1))
def test_some_rows_are_as_many_as_asked_for(seed: int, n_rows: int, share: float) -> None:
    marked_R = some(n_rows, share, luck=luck(seed))
    assert int(marked_R.sum()) == int(share * n_rows)


def test_every_row_is_marked_equally_often() -> None:
    stream, n = luck(), 2_000
    counts_R = torch.stack([some(10, 0.3, luck=stream) for _ in range(n)]).sum(dim=0)
    assert (counts_R - 0.3 * n).abs().max() < 4.5 * np.sqrt(n * 0.3 * 0.7)  # sigmas, ten rows


def clicks_of(*rows: str) -> Sparse:
    return sp.csr_matrix(np.array([[int(cell) for cell in row] for row in rows], np.float32))


def test_negatives_are_known_targets_that_the_user_did_not_click() -> None:
    clicked = Clicked.of(clicks_of("110100", "011100", "000100"))  # nobody clicked the last two
    user_B = torch.arange(3).repeat(200)
    drawn_B = clicked.negatives(user_B, luck=luck())
    for user, allowed in enumerate(({2}, {0}, {0, 1, 2})):
        drawn = drawn_B[user_B == user].tolist()
        assert allowed <= set(drawn) <= {0, 1, 2, 3}
        # A draw stays wrong only when it and all its redraws were: three in four of them are, at worst.
        n_wrong = sum(target not in allowed for target in drawn)
        share = (1 - len(allowed) / 4) ** (1 + REDRAWS)
        assert n_wrong <= 200 * share + 4.5 * np.sqrt(200 * share)


def test_a_user_who_clicked_everything_does_not_hang_the_draw() -> None:
    clicked = Clicked.of(clicks_of("11", "10"))
    assert set(clicked.negatives(torch.zeros(50, dtype=torch.int64), luck=luck()).tolist()) <= {0, 1}
    assert REDRAWS > 0


@given(SEEDS)
def test_has_is_the_matrix(seed: int) -> None:
    likes_UT = (np.random.default_rng(seed).random((4, 5)) < 0.5).astype(np.float32)
    likes_UT[0, 0] = 1
    clicked = Clicked.of(sp.csr_matrix(likes_UT))
    got_UT = clicked.has(torch.arange(4)[:, None], torch.arange(5))
    np.testing.assert_array_equal(got_UT.numpy(), likes_UT > 0)


def test_others_are_each_known_target_once_where_there_are_few() -> None:
    clicked = Clicked.of(clicks_of("1101"))
    assert clicked.others(3, luck=luck()).tolist() == [0, 1, 3]
    assert len(clicked.others(2, luck=luck())) == 2


def test_descend_sees_every_row_once_an_epoch() -> None:
    weight, seen = torch.nn.Parameter(torch.zeros(1)), []

    def loss_of(rows_B: torch.Tensor) -> torch.Tensor:
        seen.append(rows_B.tolist())
        return (weight**2).sum()

    descend([weight], loss_of, Schedule(2, 4, least_batches=1, least_steps=1), n_rows=10, luck=luck())
    assert [len(rows) for rows in seen] == [4, 3, 3, 4, 3, 3]
    first, second = [[row for rows in seen[start : start + 3] for row in rows] for start in (0, 3)]
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


@pytest.mark.parametrize(
    ("n_rows", "n_batches", "n_epochs"),
    [(0, 0, 0), (3, 3, 100), (100, 16, 19), (100_000, 100, 10), (200_000, 200, 7), (2_000_000, 2_000, 1)],
)
def test_small_worlds_get_smaller_batches_and_more_epochs_and_large_ones_fewer(
    n_rows: int, n_batches: int, n_epochs: int
) -> None:
    schedule = Schedule(epochs=10, batch=1_000, least_batches=16, least_steps=300, most_steps=1_500)
    assert (schedule.n_batches(n_rows), schedule.n_epochs(n_rows)) == (n_batches, n_epochs)


def test_layers_follow_from_the_luck_given_alone() -> None:
    before = torch.get_rng_state()
    once, again, other = (Dense(3, 4, luck=luck(seed), std=std) for seed, std in ((1, None), (1, None), (2, None)))
    torch.testing.assert_close(once.weights_OI, again.weights_OI)
    assert not torch.equal(once.weights_OI, other.weights_OI)
    assert float(Dense(50, 40, luck=luck(), std=0.01).weights_OI.detach().abs().max()) <= 0.02
    table(3, 4, luck=luck())
    assert torch.equal(before, torch.get_rng_state())


def test_threads_are_as_before_afterwards() -> None:
    before = torch.get_num_threads()
    with contextlib.suppress(RuntimeError), threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise RuntimeError
    assert torch.get_num_threads() == before
