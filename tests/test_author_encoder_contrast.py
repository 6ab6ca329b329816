"""The loss is the one that its formula, a plain loop and sentence-transformers give."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.author_encoder.contrast import NOBODY, ContrastConfig, Ends, Known, PairColumns, info_nce, prefix
from simulator.schema.checks import SchemaError

CPU = torch.device("cpu")
PLAIN = ContrastConfig(symmetric=False, hide_known_pairs=False, hide_same_author=False)


def unit(*shape: int, seed: int) -> Tensor:
    return functional.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def known(*pairs: tuple[int, int], n_authors: int = 10) -> Known:
    ends = np.array(pairs, np.int32).reshape(-1, 2)
    return Known.of(PairColumns(ends[:, 0], ends[:, 1], n_authors), CPU)


def ends(first: list[int], second: list[int], hard: list[list[int]] | None = None, *, seed: int = 1) -> Ends:
    """Draw a vector an author, the same wherever the author is."""
    hard_BN = torch.tensor(hard if hard is not None else [[]] * len(first)).long().reshape(len(first), -1)
    vectors_AD = unit(10, 6, seed=seed)
    first_B, second_B = torch.tensor(first), torch.tensor(second)
    hard_BND = vectors_AD[hard_BN.clamp(min=0)]
    return Ends(first_B, second_B, hard_BN, vectors_AD[first_B], vectors_AD[second_B], hard_BND)


def slow_loss(
    given: Ends, scale: float, config: ContrastConfig, pairs: set[tuple[int, int]], log_q: list[float]
) -> float:
    """Say it again as loops."""
    losses = []
    hard = [
        (int(i), v) for row, vs in zip(given.hard_BN, given.hard_BND, strict=True) for i, v in zip(row, vs, strict=True)
    ]
    sides = (given.first_B, given.first_BD), (given.second_B, given.second_BD)
    for (row_B, row_BD), (own_B, own_BD) in (sides, sides[::-1]) if config.symmetric else (sides,):
        columns = [*zip(own_B.tolist(), own_BD, strict=True), *hard]
        found = []
        for i, (row, vector) in enumerate(zip(row_B.tolist(), row_BD, strict=True)):
            terms = {}
            for j, (column, other) in enumerate(columns):
                same = config.hide_same_author and column in (row, int(own_B[i]))
                met = config.hide_known_pairs and (min(row, column), max(row, column)) in pairs
                if j == i or not (column == NOBODY or same or met):
                    terms[j] = scale * float(vector @ other) - (log_q[column] if config.log_q else 0)
            found.append(math.log(sum(math.exp(term) for term in terms.values())) - terms[i])
        losses.append(np.mean(found))
    return float(np.mean(losses))


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("hide", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("log_q", [False, True])
def test_the_loss_is_what_a_plain_loop_gives(symmetric: bool, hide: tuple[bool, bool], log_q: bool) -> None:
    config = ContrastConfig(symmetric, hide_known_pairs=hide[0], hide_same_author=hide[1], log_q=log_q)
    given = ends([0, 1, 2, 0], [3, 4, 5, 4], [[6, NOBODY], [7, 3], [0, 9], [NOBODY, NOBODY]])
    pairs = {(0, 3), (1, 4), (2, 5), (0, 4), (1, 5), (1, 7)}
    facts = known(*sorted(pairs))
    expected = slow_loss(given, 7.0, config, pairs, facts.log_q_A.tolist())
    assert float(info_nce(given, torch.tensor(7.0), config, facts)) == pytest.approx(expected, rel=1e-5)


def test_a_fixed_temperature_takes_the_place_of_the_scale_and_leaves_it_no_gradient() -> None:
    given, scale = ends([0, 1], [2, 3]), torch.tensor(3.0, requires_grad=True)
    loss = info_nce(given, scale, ContrastConfig(False, 0.1, False, False), known())
    loss.backward()  # type: ignore[no-untyped-call]
    expected = float(info_nce(given, torch.tensor(10.0), PLAIN, known()))
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert scale.grad == 0


def test_a_row_whose_every_negative_is_hidden_has_loss_zero_and_a_finite_gradient() -> None:
    given = ends([0, 0], [1, 1])
    vectors_BD = given.first_BD.requires_grad_()
    loss = info_nce(given, torch.tensor(5.0), ContrastConfig(), known((0, 1)))
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert vectors_BD.grad is not None
    assert bool(torch.isfinite(vectors_BD.grad).all())


def test_without_a_signal_the_loss_is_the_log_of_the_columns() -> None:
    given = ends([0, 1, 2], [3, 4, 5])
    assert float(info_nce(given, torch.tensor(0.0), PLAIN, known())) == pytest.approx(math.log(3))


def test_known_pairs_are_found_in_either_order_and_nothing_else_is() -> None:
    facts = known((0, 3), (2, 5))
    one_X, other_X = torch.arange(10)[:, None], torch.arange(10)[None, :]
    assert {tuple(pair) for pair in facts.has(one_X, other_X).nonzero().tolist()} == {(0, 3), (3, 0), (2, 5), (5, 2)}


def slow_loss_over_known(
    given: Ends, scale: float, pairs: set[tuple[int, int]], log_q: list[float], config: ContrastConfig
) -> float:
    """Say it again as loops over the batch's authors."""
    drawn = dict(zip(given.first_B.tolist(), given.first_BD, strict=True))
    drawn |= dict(zip(given.second_B.tolist(), given.second_BD, strict=True))
    mined = list(zip(given.hard_BN.flatten().tolist(), given.hard_BND.flatten(0, 1), strict=True))
    losses = []
    for row, vector in drawn.items():
        logits = [
            (other, scale * float(vector @ theirs) - (log_q[other] if config.log_q else 0), other_was_mined)
            for part, other_was_mined in ((drawn.items(), False), (mined, True))
            for other, theirs in part
            if other not in (row, NOBODY)
        ]
        met = [(min(row, other), max(row, other)) in pairs for other, _, _ in logits]
        rest = sum(math.exp(logit) for (_, logit, _), is_met in zip(logits, met, strict=True) if not is_met)
        for (_, logit, was_mined), is_met in zip(logits, met, strict=True):
            if is_met and not was_mined:
                losses.append(math.log(1 + rest * math.exp(-logit)))
    return float(np.mean(losses))


