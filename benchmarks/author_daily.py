"""The daily inference of author vectors without the model: files, stores, indexes.

`python benchmarks/author_daily.py [--json] [--authors 100000] [--dimensions 128]`. One thread here; the Redis server is
another process. Rates are a CPU second of this process, which a busy
machine disturbs little; wall seconds stand beside. Legend: A authors, D dimensions.
"""

from __future__ import annotations

import os

# Before anything imports numpy: what is timed must run on one thread.
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", NUMBA_NUM_THREADS="1")

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import redis
from numpy.typing import NDArray

sys.path[0] = str(Path(__file__).resolve().parents[1])  # else benchmarks/simulator.py would be what `simulator` names

from methods.author_encoder.daily.ann_recall import recalls, sampled
from methods.author_encoder.daily.encoders import Encoder, EncoderName
from methods.author_encoder.daily.index import KINDS, AnnConfig, build_index, index_folder
from methods.author_encoder.daily.job import Order, make_version
from methods.author_encoder.daily.launch import run_ranks
from methods.author_encoder.daily.manifest import Version, Versions
from methods.author_encoder.daily.publish import layout_of, verify
from methods.author_encoder.daily.redis_store import RedisStore
from methods.author_encoder.daily.store import LocalStore, Store
from methods.author_encoder.daily.texts import HeldTexts, Texts
from methods.author_encoder.daily.work import EmbedConfig

N_TOPICS, SPREAD = 512, 1.0  # length of what is no topic against that of the topic
Figures = dict[str, float]


@cache
def drawn(n_authors: int, n_dimensions: int) -> NDArray[np.float32]:
    """Draw unit vectors of topics with noise."""
    rng = np.random.default_rng(0)
    topics_TD = rng.standard_normal((N_TOPICS, n_dimensions), dtype=np.float32)
    rows_AD = SPREAD * rng.standard_normal((n_authors, n_dimensions), dtype=np.float32)
    rows_AD += topics_TD[rng.integers(0, N_TOPICS, n_authors)]
    rows_AD /= np.linalg.norm(rows_AD, axis=1, keepdims=True)
    return rows_AD


def made(root: Path, sizes: argparse.Namespace) -> tuple[Version, Figures]:
    """Make a version; the encoder is a table that is looked up, so that what is timed is all but the model."""
    encoder = EncoderName("benchmarks.author_daily:table", Path(f"{sizes.authors}x{sizes.dimensions}"))
    number_A = np.arange(sizes.authors)
    texts = Texts(
        number_A, [str(a) for a in number_A], (number_A % 20).astype(np.int32), np.zeros(sizes.authors, np.int32)
    )
    order = Order(HeldTexts(texts), encoder, EmbedConfig(20, rows_per_chunk=sizes.chunk))
    encoder.load()  # draws the table outside of what is timed
    tell = quiet
    clock = Clock()
    version = make_version(order, Versions(root), ranks=lambda job: run_ranks(job, 1, tell=tell), tell=tell)
    figures = clock.per("chunks_and_shards_written", sizes.authors)
    clock = Clock()
    verify(version, tell=tell)
    figures |= clock.per("shards_verified", sizes.authors)
    Versions(root).set_live(1, 0)
    clock = Clock()
    order = Order(HeldTexts(texts), encoder, EmbedConfig(20, day=1, rows_per_chunk=sizes.chunk))
    make_version(order, Versions(root), ranks=lambda job: run_ranks(job, 1, tell=tell), tell=tell)
    figures |= clock.per("copied_from_the_last_version", sizes.authors)
    n_bytes = sum((version.folder / shard.file).stat().st_size for shard in version.manifest.shards)
    return version, figures | {"shard_bytes_per_author": n_bytes / sizes.authors}


def table(folder: Path | None, threads: int) -> Encoder:
    """Return an encoder that looks up the row that a text names; the folder's name says how large the table is."""
    del threads
    assert folder is not None
    rows_AD = drawn(*(int(size) for size in folder.name.split("x")))
    return Encoder("table", folder.name, lambda texts: rows_AD[[int(text) for text in texts]])


class Clock:
    """CPU and wall seconds since it was made."""

    def __init__(self) -> None:
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def per(self, name: str, count: int) -> Figures:
        """Return how many a CPU and a wall second, and print them."""
        cpu, wall = time.process_time() - self._cpu, time.perf_counter() - self._wall
        print(f"{name:36}{count / cpu:14,.0f} / CPU s{count / wall:14,.0f} / s", flush=True)
        return {f"{name}_per_cpu_second": count / cpu, f"{name}_per_second": count / wall}


