"""Rows of tokens are cut, then closed; they come back from a file as they were; batches keep their budget."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import processors
from transformers import PreTrainedTokenizerFast

from methods.author_encoder.batching import batches, packs
from methods.author_encoder.token_files import HEADER_BYTES, opened, save
from methods.author_encoder.tokens import EMBEDDING_TOKEN, Ends, TokenTable
from simulator.schema import SchemaError
from tests.author_encoder_examples import sentences, small_table, small_tokenizer

LENGTHS = st.lists(st.integers(1, 50), max_size=40).map(lambda values: np.array(values, np.int64))


def own_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer to be changed."""
    return copy.deepcopy(small_tokenizer())


def test_every_row_ends_with_the_closing_token_also_one_that_was_cut() -> None:
    tokenizer, table = small_tokenizer(), small_table(max_tokens=12)
    assert table.lengths_R.max() == 12
    assert [int(table.row(row)[-1]) for row in range(len(table))] == [tokenizer.eos_token_id] * len(table)


def test_a_row_holds_the_text_up_to_its_cut() -> None:
    text = sentences()[0]
    table = TokenTable.of([text], small_tokenizer(), max_tokens=8)
    assert text.startswith(str(small_tokenizer().decode(table.row(0)[:-1].tolist())))


def test_the_token_for_embeddings_closes_rows_where_a_tokenizer_has_it() -> None:
    tokenizer = own_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": [EMBEDDING_TOKEN]})
    assert TokenTable.of(["bread"], tokenizer, max_tokens=8).row(0)[-1] == len(tokenizer) - 1


def test_a_tokenizer_that_frames_texts_itself_keeps_its_frame_once() -> None:
    tokenizer = own_tokenizer()
    tokenizer.add_special_tokens({"bos_token": "<s>"})
    start, end, pad = (tokenizer.get_vocab()[name] for name in ("<s>", "<|endoftext|>", "<|pad|>"))
    frame = processors.TemplateProcessing(
        single="<s> $A <|endoftext|>", special_tokens=[("<s>", start), ("<|endoftext|>", end)]
    )
    tokenizer.backend_tokenizer.post_processor = frame
    assert Ends.of(tokenizer) == Ends((start,), end, pad)
    row = TokenTable.of(["bread " * 20], tokenizer, max_tokens=8).row(0).tolist()
    assert (len(row), row[0], row[-1]) == (8, start, end)
    assert start not in row[1:]
    assert end not in row[:-1]


def test_a_tokenizer_without_an_end_of_text_is_refused() -> None:
    tokenizer = own_tokenizer()
    tokenizer.eos_token = None
    with pytest.raises(SchemaError, match=r"tokenizer.eos_token: expected an end of text, got None"):
        TokenTable.of(["bread"], tokenizer, max_tokens=8)


def test_what_an_author_writes_never_becomes_a_special_token() -> None:
    row = TokenTable.of(["a <|endoftext|> b <|pad|>"], small_tokenizer(), max_tokens=64).row(0).tolist()
    assert row.count(small_tokenizer().eos_token_id) == 1
    assert small_tokenizer().pad_token_id not in row


def test_an_empty_text_is_a_closing_token_alone() -> None:
    assert TokenTable.of([""], small_tokenizer(), max_tokens=8).lengths_R.tolist() == [1]


def test_each_distinct_text_is_tokenized_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    tokenize = PreTrainedTokenizerFast.__call__

    def counted(self: PreTrainedTokenizerFast, text: list[str], **options: object) -> object:
        asked.extend(text)
        return tokenize(self, text, **options)

    monkeypatch.setattr(PreTrainedTokenizerFast, "__call__", counted)
    table = TokenTable.of(["bread", "oven", "bread"], small_tokenizer(), max_tokens=8)
    assert sorted(text for text in asked if text != "a") == ["bread", "oven"]
    assert table.row(0).tolist() == table.row(2).tolist() != table.row(1).tolist()


def test_padding_lies_on_the_right_under_a_mask_of_zeros() -> None:
    table = TokenTable(np.array([7, 8, 9, 5], np.uint32), np.array([0, 3, 4]), 1)
    ids, mask = table.padded(np.array([1, 0, 1]))
    assert ids.tolist() == [[5, 1, 1], [7, 8, 9], [5, 1, 1]]
    assert mask.tolist() == [[1, 0, 0], [1, 1, 1], [1, 0, 0]]


def test_packed_positions_restart_with_each_row() -> None:
    table = TokenTable(np.array([7, 8, 9, 5], np.uint32), np.array([0, 3, 4]), 1)
    ids, positions, lengths = table.packed(np.array([1, 0]))
    assert (ids.tolist(), positions.tolist(), lengths.tolist()) == ([[5, 7, 8, 9]], [[0, 0, 1, 2]], [1, 3])


@pytest.mark.parametrize("rows", [[], [-1], [2]])
def test_rows_that_are_not_there_are_refused(rows: list[int]) -> None:
    table = TokenTable(np.array([7, 8], np.uint32), np.array([0, 1, 2]), 1)
    with pytest.raises(SchemaError, match="rows: expected"):
        table.padded(np.array(rows, np.int64))


