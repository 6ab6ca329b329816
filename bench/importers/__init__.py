"""Recorded logs become dataset folders like those of a world, without an oracle: one module a layout.

A layout's `read` is pure: a source folder or file and options (text to text) to a `Recording`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

from pydantic import JsonValue

from bench.importers.recording import Recording
from bench.importers.source import SourceError
from simulator import dataset

__all__ = ["IMPORTERS", "Recording", "SourceError", "find_importer", "import_dataset"]

IMPORTERS: dict[str, str] = {
    "recbole": "bench.importers.recbole:read",
    "tabular": "bench.importers.tabular:read",
    "kuairand": "bench.importers.kuairand:read",
    "beauty": "bench.importers.beauty:read",
    "gowalla": "bench.importers.gowalla:read",
    "citeulike": "bench.importers.citeulike:read",
    "lastfm": "bench.importers.lastfm:read",
}

Importer = Callable[[Path, Mapping[str, str]], Recording]


def find_importer(layout: str) -> Importer:
    """Return the reader of a named layout."""
    if layout not in IMPORTERS:
        raise SourceError("layout", f"one of {', '.join(IMPORTERS)}", repr(layout))
    module, _, function = IMPORTERS[layout].partition(":")
    importer: Importer = getattr(import_module(module), function)
    return importer


def import_dataset(layout: str, source: Path, out: Path, options: Mapping[str, str]) -> dataset.Manifest:
    """Read a recorded log and write it as a new dataset folder, named after the folder.

    The manifest's origin holds layout and options but not where the source lay, so that two people who import the
    same data under the same name get the same fingerprint.
    """
    recording = find_importer(layout)(source, options)
    chosen: dict[str, JsonValue] = {name: options[name] for name in sorted(options)}
    origin: dict[str, JsonValue] = {"importer": layout, "options": chosen}
    return dataset.write(out, recording.observation, name=out.name, origin=origin, source_ids=recording.source_ids)
