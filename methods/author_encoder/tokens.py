"""Prompts as token ids: one flat array and the offsets of its rows, made once, read from memory or from a file.

Neither Qwen's nor Llama's tokenizer closes a text, and truncation would cut off what was closed: each row is cut first
and then gets its closing id, at which a decoder's last hidden state has read all. Shapes: R rows, T tokens of all
rows, B rows of a batch, L longest of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from methods.author_encoder.prompts import ENDS, Measure
from simulator.schema.checks import SchemaError, check_column, check_range

EMBEDDING_TOKEN = "[EMB]"  # closes each row in place of the end of text where a tokenizer has it


@dataclass(frozen=True, slots=True)
class Ends:
    """The ids that a tokenizer sets around a text, and the one that fills rows up."""

    opening: tuple[int, ...]
    closing: int
    pad: int

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> Ends:
        """Read the ids; raises SchemaError for a tokenizer without an end of text."""
        bare, framed = (token_ids(tokenizer, ["a"], specials=specials)[0] for specials in (False, True))
        opening = tuple(framed[:1]) if framed[:1] == [tokenizer.bos_token_id] and framed[:1] != bare[:1] else ()
        own_closing = framed[-1] if framed[-1] != bare[-1] else tokenizer.eos_token_id
        added = tokenizer.get_added_vocab()
        closing = added.get(EMBEDDING_TOKEN, own_closing)
        if closing is None:
            raise SchemaError("tokenizer.eos_token", "an end of text", None)
        # Pooling goes by lengths and never by ids, so that a pad that is also a closing id does no harm.
        pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else closing
        return cls(opening, int(closing), int(pad))


@dataclass(frozen=True, slots=True, eq=False)
class TokenTable:
    """One row of ids an author. Arrays may lie in a mapped file; nothing writes to them."""

    ids_T: NDArray[np.uint32]
    offsets_S: NDArray[np.int64]  # R + 1 of them, from 0 to T
    pad: int

    def __post_init__(self) -> None:
        check_column("TokenTable.ids", self.ids_T, "uint32")
        check_column("TokenTable.offsets", self.offsets_S, "int64")
        if len(self.offsets_S) == 0 or self.offsets_S[0] != 0 or self.offsets_S[-1] != len(self.ids_T):
            ends = "none" if len(self.offsets_S) == 0 else f"{self.offsets_S[0]} to {self.offsets_S[-1]}"
            raise SchemaError("TokenTable.offsets", f"0 to {len(self.ids_T)}", ends)
        if len(self) and int(self.lengths_R.min()) < 1:
            raise SchemaError("TokenTable.offsets", "rows of at least one id", f"{self.lengths_R.min()} in one")

    @classmethod
    def of(cls, texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, *, max_tokens: int) -> TokenTable:
        """Tokenize each distinct text once, cut it, and close it; a row has at most `max_tokens` ids.

        Words that look like a special token are read as the plain text that they are.
        """
        if max_tokens <= ENDS:
            raise SchemaError("max_tokens", f"more than {ENDS}", max_tokens)
        ends = Ends.of(tokenizer)
        distinct = list(dict.fromkeys(texts))
        most = max_tokens - len(ends.opening) - 1
        rows = [(*ends.opening, *row[:most], ends.closing) for row in token_ids(tokenizer, distinct)]
        row_of = dict(zip(distinct, rows, strict=True))
        lengths_R = np.array([len(row_of[text]) for text in texts], np.int64)
        offsets_S = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths_R)])
        ids_T = np.fromiter((i for text in texts for i in row_of[text]), np.uint32, count=int(offsets_S[-1]))
        return cls(ids_T, offsets_S, ends.pad)

    def __len__(self) -> int:
        return len(self.offsets_S) - 1

    def __deepcopy__(self, memo: dict[int, object]) -> TokenTable:
        return self  # nothing in it can change

    @property
    def lengths_R(self) -> NDArray[np.int64]:
        """How many ids each row has, opening and closing ones too."""
        return np.diff(self.offsets_S)

    def row(self, row: int) -> NDArray[np.uint32]:
        """Return the ids of one row."""
        return self.ids_T[self.offsets_S[row] : self.offsets_S[row + 1]]

    def padded(self, rows_B: NDArray[np.integer]) -> tuple[Tensor, Tensor]:
        """Return ids and mask, int64 (B, L), filled up on the right; the mask is 1 on real ids.

        Raises SchemaError for no rows and for a row that is not there.
        """
        self._check(rows_B)
        return self._filled(self._flat(rows_B), self.lengths_R[rows_B])

    def thinned(self, rows_B: NDArray[np.integer], share: float, *, luck: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Return the same with each id left out with chance `share`, except a row's first and last.

        Word dropout: Iyyer et al. 2015, doi:10.3115/v1/P15-1162.
        """
        self._check(rows_B)
        lengths_B = self.lengths_R[rows_B]
        ends_B = np.cumsum(lengths_B)
        keep_T = luck.random(int(ends_B[-1])) >= share
        keep_T[ends_B - lengths_B] = keep_T[ends_B - 1] = True
        kept_B = np.add.reduceat(keep_T, ends_B - lengths_B, dtype=np.int64)
        return self._filled(self._flat(rows_B)[keep_T], kept_B)

    def packed(self, rows_B: NDArray[np.integer]) -> tuple[Tensor, Tensor, Tensor]:
        """Return ids (1, T) of the rows end to end, positions (1, T) that restart with each, and lengths (B,).

        Without a mask, transformers 5 takes each restart for a new text that does not see the others.
        """
        self._check(rows_B)
        lengths_B = self.lengths_R[rows_B]
        positions_T = np.concatenate([np.arange(length) for length in lengths_B])
        ids_T = self._flat(rows_B).astype(np.int64)
        return torch.from_numpy(ids_T)[None], torch.from_numpy(positions_T)[None], torch.from_numpy(lengths_B)

    def _filled(self, ids_T: NDArray[np.uint32], lengths_B: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        mask_BL = np.arange(int(lengths_B.max())) < lengths_B[:, None]
        ids_BL = np.full(mask_BL.shape, self.pad, np.int64)
        ids_BL[mask_BL] = ids_T
        return torch.from_numpy(ids_BL), torch.from_numpy(mask_BL.astype(np.int64))

    def _flat(self, rows_B: NDArray[np.integer]) -> NDArray[np.uint32]:
        return np.concatenate([self.row(int(row)) for row in rows_B])

    def _check(self, rows_B: NDArray[np.integer]) -> None:
        if len(rows_B) == 0:
            raise SchemaError("rows", "at least one", 0)
        check_range("rows", rows_B, 0, len(self))


def measure(tokenizer: PreTrainedTokenizerBase) -> Measure:
    """Return the function that counts a text's tokens, without opening and closing."""

    def lengths(texts: Sequence[str]) -> list[int]:
        return [len(row) for row in token_ids(tokenizer, texts)]

    return lengths


def token_ids(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], *, specials: bool = False) -> list[list[int]]:
    """Return the ids of each text; what an author writes never becomes a special token."""
    if not texts:
        return []
    found = tokenizer(
        list(texts),
        add_special_tokens=specials,
        split_special_tokens=True,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,  # a text longer than the model's context is cut afterwards
    )
    return cast(list[list[int]], found["input_ids"])
