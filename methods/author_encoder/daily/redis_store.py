"""Versions of vectors in Redis.

    ae:v17:AUTHOR    the vector, little-endian, and a byte that is not 0 where it is a fill
    ae:meta:v17      JSON: what the version holds; sealed or not
    ae:live          17, which readers go by; ae:previous 16, which a rollback goes back to
    ae:versions      the set of versions of which anything may be there

Keys are written by MSET, a thousand a command and some commands a round trip. The pointer moves in one MULTI, and
the versions that nobody reads any more go by SCAN and UNLINK, which frees memory off the server's main thread.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import redis
from numpy.typing import NDArray
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from methods.author_encoder.daily.shards import Vectors
from methods.author_encoder.daily.store import Found, Layout, StoreError, refuse_difference
from simulator.schema import SchemaError

KEYS_PER_COMMAND = 1_000
COMMANDS_PER_TRIP = 10
SCAN_COUNT = 5_000
PREFIX = re.compile(r"[A-Za-z0-9_.-]+")  # no glob characters: SCAN must match nothing else


class RedisStore:
    """The store over one Redis server, 6 or later."""

    def __init__(self, url: str, *, prefix: str = "ae", retries: int = 3) -> None:
        if not PREFIX.fullmatch(prefix):
            raise SchemaError("prefix", "letters, digits, _ . -", repr(prefix))
        retry = Retry(ExponentialBackoff(cap=1.0, base=0.05), retries)
        place = urlsplit(url)
        self._name, self._prefix = f"redis {place.hostname or ''}:{place.port or place.path}", prefix  # no password
        self._redis: Any = redis.Redis.from_url(url, retry=retry, socket_connect_timeout=5.0, socket_timeout=60.0)
        self._layouts: dict[int, Layout] = {}

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def live(self) -> int:
        """Return the live version, 0 for none."""
        with self._failing():
            return int(self._redis.get(self._key("live")) or 0)

    def begin(self, layout: Layout) -> None:
        """Remove what is there of it and announce it."""
        if layout.version == self.live():
            raise StoreError(f"{self._name}: expected a version that is not live, got {layout.version}")
        with self._failing():
            if self._redis.sismember(self._key("versions"), layout.version):
                self._remove(layout.version)
            self._redis.sadd(self._key("versions"), layout.version)
            self._redis.set(self._meta(layout.version), json.dumps(asdict(layout) | {"sealed": False}))

    def write(self, layout: Layout, vectors: Vectors) -> None:
        """Send MSETs."""
        n_bytes = layout.record.itemsize
        data = layout.records(vectors).tobytes()
        keys = self._keys(layout.version, vectors.author_A)
        values = [data[i : i + n_bytes] for i in range(0, len(data), n_bytes)]
        with self._failing():
            for trip in _trips(len(keys)):
                pipe = self._redis.pipeline(transaction=False)
                for rows in trip:
                    pipe.mset(dict(zip(keys[rows], values[rows], strict=True)))
                pipe.execute()

    def check(self, layout: Layout, vectors: Vectors) -> None:
        """Send MGETs and compare."""
        records_A = layout.records(vectors)
        values = self._values(self._keys(layout.version, vectors.author_A))
        n_bytes = layout.record.itemsize
        sound = [value if value is not None and len(value) == n_bytes else b"" for value in values]
        same_A = np.array([value != b"" for value in sound], np.bool_)
        got_A = np.frombuffer(b"".join(sound), layout.record)
        same_A[same_A] = got_A == records_A[same_A]
        refuse_difference(self._name, layout.version, vectors.author_A, same_A)

    def seal(self, layout: Layout) -> None:
        """Say that it is complete."""
        with self._failing():
            self._redis.set(self._meta(layout.version), json.dumps(asdict(layout) | {"sealed": True}))

    def switch(self, version: int) -> None:
        """Move the pointer and remember where it was, in one MULTI."""
        self._layout(version)
        live = self.live()
        if version != live:
            self._point(version, live)

    def rollback(self) -> int:
        """Move the pointer back, in one MULTI."""
        with self._failing():
            before = int(self._redis.get(self._key("previous")) or 0)
        if not before:
            raise StoreError(f"{self._name}: expected a version before {self.live()} to go back to, got none")
        self._layout(before)
        self._point(before, 0)
        return before

    def get(self, author_Q: NDArray[np.int64]) -> Found:
        """Read the pointer, then the values of that version, which outlives the next switch."""
        version = self.live()
        if not version:
            raise StoreError(f"{self._name}: expected a live version, got none")
        if version not in self._layouts:
            self._layouts = {version: self._layout(version)}
        layout = self._layouts[version]
        values = self._values(self._keys(version, author_Q))
        nothing = bytes(layout.record.itemsize)
        records_Q = np.frombuffer(b"".join(nothing if value is None else value for value in values), layout.record)
        is_known_Q = np.array([value is not None for value in values], np.bool_)
        return Found(version, records_Q["vector"], records_Q["fill"], is_known_Q)

    def sweep(self) -> tuple[int, ...]:
        """Remove all that is neither live nor the one before it."""
        with self._failing():
            kept = {int(self._redis.get(self._key(name)) or 0) for name in ("live", "previous")}
            there = sorted(int(member) for member in self._redis.smembers(self._key("versions")))
            old = tuple(number for number in there if number not in kept)
            for number in old:
                self._remove(number)
        return old

    def _remove(self, version: int) -> None:
        """Unlink its keys in small steps; it leaves the set of versions last, so that a kill is made good."""
        self._redis.delete(self._meta(version))
        cursor = 0
        while True:
            cursor, keys = self._redis.scan(cursor, match=f"{self._prefix}:v{version}:*", count=SCAN_COUNT)
            if keys:
                self._redis.unlink(*keys)
            if cursor == 0:
                break
        self._redis.srem(self._key("versions"), version)

    def _values(self, keys: list[str]) -> list[bytes | None]:
        values: list[bytes | None] = []
        with self._failing():
            for trip in _trips(len(keys)):
                pipe = self._redis.pipeline(transaction=False)
                for rows in trip:
                    pipe.mget(keys[rows])
                for some in pipe.execute():
                    values += some
        return values

    def _layout(self, version: int) -> Layout:
        with self._failing():
            raw = self._redis.get(self._meta(version))
        read = json.loads(raw) if raw is not None else {"sealed": False}
        if not read.pop("sealed"):
            raise StoreError(f"{self._name} {self._meta(version)}: expected a sealed version, got none")
        return Layout(**read)

    def _point(self, live: int, before: int) -> None:
        with self._failing():
            pipe = self._redis.pipeline(transaction=True)
            pipe.set(self._key("live"), live)
            pipe.set(self._key("previous"), before)
            pipe.execute()

    def _key(self, name: str) -> str:
        return f"{self._prefix}:{name}"

    def _meta(self, version: int) -> str:
        return f"{self._prefix}:meta:v{version}"

    def _keys(self, version: int, author_A: NDArray[np.int64]) -> list[str]:
        start = f"{self._prefix}:v{version}:"
        return [f"{start}{author}" for author in author_A.tolist()]

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except redis.RedisError as error:
            raise StoreError(f"{self._name}: expected Redis to answer, got {type(error).__name__}: {error}") from error


def _trips(n_keys: int) -> Iterator[list[slice]]:
    """Cut keys into commands, and commands into round trips."""
    rows = [slice(i, min(i + KEYS_PER_COMMAND, n_keys)) for i in range(0, n_keys, KEYS_PER_COMMAND)]
    for first in range(0, len(rows), COMMANDS_PER_TRIP):
        yield rows[first : first + COMMANDS_PER_TRIP]
