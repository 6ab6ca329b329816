"""An encoder gives the same vectors however rows are batched, padded or packed, and leaves everything as it was."""

import copy
import math

import numpy as np
import pytest
import torch

from methods.author_encoder.encoder import FrozenEncoder
from methods.author_encoder.pooling import POOLINGS, Pooling, pooled
from simulator.schema import SchemaError
from tests.author_encoder_examples import small_encoder, small_table

ROWS = np.arange(24)


def one_by_one(encoder: torch.nn.Module) -> np.ndarray:
    encoder.eval()
    with torch.no_grad():
        return np.concatenate([encoder(*small_table().padded(ROWS[i : i + 1]))[0].numpy() for i in ROWS])


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("architecture", ["qwen3", "llama"])
def test_batched_and_packed_vectors_are_those_of_one_row_at_a_time(architecture: str, pooling: Pooling) -> None:
    encoder, table = small_encoder(architecture, pooling=pooling), small_table()
    expected = one_by_one(encoder)
    with torch.no_grad():
        padded = encoder(*table.padded(ROWS))[0].numpy()
        packed = encoder.packed(*table.packed(ROWS))[0].numpy()
    assert np.abs(padded - expected).max() <= 1e-5
    assert np.abs(packed - expected).max() <= 1e-5
    assert np.abs(encoder.encode(table, ROWS, n_threads=1, budget=100) - expected).max() <= 1e-5
    assert np.abs(expected @ expected.T - np.eye(len(ROWS))).max() > 0.1  # rows differ, so that a mix-up would show
    assert np.abs(expected[1:] - expected[:-1]).max(1).min() > 1e-3


def test_the_state_at_minus_one_would_be_a_pads() -> None:
    encoder, table = small_encoder(), small_table()
    ids, mask = table.padded(ROWS)
    with torch.no_grad():
        hidden = encoder.backbone(input_ids=ids, attention_mask=mask).last_hidden_state
    short = mask[:, -1] == 0
    assert short.any()
    assert (pooled(hidden, mask, "last")[short] - hidden[short, -1]).abs().max() > 1e-2
    assert torch.equal(pooled(hidden, mask, "last")[~short], hidden[~short, -1])


def test_padding_on_the_left_is_pooled_alike() -> None:
    hidden, mask = torch.arange(12.0).reshape(2, 3, 2), torch.tensor([[0, 1, 1], [0, 0, 1]])
    assert pooled(hidden, mask, "last").tolist() == [[4, 5], [10, 11]]
    assert pooled(hidden, mask, "mean").tolist() == [[3, 4], [10, 11]]


def test_an_unknown_pooling_is_refused() -> None:
    with pytest.raises(SchemaError, match="pooling: expected one of last, mean, sif, special, got 'first'"):
        pooled(torch.zeros(1, 1, 1), torch.ones(1, 1), "first")  # type: ignore[arg-type]


def test_rows_come_back_in_the_order_asked_for_and_repeat() -> None:
    encoder, table = small_encoder(), small_table()
    whole = encoder.encode(table, ROWS, n_threads=1)
    asked = np.array([5, 3, 5, 0])
    assert np.abs(encoder.encode(table, asked, n_threads=1) - whole[asked]).max() <= 1e-5
    assert encoder.encode(table, ROWS[:0], n_threads=1).shape == (0, 16)
    with pytest.raises(SchemaError, match="rows: expected"):
        encoder.encode(table, np.array([len(table)]), n_threads=1)


def test_vectors_are_float32_of_length_one() -> None:
    vectors = small_encoder().encode(small_table(), ROWS, n_threads=1)
    assert vectors.dtype == np.float32
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-6


def test_encoding_leaves_mode_threads_and_gradients_as_they_were() -> None:
    encoder, before = small_encoder().train(), torch.get_num_threads()
    encoder.encode(small_table(), ROWS, n_threads=before + 1)
    assert encoder.training
    assert torch.get_num_threads() == before
    vectors, scale = encoder(*small_table().padded(ROWS))
    (vectors[:, 0].sum() + scale).backward()
    assert all(weights.grad is not None for weights in (encoder.head.weight, encoder.log_scale))


def test_the_scale_comes_from_its_parameter_and_is_at_most_100() -> None:
    encoder = small_encoder()
    batch = small_table().padded(ROWS[:1])
    scale = encoder(*batch)[1]
    assert scale.shape == ()
    assert scale.item() == pytest.approx(math.exp(3))
    encoder.log_scale.data.fill_(9.0)
    assert encoder(*batch)[1].item() == pytest.approx(100)


def test_a_copy_is_apart_and_a_frozen_encoder_is_shared() -> None:
    encoder = small_encoder()
    other = copy.deepcopy(encoder)
    other.head.weight.data.zero_()
    assert encoder.head.weight.abs().max() > 0
    frozen = FrozenEncoder(encoder)
    assert copy.deepcopy(frozen) is frozen
    assert not any(weights.requires_grad for weights in encoder.parameters())
    assert np.array_equal(
        frozen.encode(small_table(), ROWS, n_threads=1), encoder.encode(small_table(), ROWS, n_threads=1)
    )


def test_sif_weighs_a_token_by_how_rare_it_is_in_what_it_was_shown() -> None:
    encoder, table = small_encoder(pooling="sif").eval(), small_table()
    rows = np.arange(6)
    unweighed = encoder.encode(table, rows, n_threads=1)
    alike = small_encoder(pooling="mean").eval().encode(table, rows, n_threads=1)
    np.testing.assert_allclose(unweighed, alike, atol=1e-6)
    encoder.weigh(table)
    share_V = np.bincount(table.ids_T, minlength=len(encoder.weight_V)) / len(table.ids_T)
    np.testing.assert_allclose(encoder.weight_V.numpy(), 1e-3 / (1e-3 + share_V), rtol=1e-5)
    got = encoder.encode(table, rows, n_threads=1)
    assert np.abs(got - unweighed).max() > 1e-3
    for row in rows.tolist():
        ids_BL, mask_BL = table.padded(np.array([row]))
        with torch.inference_mode():
            states_LH = encoder.backbone(input_ids=ids_BL, attention_mask=mask_BL).last_hidden_state[0]
            wanted = encoder.head((encoder.weight_V[ids_BL[0]][:, None] * states_LH).sum(0))
        np.testing.assert_allclose(got[row], (wanted / wanted.norm()).numpy(), atol=1e-5)
