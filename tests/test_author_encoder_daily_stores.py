"""Stores of author vectors, the folder and a real Redis: whole versions, one switch, one way back."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from methods.author_encoder.daily.manifest import Version
from methods.author_encoder.daily.publish import Place, layout_of, rollback
from methods.author_encoder.daily.redis_store import RedisStore
from methods.author_encoder.daily.shards import Vectors
from methods.author_encoder.daily.store import Layout, LocalStore, Store, StoreError
from simulator.schema import SchemaError
from tests.daily_examples import all_of, authors, fake_vectors, made, order_of, place_at, published, with_texts
from tests.redis_server import RedisServer


@pytest.fixture(scope="module")
def server(redis_path: str) -> Iterator[RedisServer]:
    folder = Path(tempfile.mkdtemp(dir="/tmp"))  # the path of a socket must be short
    running = RedisServer(redis_path, folder)
    yield running
    running.kill()
    shutil.rmtree(folder)


@pytest.fixture
def redis_store(server: RedisServer) -> Iterator[RedisStore]:
    with server.client() as client:
        client.flushall()
    store = RedisStore(server.url, retries=1)
    yield store
    store.close()


@pytest.fixture(params=["local", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "local":
        return LocalStore(tmp_path / "store")
    found: Store = request.getfixturevalue("redis_store")
    return found


def written(store: Store, version: int, n_authors: int = 50, text: str = "") -> tuple[Layout, Vectors]:
    """Write a version of made-up vectors, and check and seal it."""
    layout, vectors = layout_and_vectors(version, n_authors, text)
    store.begin(layout)
    store.write(layout, vectors.take(slice(0, 20)))
    store.write(layout, vectors.take(slice(20, n_authors)))
    store.check(layout, vectors)
    store.seal(layout)
    return layout, vectors


def layout_and_vectors(version: int, n_authors: int = 50, text: str = "") -> tuple[Layout, Vectors]:
    rows_AD = fake_vectors([f"{text}{version} {i}" for i in range(n_authors)]).astype(np.float16)
    zeros = np.zeros(n_authors, np.int32)
    fill_A = (np.arange(n_authors) % 5 == 0).astype(np.uint8)
    vectors = Vectors(np.arange(n_authors) * 7, zeros, zeros, np.ones(n_authors, np.uint64), fill_A, rows_AD)
    return Layout(version, n_authors, rows_AD.shape[1], "float16", "fake 1"), vectors


def test_what_is_live_is_what_was_written(store: Store) -> None:
    assert store.live() == 0
    _, vectors = written(store, 1)
    assert store.live() == 0
    store.switch(1)
    found = store.get(np.array([14, 15, 0, 343]))
    assert found.is_known_Q.tolist() == [True, False, True, True]
    assert np.array_equal(found.vectors_QD[[0, 2, 3]], vectors.vectors_AD[[2, 0, 49]])
    assert not found.vectors_QD[1].any()
    assert found.fill_Q.tolist() == [0, 0, 1, 0]


def test_readers_see_the_old_version_until_the_switch(store: Store) -> None:
    _, old = written(store, 1)
    store.switch(1)
    _, new = written(store, 2)
    assert np.array_equal(store.get(old.author_A).vectors_QD, old.vectors_AD)
    store.switch(2)
    assert np.array_equal(store.get(new.author_A).vectors_QD, new.vectors_AD)


def test_the_way_back_leads_to_the_version_before_once(store: Store) -> None:
    _, old = written(store, 1)
    store.switch(1)
    written(store, 2)
    store.switch(2)
    assert (store.rollback(), store.live()) == (1, 1)
    assert np.array_equal(store.get(old.author_A).vectors_QD, old.vectors_AD)
    with pytest.raises(StoreError, match="expected a version before 1"):
        store.rollback()


def test_switching_twice_keeps_the_way_back(store: Store) -> None:
    for version in (1, 2):
        written(store, version)
        store.switch(version)
    store.switch(2)
    assert store.rollback() == 1


def test_a_version_that_is_not_sealed_cannot_go_live(store: Store) -> None:
    layout, vectors = layout_and_vectors(1)
    store.begin(layout)
    store.write(layout, vectors)
    with pytest.raises(StoreError, match="expected a sealed version"):
        store.switch(1)
    with pytest.raises(StoreError, match="expected a live version"):
        store.get(vectors.author_A)


def test_what_reads_back_otherwise_is_refused_by_author(store: Store) -> None:
    layout, vectors = layout_and_vectors(1)
    store.begin(layout)
    store.write(layout, vectors)
    other_AD = vectors.vectors_AD.copy()
    other_AD[3, 2] += 1
    other_AD[8, 0] += 1
    with pytest.raises(StoreError, match="got 2 others, author 21"):
        store.check(layout, replace(vectors, vectors_AD=other_AD))


def test_an_author_that_is_missing_is_refused(store: Store) -> None:
    layout, vectors = layout_and_vectors(1)
    store.begin(layout)
    store.write(layout, vectors.take(slice(0, 30)))
    with pytest.raises(StoreError, match="got 20 others, author 210"):
        store.check(layout, vectors)


def test_a_live_version_is_not_begun_again(store: Store) -> None:
    layout, _ = written(store, 1)
    store.switch(1)
    with pytest.raises(StoreError, match="expected a version that is not live"):
        store.begin(layout)


def test_a_second_try_leaves_nothing_of_the_first(store: Store) -> None:
    layout, vectors = layout_and_vectors(1, text="first try")
    store.begin(layout)
    store.write(layout, vectors)
    written(store, 1, 30)
    store.switch(1)
    assert store.get(vectors.author_A).is_known_Q.sum() == 30


def test_sweeping_keeps_the_live_version_and_the_one_before(store: Store) -> None:
    for version in (1, 2, 3):
        written(store, version)
        store.switch(version)
    store.begin(layout_and_vectors(4)[0])  # and what a run left that failed
    assert store.sweep() == (1, 4)
    assert store.rollback() == 2


def test_sweeping_redis_leaves_no_key_of_the_old_and_all_of_others(
    server: RedisServer, redis_store: RedisStore
) -> None:
    with server.client() as client:
        client.set("ae:v10:7", "a version that starts alike")
        client.set("someone", "else")
        for version in (1, 2, 3):
            written(redis_store, version)
            redis_store.switch(version)
        redis_store.sweep()
        keys = {key.decode() for key in client.scan_iter()}
    assert {"ae:v10:7", "someone"} <= keys
    assert [key for key in keys if key.startswith("ae:v1:")] == []
    assert len([key for key in keys if key.startswith("ae:v2:")]) == 50


def test_redis_holds_half_floats_under_versioned_keys(server: RedisServer, redis_store: RedisStore) -> None:
    _, vectors = written(redis_store, 17)
    redis_store.switch(17)
    with server.client() as client:
        assert client.get("ae:live") == b"17"
        value = client.get("ae:v17:35")
        meta = client.get("ae:meta:v17")
    assert isinstance(value, bytes)
    assert isinstance(meta, bytes)
    assert value == vectors.vectors_AD[5].tobytes() + b"\x01"
    assert json.loads(meta)["n_dimensions"] == 16


def test_more_keys_than_a_round_trip_takes_all_arrive(redis_store: RedisStore) -> None:
    _, vectors = written(redis_store, 1, 12_345)
    redis_store.switch(1)
    assert np.array_equal(redis_store.get(vectors.author_A).vectors_QD, vectors.vectors_AD)


@pytest.mark.parametrize("name", ["ae*", "a[e]", "", "a:b"])
def test_a_prefix_that_scan_would_take_for_a_pattern_is_refused(name: str) -> None:
    with pytest.raises(SchemaError, match="prefix: expected letters"):
        RedisStore("redis://localhost", prefix=name)


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    store = RedisStore("redis://:secret@127.0.0.1:1", retries=0)
    with pytest.raises(StoreError, match=r"redis 127.0.0.1:1: expected Redis to answer") as raised:
        store.live()
    assert "secret" not in str(raised.value)


def two_days(root: Path, store: Store) -> tuple[Place, Version, Version]:
    """Publish a day; make the next one."""
    place = replace(place_at(root), store=store)
    first = made(order_of(authors(200)), root)
    published(first, place)
    changes = {row: f"new {row}" for row in range(0, 200, 2)}
    return place, first, made(order_of(with_texts(authors(200), changes, day=1), day=1), root)


def test_redis_killed_in_mid_write_leaves_the_earlier_version_live(
    server: RedisServer, redis_store: RedisStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, first, second = two_days(tmp_path, redis_store)
    write, n_written = RedisStore.write, [0]

    def killing(self: RedisStore, layout: Layout, vectors: Vectors) -> None:
        n_written[0] += 1
        if n_written[0] == 3:
            server.kill()
        write(self, layout, vectors)

    with monkeypatch.context() as patch:
        patch.setattr(RedisStore, "write", killing)
        with pytest.raises(StoreError, match="expected Redis to answer"):
            published(second, place)
    server.start()
    before = all_of(first)
    found = redis_store.get(before.author_A)
    assert (redis_store.live(), place.versions.live()) == (1, 1)
    assert np.array_equal(found.vectors_QD, before.vectors_AD)
    assert published(second, place).switched
    assert np.array_equal(redis_store.get(before.author_A).vectors_QD, all_of(second).vectors_AD)


def test_redis_without_room_leaves_the_earlier_version_live(
    server: RedisServer, redis_store: RedisStore, tmp_path: Path
) -> None:
    place, first, second = two_days(tmp_path, redis_store)
    with server.client() as client:
        client.config_set("maxmemory", 1)
        with pytest.raises(StoreError, match=r"OutOfMemory|OOM"):
            published(second, place)
        client.config_set("maxmemory", 0)
    assert np.array_equal(redis_store.get(all_of(first).author_A).vectors_QD, all_of(first).vectors_AD)


def test_redis_that_loses_a_key_in_between_is_found_out(
    server: RedisServer, redis_store: RedisStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, _, second = two_days(tmp_path, redis_store)
    write = RedisStore.write

    def losing(self: RedisStore, layout: Layout, vectors: Vectors) -> None:
        write(self, layout, vectors)
        with server.client() as client:
            client.delete(f"ae:v2:{vectors.author_A[0]}")

    monkeypatch.setattr(RedisStore, "write", losing)
    with pytest.raises(StoreError, match="got 1 others, author 1000"):
        published(second, place)
    assert redis_store.live() == 1


def test_a_run_killed_between_the_two_pointers_is_made_good(store: Store, tmp_path: Path) -> None:
    place, _, second = two_days(tmp_path, store)
    published(second, place)
    place.versions.set_live(1, 0)  # as if it had ended after the store's switch
    again = made(order_of(with_texts(authors(200), {r: f"new {r}" for r in range(0, 200, 2)}, day=1), day=1), tmp_path)
    assert again.manifest.version == 2
    assert published(again, place).switched
    assert (store.live(), place.versions.live()) == (2, 2)


def test_a_version_that_was_taken_back_is_not_published_again(store: Store, tmp_path: Path) -> None:
    place, first, second = two_days(tmp_path, store)
    published(second, place)
    assert rollback(place) == 1
    assert (store.live(), place.versions.live()) == (1, 1)
    assert np.array_equal(store.get(all_of(first).author_A).vectors_QD, all_of(first).vectors_AD)
    texts = with_texts(authors(200), {r: f"new {r}" for r in range(0, 200, 2)}, day=1)
    with pytest.raises(SchemaError, match="other than those that were withdrawn"):
        made(order_of(texts, day=1), tmp_path)
    third = made(order_of(texts, day=2), tmp_path)
    assert (third.manifest.version, published(third, place).switched) == (3, True)
    assert layout_of(third.manifest).n_authors == 200
