"""Bad input of every layout is refused by file and field."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.importers import SourceError, find_importer
from tests.importer_sources import LOG_HEADER, read_with

BAD_INPUT: list[tuple[str, dict[str, str | None], dict[str, str], str]] = [
    ("recbole", {"toy.inter": None}, {}, r"expected one \*\.inter file, got none"),
    ("recbole", {"more.inter": "x:token\n"}, {}, r"expected one \*\.inter file, got more\.inter, toy\.inter"),
    (
        "recbole",
        {"toy.inter": "user_id\titem_id:token\nu\ti\n"},
        {},
        r"toy\.inter: header: expected name:type .* 'user_id'",
    ),
    (
        "recbole",
        {"toy.inter": "user_id:float\titem_id:token\n1\ti\n"},
        {},
        r"toy\.inter: user_id: expected type token, got float",
    ),
    (
        "recbole",
        {"toy.inter": "user_id:token\titem_id:token\nu\ti\n"},
        {},
        r"toy\.inter: fields: expected timestamp, got user_id, item_id",
    ),
    ("recbole", {}, {"author": "band"}, r"toy\.item: fields: expected band, got item_id, artist, name"),
    ("recbole", {"toy.item": None}, {"author": "band"}, r"options: expected a \*\.item file.* got author"),
    ("recbole", {}, {"time_unit": "h"}, r"time_unit: expected one of s, ms, us, ns, got 'h'"),
    ("recbole", {}, {"label": "rating", "label_min": "many"}, "label_min: expected a number, got 'many'"),
    ("recbole", {"toy.item": "item_id:token\ni1\ni1\n"}, {}, "notes: id: expected each listed once, got 'i1' again"),
    (
        "recbole",
        {"toy.inter": "user_id:token\titem_id:token\ttimestamp:float\n"},
        {},
        "events: expected at least one, got none",
    ),
    ("recbole", {"toy.inter": ""}, {}, r"toy\.inter: expected a table in UTF-8 with a header .* Empty CSV"),
    ("tabular", {}, {"user": "uid"}, "options: item: expected a column name, got none"),
    ("tabular", {}, {"user": "uid", "item": "sku"}, r"log\.csv: columns: expected sku, once each, got uid, iid"),
    (
        "tabular",
        {"log.csv": "uid,iid,ts\na,1,soon\n"},
        {"user": "uid", "item": "iid", "time": "ts"},
        r"log\.csv: ts: expected double.*soon",
    ),
    (
        "tabular",
        {"log.csv": "uid,iid,ts\na,1,inf\n"},
        {"user": "uid", "item": "iid", "time": "ts"},
        r"log\.csv: ts: expected finite .* inf in row 0",
    ),
    (
        "tabular",
        {"log.csv": "uid,iid,ts\na,1,1e30\n"},
        {"user": "uid", "item": "iid", "time": "ts"},
        r"log\.csv: ts: expected times below",
    ),
    (
        "tabular",
        {"log.csv": "uid,iid\na,1\n,1\n"},
        {"user": "uid", "item": "iid"},
        r"log\.csv: uid: expected an id in every row, got none in row 1",
    ),
    (
        "tabular",
        {"log.csv": "uid,iid\na,1\nb\n"},
        {"user": "uid", "item": "iid"},
        r"log\.csv: expected a table in UTF-8",
    ),
    (
        "tabular",
        {"log.csv": "uid,iid,who\na,1,X\nb,1,Y\n"},
        {"user": "uid", "item": "iid", "author": "who"},
        r"log\.csv: who: expected one author an item, got another in row 1",
    ),
    ("tabular", {}, {"user": "uid", "item": "iid", "items": "no.csv"}, r"no\.csv: expected a file, got none"),
    (
        "tabular",
        {"items.xls": ""},
        {"user": "uid", "item": "iid", "items": "items.xls"},
        r"items\.xls: expected a name ending in",
    ),
    (
        "kuairand",
        {"video_features_basic_pure.csv": None},
        {},
        r"expected video_features_basic_\*\.csv, got no such file",
    ),
    ("kuairand", {"user_features_pure.csv": "id\n1\n"}, {}, r"user_features_pure\.csv: columns: expected user_id"),
    (
        "kuairand",
        {"log_random_4_22_to_5_08_pure.csv": LOG_HEADER + "8,72,1,1,5,2,0,0,1,1,0,1,9000,9000,0,0,0,1,1\n"},
        {},
        r"log_random_4_22_to_5_08_pure\.csv: is_click: expected 0 or 1, got 2 in row 0",
    ),
    (
        "kuairand",
        {"log_random_4_22_to_5_08_pure.csv": LOG_HEADER + "8,72,1,1,5,1,0,0,1,1,0,1,-1,9000,0,0,0,1,1\n"},
        {},
        r"play_time_ms: expected at least 0, got -1",
    ),
    (
        "kuairand",
        {"video_features_basic_pure.csv": "video_id,author_id,upload_dt,tag\n70,500,yesterday,1\n"},
        {},
        "upload_dt: expected days like .*yesterday",
    ),
    ("beauty", {"items.tsv": None}, {}, r"items\.tsv: expected a file, got none"),
    (
        "beauty",
        {"items.tsv": "item\tbrand\ttitle\tcategories\n1\t\tt\tBooks > Art\n"},
        {},
        r"items\.tsv: categories: .* 'Books > Art' in row 0",
    ),
    ("gowalla", {"train.txt": "0 1 x\n"}, {}, r"train\.txt: expected lines of whole numbers, got .*x"),
    ("gowalla", {"train.txt": "0 1\n\n1 2\n"}, {}, r"train\.txt: expected lines of whole numbers"),
    ("citeulike", {"item-tag.dat": "2 1\n"}, {}, r"item-tag\.dat: line 1: expected 2 tags, got 1"),
    ("citeulike", {"item-tag.dat": "1 7\n"}, {}, r"item-tag\.dat: tag: expected ids below the 3 of tags\.dat, got 7"),
    ("lastfm", {"LastFM.txt": "1 2\n1 3\n"}, {}, "users: id: expected each listed once, got '1' again"),
]


@pytest.mark.parametrize(("layout", "files", "options", "message"), BAD_INPUT)
def test_bad_input_is_refused_by_file_and_field(
    layout: str, files: dict[str, str | None], options: dict[str, str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=message):
        read_with(tmp_path, layout, options, files)


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes(b"uid,iid\n\xff\xfe,1\n")
    with pytest.raises(SourceError, match=r"log\.csv"):
        find_importer("tabular")(tmp_path / "log.csv", {"user": "uid", "item": "iid"})


def test_a_file_that_is_not_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log.parquet").write_bytes(b"PAR1")
    with pytest.raises(SourceError, match=r"log\.parquet: expected a Parquet file"):
        find_importer("tabular")(tmp_path / "log.parquet", {"user": "u", "item": "i"})
