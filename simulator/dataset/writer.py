"""Write a dataset part by part: whole or not at all, in bounded memory, going on after a kill where it stood."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

from numpy.typing import NDArray
from pydantic import JsonValue

from simulator.dataset.digest import ContentDigest
from simulator.dataset.manifest import SCHEMA_VERSION, DatasetError, Manifest, Table, write_manifest
from simulator.dataset.parquet import blocks, read_rows, write_part
from simulator.dataset.tables import EVENTS, Columns, column_types, event_columns, part_file, to_tables
from simulator.dataset.unfinished import Journal, Step, Unfinished, claim
from simulator.schema import EVENT_COLUMNS, Kind, Observation, SchemaError, Texts, WithheldTexts
from simulator.schema.checks import check_column, check_sorted

MAX_PARTS = 100_000  # what part-00000 has room for
NO_SOURCE_IDS: Mapping[Kind, Texts] = MappingProxyType({})


class DatasetWriter:
    """A dataset in the making; use it in a `with`, which lets go of it and keeps what is not finished.

    `checkpoint` is a folder for the caller's own state. A caller that resumes looks there for its newest state after
    `n` <= `n_parts` parts, calls `truncate(n)` and goes on with part `n`; what it finds for more parts is void.
    """

    def __init__(self, folder: Path, unfinished: Unfinished, journal: Journal) -> None:
        self._folder = folder
        self._unfinished = unfinished
        self._journal = journal
        self._digest = _digest_after(self._unfinished.dataset, self._journal.steps)

    @classmethod
    def open(cls, folder: Path, *, name: str, origin: dict[str, JsonValue], texts: bool, key: str) -> DatasetWriter:
        """Begin a dataset at `folder`, which must not exist, or go on with it after a kill or an exception.

        `key` stands for all that decides the events: world, seed, code. Unfinished work is gone on with where key,
        name, origin and texts are the same, and discarded where one is not. Without `texts` the columns of texts are
        left out. A folder that another process writes is refused.
        """
        fresh = Journal(key=key, name=name, origin=origin, texts=texts)
        _refuse_existing(folder)
        unfinished = claim(folder)
        try:
            _refuse_existing(folder)  # its writer may have finished meanwhile
            return cls(folder, unfinished, unfinished.resume(fresh))
        except BaseException:
            unfinished.release()
            raise

    @property
    def n_parts(self) -> int:
        """How many parts are finished."""
        return len(self._journal.steps)

    @property
    def checkpoint(self) -> Path:
        """The folder for the caller's own state, gone when the dataset is finished."""
        return self._unfinished.checkpoint

    def truncate(self, n_parts: int) -> None:
        """Drop all parts after the first `n_parts`."""
        if not 0 <= n_parts <= self.n_parts:
            raise DatasetError("truncate: n_parts", f"0 to {self.n_parts}", n_parts)
        self._journal = self._unfinished.keep(self._journal.cut(n_parts))
        self._digest = _digest_after(self._unfinished.dataset, self._journal.steps)

    def write_events(self, columns: Mapping[str, NDArray[Any]]) -> None:
        """Append events, later than all before them, as one part; none make an empty part."""
        _check_events(columns)
        if self.n_parts == MAX_PARTS:
            raise DatasetError(f"{self._folder}: parts", f"at most {MAX_PARTS}", "one more")
        digest = self._digest.copy()  # what fails leaves the writer as it was
        file = part_file(EVENTS, self.n_parts)
        part = write_part(self._unfinished.dataset, file, columns, EVENT_COLUMNS, digest=digest)
        step = Step(part=part, chain=digest.chain)
        journal = self._journal.model_copy(update={"steps": (*self._journal.steps, step)})
        self._unfinished.save(journal)
        self._journal, self._digest = journal, digest

    def finish(self, rest: Observation, *, source_ids: Mapping[Kind, Texts] = NO_SOURCE_IDS) -> Manifest:
        """Write all but the events of `rest`, which has none, and let the dataset appear in one rename."""
        if len(rest.events):
            raise DatasetError("finish: events", "none: they were written part by part", len(rest.events))
        if not self.n_parts:
            self.write_events(event_columns(rest.events))
        manifest = self._write_rest(rest, source_ids)
        write_manifest(self._unfinished.dataset, manifest)
        _refuse_existing(self._folder)
        self._unfinished.dataset.rename(self._folder)
        self._unfinished.remove()
        return manifest

    def discard(self) -> None:
        """Remove what is not finished."""
        self._unfinished.remove()

    def close(self) -> None:
        """Let go of the folder, so that it can be opened again."""
        self._unfinished.release()

    def __enter__(self) -> DatasetWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write_rest(self, rest: Observation, source_ids: Mapping[Kind, Texts]) -> Manifest:
        journal, tables = self._journal, dict[str, Table]()
        for table, columns in to_tables(rest, source_ids).items():
            if table == EVENTS:
                parts = tuple(step.part for step in journal.steps)
                tables[table] = Table(content=self._digest.hexdigest(), parts=parts)
            else:
                types = column_types(table, texts=journal.texts)
                digest = ContentDigest(types)
                part = write_part(self._unfinished.dataset, part_file(table, 0), columns, types, digest=digest)
                tables[table] = Table(content=digest.hexdigest(), parts=(part,))
        return Manifest(
            schema_version=SCHEMA_VERSION,
            name=journal.name,
            now=int(rest.now),
            categories=rest.catalog.categories,
            channels=rest.events.channels,
            texts=journal.texts,
            origin=journal.origin,
            tables=tables,
        ).sealed()


