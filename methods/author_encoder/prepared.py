"""A folder that training reads: pairs, tokens, and where there are any, mined negatives. Arrays are mapped, not read.

    pairs.npy    int32 (P, 2)   author ids
    hard.npy     int32 (P, N)   mined negatives of each pair, -1 where there are fewer; may be absent
    ids.npy      uint32 (T,)    token ids of all authors, end to end
    offsets.npy  int64 (A + 1,) where each author's row begins, and the end
    prepared.json               {"version": 1, "pad": id that fills rows up}
    backbone/                   whatever the named maker of encoders reads, for example a transformers model

Shapes: P pairs, N negatives of a pair, T tokens, A authors, B rows of a batch, L longest of them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods.author_encoder.step import Material

VERSION = 1


@dataclass(frozen=True, slots=True, eq=False)
class MappedRows:
    """One row of token ids an author."""

    ids_T: NDArray[np.uint32]
    offsets_S: NDArray[np.int64]
    pad: int

    @property
    def lengths_R(self) -> NDArray[np.int64]:
        """How many ids each row has."""
        return np.diff(self.offsets_S)

    def padded(self, rows_B: NDArray[np.integer]) -> tuple[Tensor, Tensor]:
        """Return ids and mask, int64 (B, L), filled up on the right."""
        starts_B, ends_B = self.offsets_S[rows_B], self.offsets_S[rows_B + 1]
        n_longest = int((ends_B - starts_B).max())
        ids_BL = np.full((len(rows_B), n_longest), self.pad, np.int64)
        mask_BL = np.arange(n_longest) < (ends_B - starts_B)[:, None]
        ids_BL[mask_BL] = np.concatenate([self.ids_T[a:b] for a, b in zip(starts_B, ends_B, strict=True)])
        return torch.from_numpy(ids_BL), torch.from_numpy(mask_BL.astype(np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class MappedPairs:
    """The two columns of pairs."""

    first_P: NDArray[np.int32]
    second_P: NDArray[np.int32]
    n_authors: int


def write_prepared(folder: Path, pairs_P2: NDArray[np.int32], rows: MappedRows, hard_PN: NDArray[np.int32]) -> None:
    """Write a folder, without its backbone; prepared.json comes last and says that it is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "pairs.npy", pairs_P2)
    np.save(folder / "hard.npy", hard_PN)
    np.save(folder / "ids.npy", rows.ids_T)
    np.save(folder / "offsets.npy", rows.offsets_S)
    (folder / "prepared.json").write_text(json.dumps({"version": VERSION, "pad": rows.pad}) + "\n", encoding="utf-8")


def read_prepared(folder: Path) -> Material:
    """Map a folder's arrays.

    Raises ValueError naming the file that is missing, or of another version, type or shape than expected.
    """
    stated = folder / "prepared.json"
    if not stated.is_file():
        raise ValueError(f"{folder}: expected a folder with prepared.json, got none")
    facts = json.loads(stated.read_text(encoding="utf-8"))
    if not isinstance(facts, dict) or facts.get("version") != VERSION or not isinstance(facts.get("pad"), int):
        raise ValueError(f"{stated}: expected version {VERSION} and a pad id, got {facts}")
    pairs_P2 = _mapped(folder / "pairs.npy", "int32", 2)
    if pairs_P2.shape[1] != 2:
        raise ValueError(f"{folder / 'pairs.npy'}: expected shape (P, 2), got {pairs_P2.shape}")
    offsets_S = _mapped(folder / "offsets.npy", "int64", 1)
    rows = MappedRows(_mapped(folder / "ids.npy", "uint32", 1), offsets_S, facts["pad"])
    if len(offsets_S) < 2 or offsets_S[0] != 0 or offsets_S[-1] != len(rows.ids_T) or int(rows.lengths_R.min()) < 1:
        raise ValueError(f"{folder / 'offsets.npy'}: expected rising from 0 to {len(rows.ids_T)}, got otherwise")
    none_PN = np.empty((len(pairs_P2), 0), np.int32)
    hard_PN = _mapped(folder / "hard.npy", "int32", 2) if (folder / "hard.npy").is_file() else none_PN
    pairs = MappedPairs(pairs_P2[:, 0], pairs_P2[:, 1], len(offsets_S) - 1)
    return Material(rows, pairs, hard_PN)


def _mapped(path: Path, dtype: str, n_dims: int) -> NDArray[Any]:
    if not path.is_file():
        raise ValueError(f"{path}: expected a file, got none")
    found: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    if found.dtype != np.dtype(dtype) or found.ndim != n_dims:
        raise ValueError(f"{path}: expected {dtype} of {n_dims} dimensions, got {found.dtype}{found.shape}")
    return found