def quiet(what: str, done: int, total: int) -> None:
    """Hear of progress and say nothing."""
    del what, done, total


def into_store(name: str, store: Store, version: Version) -> Figures:
    """Write, read back, and look a hundred at a time up."""
    layout, n_authors = layout_of(version.manifest), version.manifest.n_authors
    store.begin(layout)
    clock = Clock()
    for vectors in version.blocks():
        store.write(layout, vectors)
    figures = clock.per(f"{name}_written", n_authors)
    clock = Clock()
    for vectors in version.blocks():
        store.check(layout, vectors)
    figures |= clock.per(f"{name}_read_back", n_authors)
    store.seal(layout)
    store.switch(layout.version)
    asked = np.random.default_rng(1).integers(0, n_authors, (200, 100))
    clock = Clock()
    for some in asked:
        store.get(some)
    return figures | clock.per(f"{name}_looked_up_by_100", asked.size)


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """Run a server without persistence on a socket."""
    url = f"unix://{folder / 's'}"
    command = ["redis-server", "--port", "0", "--unixsocket", str(folder / "s"), "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while not (folder / "s").exists():
            time.sleep(0.02)
        yield url
    finally:
        process.kill()
        process.wait()


def redis_writes(version: Version, url: str) -> Figures:
    """Write by SET, by pipelined SET and by the store's MSET; look at the server's memory."""
    client = redis.Redis.from_url(url)
    first = next(version.blocks())
    values = [row.tobytes() for row in first.vectors_AD]
    n_single = min(len(values), 20_000)
    clock = Clock()
    for i in range(n_single):
        client.set(f"one:{i}", values[i])
    figures = clock.per("redis_set_one_by_one", n_single)
    clock = Clock()
    for start in range(0, len(values), 1_000):
        pipe = client.pipeline(transaction=False)
        for i in range(start, min(start + 1_000, len(values))):
            pipe.set(f"pipe:{i}", values[i])
        pipe.execute()
    figures |= clock.per("redis_set_in_pipelines", len(values))
    client.flushall()
    before = client.info("all")
    store = RedisStore(url)
    figures |= into_store("redis_mset", store, version)
    after = client.info("all")
    n_authors = version.manifest.n_authors
    figures["redis_bytes_per_author"] = (after["used_memory"] - before["used_memory"]) / n_authors
    print(f"redis: {figures['redis_bytes_per_author']:.0f} bytes an author")
    store.close()
    client.close()
    return figures


def indexes(version: Version, kinds: Sequence[str]) -> Figures:
    """Build each kind, measure its recall and its speed."""
    figures: Figures = {}
    queries = sampled(version, 500, rng=np.random.default_rng(2))
    for kind in kinds:
        slug = kind.replace("-", "_")
        clock = Clock()
        index = build_index(version, AnnConfig(kind), tell=quiet)
        figures |= clock.per(f"{slug}_built", version.manifest.n_authors)
        clock = Clock()
        index.search(queries[1], k=10)
        figures |= clock.per(f"{slug}_searched", len(queries[1]))
        size = (index_folder(version, kind) / "index.faiss").stat().st_size
        figures[f"{slug}_recall"] = float(recalls(version, index, queries, k=10).mean())
        n_bytes = size / version.manifest.n_authors
        print(f"{kind}: recall@10 {figures[f'{slug}_recall']:.4f}, {n_bytes:.0f} bytes an author")
        figures[f"{slug}_bytes_per_author"] = n_bytes
    return figures


def main() -> None:
    """Print the rates, and with --json one object of figures on the last line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--authors", type=int, default=100_000)
    parser.add_argument("--dimensions", type=int, default=128)
    parser.add_argument("--chunk", type=int, default=50_000)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    sizes = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="daily"))
    try:
        version, figures = made(root, sizes)
        figures |= into_store("folder", LocalStore(root / "store"), version)
        if shutil.which("redis-server"):
            with redis_server(root) as url:
                figures |= redis_writes(version, url)
        figures |= indexes(version, [kind for kind in sizes.kinds.split(",") if kind])
    finally:
        shutil.rmtree(root)
    if sizes.json:
        print(json.dumps({"authors": sizes.authors, "dimensions": sizes.dimensions} | figures))


if __name__ == "__main__":
    main()
