"""Going live: indexes that find, a monitor that blocks, and failures that publish nothing."""

import errno
import json
import math
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from methods.author_encoder import disk
from methods.author_encoder.daily.ann_recall import recalls, sampled
from methods.author_encoder.daily.index import KINDS, AnnConfig, AnnIndex, build_index, index_folder, load_index
from methods.author_encoder.daily.manifest import Counts, Figures, Manifest, Shard, Version, Versions
from methods.author_encoder.daily.monitor import Thresholds, breaches, health_of, psi
from methods.author_encoder.daily.publish import PublishConfig, publish
from methods.author_encoder.daily.shards import ShardError
from methods.author_encoder.daily.store import StoreError
from simulator.schema import SchemaError
from tests.daily_examples import (
    LOOSE,
    all_of,
    authors,
    fake_vectors,
    made,
    order_of,
    place_at,
    published,
    silent,
    with_texts,
)

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Version:
    texts = with_texts(authors(1_000), {row: "" for row in range(0, 1_000, 50)})
    return made(order_of(texts, rows=150, calls=1_000), tmp_path_factory.mktemp("version"))


def nearest(version: Version, query_D: NDArray[np.float32], k: int) -> list[int]:
    day = all_of(version)
    own = day.fill_A == 0
    best = np.argsort(-(day.vectors_AD[own].astype(np.float32) @ query_D), kind="stable")[:k]
    found: list[int] = day.author_A[own][best].tolist()
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_finds_most_of_the_true_nearest(version: Version, kind: str) -> None:
    index = build_index(version, AnnConfig(kind, n_probes=64), tell=silent)
    queries_QD = fake_vectors([f"query {q}" for q in range(30)])
    found_QK, scores_QK = index.search(queries_QD, k=10)
    shares = [len({*found_QK[q]} & {*nearest(version, queries_QD[q], 10)}) / 10 for q in range(30)]
    assert np.mean(shares) > {"ivf-pq": 0.6, "ivf-sq8": 0.9}.get(kind, 0.97)
    assert (np.diff(scores_QK) <= 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_recall_is_what_a_count_by_hand_gives(version: Version, kind: str) -> None:
    index = build_index(version, AnnConfig(kind, n_probes=2), tell=silent)
    own_Q, queries_QD = sampled(version, 20, rng=np.random.default_rng(1))
    for author, query_D, recall in zip(
        own_Q, queries_QD, recalls(version, index, (own_Q, queries_QD), k=5), strict=True
    ):
        true = [a for a in nearest(version, query_D, 6) if a != author][:5]
        found = [a for a in index.search(query_D[None], k=6)[0][0] if a != author][:5]
        assert recall == pytest.approx(len({*true} & {*found}) / 5)


def test_fills_are_in_no_index(version: Version) -> None:
    index = build_index(version, AnnConfig("flat"), tell=silent)
    day = all_of(version)
    assert index.ids_A.tolist() == day.author_A[day.fill_A == 0].tolist()


def test_equal_vectors_stand_for_each_other(tmp_path: Path) -> None:
    version = made(order_of(with_texts(authors(60), {row: "same" for row in range(40)})), tmp_path)
    index = build_index(version, AnnConfig("flat"), tell=silent)
    queries = sampled(version, 60, rng=np.random.default_rng(1))
    assert recalls(version, index, queries, k=3).tolist() == [1.0] * 60


def test_an_index_is_built_once_and_other_settings_are_refused(version: Version) -> None:
    build_index(version, AnnConfig("hnsw"), tell=silent)
    written = (index_folder(version, "hnsw") / "index.faiss").stat().st_mtime_ns
    build_index(version, AnnConfig("hnsw"), tell=silent)
    assert (index_folder(version, "hnsw") / "index.faiss").stat().st_mtime_ns == written
    with pytest.raises(SchemaError, match="config: expected"):
        load_index(version, AnnConfig("hnsw", links=16))
    build_index(version, AnnConfig("hnsw", links=16), tell=silent)
    assert load_index(version, AnnConfig("hnsw", links=16, search_width=7)).index.hnsw.efSearch == 7


def test_a_damaged_index_is_named(version: Version) -> None:
    build_index(version, AnnConfig("ivf-sq8"), tell=silent)
    path = index_folder(version, "ivf-sq8") / "index.faiss"
    whole = path.read_bytes()
    damage(path)
    with pytest.raises(ShardError, match=r"index.faiss: expected sha256"):
        build_index(version, AnnConfig("ivf-sq8"), tell=silent)
    path.write_bytes(whole)


def test_an_index_of_another_name_or_for_too_few_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="kind: expected one of flat, hnsw"):
        AnnConfig("annoy")
    with pytest.raises(SchemaError, match="ivf-pq: expected at least 256 authors with a text, got 50"):
        build_index(made(order_of(authors(50)), tmp_path), AnnConfig("ivf-pq"), tell=silent)


