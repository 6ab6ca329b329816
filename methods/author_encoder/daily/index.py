"""Approximate indexes of a version, by name, built from its shards one at a time and saved beside them with the ids.

flat          every vector, exact
hnsw          a graph over float32 vectors (Malkov and Yashunin 2018, doi:10.1109/TPAMI.2018.2889473)
hnsw-sqfp16   the same over float16 vectors: half the bytes
ivf-sq8       k-means lists of vectors in 8 bits a dimension
ivf-pq        k-means lists of product-quantised vectors (Jégou et al. 2011, doi:10.1109/TPAMI.2010.57)

Fills are left out: the authors of a category without texts all have one vector, and would fill whole answers.
Scores are inner products. Shapes: A authors, D dimensions, Q queries, K places.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from methods.author_encoder.daily.manifest import Version
from methods.author_encoder.daily.shards import ENCODED, ShardError
from methods.author_encoder.disk import file_sha256, replacing, write_whole
from simulator.schema import SchemaError

GRAPHS, LISTS = ("hnsw", "hnsw-sqfp16"), ("ivf-sq8", "ivf-pq")
KINDS = ("flat", *GRAPHS, *LISTS)
ASKED = ("search_width", "n_probes", "threads")
ABOUT = "about.json"
PQ_CENTRES = 256  # of 8 bits
# "np" in a recipe leaves out polysemous training, minutes of annealing for a filter that is not used here.


@dataclass(frozen=True, slots=True)
class AnnConfig:
    """How an index is built and asked; a kind looks at its own settings only."""

    kind: str = "hnsw-sqfp16"
    links: int = 32  # hnsw: M
    build_width: int = 100  # hnsw: efConstruction
    search_width: int = 100  # hnsw: efSearch
    lists_per_root: float = 4.0  # ivf: lists = this x sqrt(authors), as FAISS advises
    n_probes: int = 32  # ivf: lists read a query
    dimensions_per_code: int = 2  # ivf-pq: one byte stands for so many
    rows_per_list: int = 64  # ivf: to train on; FAISS wants 39 to 256
    threads: int = 1

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise SchemaError("AnnConfig.kind", f"one of {', '.join(KINDS)}", repr(self.kind))
        for name in ("links", "build_width", "search_width", "n_probes", "dimensions_per_code", "rows_per_list"):
            if getattr(self, name) < 1:
                raise SchemaError(f"AnnConfig.{name}", "at least 1", getattr(self, name))

    @property
    def built(self) -> dict[str, Any]:
        """The settings that an index is built with; with the others it can be asked anew."""
        return {name: value for name, value in asdict(self).items() if name not in ASKED}


@dataclass(frozen=True, slots=True, eq=False)
class AnnIndex:
    """A saved index as read: positions are those of `ids_A`."""

    config: AnnConfig
    index: Any
    ids_A: NDArray[np.int64]

    def search(self, queries_QD: NDArray[np.float32], *, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return authors (Q, K), best first, and their scores; -1 and -inf where there are fewer."""
        if queries_QD.dtype != np.float32 or queries_QD.ndim != 2 or queries_QD.shape[1] != self.index.d:
            raise SchemaError("queries", f"float32(Q, {self.index.d})", f"{queries_QD.dtype}{queries_QD.shape}")
        faiss.omp_set_num_threads(self.config.threads)
        scores_QK, places_QK = self.index.search(np.ascontiguousarray(queries_QD), k)
        found_QK = places_QK >= 0
        ids_QK = np.where(found_QK, self.ids_A[places_QK], -1)
        return ids_QK, np.where(found_QK, scores_QK, -np.inf).astype(np.float32)


def index_folder(version: Version, kind: str) -> Path:
    """Return where the index of a kind lies."""
    return version.folder / f"index-{kind}"


def build_index(version: Version, config: AnnConfig, *, tell: Callable[[str, int, int], None]) -> AnnIndex:
    """Build and save an index, or read the one that lies there if it was built with the same settings."""
    folder = index_folder(version, config.kind)
    if (folder / ABOUT).exists() and _about(folder)["built"] == config.built:
        return load_index(version, config)
    shutil.rmtree(folder, ignore_errors=True)
    faiss.omp_set_num_threads(config.threads)
    index = _empty(version, config)
    ids = []
    for n_done, (ids_A, rows_AD) in enumerate(encoded_blocks(version)):
        if len(ids_A):
            index.add(rows_AD)
        ids.append(ids_A)
        tell(f"index {config.kind}", n_done + 1, len(version.manifest.shards))
    _save(folder, index, np.concatenate(ids), config)
    return load_index(version, config)


