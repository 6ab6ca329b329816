"""What filters know of each author besides the pairs: what it writes about, who reads it, how long its prompt is.

Shapes: A authors, C first-level categories, N notes, X edges of readers, U users.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from methods.author_encoder.readers import Readers
from simulator.schema import Catalog, SchemaError

_BLOCK = 1 << 18  # edges whose readers' interests are in memory at once


@dataclass(frozen=True, slots=True, eq=False)
class AuthorFacts:
    """Shares of categories, and how many draws are behind them; a row of zeros where nothing is known.

    `content_AC`: of the author's notes, by their label, each weighted by its impressions in the window; `n_notes_A` is
    the effective number of notes behind it, (sum w) ** 2 / sum w ** 2. `audience_AC`: of the author's readers, by the
    category that each likes best among the other authors that it reads; `n_audience_A` of them have one. `n_tokens_A`
    is the length of each author's prompt, None where nobody has counted.
    """

    content_AC: NDArray[np.float64]
    n_notes_A: NDArray[np.float64]
    audience_AC: NDArray[np.float64]
    n_audience_A: NDArray[np.float64]
    n_tokens_A: NDArray[np.int32] | None = None

    def __post_init__(self) -> None:
        shape = np.shape(self.content_AC)
        if np.shape(self.audience_AC) != shape or len(shape) != 2:
            raise SchemaError("AuthorFacts.audience", f"shape {shape} as content, (A, C)", np.shape(self.audience_AC))
        counts: dict[str, Any] = {name: getattr(self, f"{name}_A") for name in ("n_notes", "n_audience", "n_tokens")}
        for name, count_A in counts.items():
            if count_A is not None and np.shape(count_A) != shape[:1]:
                raise SchemaError(f"AuthorFacts.{name}", f"one for each of {shape[0]} authors", np.shape(count_A))

    @property
    def n_authors(self) -> int:
        """Authors known."""
        return len(self.content_AC)


def facts_of(catalog: Catalog, readers: Readers, *, n_tokens_A: NDArray[np.int32] | None = None) -> AuthorFacts:
    """Work out the facts from the window's readers; `catalog` is the one of the same moment."""
    if readers.n_authors != len(catalog.authors):
        raise SchemaError("facts_of: catalog", f"{readers.n_authors} authors", len(catalog.authors))
    weight_AC, n_notes_A = _content(catalog, readers)
    content_AC = shares(weight_AC)
    audience_AC = _audience(readers, content_AC)
    return AuthorFacts(content_AC, n_notes_A, shares(audience_AC), audience_AC.sum(axis=1), n_tokens_A)


def shares(weight_AC: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rows over their sums; rows of zeros stay."""
    total_A1 = weight_AC.sum(axis=1, keepdims=True)
    return np.asarray(weight_AC / np.where(total_A1 > 0, total_A1, 1.0))


def concentration(share_AC: NDArray[np.float64], n_A: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the unbiased Herfindahl-Hirschman index (n sum p ** 2 - 1) / (n - 1), NaN for n <= 1.

    The plain sum p ** 2 of n draws exceeds the truth by (1 - truth) / n: with few notes everybody looks focused. This
    is the share of pairs of different draws that fall into one category (Simpson 1949, doi:10.1038/163688a0); with an
    effective n from weights, of pairs so weighted.
    """
    known_A = n_A > 1.0 + 1e-9
    n_known_A = np.where(known_A, n_A, 2.0)
    squares_A = (share_AC**2).sum(axis=1)
    return np.where(known_A, (n_known_A * squares_A - 1.0) / (n_known_A - 1.0), np.nan)


def normalised(hhi_A: NDArray[np.float64], n_categories: int) -> NDArray[np.float64]:
    """Return (HHI - 1 / C) / (1 - 1 / C): 0 for even shares, 1 for one category; an unbiased HHI may fall below 0."""
    if n_categories < 2:
        raise ValueError(f"n_categories: expected at least 2, got {n_categories}")
    return np.asarray((hhi_A - 1.0 / n_categories) / (1.0 - 1.0 / n_categories))


def _content(catalog: Catalog, readers: Readers) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return impressions by category, and the effective number of notes; notes without a label count for nothing."""
    notes, n_categories = catalog.notes, max(len(catalog.categories), 1)
    known_N = (notes.author_N >= 0) & (notes.category_N >= 0)
    author_N, weight_N = notes.author_N[known_N].astype(np.int64), readers.exposure_N[known_N].astype(np.float64)
    cell_N = author_N * n_categories + notes.category_N[known_N]
    weight_AC = np.bincount(cell_N, weight_N, minlength=readers.n_authors * n_categories).astype(np.float64)
    square_A = np.bincount(author_N, weight_N**2, minlength=readers.n_authors)
    weight_AC = weight_AC.reshape(readers.n_authors, n_categories)
    return weight_AC, weight_AC.sum(axis=1) ** 2 / np.where(square_A > 0, square_A, 1.0)


def _audience(readers: Readers, content_AC: NDArray[np.float64]) -> NDArray[np.float64]:
    """Count each author's readers by what they like best elsewhere; who reads nobody else is not counted.

    What a reader takes from the author itself is left out: else every author's audience likes what the author writes.
    """
    n_authors, n_categories = content_AC.shape
    liked_UC = readers.matrix(readers.weight_X) @ content_AC
    user_X, count_AC = readers.user_X, np.zeros(n_authors * n_categories)
    for first in range(0, len(user_X), _BLOCK):
        block: Any = slice(first, first + _BLOCK)
        author_B = readers.author_X[block].astype(np.int64)
        own_BC = readers.weight_X[block, None] * content_AC[author_B]
        elsewhere_BC = liked_UC[user_X[block]] - own_BC
        best_B = elsewhere_BC.argmax(axis=1)
        known_B = elsewhere_BC.max(axis=1, initial=0.0) > 1e-9
        cell_B = author_B[known_B] * n_categories + best_B[known_B]
        count_AC += np.bincount(cell_B, minlength=len(count_AC))
    return count_AC.reshape(n_authors, n_categories)
