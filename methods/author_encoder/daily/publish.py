"""Bring a version live: verify its shards, index it, hold it against thresholds, write it to a store, switch.

Whatever fails, fails before the switch, and the earlier version stays live. All of it can be done again. Each run
leaves a line in OUT/runs.jsonl.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from methods.author_encoder.daily.ann_recall import recalls, sampled
from methods.author_encoder.daily.index import AnnConfig, build_index
from methods.author_encoder.daily.manifest import Counts, Manifest, Version, Versions
from methods.author_encoder.daily.monitor import Breach, Health, Thresholds, breaches, health_of
from methods.author_encoder.daily.store import Layout, Store, StoreError
from methods.author_encoder.daily.work import Tell

LOG = "runs.jsonl"


@dataclass(frozen=True, slots=True)
class PublishConfig:
    """What a version must pass; `n_expected` is how many authors there should be, 0 for as many as there are."""

    anns: tuple[AnnConfig, ...] = (AnnConfig(),)
    thresholds: Thresholds = field(default_factory=Thresholds)
    n_expected: int = 0
    n_queries: int = 200  # that ANN recall is measured on
    k: int = 10


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did; `switched` is whether the version is live now."""

    version: int
    day: int
    model: str
    model_version: str
    switched: bool
    health: Health
    breaches: tuple[Breach, ...]
    counts: Counts
    thresholds: Thresholds
    recall_of: dict[str, float]
    removed: tuple[int, ...]
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def bounds(self) -> dict[str, tuple[float, ...]]:
        """The thresholds of each figure, the lower one first."""
        out: dict[str, tuple[float, ...]] = {}
        for name, limit in asdict(self.thresholds).items():
            figure = name.partition("_")[2]
            out[figure] = (*out.get(figure, ()), limit)
        return out

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it: NaN is null."""
        health = {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(self.health).items()}
        named = {name: getattr(self, name) for name in ("version", "day", "model", "model_version", "switched")}
        more = {
            "thresholds": asdict(self.thresholds),
            "recall_of": self.recall_of,
            "removed": list(self.removed),
            "seconds": self.seconds,
        }
        found = [asdict(breach) for breach in self.breaches]
        return (
            {"schema_version": 1}
            | named
            | {"health": health, "breaches": found, "counts": self.counts.model_dump()}
            | more
        )


@dataclass(frozen=True, slots=True)
class Place:
    """Where versions lie and where they are served from."""

    versions: Versions
    store: Store


def publish(version: Version, place: Place, config: PublishConfig, *, rng: np.random.Generator, tell: Tell) -> Report:
    """Check a version and make it live, or report what it breaches and leave the live one alone.

    Raises ShardError naming a damaged file, StoreError when the store fails or holds something else; both before the
    switch.
    """
    versions, store = place.versions, place.store
    clock, seconds = _Clock(), dict[str, float]()
    with clock.of("verify", seconds):
        verify(version, tell=tell)
    with clock.of("index", seconds):
        recall_of = _indexed(version, config, rng, tell)
    base, now = versions.base(), version.manifest
    last = base.manifest if base and base.manifest.version != now.version else None
    worst = min(recall_of.values(), default=float("nan"))
    health = health_of(now, last, n_expected=config.n_expected or now.n_authors, ann_recall=worst)
    found, removed = breaches(health, config.thresholds), tuple[int, ...]()
    if not found:
        with clock.of("store", seconds):
            _into_store(version, store, tell)
            store.switch(now.version)
            versions.switch(now.version)
        with clock.of("sweep", seconds):
            store.sweep()
            removed = versions.sweep()
    names = (now.version, now.day, now.model, now.model_version, not found)
    report = Report(*names, health, found, now.counts, config.thresholds, recall_of, removed, seconds)
    log(versions.root, report.as_dict())
    return report


def rollback(place: Place) -> int:
    """Go back to the version before the live one, in the store and on disk; return it.

    The version that is left is marked as withdrawn and is not published again.
    """
    versions, store = place.versions, place.store
    live, before = store.live(), store.rollback()
    versions.withdraw(live, before)
    log(versions.root, {"schema_version": 1, "version": before, "rolled_back_from": live})
    return before


def verify(version: Version, *, tell: Tell) -> None:
    """Read every shard, its sha256 and its order."""
    for number, shard in enumerate(version.manifest.shards):
        version.read(shard)
        tell("verified", number + 1, len(version.manifest.shards))


def log(root: Path, line: dict[str, Any]) -> None:
    """Append one line of JSON and have the disk hold it."""
    with (root / LOG).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, allow_nan=False) + "\n")
        file.flush()
        os.fsync(file.fileno())


def layout_of(manifest: Manifest) -> Layout:
    """Return what a store is to hold of a version."""
    model = f"{manifest.model} {manifest.model_version}"
    return Layout(manifest.version, manifest.n_authors, manifest.n_dimensions, manifest.dtype, model)


def _into_store(version: Version, store: Store, tell: Tell) -> None:
    """Write, read back, seal; a version that is live there already, from a run that was killed, is only read back."""
    layout, n_shards = layout_of(version.manifest), len(version.manifest.shards)
    is_live = store.live() == layout.version
    if not is_live:
        store.begin(layout)
        for number, vectors in enumerate(version.blocks()):
            store.write(layout, vectors)
            tell("stored", number + 1, n_shards)
    n_checked = 0
    for number, vectors in enumerate(version.blocks()):
        store.check(layout, vectors)
        n_checked += len(vectors)
        tell("read back", number + 1, n_shards)
    if n_checked != layout.n_authors:
        raise StoreError(f"version {layout.version}: expected {layout.n_authors} authors read back, got {n_checked}")
    if not is_live:
        store.seal(layout)


def _indexed(version: Version, config: PublishConfig, rng: np.random.Generator, tell: Tell) -> dict[str, float]:
    """Build the indexes; return the mean recall of each."""
    if not config.anns:
        return {}
    queries = sampled(version, config.n_queries, rng=rng)
    found = {}
    for ann in config.anns:
        index = build_index(version, ann, tell=tell)
        found[ann.kind] = float(recalls(version, index, queries, k=config.k).mean())
    return found


class _Clock:
    """Wall seconds of named phases."""

    @contextmanager
    def of(self, phase: str, seconds: dict[str, float]) -> Iterator[None]:
        start = time.perf_counter()
        yield
        seconds[phase] = round(time.perf_counter() - start, 3)