@pytest.mark.parametrize(
    ("ids", "offsets", "message"),
    [
        (np.array([1, 2]), np.array([0, 2]), "TokenTable.ids: expected uint32"),
        (np.array([1, 2], np.uint32), np.array([0, 3]), "TokenTable.offsets: expected 0 to 2, got 0 to 3"),
        (np.array([1, 2], np.uint32), np.array([0, 0, 2]), "TokenTable.offsets: expected rows of at least one id"),
        (np.array([1, 2], np.uint32), np.array([], np.int64), "TokenTable.offsets: expected 0 to 2, got none"),
    ],
)
def test_a_table_that_does_not_add_up_is_refused(ids: np.ndarray, offsets: np.ndarray, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        TokenTable(ids, offsets, 0)


def test_a_table_comes_back_from_its_file_mapped_and_equal(tmp_path: Path) -> None:
    table = small_table()
    save(table, tmp_path / "t.tokens")
    back = opened(tmp_path / "t.tokens")
    assert isinstance(back.ids_T, np.memmap)
    assert (back.ids_T.tolist(), back.offsets_S.tolist(), back.pad) == (
        table.ids_T.tolist(),
        table.offsets_S.tolist(),
        table.pad,
    )
    assert copy.deepcopy(back) is back


def test_a_table_without_rows_comes_back(tmp_path: Path) -> None:
    save(TokenTable.of([], small_tokenizer(), max_tokens=8), tmp_path / "t")
    assert len(opened(tmp_path / "t")) == 0


@pytest.mark.parametrize("change", [-1, -200, 4])
def test_a_file_of_another_size_is_refused(tmp_path: Path, change: int) -> None:
    path = tmp_path / "t"
    save(small_table(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[:change] if change < 0 else whole + b"\0" * change)
    with pytest.raises(
        SchemaError, match=rf"expected {len(whole)} bytes for 120 rows and \d+ tokens, got {len(whole) + change}"
    ):
        opened(path)


@pytest.mark.parametrize("line", [b"", b"{}", b"\xff" * HEADER_BYTES, b'{"kind": "coldrecall-tokens", "version": 2}'])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "t").write_bytes(line)
    with pytest.raises(SchemaError, match="expected a file of coldrecall-tokens, version 1"):
        opened(tmp_path / "t")


def test_a_count_that_is_no_whole_number_is_refused(tmp_path: Path) -> None:
    header = {"kind": "coldrecall-tokens", "version": 1, "rows": -1, "tokens": 0, "pad": 0}
    (tmp_path / "t").write_text(json.dumps(header))
    with pytest.raises(SchemaError, match="rows: expected a whole number, got -1"):
        opened(tmp_path / "t")


def test_a_failed_save_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t"
    save(small_table(), path)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("methods.author_encoder.disk.os.fsync", full)
    with pytest.raises(OSError, match="disk full"):
        save(small_table(12), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@given(LENGTHS, st.integers(1, 120))
def test_batches_hold_every_row_once_within_the_budget(lengths: np.ndarray, budget: int) -> None:
    found = batches(lengths, budget=budget)
    assert sorted(np.concatenate([*found, np.empty(0, np.int64)]).tolist()) == list(range(len(lengths)))
    assert all(len(rows) * lengths[rows].max() <= budget or len(rows) == 1 for rows in found)
    assert [int(lengths[rows].max()) for rows in found] == sorted((int(lengths[r].max()) for r in found), reverse=True)


@given(LENGTHS, st.integers(1, 120))
def test_packs_hold_every_row_in_order_within_the_budget(lengths: np.ndarray, budget: int) -> None:
    found = packs(lengths, budget=budget)
    assert np.concatenate([*found, np.empty(0, np.int64)]).tolist() == list(range(len(lengths)))
    assert all(lengths[rows].sum() <= budget or len(rows) == 1 for rows in found)


def test_a_budget_of_nothing_is_refused() -> None:
    with pytest.raises(SchemaError, match="budget: expected at least one token, got 0"):
        batches(np.array([1]), budget=0)


def test_thinning_leaves_out_about_so_many_and_never_the_first_or_last() -> None:
    table, rows = small_table(), np.arange(60)
    whole_BL, mask_BL = table.padded(rows)
    none_BL, all_BL = (table.thinned(rows, share, luck=np.random.default_rng(1))[0] for share in (0.0, 1.0))
    assert none_BL.tolist() == whole_BL.tolist()
    assert all_BL.shape[1] == 2
    ids_BL, kept_BL = table.thinned(rows, 0.5, luck=np.random.default_rng(1))
    inner, kept = int(mask_BL.sum()) - 2 * len(rows), int(kept_BL.sum()) - 2 * len(rows)
    assert 0.4 < kept / inner < 0.6
    for row in range(len(rows)):
        left, was = ids_BL[row][kept_BL[row] > 0].tolist(), table.row(row).tolist()
        assert (left[0], left[-1]) == (was[0], was[-1])
        rest = iter(was)
        assert all(token in rest for token in left)  # in their order
