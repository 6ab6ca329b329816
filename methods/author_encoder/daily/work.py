"""One chunk's work: read its texts, copy what has not changed, encode the rest, write the part.

An author is encoded anew when the hash of prompt and model differs from the one in the last published version; dates
are only held against it. A rank does its share of the chunks and can be killed at any time: what it has not renamed
into place is done again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from methods.author_encoder.daily.chunks import Chunk, chunks_of, missing, share
from methods.author_encoder.daily.encoders import Encoder, EncoderName, Floats, encoded
from methods.author_encoder.daily.manifest import Counts, Version
from methods.author_encoder.daily.previous import Known, Previous
from methods.author_encoder.daily.shards import ENCODED, NO_TEXT, PENDING, Vectors, write_shard
from methods.author_encoder.daily.texts import NO_CATEGORY, Source, Texts
from simulator.schema import SchemaError

Tell = Callable[[str, int, int], None]  # (what, done, in all)
REPLACED = "\ufffd"  # what stands for bytes that were no UTF-8


@dataclass(frozen=True, slots=True)
class EmbedConfig:
    """What decides a version's content besides texts and model, but for `texts_per_call`, which is about memory."""

    n_categories: int  # ids in [0, n_categories); others count as unknown
    day: int = 0
    rows_per_chunk: int = 50_000
    texts_per_call: int = 4_096
    max_characters: int = 16_384  # of a text: one of 50 k tokens would hold up a whole chunk
    dtype: Literal["float16", "float32"] = "float16"

    def __post_init__(self) -> None:
        for name in ("n_categories", "rows_per_chunk", "texts_per_call", "max_characters"):
            if getattr(self, name) < 1:
                raise SchemaError(f"EmbedConfig.{name}", "at least 1", getattr(self, name))
        if self.dtype not in ("float16", "float32"):
            raise SchemaError("EmbedConfig.dtype", "float16 or float32", self.dtype)


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """All that a rank needs to know; pickles. `base` is the folder of the version to copy from."""

    source: Source
    encoder: EncoderName
    parts: Path
    base: Path | None
    config: EmbedConfig

    @property
    def chunks(self) -> tuple[Chunk, ...]:
        """All chunks of the source."""
        return chunks_of(len(self.source), self.config.rows_per_chunk)


def run_rank(job: Job, rank: int, n_ranks: int, *, tell: Tell) -> None:
    """Do what is missing of a rank's share."""
    todo = missing(share(job.chunks, rank, n_ranks), job.parts)
    if not todo:
        return
    worker = Worker(job, job.encoder.load())
    for n_done, chunk in enumerate(todo):
        tell("chunks", n_done, len(todo))
        worker.do(chunk)
    tell("chunks", len(todo), len(todo))


def identity(encoder: Encoder, config: EmbedConfig) -> tuple[str, str, str, int]:
    """Return all but the text that a vector depends on."""
    return encoder.model, encoder.version, config.dtype, config.max_characters


class Worker:
    """Does chunks with one loaded encoder."""

    def __init__(self, job: Job, encoder: Encoder) -> None:
        self._job, self._encoder = job, encoder
        self._previous = None if job.base is None else Previous(Version.open(job.base))
        self._key = hashlib.blake2b(repr(identity(encoder, job.config)).encode()).digest()

    def do(self, chunk: Chunk) -> Counts:
        """Make one part; return what was counted, which is in the part too."""
        texts = self._job.source.read(chunk.start, chunk.end)
        if len(texts) != chunk.end - chunk.start:
            raise SchemaError("source.read", f"{chunk.end - chunk.start} rows from {chunk.start}", len(texts))
        vectors, counts = self._vectors(texts)
        write_shard(self._job.parts / chunk.file, vectors, counts.model_dump())
        return counts

    def _vectors(self, texts: Texts) -> tuple[Vectors, Counts]:
        hash_M = np.array([hash_of(text, self._key) for text in texts.text_M], np.uint64)
        has_text_M = hash_M != NO_TEXT
        known = self._known(texts.author_M)
        copied_M = has_text_M & known.is_known_M & (known.hash_M == hash_M)
        rows_MD = self._rows(texts, has_text_M & ~copied_M, copied_M, known)
        n_categories = self._job.config.n_categories
        category_M = np.where(
            (texts.category_M >= 0) & (texts.category_M < n_categories), texts.category_M, NO_CATEGORY
        )
        changed_M = known.is_known_M & (known.hash_M != hash_M)
        counts = Counts(
            encoded=_count(has_text_M & ~copied_M),
            copied=_count(copied_M),
            known=_count(known.is_known_M),
            empty=_count(~has_text_M),
            cut=sum(len(text) > self._job.config.max_characters for text in texts.text_M),
            repaired=texts.n_repaired,
            unknown_category=_count((category_M == NO_CATEGORY) & (texts.category_M != NO_CATEGORY)),
            undated=_count(changed_M & (texts.changed_day_M <= known.day_M)),
        )
        fill_M = np.where(has_text_M, ENCODED, PENDING).astype(np.uint8)
        category_M = category_M.astype(np.int32)
        return Vectors(texts.author_M, category_M, texts.changed_day_M, hash_M, fill_M, rows_MD), counts

    def _known(self, author_M: NDArray[np.int64]) -> Known:
        if self._previous is not None:
            return self._previous.of(author_M)
        n_rows = len(author_M)
        nothing = np.empty((n_rows, 0), np.float16)
        return Known(np.zeros(n_rows, np.bool_), np.zeros(n_rows, np.uint64), np.zeros(n_rows, np.int32), nothing)

    def _rows(self, texts: Texts, todo_M: NDArray[np.bool_], copied_M: NDArray[np.bool_], known: Known) -> Floats:
        """Return the vectors copied and encoded, zeros for the others."""
        config, todo = self._job.config, np.flatnonzero(todo_M)
        blocks: list[Floats] = []
        for start in range(0, len(todo), config.texts_per_call):
            rows = todo[start : start + config.texts_per_call]
            asked = [texts.text_M[row][: config.max_characters] for row in rows]
            blocks.append(encoded(self._encoder.encode, asked, texts.author_M[rows], config.dtype))
        if blocks:
            n_dimensions = blocks[0].shape[1]
        else:  # a model says how wide its vectors are by making one
            n_dimensions = known.vectors_MD.shape[1] if copied_M.any() else self._encoder.encode(["."]).shape[1]
        rows_MD = np.zeros((len(texts), n_dimensions), config.dtype)
        if copied_M.any():
            rows_MD[copied_M] = known.vectors_MD[copied_M]
        if blocks:
            rows_MD[todo] = np.concatenate(blocks)
        return rows_MD


def hash_of(text: str, key: bytes) -> int:
    """Return 64 bits of a text under what else its vector depends on, NO_TEXT where there is nothing to be read."""
    if not text.strip(f"{REPLACED} \t\r\n").strip():
        return NO_TEXT
    digest = hashlib.blake2b(text.encode(), digest_size=8, key=key).digest()
    return int.from_bytes(digest, "little") or 1


def _count(rows_M: NDArray[np.bool_]) -> int:
    return int(rows_M.sum())
