"""Small days of authors and an encoder that stands in for a model: a text's vector is drawn from its hash."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from methods.author_encoder.daily.encoders import Encoder, EncoderName
from methods.author_encoder.daily.index import AnnConfig
from methods.author_encoder.daily.job import Order, make_version
from methods.author_encoder.daily.launch import run_ranks
from methods.author_encoder.daily.manifest import Version, Versions
from methods.author_encoder.daily.monitor import Thresholds
from methods.author_encoder.daily.publish import Place, PublishConfig, Report, publish
from methods.author_encoder.daily.store import LocalStore
from methods.author_encoder.daily.texts import HeldTexts, Texts
from methods.author_encoder.daily.work import EmbedConfig

DIMENSIONS, N_CATEGORIES = 16, 4
FLAT = (AnnConfig("flat"),)
# What a few hundred random vectors would breach by chance.
LOOSE = Thresholds(max_fill_rate=1.0, max_mean_drift=2.0, max_category_psi=10.0)


def fake(folder: Path | None, threads: int) -> Encoder:
    """A model whose version is the name of its folder, if it has one."""
    del threads
    version = folder.name if folder is not None else "1"
    return Encoder("fake", version, lambda texts: fake_vectors(texts, version))


def fake_vectors(texts: Sequence[str], version: str = "1") -> NDArray[np.float32]:
    rows = [np.random.default_rng(_number(f"{version} {text}")).standard_normal(DIMENSIONS) for text in texts]
    rows_MD = np.array(rows, np.float32).reshape(-1, DIMENSIONS)
    unit_MD: NDArray[np.float32] = rows_MD / np.linalg.norm(rows_MD, axis=1, keepdims=True)
    return unit_MD


def refusing(folder: Path | None, threads: int) -> Encoder:
    """The same model on a day when it must not be asked."""

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        raise AssertionError(f"asked to encode {len(texts)} texts")

    return replace(fake(folder, threads), encode=encode)


def failing_late(folder: Path | None, threads: int) -> Encoder:
    """The same model, which fails at the text "author 70"."""

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        if "author 70" in texts:
            raise RuntimeError("out of memory")
        return fake_vectors(texts)

    return replace(fake(folder, threads), encode=encode)


FAKE = EncoderName("tests.daily_examples:fake")


def authors(n_authors: int, *, first: int = 1_000, day: int = 0) -> Texts:
    """Every third id from `first` on; the categories go round."""
    number_M = np.arange(n_authors)
    text_M = [f"author {number}" for number in number_M]
    category_M = (number_M % N_CATEGORIES).astype(np.int32)
    return Texts(first + 3 * number_M, text_M, category_M, np.full(n_authors, day, np.int32))


def with_texts(texts: Texts, changes: dict[int, str], *, day: int | None = None) -> Texts:
    """Return the texts with some rows' changed, on `day` if one is given."""
    text_M, day_M = list(texts.text_M), texts.changed_day_M.copy()
    for row, text in changes.items():
        text_M[row] = text
        if day is not None:
            day_M[row] = day
    return replace(texts, text_M=text_M, changed_day_M=day_M)


def order_of(texts: Texts, *, encoder: EncoderName = FAKE, rows: int = 32, day: int = 0, calls: int = 10) -> Order:
    config = EmbedConfig(N_CATEGORIES, day=day, rows_per_chunk=rows, texts_per_call=calls, max_characters=200)
    return Order(HeldTexts(texts), encoder, config)


def made(order: Order, root: Path, *, n_ranks: int = 1) -> Version:
    return make_version(order, Versions(root), ranks=lambda job: run_ranks(job, n_ranks, tell=silent), tell=silent)


def place_at(root: Path) -> Place:
    return Place(Versions(root), LocalStore(root / "store"))


def published(version: Version, place: Place, thresholds: Thresholds = LOOSE, *, n_expected: int = 0) -> Report:
    config = PublishConfig(FLAT, thresholds, n_expected, n_queries=20)
    return publish(version, place, config, rng=np.random.default_rng(1), tell=silent)


def silent(what: str, done: int, total: int) -> None:
    del what, done, total


def _number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


@dataclass(frozen=True)
class Day:
    """All of a version in memory."""

    author_A: NDArray[np.int64]
    vectors_AD: NDArray[np.float16]
    fill_A: NDArray[np.uint8]


def all_of(version: Version) -> Day:
    blocks = list(version.blocks())
    vectors_AD = np.concatenate([block.vectors_AD for block in blocks]).astype(np.float16)
    ids_A = np.concatenate([block.author_A for block in blocks])
    return Day(ids_A, vectors_AD, np.concatenate([block.fill_A for block in blocks]))
