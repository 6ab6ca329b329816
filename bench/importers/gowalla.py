"""Gowalla in the NGCF/LightGCN split: train at time 0, test at time 1, everybody and everything there from 0."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bench.importers.raw import RawEvents, RawUsers, bare_notes, clicks, joined
from bench.importers.recording import Recording, assemble
from bench.importers.sheet import CsvStyle, read_csv
from bench.importers.source import Lists, as_ids, checked_options, read_lists

PARTS = ("train.txt", "test.txt")


def read(source: Path, options: Mapping[str, str]) -> Recording:
    """Read train.txt, test.txt and item_list.txt of one folder; ids of the source are those of the split."""
    checked_options(options, {})
    lists = [read_lists(source / part) for part in PARTS]
    events = joined([_events(part, time) for time, part in enumerate(lists)])
    item_N = read_csv(source / "item_list.txt", ("remap_id",), CsvStyle(delimiter=" ")).ids("remap_id")
    user_U = as_ids(np.unique(np.concatenate([part.key_L for part in lists])))
    return assemble(events, bare_notes(item_N, 0), RawUsers.at(user_U, 0))


def _events(lists: Lists, time: int) -> RawEvents:
    return clicks(as_ids(lists.owner_V), as_ids(lists.value_V), np.full(len(lists.value_V), time))
