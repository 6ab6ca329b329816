"""Recorded logs have a card: numbers for what they tell, reasons for what they do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.importers import find_importer
from bench.realism import Card
from tests.realism_worlds import card_of, lines

FOLDERS = {
    "beauty": "amazon2014-beauty",
    "gowalla": "gowalla-lightgcn",
    "citeulike": "citeulike-a-coldstart",
    "lastfm": "lastfm-s3rec",
}
MEASURED = {
    "beauty": {
        *("gap/weibull", "gap/geometric", "gap/power-law", "gap/published", "gap/mean"),
        *("productivity/top-10", "productivity/lotka", "outcome/tail"),
        *("category/hhi", "category/effective", "category/top"),
        *("author-graph/degree-tail", "author-graph/clustering", "author-graph/modularity"),
    },
    "gowalla": set(),
    "citeulike": set(),
    "lastfm": {"outcome/tail", "author-graph/degree-tail", "author-graph/clustering", "author-graph/modularity"},
}
EVERYWHERE = {"activity/tail", "activity/median", "related/clustering", "related/times-random", "related/distance"}


def card_of_real(layout: str, data_folder: Path) -> Card:
    source = data_folder / FOLDERS[layout]
    if not source.is_dir():
        pytest.skip(f"COLDRECALL_DATA: no folder {source.name} in {data_folder}")
    return card_of(find_importer(layout)(source, {}).observation, is_recorded=True)


@pytest.mark.parametrize("layout", FOLDERS)
def test_a_recorded_log_measures_what_it_can_tell_and_nothing_else(layout: str, data_folder: Path) -> None:
    found = lines(card_of_real(layout, data_folder))
    assert {name for name, line in found.items() if line.value is not None} == EVERYWHERE | MEASURED[layout]
    for line in found.values():
        assert line.value is not None or line.detail
    # What people click is clustered and heavy-tailed on every platform: the bands hold for real logs.
    assert found["related/clustering"].verdict == found["activity/tail"].verdict == "pass"


def test_the_reasons_name_what_the_log_lacks(data_folder: Path) -> None:
    gowalla, beauty = (lines(card_of_real(layout, data_folder)) for layout in ("gowalla", "beauty"))
    assert gowalla["outcome/tail"].detail == "the notes name no author"
    assert gowalla["category/hhi"].detail == "the notes have no category"
    assert gowalla["gap/weibull"].detail == "the log's times span 1 of the 7 days needed"
    assert beauty["exposure/gini"].detail == "every row is a click: no impressions are recorded"
    assert beauty["ageing/half-life"].detail == "the notes' births are those of their first events"
    assert beauty["like-rate/note-feed"].detail == "no like is recorded"