def test_an_index_that_finds_too_little_blocks_the_switch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = place_at(tmp_path)
    version = made(order_of(authors(300)), tmp_path)
    search = AnnIndex.search

    def losing(self: AnnIndex, queries_QD: NDArray[np.float32], *, k: int) -> object:
        ids_QK, scores_QK = search(self, queries_QD, k=k)
        ids_QK[:, ::2] = -1
        return ids_QK, scores_QK

    with monkeypatch.context() as patch:
        patch.setattr(AnnIndex, "search", losing)
        report = published(version, place)
    (breach,) = report.breaches
    assert str(breach).startswith("ann_recall: expected at least 0.95, got 0.")
    assert (report.switched, place.store.live(), place.versions.live()) == (False, 0, 0)
    assert published(version, place).switched


def manifest(**changes: object) -> Manifest:
    shard = Shard(file="part-00000.parquet", rows=1_000, first=1, last=5_000, sha256="0" * 64)
    figures = Figures(
        norm_mean=1.0,
        norm_sd=0.0,
        mean_vector=(0.3, 0.0),
        category_counts=(500, 400, 100),
        category_fills=50,
        global_fills=10,
    )
    base = Manifest(
        version=2,
        day=1,
        model="m",
        model_version="1",
        plan="p",
        base=1,
        base_authors=1_000,
        dtype="float16",
        n_dimensions=2,
        shards=(shard,),
        counts=Counts(encoded=40, copied=900, known=990, empty=60),
        figures=figures,
    )
    of_figures = {name: value for name, value in changes.items() if name in Figures.model_fields}
    others = {name: value for name, value in changes.items() if name not in of_figures}
    return base.model_copy(update=others | {"figures": figures.model_copy(update=of_figures)})


LAST = manifest(version=1, base=0)


def found_in(now: Manifest, last: Manifest | None = LAST, *, n_expected: int = 1_000, recall: float = 1.0) -> list[str]:
    health = health_of(now, last, n_expected=n_expected, ann_recall=recall)
    return [breach.figure for breach in breaches(health, Thresholds())]


def test_a_day_like_the_last_breaches_nothing() -> None:
    assert found_in(manifest()) == []
    assert found_in(manifest(), None) == []


@pytest.mark.parametrize(
    ("figure", "found"),
    [
        ("coverage", lambda: found_in(manifest(), n_expected=1_100)),
        ("size_ratio", lambda: found_in(manifest(), LAST.model_copy(update={"shards": LAST.shards * 2}))),
        ("retained", lambda: found_in(manifest(counts=Counts(known=400)))),
        ("fill_rate", lambda: found_in(manifest(category_fills=300))),
        ("norm_drift", lambda: found_in(manifest(norm_mean=1.1))),
        ("mean_length", lambda: found_in(manifest(mean_vector=(0.99, 0.0)), None)),
        ("mean_drift", lambda: found_in(manifest(mean_vector=(0.3, 0.2)))),
        ("category_psi", lambda: found_in(manifest(category_counts=(200, 700, 100)))),
        ("unknown_category_rate", lambda: found_in(manifest(category_counts=(400, 320, 280)), None)),
        ("ann_recall", lambda: found_in(manifest(), recall=0.94)),
    ],
)
def test_each_figure_blocks_on_its_own(figure: str, found: Callable[[], list[str]]) -> None:
    assert figure in found()


def test_every_threshold_bounds_a_figure_that_there_is() -> None:
    health = health_of(manifest(), LAST, n_expected=1_000, ann_recall=1.0)
    for name in Thresholds.__slots__:
        assert hasattr(health, name.partition("_")[2])
    with pytest.raises(SchemaError, match="threshold: expected one of"):
        Thresholds.of({"max_luck": 1.0})
    with pytest.raises(SchemaError, match="max_fill_rate: expected a finite number"):
        Thresholds(max_fill_rate=math.nan)


def test_another_model_is_not_held_against_the_last_ones_mean() -> None:
    health = health_of(manifest(model_version="2"), LAST, n_expected=1_000, ann_recall=1.0)
    assert math.isnan(health.mean_drift)
    assert math.isnan(health.norm_drift)


def test_psi_is_the_sum_over_shares() -> None:
    p, q = np.array([30.5, 70.5]) / 101, np.array([50.5, 50.5]) / 101
    assert psi((30, 70), (50, 50)) == pytest.approx(float(((p - q) * np.log(p / q)).sum()))
    assert psi((30, 70), (30, 70)) == 0
    assert math.isfinite(psi((100, 0), (0, 100)))


