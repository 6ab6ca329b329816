"""What a method's process is given, one task at a time. Another process holds the whole log and cuts it.

A view that is a slice in memory leads back to all it was cut from, the future included; packed and sent, it is the
slice alone.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass, fields, is_dataclass
from multiprocessing import connection
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from bench.case import Case, Opener
from bench.task import Split
from bench.tasks import find_task
from simulator.dataset import read
from simulator.schema import Kind, Observation, Requests, StoredTexts

Held = Literal["nothing", "fit", "index"]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What is to be fitted on, or what is to be indexed; each is shown when the other is done with."""

    stage: Literal["fit", "index"]
    seen: Observation


@dataclass(frozen=True, slots=True, eq=False)
class Questions:
    """The requests of a task."""

    requests: Requests
    cold_only: Requests | None


def hand_out(dataset: str, tasks: tuple[str, ...], case_key: int, pipe: connection.Connection) -> None:
    """Hand out the tasks, in order, until the process that asks is gone.

    It says as it asks which task it is at, by its place, and what it holds; that is all that is ever read from it.
    """
    with threadpool_limits(1):
        opener = Opener(read(Path(dataset)).observation, key=case_key)
        at, fitted, cut = 0, None, None
        try:
            while True:
                place, held = pipe.recv_bytes(32).split(b" ")
                if not at <= int(place) < len(tasks):
                    return
                at = int(place)
                try:
                    case = opener.open(find_task(tasks[at]))
                except ValueError as error:
                    pipe.send_bytes(pickle.dumps(str(error)))
                    continue
                if held == b"nothing" or fitted != _fit_of(case):
                    fitted, cut = _fit_of(case), None
                    pipe.send_bytes(pack(View("fit", case.cut.fit)))
                elif held == b"fit" or cut is not case.cut:
                    cut = case.cut
                    pipe.send_bytes(pack(View("index", cut.index)))
                else:
                    pipe.send_bytes(pack(Questions(case.requests, case.cold_only)))
        except (EOFError, OSError, ValueError):
            return


def hand_over(views: tuple[bytes, bytes, bytes], pipe: connection.Connection) -> None:
    """Hand out a single task whose views, to fit on and to index, and requests have been packed already."""
    by_held = dict(zip((b"nothing", b"fit", b"index"), views, strict=True))
    try:
        while True:
            pipe.send_bytes(by_held[pipe.recv_bytes(32).partition(b" ")[2]])
    except (EOFError, OSError, KeyError):
        return


def packed(case: Case) -> tuple[bytes, bytes, bytes]:
    """Return what `hand_over` hands out of a case."""
    questions = Questions(case.requests, case.cold_only)
    return pack(View("fit", case.cut.fit)), pack(View("index", case.cut.index)), pack(questions)


def ask(pipe: connection.Connection, place: int, held: Held) -> View | Questions:
    """Ask for what comes next of the task at a place; raise ValueError where it cannot be opened."""
    pipe.send_bytes(f"{place} {held}".encode())
    found = unpack(pipe.recv_bytes())
    if isinstance(found, str):
        raise ValueError(found)
    assert isinstance(found, View | Questions)
    return found


def _fit_of(case: Case) -> tuple[Kind, Split]:
    """Return what a fit is for: it serves all tasks that have the same."""
    return case.task.target, case.task.split


def pack(thing: View | Questions) -> bytes:
    """Return a thing as bytes that hold its own rows and nothing of what they were cut from."""
    return pickle.dumps(_plain(thing), protocol=pickle.HIGHEST_PROTOCOL)


def unpack(content: bytes) -> object:
    """Return what was packed, every dataclass built, and so checked and read-only, anew. For trusted bytes alone."""
    return _built(pickle.loads(content))


@dataclass(frozen=True, slots=True)
class _Parts:
    """A dataclass taken apart."""

    made: type[Any]
    values: tuple[Any, ...]


def _plain(thing: Any) -> Any:
    if isinstance(thing, StoredTexts):
        sink = pa.BufferOutputStream()
        # Taken, and so copied: of a slice Arrow would write some bytes beyond its end, to fill up 64.
        copied = thing.column.take(pa.array(np.arange(len(thing), dtype=np.int64)))
        batch = pa.record_batch([copied], names=["texts"])
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        return _Parts(StoredTexts, (sink.getvalue().to_pybytes(),))
    if is_dataclass(thing) and not isinstance(thing, type):
        return _Parts(type(thing), tuple(_plain(getattr(thing, field.name)) for field in fields(thing)))
    return np.ascontiguousarray(thing) if isinstance(thing, np.ndarray) else thing


def _built(thing: Any) -> Any:
    if not isinstance(thing, _Parts):
        return thing
    if thing.made is StoredTexts:
        table = pa.ipc.open_stream(pa.py_buffer(thing.values[0])).read_all()
        return StoredTexts(table.column(0).combine_chunks())
    return thing.made(*map(_built, thing.values))
