"""LastFM (hetrec2011) as S3-Rec prepared it: users' artists in order. An artist is an author with one note.

The place in a user's list stands for the time, so times of different users do not compare, and everybody and
everything is there from 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.importers.raw import RawUsers, bare_notes, clicks
from bench.importers.recording import Recording, assemble
from bench.importers.source import as_ids, checked_options, read_lists


def read(source: Path, options: Mapping[str, str]) -> Recording:
    """Read LastFM.txt of one folder."""
    checked_options(options, {})
    lists = read_lists(source / "LastFM.txt")
    artist_N = as_ids(np.unique(lists.value_V))
    events = clicks(as_ids(lists.owner_V), as_ids(lists.value_V), lists.place_V)
    return assemble(events, replace(bare_notes(artist_N, 0), author_N=artist_N), RawUsers.at(as_ids(lists.key_L), 0))
