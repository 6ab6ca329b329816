"""RecBole atomic files: `*.inter`, and if there `*.item` and `*.user`, tab-separated with typed headers.

Reference: https://recbole.io/docs/user_guide/data/atomic_files.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bench.importers.fields import read_events, read_notes
from bench.importers.raw import UNKNOWN_TIME, RawNotes, RawUsers, bare_notes, unknown_texts
from bench.importers.recording import Recording, assemble
from bench.importers.sheet import UNQUOTED_TSV, Sheet, csv_header, read_csv
from bench.importers.source import SourceError, checked_options

TYPES = ("token", "token_seq", "float", "float_seq")

# Field names; an empty one: the data has no such field. `label` makes a click where it is at least `label_min`;
# `author` to `category` are fields of *.item.
OPTIONS: dict[str, str] = {
    "user": "user_id",
    "item": "item_id",
    "time": "timestamp",
    "time_unit": "s",
    "label": "",
    "label_min": "1",
    "author": "",
    "profile": "",
    "title": "",
    "text": "",
    "category": "",
}
EVENT_TYPES = {"user": "token", "item": "token", "time": "float", "label": "float"}
NOTE_TYPES = {"item": "token", **dict.fromkeys(("author", "profile", "title", "text", "category"), "")}


def read(source: Path, options: Mapping[str, str]) -> Recording:
    """Read the atomic files of one folder; with an empty `time` all happens at 0."""
    chosen = checked_options(options, OPTIONS)
    path = _find(source, "inter")
    if path is None:
        raise SourceError(str(source), "one *.inter file", "none")
    events = read_events(_read(path, chosen, EVENT_TYPES), chosen)
    return assemble(events, _notes(_find(source, "item"), chosen), _users(_find(source, "user"), chosen))


def _notes(path: Path | None, chosen: Mapping[str, str]) -> RawNotes:
    if path is None:
        asked = [name for name in NOTE_TYPES if name != "item" and chosen[name]]
        if asked:
            raise SourceError("options", "a *.item file, where these are fields", ", ".join(asked))
        return bare_notes(unknown_texts(0), UNKNOWN_TIME)
    return read_notes(_read(path, chosen, NOTE_TYPES), chosen)


def _users(path: Path | None, chosen: Mapping[str, str]) -> RawUsers:
    if path is None:
        return RawUsers.at(unknown_texts(0), UNKNOWN_TIME)
    sheet = _read(path, chosen, {"user": "token"})
    return RawUsers.at(sheet.ids(chosen["user"]), UNKNOWN_TIME)


def _find(folder: Path, ending: str) -> Path | None:
    """Return the folder's one file of that ending, or None."""
    paths = sorted(folder.glob(f"*.{ending}"))
    if len(paths) > 1:
        raise SourceError(str(folder), f"one *.{ending} file", ", ".join(path.name for path in paths))
    return paths[0] if paths else None


def _read(path: Path, chosen: Mapping[str, str], expected: Mapping[str, str]) -> Sheet:
    """Read the chosen fields, each under its plain name, and refuse a field of another type than `expected`."""
    types = _types(path)
    wanted = {chosen[option]: dtype for option, dtype in expected.items() if chosen[option]}
    for field, dtype in wanted.items():
        if field not in types:
            raise SourceError(f"{path.name}: fields", field, ", ".join(types))
        if dtype and types[field] != dtype:
            raise SourceError(f"{path.name}: {field}", f"type {dtype}", types[field])
    sheet = read_csv(path, [f"{field}:{types[field]}" for field in wanted], UNQUOTED_TSV)
    return replace(sheet, table=sheet.table.rename_columns(list(wanted)))


def _types(path: Path) -> dict[str, str]:
    types = {}
    for column in csv_header(path, UNQUOTED_TSV):
        field, _, dtype = column.partition(":")
        if dtype not in TYPES:
            raise SourceError(f"{path.name}: header", f"name:type with type {', '.join(TYPES)}", repr(column))
        types[field] = dtype
    return types
