"""Amazon Beauty 2014, 5-core, as S3-Rec and its successors use it: interactions.tsv and items.tsv.

Days, not seconds: 44 % of a user's consecutive interactions share a day, so the given order (`pos`) breaks ties.
The first category below Beauty is a note's category, the whole path its body; the brand is its author.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.importers.raw import UNKNOWN_TIME, RawEvents, RawNotes, RawUsers, bare_notes, clicks, unknown_texts
from bench.importers.recording import Recording, assemble
from bench.importers.sheet import UNQUOTED_TSV, Sheet, read_csv
from bench.importers.source import SourceError, checked_options

ROOT_CATEGORY = r"^Beauty(?: > (?P<first>[^>]+?))?(?: > .*)?$"


def read(source: Path, options: Mapping[str, str]) -> Recording:
    """Read the two tables of one folder."""
    checked_options(options, {})
    interactions = read_csv(source / "interactions.tsv", ("user", "item", "pos", "timestamp"), UNQUOTED_TSV)
    items = read_csv(source / "items.tsv", ("item", "brand", "title", "categories"), UNQUOTED_TSV)
    return assemble(_events(interactions), _notes(items), RawUsers.at(unknown_texts(0), UNKNOWN_TIME))


def _events(sheet: Sheet) -> RawEvents:
    """Return the interactions, at equal times by user and place; times that fall with the place are refused."""
    user_E, place_E, time_E = sheet.integers("user"), sheet.integers("pos"), sheet.integers("timestamp")
    order_E = np.lexsort((place_E, user_E))
    falls = (np.diff(time_E[order_E]) < 0) & (np.diff(user_E[order_E]) == 0)
    if falls.any():
        row = int(order_E[int(falls.argmax()) + 1])
        raise SourceError(f"{sheet.place}: timestamp", "times that rise with pos", f"an earlier one in row {row}")
    tie_E = np.empty(len(sheet), np.int64)
    tie_E[order_E] = np.arange(len(sheet))
    return replace(clicks(sheet.ids("user"), sheet.ids("item"), time_E), tie_E=tie_E)


def _notes(sheet: Sheet) -> RawNotes:
    path_N, brand_N = sheet.texts("categories"), sheet.texts("brand")
    parts = pc.extract_regex(path_N, ROOT_CATEGORY)
    if parts.null_count:
        row = int(np.argmax(parts.is_null().to_numpy(zero_copy_only=False)))
        raise SourceError(f"{sheet.place}: categories", "a path from Beauty", f"{path_N[row].as_py()!r} in row {row}")
    return replace(
        bare_notes(sheet.ids("item"), UNKNOWN_TIME),
        author_N=brand_N,
        profile_N=brand_N,
        title_N=sheet.texts("title"),
        body_N=path_N,
        category_N=pa.array(parts.field(0)),
    )