def test_a_category_that_one_version_lacks_is_empty_there_and_the_unknown_stay_last() -> None:
    assert psi((30, 60, 10, 5), (30, 70, 5)) == psi((30, 60, 10, 5), (30, 70, 0, 5)) > 0
    assert psi((30, 70, 5), (30, 60, 10, 5)) == psi((30, 70, 0, 5), (30, 60, 10, 5))
    assert "category_psi" in found_in(manifest(category_counts=(100, 100, 700, 100)))


def test_a_run_leaves_a_line_that_json_can_read(tmp_path: Path) -> None:
    place = place_at(tmp_path)
    published(made(order_of(authors(300)), tmp_path), place)
    blocked = published(made(order_of(authors(300), day=1), tmp_path), place, n_expected=600)
    first, second = [json.loads(line) for line in (tmp_path / "runs.jsonl").read_text().splitlines()]
    assert (first["switched"], first["health"]["size_ratio"], first["counts"]["encoded"]) == (True, None, 300)
    assert (second["switched"], second["breaches"][0]["figure"]) == (False, "coverage")
    assert (blocked.switched, place.store.live()) == (False, 1)


@pytest.mark.parametrize("harm", ["damage", "truncate", "remove"])
def test_a_shard_that_is_not_as_written_is_named_and_nothing_goes_live(tmp_path: Path, harm: str) -> None:
    place = place_at(tmp_path)
    published(made(order_of(authors(100)), tmp_path), place)
    version = made(order_of(authors(100), day=1), tmp_path)
    path = version.folder / "part-00002.parquet"
    match harm:
        case "damage":
            damage(path)
        case "truncate":
            path.write_bytes(path.read_bytes()[:-100])
        case _:
            path.unlink()
    with pytest.raises(ShardError, match=r"v2/part-00002.parquet"):
        published(version, place)
    assert (place.store.live(), place.versions.live()) == (1, 1)
    assert place.store.get(np.array([1_000])).is_known_Q.all()


@pytest.mark.parametrize("phase", ["parts", "version", "index", "manifest"])
def test_a_full_disk_publishes_nothing_and_is_made_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: str
) -> None:
    place = place_at(tmp_path)
    published(made(order_of(authors(100)), tmp_path), place)
    files = {
        "parts": "parts/part-00001",
        "version": "version/part-00001",
        "index": "ids.npy",
        "manifest": "manifest.json",
    }
    flush = disk.flush

    def full(path: Path) -> None:
        if files[phase] in str(path).replace("/.part", "/part").replace("/.manifest", "/manifest").replace(
            "/.ids", "/ids"
        ):
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(path)

    with monkeypatch.context() as patch:
        patch.setattr(disk, "flush", full)
        with pytest.raises(OSError, match="expected to be written, got No space left on device"):
            published(made(order_of(authors(100), day=1), tmp_path), place)
    assert (place.store.live(), place.versions.live()) == (1, 1)
    assert [path for path in tmp_path.rglob(".*")] == []
    assert published(made(order_of(authors(100), day=1), tmp_path), place).switched


def test_a_local_store_without_room_leaves_the_earlier_version_live(tmp_path: Path) -> None:
    """In a process of its own, whose files may not grow beyond 1,500 bytes once the version is made."""
    place = place_at(tmp_path)
    published(made(order_of(authors(100)), tmp_path), place)
    script = (
        "import resource, signal, sys; from pathlib import Path\n"
        "import tests.daily_examples as d\n"
        "root = Path(sys.argv[1]); place = d.place_at(root)\n"
        "version = d.made(d.order_of(d.authors(100), day=1), root)\n"
        "from methods.author_encoder.daily.publish import _into_store\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (1500, {resource.RLIM_INFINITY}))\n"
        "_into_store(version, place.store, d.silent)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "StoreError" in ended.stderr
    assert "File too large" in ended.stderr
    assert (place.store.live(), place.versions.live()) == (1, 1)
    assert published(made(order_of(authors(100), day=1), tmp_path), place).switched


def test_versions_that_nobody_needs_are_removed(tmp_path: Path) -> None:
    place = place_at(tmp_path)
    removed = [published(made(order_of(authors(100), day=day), tmp_path), place).removed for day in range(4)]
    assert removed == [(), (), (1,), (2,)]
    assert Versions(tmp_path).numbers() == (3, 4)


def test_without_an_index_recall_is_not_asked_for(tmp_path: Path) -> None:
    config = PublishConfig((), LOOSE)
    version = made(order_of(authors(100)), tmp_path)
    report = publish(version, place_at(tmp_path), config, rng=np.random.default_rng(1), tell=silent)
    assert (report.switched, report.recall_of) == (True, {})
    with pytest.raises(StoreError, match="expected a version before 1"):
        place_at(tmp_path).store.rollback()


def test_a_pointer_that_is_no_pointer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "live.json").write_text("{}")
    with pytest.raises(SchemaError, match=r"live.json: expected"):
        Versions(tmp_path).live()
    assert replace(Versions(tmp_path), root=tmp_path / "none").live() == 0


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