def write(
    folder: Path,
    observation: Observation,
    *,
    name: str,
    origin: dict[str, JsonValue],
    source_ids: Mapping[Kind, Texts] = NO_SOURCE_IDS,
) -> Manifest:
    """Write a new dataset folder with its events in one part, whole or not at all; a folder that exists is refused.

    An observation without texts makes a dataset without texts.
    """
    texts = not isinstance(observation.catalog.notes.title, WithheldTexts)
    key = secrets.token_hex(16)  # nothing to go on with
    with DatasetWriter.open(folder, name=name, origin=origin, texts=texts, key=key) as writer:
        try:
            writer.write_events(event_columns(observation.events))
            rest = replace(observation, events=observation.events.take(slice(0, 0)))
            return writer.finish(rest, source_ids=source_ids)
        except BaseException:
            writer.discard()
            raise


def _digest_after(dataset: Path, steps: tuple[Step, ...]) -> ContentDigest:
    """Take the digest up again: the chain after the last part, then the rows of the block that was not full."""
    n_rows = sum(step.part.rows for step in steps)
    digest = ContentDigest(EVENT_COLUMNS, chain=steps[-1].chain if steps else "", n_rows=n_rows)
    n_missing, tails = n_rows - digest.n_rows, list[Columns]()
    for part in (step.part for step in reversed(steps)):
        n_tail = min(part.rows, n_missing)
        if n_tail:
            tails.append(read_rows(dataset / part.file, EVENT_COLUMNS, first=part.rows - n_tail))
            n_missing -= n_tail
    for columns in reversed(tails):
        for block in blocks(columns, EVENT_COLUMNS):
            digest.update(block)
    return digest


def _check_events(columns: Mapping[str, NDArray[Any]]) -> None:
    """Refuse what does not fit the tables; the ranges are checked when the dataset is read."""
    if set(columns) != set(EVENT_COLUMNS):
        raise SchemaError("events", f"columns {sorted(EVENT_COLUMNS)}", sorted(columns))
    for name, dtype in EVENT_COLUMNS.items():
        # Of a view: the check makes read-only what it is given, and the caller's buffers are the caller's.
        check_column(f"events.{name}", columns[name].view(), dtype, len(columns["time"]))
    check_sorted("events.time", columns["time"])


def _refuse_existing(folder: Path) -> None:
    if folder.exists():
        raise DatasetError(str(folder), "no such folder yet", "an existing one")