@pytest.mark.parametrize("hard", [None, [[6, NOBODY], [7, 3], [0, 9], [NOBODY, NOBODY]]])
@pytest.mark.parametrize("log_q", [False, True])
def test_the_loss_over_every_known_pair_is_what_a_plain_loop_gives(hard: list[list[int]] | None, log_q: bool) -> None:
    given, pairs = ends([0, 1, 2, 0], [3, 4, 5, 4], hard), {(0, 3), (1, 4), (2, 5), (0, 4), (1, 5), (1, 7)}
    facts, config = known(*sorted(pairs)), ContrastConfig(every_known=True, log_q=log_q)
    expected = slow_loss_over_known(given, 7.0, pairs, facts.log_q_A.tolist(), config)
    assert float(info_nce(given, torch.tensor(7.0), config, facts)) == pytest.approx(expected, rel=1e-5)


def test_with_no_pair_but_those_drawn_each_author_looks_for_its_own_among_all_others() -> None:
    given, facts = ends([0, 2], [1, 3]), known((0, 1), (2, 3))
    vectors = torch.cat([given.first_BD, given.second_BD])
    logits = 5.0 * vectors @ vectors.T
    target, own = torch.tensor([2, 3, 0, 1]), torch.eye(4, dtype=torch.bool)
    expected = functional.cross_entropy(logits.masked_fill(own, -1e9), target)
    found = info_nce(given, torch.tensor(5.0), ContrastConfig(every_known=True), facts)
    assert float(found) == pytest.approx(float(expected), rel=1e-5)
    with pytest.raises(ValueError, match="every_known: expected symmetric"):
        ContrastConfig(symmetric=False, every_known=True)


