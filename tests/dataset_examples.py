"""Small dataset folders: one to be read and to be broken, and one that is written day by day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from simulator import dataset
from simulator.dataset import DatasetWriter, Manifest, Part
from simulator.dataset.tables import event_columns, part_file
from simulator.schema import EventLog, Kind, Observation, StoredTexts, Texts
from tests.schema_examples import an_observation

ORIGIN: dict[str, Any] = {"world": "tiny", "seed": 1, "version": "0.1.0", "spec": {"share": 0.1}}
IDS: dict[Kind, Texts] = {"user": StoredTexts.of(["u1", "u2"]), "note": StoredTexts.of(["n1", "n2", "n3"])}


def write_one(folder: Path) -> Manifest:
    return dataset.write(folder, an_observation(), name="one", origin=ORIGIN, source_ids=IDS)


def a_long_observation() -> Observation:
    """The small observation with 20 events, all of them after the last arrival."""
    short = an_observation()
    rng = np.random.default_rng(0)
    columns = {name: np.resize(column, 20) for name, column in event_columns(short.events).items()}
    columns |= {"time": np.sort(rng.integers(10, 90, 20)), "note": rng.integers(0, 3, 20).astype(np.int32)}
    log = EventLog(**{f"{name}_E": column for name, column in columns.items()}, channels=short.events.channels)
    return Observation(100, short.catalog, log, short.follows)


def without_events(observation: Observation) -> Observation:
    return replace(observation, events=observation.events.take(slice(0, 0)))


def open_one(folder: Path, **changes: Any) -> DatasetWriter:
    return DatasetWriter.open(folder, **{"name": "one", "origin": ORIGIN, "texts": True, "key": "k", **changes})


def write_parts(writer: DatasetWriter, observation: Observation, cuts: Sequence[int]) -> None:
    """Write the rows between neighbouring cuts, a part each, after those that are there."""
    for first, end in list(pairwise(cuts))[writer.n_parts :]:
        writer.write_events(event_columns(observation.events.take(slice(first, end))))


def stream_one(folder: Path, observation: Observation, cuts: Sequence[int]) -> Manifest:
    """Write part by part as a world would that keeps its state after every second part; go on after a kill."""
    with open_one(folder) as writer:
        states = [int(path.name) for path in writer.checkpoint.iterdir()]
        writer.truncate(max((n for n in states if n <= writer.n_parts), default=0))
        for n_parts in range(writer.n_parts + 1, len(cuts)):
            write_parts(writer, observation, cuts[: n_parts + 1])
            if n_parts % 2 == 0:
                (writer.checkpoint / str(n_parts)).touch()
        return writer.finish(without_events(observation))


def path_of(folder: Path, table: str) -> Path:
    """The first file of a table."""
    return folder / part_file(table, 0)


def with_parts(manifest: Manifest, table: str, *parts: Part) -> Manifest:
    entry = manifest.tables[table].model_copy(update={"parts": parts})
    return manifest.model_copy(update={"tables": {**manifest.tables, table: entry}})


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
