"""The content digest sees every value and no cut, and goes on from where it stood."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from simulator.dataset import digest
from simulator.dataset.digest import Block, ContentDigest

TYPES = {"user": "int32", "like": "bool", "title": "text"}
ROWS = st.lists(st.tuples(st.integers(-5, 5), st.booleans(), st.text(max_size=3)), max_size=20)
Rows = list[tuple[int, bool, str]]


@pytest.fixture(autouse=True, scope="module")
def _small_blocks() -> Iterator[None]:
    with patch.object(digest, "ROWS_PER_BLOCK", 4):
        yield


def block(rows: Rows) -> Block:
    users, likes, titles = ([row[i] for row in rows] for i in range(3))
    return {
        "user": np.array(users, np.int32),
        "like": np.array(likes, bool),
        "title": pa.array(titles, pa.large_string()),
    }


def digest_of(*parts: Rows, types: dict[str, str] = TYPES) -> str:
    found = ContentDigest(types)
    for rows in parts:
        found.update(block(rows))
    return found.hexdigest()


def sha256(*pieces: bytes | NDArray[Any]) -> bytes:
    return hashlib.sha256(b"".join(bytes(piece) for piece in pieces)).digest()


def as_described(rows: Rows) -> str:
    """The digest, word for word from the module's docstring."""
    chain = sha256(json.dumps(list(TYPES.items())).encode())
    for first in range(0, len(rows), 4):
        users, likes, titles = zip(*rows[first : first + 4], strict=True)
        texts = [title.encode() for title in titles]
        columns = (
            sha256(np.array(users, "<i4")),
            sha256(np.array(likes, "<i1")),
            sha256(np.array([len(text) for text in texts], "<i8")),
            sha256(*texts),
        )
        chain = sha256(chain, *columns)
    return chain.hex()


@given(ROWS)
def test_it_is_what_the_docstring_says(rows: Rows) -> None:
    assert digest_of(rows) == as_described(rows)


@given(ROWS, st.lists(st.integers(0, 20), max_size=4))
def test_it_sees_no_cut(rows: Rows, cuts: list[int]) -> None:
    ends = sorted(min(cut, len(rows)) for cut in cuts)
    assert digest_of(*(rows[a:b] for a, b in pairwise([0, *ends, len(rows)]))) == digest_of(rows)


@given(ROWS, st.integers(0, 20))
def test_it_goes_on_from_the_chain_and_the_open_rows(rows: Rows, n_first: int) -> None:
    before = ContentDigest(TYPES)
    before.update(block(rows[:n_first]))
    after = ContentDigest(TYPES, chain=before.chain, n_rows=before.n_rows)
    after.update(block(rows[after.n_rows :]))
    assert after.hexdigest() == digest_of(rows)


@given(ROWS, st.integers(0, 20))
def test_a_copy_leaves_the_first_as_it_was(rows: Rows, n_first: int) -> None:
    first = ContentDigest(TYPES)
    first.update(block(rows[:n_first]))
    first.copy().update(block(rows))
    first.update(block(rows[n_first:]))
    assert first.hexdigest() == digest_of(rows)


@given(ROWS, ROWS)
def test_other_rows_have_another_digest(rows: Rows, others: Rows) -> None:
    assert (digest_of(rows) == digest_of(others)) == (rows == others)


def test_names_and_types_count() -> None:
    rows = [(1, True, "a")]
    assert len({digest_of(rows, types={**TYPES, "user": dtype}) for dtype in ("int32", "float32")}) == 2
    assert digest_of([], types={"a": "bool"}) != digest_of([], types={"b": "bool"})


def test_a_column_with_gaps_is_read_in_order() -> None:
    every_other = ContentDigest({"user": "int32"})
    every_other.update({"user": np.arange(10, dtype=np.int32)[::2]})
    dense = ContentDigest({"user": "int32"})
    dense.update({"user": np.array([0, 2, 4, 6, 8], np.int32)})
    assert every_other.hexdigest() == dense.hexdigest()
