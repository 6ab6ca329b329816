"""Plain tables, Parquet or CSV, with the columns named by the user: `user=uid,item=iid,time=ts,author=brand`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.importers.fields import TEXT_FIELDS, read_events, read_notes
from bench.importers.raw import UNKNOWN_TIME, RawNotes, RawUsers, unknown_texts
from bench.importers.recording import Recording, assemble
from bench.importers.sheet import CsvStyle, Sheet, read_csv, read_parquet
from bench.importers.source import SourceError, checked_options

# Column names; an empty one: the data has no such column. `label` makes a click where it is at least `label_min`.
# `items` is a table beside the source with one row an item; without it, each item is described by its first row.
# `born` is an item's time of publication; without it an item is born with its first event.
OPTIONS: dict[str, str] = {
    "user": "",
    "item": "",
    "time": "",
    "time_unit": "s",
    "label": "",
    "label_min": "1",
    "items": "",
    "born": "",
    **dict.fromkeys(TEXT_FIELDS, ""),
}
EVENT_COLUMNS = ("user", "item", "time", "label")
NOTE_COLUMNS = ("item", "born", *TEXT_FIELDS)
SUFFIXES = {".parquet": None, ".csv": ",", ".tsv": "\t"}


def read(source: Path, options: Mapping[str, str]) -> Recording:
    """Read one table of interactions, and the table of items if one is named."""
    chosen = checked_options(options, OPTIONS)
    for name in ("user", "item"):
        if not chosen[name]:
            raise SourceError(f"options: {name}", "a column name", "none")
    if chosen["items"]:
        events_sheet = _read(source, chosen, EVENT_COLUMNS)
        notes = _notes(_read(source.with_name(chosen["items"]), chosen, NOTE_COLUMNS), chosen)
    else:
        events_sheet = _read(source, chosen, (*EVENT_COLUMNS, *NOTE_COLUMNS))
        notes = _notes(_first_rows(events_sheet, chosen), chosen)
    return assemble(read_events(events_sheet, chosen), notes, RawUsers.at(unknown_texts(0), UNKNOWN_TIME))


def _read(path: Path, chosen: Mapping[str, str], names: tuple[str, ...]) -> Sheet:
    columns = list(dict.fromkeys(chosen[name] for name in names if chosen[name]))
    if path.suffix not in SUFFIXES:
        raise SourceError(path.name, f"a name ending in {', '.join(SUFFIXES)}", repr(path.suffix))
    delimiter = SUFFIXES[path.suffix]
    if delimiter is None:
        return read_parquet(path, columns)
    return read_csv(path, columns, CsvStyle(delimiter, multiline=True))


def _notes(sheet: Sheet, chosen: Mapping[str, str]) -> RawNotes:
    notes = read_notes(sheet, chosen)
    if not chosen["born"]:
        return notes
    return replace(notes, born_time_N=sheet.times(chosen["born"], chosen["time_unit"]))


def _first_rows(sheet: Sheet, chosen: Mapping[str, str]) -> Sheet:
    """Return each item's first row, refusing an item with two authors."""
    code_E = sheet.ids(chosen["item"]).dictionary_encode().indices.to_numpy()
    _, row_N = np.unique(code_E, return_index=True)
    if chosen["author"]:
        author_E = sheet.texts(chosen["author"])
        is_other_E = pc.not_equal(author_E, author_E.take(pa.array(row_N[code_E]))).to_numpy(zero_copy_only=False)
        if is_other_E.any():
            row = int(is_other_E.argmax())
            raise SourceError(f"{sheet.place}: {chosen['author']}", "one author an item", f"another in row {row}")
    return Sheet(sheet.place, sheet.table.take(pa.array(row_N)))
