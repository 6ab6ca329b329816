"""Each layout is read from hand-written rows: ids, order, authors, texts and responses as the source has them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.importers import IMPORTERS, SourceError, find_importer, import_dataset
from bench.importers.raw import UNKNOWN_TIME, RawUsers, bare_notes, clicks, unknown_texts
from bench.importers.recording import assemble
from simulator import dataset
from tests.importer_sources import OPTIONS, authors, categories, counts, lay_out, read, read_with, rows, texts, titles


@pytest.mark.parametrize("layout", IMPORTERS)
def test_every_layout_becomes_a_dataset_that_is_read_back(layout: str, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    source = lay_out(tmp_path / "source", layout)
    manifest = import_dataset(layout, source, tmp_path / "out", OPTIONS.get(layout, {}))
    found = dataset.read(tmp_path / "out")
    assert (manifest.name, manifest.origin["importer"]) == ("out", layout)
    assert counts(found.observation) == counts(find_importer(layout)(source, OPTIONS.get(layout, {})).observation)
    assert set(found.source_ids) == {"user", "author", "note"}


@pytest.mark.parametrize("layout", IMPORTERS)
def test_an_unknown_option_is_refused(layout: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"options: expected .*, got colour"):
        read_with(tmp_path, layout, {**OPTIONS.get(layout, {}), "colour": "red"})


def test_an_unknown_layout_is_refused() -> None:
    with pytest.raises(SourceError, match=r"layout: expected one of recbole, .* got 'movielens'"):
        find_importer("movielens")


def test_recbole_remaps_ids_in_order_of_arrival(tmp_path: Path) -> None:
    recording = read(tmp_path, "recbole")
    assert rows(recording) == [("u2", "i2", 50), ("u1", "i3", 90), ("u1", "i1", 100), ("u1", "i2", 200)]
    # u3 and i4 never occur: they are there from the start of the log.
    assert texts(recording.source_ids["user"]) == ["u3", "u2", "u1"]
    assert texts(recording.source_ids["note"]) == ["i2", "i4", "i3", "i1"]
    assert recording.observation.catalog.notes.born_time_N.tolist() == [50, 50, 90, 100]
    assert recording.observation.now == 201


def test_recbole_reads_labels_authors_and_texts_with_quotation_marks(tmp_path: Path) -> None:
    recording = read(tmp_path, "recbole")
    assert recording.observation.events.click_E.tolist() == [False, False, True, True]
    assert authors(recording) == {"i1": "X", "i2": "Y", "i3": "", "i4": "X"}
    assert titles(recording) == {"i1": 'The "first', "i2": "second one", "i3": "", "i4": "never seen"}


def test_recbole_without_time_or_label_has_all_clicked_at_0(tmp_path: Path) -> None:
    observation = read_with(tmp_path, "recbole", {"time": ""}).observation
    assert observation.events.time_E.tolist() == [0, 0, 0, 0]
    assert observation.events.click_E.all()
    assert observation.now == 1


def test_tabular_reads_items_from_their_first_rows(tmp_path: Path) -> None:
    recording = read(tmp_path, "tabular")
    assert rows(recording) == [("b", "2", 10), ("a", "2", 20), ("a", "1", 30)]
    assert recording.observation.events.click_E.tolist() == [False, True, True]
    assert authors(recording) == {"1": "B", "2": ""}
    assert titles(recording) == {"1": "two\nlines", "2": "plain"}


def test_tabular_reads_items_from_a_table_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("iid,who,born\n2,W,3\n5,W,99\n")
    options = {"user": "uid", "item": "iid", "time": "ts", "items": "items.csv", "author": "who", "born": "born"}
    recording = read_with(tmp_path, "tabular", options)
    assert authors(recording) == {"1": "", "2": "W", "5": "W"}
    assert recording.observation.catalog.notes.born_time_N.tolist() == [3, 30, 99]
    assert recording.observation.catalog.authors.joined_time_A.tolist() == [3]
    assert recording.observation.now == 100


def test_tabular_reads_parquet_with_numbers_and_timestamps(tmp_path: Path) -> None:
    moments = pa.array([3_000_500_000, 1_000_000], pa.timestamp("us"))
    pq.write_table(pa.table({"u": [1, 2], "i": [10, 20], "t": moments}), tmp_path / "log.parquet")
    recording = find_importer("tabular")(tmp_path / "log.parquet", {"user": "u", "item": "i", "time": "t"})
    assert rows(recording) == [("2", "20", 1), ("1", "10", 3000)]


def test_tabular_divides_times_by_their_unit(tmp_path: Path) -> None:
    options = {"user": "uid", "item": "iid", "time": "ts", "time_unit": "ms"}
    text = "uid,iid,ts\na,1,1999\nb,1,1000\n"
    assert read_with(tmp_path, "tabular", options, {"log.csv": text}).observation.events.time_E.tolist() == [1, 1]


def test_kuairand_orders_by_millisecond_and_names_the_random_channel(tmp_path: Path) -> None:
    recording = read(tmp_path, "kuairand")
    log = recording.observation.events
    assert rows(recording) == [
        ("8", "71", 1649383200),
        ("7", "70", 1649383200),
        ("7", "72", 1650592800),
        ("8", "72", 1650592860),
    ]
    assert [log.channels[at] for at in log.channel_E] == ["standard", "standard", "standard", "random"]
    assert log.click_E.tolist() == [False, True, True, True]
    assert (log.like_E.tolist(), log.share_E.tolist()) == ([False, True, False, False], [False, False, False, True])
    assert log.dwell_seconds_E.tolist() == [0, 2.5, 1, 9]


def test_kuairand_knows_creators_uploads_and_follows(tmp_path: Path) -> None:
    recording = read(tmp_path, "kuairand")
    catalog = recording.observation.catalog
    born = dict(zip(texts(recording.source_ids["note"]), catalog.notes.born_time_N.tolist(), strict=True))
    # 70: midnight in Beijing of its day; 71: its day is later than its first event; 72: no day; 73: after the log.
    assert born == {"70": 1649260800, "71": 1649383200, "72": 1650592800, "73": 1652976000}
    assert authors(recording) == {"70": "500", "71": "501", "72": "500", "73": "502"}
    assert categories(recording) == {"70": "12", "71": "", "72": "9", "73": "12"}
    assert catalog.notes.is_video_N.all()
    assert sorted(texts(recording.source_ids["user"])) == ["7", "8", "9"]
    # User 7 follows author 500 twice; the first counts. User 8 follows author 501 within the same second, but before.
    edges = recording.observation.follows
    assert [texts(recording.source_ids["user"])[user] for user in edges.user_F] == ["8", "7"]
    assert edges.time_F.tolist() == [1649383200, 1649383200]


def test_beauty_keeps_the_given_order_inside_a_day(tmp_path: Path) -> None:
    recording = read(tmp_path, "beauty")
    expected = [("2", "3", 50), ("1", "2", 100), ("1", "1", 100), ("2", "2", 100), ("1", "3", 300)]
    assert rows(recording) == expected


def test_beauty_takes_brands_as_authors_and_the_first_category(tmp_path: Path) -> None:
    recording = read(tmp_path, "beauty")
    catalog = recording.observation.catalog
    assert authors(recording) == {"1": "OPI", "2": "", "3": "OPI"}
    assert titles(recording)["1"] == '23" polish'
    assert categories(recording) == {"1": "Makeup", "2": "", "3": "Skin Care"}
    # OPI arrives with item 3 at 50, and so is of its category.
    assert (texts(catalog.authors.profile), catalog.authors.joined_time_A.tolist()) == (["OPI"], [50])
    assert catalog.categories[catalog.authors.category_A[0]] == "Skin Care"


def test_beauty_refuses_a_time_that_falls_with_the_place(tmp_path: Path) -> None:
    text = "user\titem\tpos\ttimestamp\n1\t2\t0\t100\n1\t1\t1\t99\n"
    with pytest.raises(SourceError, match=r"interactions\.tsv: timestamp: .* row 1"):
        read(tmp_path, "beauty", {"interactions.tsv": text})


def test_gowalla_has_test_at_1_and_keeps_the_ids_of_the_split(tmp_path: Path) -> None:
    recording = read(tmp_path, "gowalla")
    assert rows(recording) == [("0", "1", 0), ("0", "2", 0), ("1", "2", 0), ("0", "0", 1), ("2", "3", 1)]
    assert texts(recording.source_ids["note"]) == ["0", "1", "2", "3", "4"]
    assert texts(recording.source_ids["user"]) == ["0", "1", "2"]
    assert recording.observation.catalog.before(1).count("note") == 5


def test_citeulike_has_its_three_parts_at_0_1_2_and_tags_as_text(tmp_path: Path) -> None:
    recording = read(tmp_path, "citeulike")
    assert [time for _, _, time in rows(recording)] == [0, 0, 1, 1, 2, 2]
    assert rows(recording)[-1] == ("2", "3", 2)
    assert texts(recording.observation.catalog.notes.body) == ["random_walk graph", "", "web", ""]
    assert recording.observation.catalog.before(1).count("note") == 4


def test_lastfm_counts_places_and_takes_artists_as_authors(tmp_path: Path) -> None:
    recording = read(tmp_path, "lastfm")
    assert rows(recording) == [("1", "3", 0), ("2", "1", 0), ("1", "1", 1), ("2", "7", 1), ("2", "3", 2)]
    assert authors(recording) == {"1": "1", "3": "3", "7": "7"}


def test_half_an_hour_without_an_event_ends_a_session() -> None:
    users = pa.array(["a", "a", "b", "a"], pa.large_string())
    notes = pa.array(["n"] * 4, pa.large_string())
    times = np.array([0, 1800, 1801, 3601])
    nobody = RawUsers.at(unknown_texts(0), UNKNOWN_TIME)
    recording = assemble(clicks(users, notes, times), bare_notes(unknown_texts(0), UNKNOWN_TIME), nobody)
    session_E = recording.observation.events.session_E
    assert session_E[0] == session_E[1]
    assert len({session_E[1], session_E[2], session_E[3]}) == 3


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 5)), min_size=1, max_size=20))
def test_assembling_agrees_with_the_slow_way(log: list[tuple[int, int, int]]) -> None:
    user_E, note_E = (pa.array([str(row[i]) for row in log], pa.large_string()) for i in (0, 1))
    listed = pa.array(["4", "3", "9"], pa.large_string())
    raw = replace(bare_notes(listed, UNKNOWN_TIME), author_N=pa.array(["x", "", "x"], pa.large_string()))
    events = clicks(user_E, note_E, np.array([row[2] for row in log]))
    recording = assemble(events, raw, RawUsers.at(unknown_texts(0), UNKNOWN_TIME))
    assert rows(recording) == [(str(user), str(note), time) for user, note, time in sorted(log, key=lambda row: row[2])]
    born = {note: min(time for _, other, time in log if str(other) == note) for note in {str(row[1]) for row in log}}
    notes = texts(recording.source_ids["note"])
    start = min(row[2] for row in log)
    assert recording.observation.catalog.notes.born_time_N.tolist() == [born.get(note, start) for note in notes]
    assert set(notes) == {str(row[1]) for row in log} | {"3", "4", "9"}
    assert {note for note, author in authors(recording).items() if author} == {"4", "9"}
