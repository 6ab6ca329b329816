"""HNSW by other libraries, of as many links and as wide as ours: hnswlib and usearch, where they are installed.

`pip install -e '.[benchmarks]'` installs them; each is used on one thread, by inner product. Shapes: T targets,
F features, Q queries, K list length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.retrieval_costs import Ask
from methods.retrieval import IndexConfig

AtWidth = Callable[[int], Ask]  # efSearch -> what answers


def hnswlib(vectors_TF: NDArray[np.float32], config: IndexConfig, k: int) -> AtWidth:
    """Build hnswlib's index."""
    index: Any = import_module("hnswlib").Index(space="ip", dim=vectors_TF.shape[1])
    index.init_index(len(vectors_TF), M=config.links, ef_construction=config.build_width, random_seed=1)
    index.set_num_threads(1)
    index.add_items(vectors_TF, num_threads=1)

    def at(width: int) -> Ask:
        index.set_ef(max(width, k))
        return lambda queries_QF: np.asarray(index.knn_query(queries_QF, k=k, num_threads=1)[0])

    return at


def usearch(vectors_TF: NDArray[np.float32], config: IndexConfig, k: int) -> AtWidth:
    """Build usearch's index."""
    index: Any = import_module("usearch.index").Index(
        ndim=vectors_TF.shape[1],
        metric="ip",
        dtype="f32",
        connectivity=config.links,
        expansion_add=config.build_width,
    )
    index.add(np.arange(len(vectors_TF)), vectors_TF, threads=1)

    def ask(queries_QF: NDArray[np.float32]) -> NDArray[np.integer]:
        found = np.asarray(index.search(queries_QF, k, threads=1).keys)
        return found.reshape(len(queries_QF), k)

    def at(width: int) -> Ask:
        index.expansion_search = max(width, k)
        return ask

    return at


BUILDERS = {"hnswlib": hnswlib, "usearch": usearch}


def installed() -> Iterator[tuple[str, Callable[[NDArray[np.float32], IndexConfig, int], AtWidth]]]:
    """Yield the libraries that are here."""
    yield from ((name, build) for name, build in BUILDERS.items() if find_spec(name) is not None)
