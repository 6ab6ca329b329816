"""What was published about a target as a dense row: leading singular vectors of its TF-IDF text, and its category.

Shapes: T targets, D text dimensions, X features.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import TruncatedSVD

from methods.factors import unit
from methods.interactions import Sparse
from methods.text import PerCatalog, TextConfig, TextSpace
from simulator.schema import Catalog, Kind, Observation


@dataclass(frozen=True, slots=True)
class FeatureConfig:
    """How a target's text and category become a row."""

    text: TextConfig = field(default_factory=TextConfig)
    n_dimensions: int = 300  # of the text, as in the data of DropoutNet and those who came after
    category: bool = True  # one column a first-level category; all zeros where it is not known


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """The map from text to rows as fitted, and the rows of the catalog read last."""

    config: FeatureConfig
    space: TextSpace
    svd: TruncatedSVD | None  # None when no text had a frequent word
    n_categories: int
    read: PerCatalog[NDArray[np.float32]]

    @classmethod
    def learn(cls, seen: Observation, config: FeatureConfig, *, target: Kind, rng: np.random.Generator) -> Features:
        """Fit vocabulary and singular vectors on the texts of all targets."""
        space = TextSpace.learn(seen, config.text, target=target)
        n_categories = len(seen.catalog.categories) if config.category else 0
        n_dimensions = min(config.n_dimensions, min(space.fitted_TV.shape) - 1)
        if n_dimensions < 1 or space.fitted_TV.nnz == 0:
            return cls(config, space, None, n_categories, PerCatalog())
        svd = TruncatedSVD(n_dimensions, random_state=int(rng.integers(2**31)))
        svd.fit(space.fitted_TV)
        return cls(config, space, svd, n_categories, PerCatalog())

    def of(self, seen: Observation) -> NDArray[np.float32]:
        """Return the rows (T, X) of all targets of now: text of length one, or zeros, beside the category."""
        return self.read.of(seen.catalog, lambda: self._read(seen))

    @property
    def n_columns(self) -> int:
        """How many features there are."""
        return (0 if self.svd is None else int(self.svd.n_components)) + self.n_categories

    def _read(self, seen: Observation) -> NDArray[np.float32]:
        category_T = category_of(seen.catalog, self.space.target)
        labels_TX: NDArray[np.float32] = (category_T[:, None] == np.arange(self.n_categories)).astype(np.float32)
        if self.svd is None:
            return labels_TX
        text_TD = text_rows(self.svd, self.space.vectors(seen))
        return np.concatenate([text_TD, labels_TX], axis=1)


def text_rows(svd: TruncatedSVD, text_TV: Sparse) -> NDArray[np.float32]:
    """Return the texts (T, D) in singular vectors, each of length one, or zeros."""
    return unit(svd.transform(text_TV).astype(np.float32))


def category_of(catalog: Catalog, target: Kind) -> NDArray[np.int16]:
    """Return the first-level category of every target, -1 where it is not known."""
    return catalog.notes.category_N if target == "note" else catalog.authors.category_A
