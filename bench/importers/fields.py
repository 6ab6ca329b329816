"""Events and notes of a sheet whose columns the user names: what RecBole files and plain tables share.

`chosen` maps our names (user, item, time, label, author, profile, title, text, category) to columns; an empty column
name means that the source does not say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from bench.importers.raw import UNKNOWN_TIME, RawEvents, RawNotes, bare_notes, clicks
from bench.importers.sheet import Sheet
from bench.importers.source import checked_number

TEXT_FIELDS = {
    "author": "author_N",
    "profile": "profile_N",
    "title": "title_N",
    "text": "body_N",
    "category": "category_N",
}


def read_events(sheet: Sheet, chosen: Mapping[str, str]) -> RawEvents:
    """Return the interactions: at 0 without a time, all clicked without a label."""
    has_time = bool(chosen["time"])
    time_E = sheet.times(chosen["time"], chosen["time_unit"]) if has_time else np.zeros(len(sheet), np.int64)
    events = clicks(sheet.ids(chosen["user"]), sheet.ids(chosen["item"]), time_E)
    if not chosen["label"]:
        return events
    is_click_E = sheet.numbers(chosen["label"]) >= checked_number(chosen, "label_min")
    return replace(events, responses={"click": is_click_E})


def read_notes(sheet: Sheet, chosen: Mapping[str, str]) -> RawNotes:
    """Return one note a row, with the texts that the source has."""
    texts = {ours: sheet.texts(chosen[name]) for name, ours in TEXT_FIELDS.items() if chosen[name]}
    return replace(bare_notes(sheet.ids(chosen["item"]), UNKNOWN_TIME), **texts)
