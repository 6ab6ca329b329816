"""CiteULike-a with the item cold-start split of ALDI: papers are notes without authors, tags are their text.

Train (warm_emb) is at time 0, validation (warm_val, cold_item_val) at 1, test (warm_test, cold_item_test) at 2; all
users and papers are there from 0. Tags were written by those who saved the paper, so they leak interactions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.importers.raw import RawEvents, RawNotes, RawUsers, bare_notes, clicks, joined
from bench.importers.recording import Recording, assemble
from bench.importers.sheet import PLAIN_CSV, read_csv
from bench.importers.source import SourceError, as_ids, checked_options, read_lines, read_lists

SPLIT = {"warm_emb": 0, "warm_val": 1, "cold_item_val": 1, "warm_test": 2, "cold_item_test": 2}


def read(source: Path, options: Mapping[str, str]) -> Recording:
    """Read users.dat, item-tag.dat, tags.dat and split_aldi/ of one folder."""
    checked_options(options, {})
    events = joined([_events(source / "split_aldi" / f"{part}.csv", time) for part, time in SPLIT.items()])
    n_users = len(read_lists(source / "users.dat").key_L)
    return assemble(events, _notes(source), RawUsers.at(as_ids(np.arange(n_users)), 0))


def _events(path: Path, time: int) -> RawEvents:
    sheet = read_csv(path, ("user", "item"), PLAIN_CSV)
    return clicks(sheet.ids("user"), sheet.ids("item"), np.full(len(sheet), time))


def _notes(source: Path) -> RawNotes:
    """Return a paper a line of item-tag.dat, its body the names of its tags."""
    lists = read_lists(source / "item-tag.dat")
    wrong = np.flatnonzero(lists.key_L != lists.length_L)
    if len(wrong):
        line = int(wrong[0])
        raise SourceError(f"item-tag.dat: line {line + 1}", f"{lists.key_L[line]} tags", lists.length_L[line])
    names = pa.array(read_lines(source / "tags.dat"), pa.large_string())
    if len(lists.value_V) and int(lists.value_V.max()) >= len(names):
        raise SourceError("item-tag.dat: tag", f"ids below the {len(names)} of tags.dat", lists.value_V.max())
    start_N1 = np.concatenate([[0], np.cumsum(lists.length_L)])
    tags_N = pa.ListArray.from_arrays(pa.array(start_N1, pa.int32()), names.take(pa.array(lists.value_V)))
    notes = bare_notes(as_ids(np.arange(len(tags_N))), 0)
    return replace(notes, body_N=pc.binary_join(tags_N, pa.scalar(" ", pa.large_string())))
