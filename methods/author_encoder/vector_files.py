"""Vectors of all authors from a file or from a version of the daily job. Shapes: A authors, D dimensions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from methods.author_encoder.daily.manifest import Version
from simulator.schema import SchemaError


def read_vectors(path: Path, n_authors: int) -> NDArray[np.float32]:
    """Return unit vectors (A, D) of a .npy file, or of a version's folder, where authors it lacks are zeros.

    Raises SchemaError for what is neither, and for vectors of other authors.
    """
    vectors_AD = _of_version(path, n_authors) if path.is_dir() else _of_array(path, n_authors)
    length_A1 = np.linalg.norm(vectors_AD, axis=1, keepdims=True)
    return np.asarray(vectors_AD / np.where(length_A1 > 0, length_A1, 1), np.float32)


def _of_array(path: Path, n_authors: int) -> NDArray[np.float32]:
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise SchemaError("vectors", "a .npy file", f"{path}: {error}") from error
    if not isinstance(found, np.ndarray) or found.dtype != np.float32 or found.ndim != 2 or len(found) != n_authors:
        got = f"{found.dtype}{found.shape}" if isinstance(found, np.ndarray) else type(found).__name__
        raise SchemaError(f"vectors: {path}", f"float32 ({n_authors}, D)", got)
    return found


def _of_version(folder: Path, n_authors: int) -> NDArray[np.float32]:
    version = Version.open(folder)
    blocks = list(version.blocks())
    author_X = np.concatenate([block.author_A for block in blocks])
    if len(author_X) == 0 or author_X[-1] >= n_authors:
        raise SchemaError(f"vectors: {folder}", f"authors below {n_authors}", author_X[-1:].tolist())
    vectors_XD = np.concatenate([block.vectors_AD.astype(np.float32) for block in blocks])
    vectors_AD = np.zeros((n_authors, vectors_XD.shape[1]), np.float32)
    vectors_AD[author_X] = vectors_XD
    return vectors_AD
