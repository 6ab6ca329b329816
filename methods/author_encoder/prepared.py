"""A folder that training reads: pairs, tokens, and where there are any, hard negatives. Arrays are mapped, not read.

    pairs.npy    int32 (P, 2)   author ids
    hard.npy     int32 (P, N)   hard negatives of each pair, -1 where there are fewer; may be absent
    ids.npy      uint32 (T,)    token ids of all authors, end to end
    offsets.npy  int64 (A + 1,) where each author's row begins, and the end
    prepared.json               {"version": 1, "pad": id that fills rows up}
    backbone/                   whatever the named maker of encoders reads, for example a transformers model

Shapes: P pairs, N negatives of a pair, T tokens, A authors.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from methods.author_encoder.contrast import PairColumns
from methods.author_encoder.step import Material
from methods.author_encoder.tokens import TokenTable

VERSION = 1


def write_prepared(folder: Path, pairs_P2: NDArray[np.int32], tokens: TokenTable, hard_PN: NDArray[np.int32]) -> None:
    """Write a folder, without its backbone; prepared.json comes last and says that it is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "pairs.npy", pairs_P2)
    np.save(folder / "hard.npy", hard_PN)
    np.save(folder / "ids.npy", tokens.ids_T)
    np.save(folder / "offsets.npy", tokens.offsets_S)
    (folder / "prepared.json").write_text(json.dumps({"version": VERSION, "pad": tokens.pad}) + "\n", encoding="utf-8")


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
    ids_T = _mapped(folder / "ids.npy", "uint32", 1)
    if len(offsets_S) < 2 or offsets_S[0] != 0 or offsets_S[-1] != len(ids_T) or int(np.diff(offsets_S).min()) < 1:
        raise ValueError(f"{folder / 'offsets.npy'}: expected rising from 0 to {len(ids_T)}, got otherwise")
    none_PN = np.empty((len(pairs_P2), 0), np.int32)
    hard_PN = _mapped(folder / "hard.npy", "int32", 2) if (folder / "hard.npy").is_file() else none_PN
    pairs = PairColumns(pairs_P2[:, 0], pairs_P2[:, 1], len(offsets_S) - 1)
    return Material(TokenTable(ids_T, offsets_S, facts["pad"]), pairs, hard_PN)


def _mapped(path: Path, dtype: str, n_dims: int) -> NDArray[Any]:
    if not path.is_file():
        raise ValueError(f"{path}: expected a file, got none")
    found: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    if found.dtype != np.dtype(dtype) or found.ndim != n_dims:
        raise ValueError(f"{path}: expected {dtype} of {n_dims} dimensions, got {found.dtype}{found.shape}")
    return found