def load_index(version: Version, config: AnnConfig) -> AnnIndex:
    """Read a saved index; other settings than it was built with, or damage, are refused with the file's name."""
    folder = index_folder(version, config.kind)
    about = _about(folder)
    if about["built"] != config.built:
        raise SchemaError(f"{folder}: config", str(config.built), about["built"])
    for file, sha256 in about["sha256"].items():
        got = file_sha256(folder / file)
        if got != sha256:
            raise ShardError(str(folder / file), f"sha256 {sha256}", got)
    index = faiss.read_index(str(folder / "index.faiss"))
    _tune(index, config)
    return AnnIndex(config, index, np.load(folder / "ids.npy", mmap_mode="r", allow_pickle=False))


def encoded_blocks(version: Version) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yield ids and float32 vectors of the authors with a text, shard by shard."""
    for vectors in version.blocks():
        rows = vectors.fill_A == ENCODED
        yield vectors.author_A[rows], np.ascontiguousarray(vectors.vectors_AD[rows], np.float32)


def n_encoded(version: Version) -> int:
    """Return how many authors have a vector of their own."""
    return version.manifest.counts.encoded + version.manifest.counts.copied


def _empty(version: Version, config: AnnConfig) -> Any:
    """Make an index without authors; lists and codes are learnt on an even sample of all shards."""
    n_authors, n_dimensions = n_encoded(version), version.manifest.n_dimensions
    n_lists = min(max(1, round(config.lists_per_root * n_authors**0.5)), n_authors)
    if config.kind == "ivf-pq":
        if n_dimensions % config.dimensions_per_code:
            raise SchemaError(
                "AnnConfig.dimensions_per_code", f"a divisor of {n_dimensions}", config.dimensions_per_code
            )
        if n_authors < PQ_CENTRES:
            raise SchemaError("ivf-pq", f"at least {PQ_CENTRES} authors with a text", n_authors)
    recipe = {
        "flat": "Flat",
        "hnsw": f"HNSW{config.links}",
        "hnsw-sqfp16": f"HNSW{config.links},SQfp16",
        "ivf-sq8": f"IVF{n_lists},SQ8",
        "ivf-pq": f"IVF{n_lists},PQ{n_dimensions // config.dimensions_per_code}np",
    }[config.kind]
    index: Any = faiss.index_factory(n_dimensions, recipe, faiss.METRIC_INNER_PRODUCT)
    if config.kind in GRAPHS:
        index.hnsw.efConstruction = config.build_width
    if config.kind in LISTS:
        index.cp.min_points_per_centroid = 1
    if config.kind != "flat":
        index.train(_sample(version, max(PQ_CENTRES, n_lists) * config.rows_per_list))
    return index


def _sample(version: Version, n_rows: int) -> NDArray[np.float32]:
    """Return at most `n_rows` vectors, evenly from all shards."""
    share = min(1.0, n_rows / n_encoded(version))
    blocks = []
    for ids_A, rows_AD in encoded_blocks(version):
        n_here = min(len(ids_A), int(np.ceil(share * len(ids_A))))
        blocks.append(rows_AD[np.linspace(0, len(ids_A) - 1, n_here).astype(np.int64)] if n_here else rows_AD[:0])
    return np.concatenate(blocks)


def _tune(index: Any, config: AnnConfig) -> None:
    if config.kind in GRAPHS:
        index.hnsw.efSearch = config.search_width
    if config.kind in LISTS:
        index.nprobe = min(config.n_probes, index.nlist)


def _save(folder: Path, index: Any, ids_A: NDArray[np.int64], config: AnnConfig) -> None:
    """Write index and ids, then what they are: without about.json there is no index."""
    with replacing(folder / "index.faiss") as path:
        faiss.write_index(index, str(path))
    with replacing(folder / "ids.npy") as path, path.open("wb") as file:
        np.save(file, ids_A, allow_pickle=False)
    sha256 = {file: file_sha256(folder / file) for file in ("index.faiss", "ids.npy")}
    write_whole(folder / ABOUT, json.dumps({"built": config.built, "sha256": sha256}).encode())


def _about(folder: Path) -> dict[str, Any]:
    try:
        about: dict[str, Any] = json.loads((folder / ABOUT).read_bytes())
    except FileNotFoundError as error:
        raise SchemaError(str(folder), "an index", "none") from error
    return about
