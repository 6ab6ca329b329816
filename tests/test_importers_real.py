"""The recorded datasets, where they lie, have the counts that their READMEs and the literature state."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from bench.importers import Recording, find_importer
from tests.importer_sources import counts, rows, texts

DATA = Path(os.environ.get("COLDRECALL_DATA", Path(__file__).parents[1].parent / "shared" / "data"))
# users, authors, notes, events as the README beside each dataset says
REAL_COUNTS: dict[str, tuple[str, list[int]]] = {
    "beauty": ("amazon2014-beauty", [22_363, 434, 12_101, 198_502]),
    "gowalla": ("gowalla-lightgcn", [29_858, 0, 40_981, 810_128 + 217_242]),
    "citeulike": ("citeulike-a-coldstart", [5_551, 0, 16_980, 204_986]),
    "lastfm": ("lastfm-s3rec", [1_090, 3_646, 3_646, 52_551]),
}


def read_real(layout: str) -> Recording:
    source = DATA / REAL_COUNTS[layout][0]
    if not source.is_dir():
        pytest.skip(f"COLDRECALL_DATA: no folder {source.name} in {DATA}")
    return find_importer(layout)(source, {})


@pytest.mark.parametrize("layout", REAL_COUNTS)
def test_real_data_has_the_counts_of_its_readme(layout: str) -> None:
    assert counts(read_real(layout).observation) == REAL_COUNTS[layout][1]


def test_real_gowalla_has_its_split_in_time() -> None:
    events = read_real("gowalla").observation.events
    assert [len(events.between(time, time + 1)) for time in (0, 1)] == [810_128, 217_242]


def test_real_citeulike_has_its_split_in_time_and_its_untagged_papers() -> None:
    observation = read_real("citeulike").observation
    n_parts = [len(observation.events.between(time, time + 1)) for time in (0, 1, 2)]
    assert n_parts == [132_073, 16_471 + 19_802, 16_482 + 20_158]
    assert texts(observation.catalog.notes.body).count("") == 3_461


def test_real_beauty_has_7455_branded_items_and_the_published_sequences() -> None:
    recording = read_real("beauty")
    assert int((recording.observation.catalog.notes.author_N >= 0).sum()) == 7_455
    sequences: dict[str, list[str]] = {}
    for user, note, _ in rows(recording):
        sequences.setdefault(user, []).append(note)
    lines = (DATA / "amazon2014-beauty" / "sequences.txt").read_text().splitlines()
    published: dict[str, list[str]] = {words[0]: words[1:] for words in map(str.split, lines)}
    assert sequences == published


def test_real_beauty_has_326_items_that_are_new_after_the_cut() -> None:
    recording = read_real("beauty")
    log = recording.observation.events
    cut = int(np.datetime64("2014-03-07").astype("datetime64[s]").astype(int))
    n_before = recording.observation.catalog.before(cut).count("note")
    later = log.between(cut, recording.observation.now)
    assert (len(later), 12_101 - n_before, int((later.note_E >= n_before).sum())) == (39_813, 326, 6_995)
