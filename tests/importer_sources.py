"""Hand-written rows in every layout, and a recording told under the ids of its source."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bench.importers import Recording, find_importer
from simulator.schema import Observation, Texts

Files = Mapping[str, str]
Options = Mapping[str, str]
Changes = Mapping[str, str | None]
UNCHANGED: Changes = {}

RECBOLE: Files = {
    "toy.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    "u1\ti1\t5\t100.7\nu2\ti2\t2\t50\nu1\ti2\t4\t200\nu1\ti3\t3\t9.0e1\n",
    "toy.item": "item_id:token\tartist:token\tname:token_seq\n"
    'i1\tX\tThe "first\ni2\tY\tsecond one\ni4\tX\tnever seen\n',
    "toy.user": "user_id:token\tage:float\nu3\t30\nu1\t20\n",
}
TABULAR: Files = {"log.csv": 'uid,iid,ts,brand,name,ok\na,1,30,B,"two\nlines",1\nb,2,10,,plain,0\na,2,20,,plain,1\n'}
LOG_HEADER = (
    "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,is_hate,long_view,"
    "play_time_ms,duration_ms,profile_stay_time,comment_stay_time,is_profile_enter,is_rand,tab\n"
)
KUAIRAND: Files = {
    "log_standard_4_08_to_4_21_pure.csv": LOG_HEADER
    + "7,70,20220408,1000,1649383200900,1,1,1,0,0,0,0,2500,9000,0,0,0,0,1\n"
    + "8,71,20220408,1000,1649383200100,0,0,1,0,0,0,0,0,9000,0,0,0,0,1\n",
    "log_standard_4_22_to_5_08_pure.csv": LOG_HEADER
    + "7,72,20220422,1000,1650592800000,1,0,1,0,0,0,0,1000,9000,0,0,0,0,1\n",
    "log_random_4_22_to_5_08_pure.csv": LOG_HEADER
    + "8,72,20220422,1001,1650592860000,1,0,0,1,1,0,1,9000,9000,0,0,0,1,1\n",
    "video_features_basic_pure.csv": "video_id,author_id,video_type,upload_dt,music_id,tag\n"
    '70,500,NORMAL,2022-04-07,1,"12,65"\n71,501,AD,2022-04-09,1,\n72,500,NORMAL,,1,9\n73,502,NORMAL,2022-05-20,1,12\n',
    "user_features_pure.csv": "user_id,user_active_degree,is_video_author\n7,high,1\n8,full,0\n9,low,0\n",
}
BEAUTY: Files = {
    "interactions.tsv": "user\titem\tpos\ttimestamp\n"
    "1\t1\t1\t100\n1\t2\t0\t100\n1\t3\t2\t300\n2\t3\t0\t50\n2\t2\t1\t100\n",
    "items.tsv": "item\tasin\tbrand_id\tbrand\ttitle\tcategories\ttext_id\n"
    '1\tA1\t9\tOPI\t23" polish\tBeauty > Makeup > Nails\tx\n'
    "2\tA2\t\t\tsoap\tBeauty\tx\n3\tA3\t9\tOPI\tbalm\tBeauty > Skin Care\tx\n",
}
GOWALLA: Files = {
    "train.txt": "0 1 2\n1 2 \n",
    "test.txt": "0 0\n1\n2 3\n",
    "item_list.txt": "org_id remap_id\n88 0\n91 1\n15 2\n42 3\n17 4\n",
}
CITEULIKE: Files = {
    "users.dat": "2 0 1\n1 2\n1 0\n",
    "item-tag.dat": "2 1 0\n0\n1 2\n0\n",
    "tags.dat": "graph\nrandom_walk\nweb\n",
    "split_aldi/warm_emb.csv": "user,item\n1,2\n0,0\n",
    "split_aldi/warm_val.csv": "user,item\n2,0\n",
    "split_aldi/cold_item_val.csv": "user,item\n0,1\n",
    "split_aldi/warm_test.csv": "user,item\n1,0\n",
    "split_aldi/cold_item_test.csv": "user,item\n2,3\n",
}
LASTFM: Files = {"LastFM.txt": "1 3 1\n2 1 7 3\n"}
SOURCES: dict[str, Files] = {
    "recbole": RECBOLE,
    "tabular": TABULAR,
    "kuairand": KUAIRAND,
    "beauty": BEAUTY,
    "gowalla": GOWALLA,
    "citeulike": CITEULIKE,
    "lastfm": LASTFM,
}
OPTIONS: dict[str, dict[str, str]] = {
    "recbole": {"author": "artist", "title": "name", "label": "rating", "label_min": "4"},
    "tabular": {"user": "uid", "item": "iid", "time": "ts", "author": "brand", "title": "name", "label": "ok"},
}


def lay_out(folder: Path, layout: str, changed: Changes = UNCHANGED) -> Path:
    """Write a layout's files, some with other text, or left out where it is None."""
    for name, text in {**SOURCES[layout], **changed}.items():
        if text is not None:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
    return folder / "log.csv" if layout == "tabular" else folder


def read(folder: Path, layout: str, changed: Changes = UNCHANGED) -> Recording:
    """Read a layout with its options from above."""
    return find_importer(layout)(lay_out(folder, layout, changed), OPTIONS.get(layout, {}))


def read_with(folder: Path, layout: str, options: Options, changed: Changes = UNCHANGED) -> Recording:
    """Read a layout with these options only."""
    return find_importer(layout)(lay_out(folder, layout, changed), options)


def texts(column: Texts) -> list[str]:
    return column.take(np.arange(len(column), dtype=np.int32))


def rows(recording: Recording) -> list[tuple[str, str, int]]:
    """The events as (user, note, time) under the source's ids."""
    users, notes = texts(recording.source_ids["user"]), texts(recording.source_ids["note"])
    log = recording.observation.events
    return [
        (users[user], notes[note], time)
        for user, note, time in zip(log.user_E.tolist(), log.note_E.tolist(), log.time_E.tolist(), strict=True)
    ]


def authors(recording: Recording) -> dict[str, str]:
    """The author of each note under the source's ids, "" for none."""
    names = [*texts(recording.source_ids["author"]), ""]
    notes = texts(recording.source_ids["note"])
    return {
        note: names[author] for note, author in zip(notes, recording.observation.catalog.notes.author_N, strict=True)
    }


def titles(recording: Recording) -> dict[str, str]:
    return dict(zip(texts(recording.source_ids["note"]), texts(recording.observation.catalog.notes.title), strict=True))


def categories(recording: Recording) -> dict[str, str]:
    catalog = recording.observation.catalog
    names = [*catalog.categories, ""]
    return {
        note: names[at] for note, at in zip(texts(recording.source_ids["note"]), catalog.notes.category_N, strict=True)
    }


def counts(observation: Observation) -> list[int]:
    catalog = observation.catalog
    return [catalog.count("user"), catalog.count("author"), catalog.count("note"), len(observation.events)]