def test_a_prefix_is_a_unit_vector_of_the_first_dimensions() -> None:
    vectors = torch.nn.functional.normalize(torch.arange(1.0, 13).reshape(2, 6), dim=1)
    four = prefix(vectors, 4)
    assert four.shape == (2, 4)
    assert torch.allclose(four.norm(dim=1), torch.ones(2))
    assert torch.allclose(four[:, 1] / four[:, 0], vectors[:, 1] / vectors[:, 0])
    assert torch.allclose(prefix(vectors, 6), vectors)
    with pytest.raises(SchemaError, match="prefix: expected 1 to 6 dimensions, got 7"):
        prefix(vectors, 7)


@pytest.mark.parametrize("prefixes", [(1,), (2, 3)])
def test_with_prefixes_the_loss_is_the_mean_over_them_and_the_whole(prefixes: tuple[int, ...]) -> None:
    given, facts = ends([0, 1, 2, 0], [3, 4, 5, 4], [[6, NOBODY], [7, 3], [0, 9], [NOBODY, NOBODY]]), known((0, 4))
    each = [float(info_nce(part, torch.tensor(7.0), ContrastConfig(), facts)) for part in map(given.prefix, prefixes)]
    each.append(float(info_nce(given, torch.tensor(7.0), ContrastConfig(), facts)))
    assert len(set(each)) == len(each)
    both = info_nce(given, torch.tensor(7.0), ContrastConfig(prefixes=prefixes), facts)
    assert float(both) == pytest.approx(np.mean(each), rel=1e-5)
    with pytest.raises(ValueError, match=r"prefixes: expected numbers of at least 1, got \(0,\)"):
        ContrastConfig(prefixes=(0,))


def test_a_temperature_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="temperature: expected at least 0, got -1"):
        ContrastConfig(temperature=-1)


class Given(nn.Module):
    """Stand in for a model of sentence-transformers: the vectors are its input."""

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        return features


@pytest.mark.slow
@pytest.mark.parametrize(("symmetric", "n_hard"), [(False, 0), (False, 2), (True, 0)])  # theirs has no (True, 2)
def test_the_loss_and_its_gradients_are_those_of_sentence_transformers(symmetric: bool, n_hard: int) -> None:
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from sentence_transformers.util import dot_score

    directions = ("query_to_doc", "doc_to_query")[: 1 + symmetric]
    mode: Any = {"directions": directions, "partition_mode": "per_direction"}
    given = ends([0, 1, 2], [3, 4, 5], [[6, 7], [7, 8], [8, 9]] if n_hard else None)
    columns: tuple[Tensor, ...] = (given.first_BD, given.second_BD, *given.hard_BND.unbind(1))
    scale, their_scale = (torch.tensor(20.0, requires_grad=True) for _ in range(2))
    ours, theirs = ([part.clone().requires_grad_() for part in columns] for _ in range(2))
    oracle = MultipleNegativesRankingLoss(Given(), scale=their_scale, similarity_fct=dot_score, **mode)  # type: ignore[arg-type]
    expected = oracle([{"sentence_embedding": part} for part in theirs], torch.empty(0))
    stacked = torch.stack(ours[2:], 1) if n_hard else given.hard_BND
    asked = replace(given, first_BD=ours[0], second_BD=ours[1], hard_BND=stacked)
    found = info_nce(asked, scale, replace(PLAIN, symmetric=symmetric), known())
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    found_grads = torch.autograd.grad(found, [*ours, scale])
    for got, wanted in zip(found_grads, torch.autograd.grad(expected, [*theirs, their_scale]), strict=True):
        assert float(wanted.abs().max()) > 1e-3
        torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-5)
