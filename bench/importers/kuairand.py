"""KuaiRand: short-video logs with randomly exposed rows, creators and upload days.

Reference: Gao et al., CIKM 2022, doi 10.1145/3511808.3557624; layout as in https://kuairand.com
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bench.importers.raw import UNKNOWN_TIME, RawEvents, RawNotes, RawUsers, bare_notes, joined
from bench.importers.recording import Recording, assemble
from bench.importers.sheet import PLAIN_CSV, Sheet, read_csv
from bench.importers.source import SourceError, checked_options

RESPONSE_COLUMNS = {
    "click": "is_click",
    "like": "is_like",
    "comment": "is_comment",
    "share": "is_forward",
    "follow": "is_follow",
}
LOG_COLUMNS = ("user_id", "video_id", "time_ms", "play_time_ms", "is_rand", *RESPONSE_COLUMNS.values())
VIDEO_COLUMNS = ("video_id", "author_id", "upload_dt", "tag")
CHANNELS = ("standard", "random")
CHINA_OFFSET_SECONDS = 8 * 3_600  # upload days are Beijing days
MISSING = ("", "nan", "NaN", "NULL")


def read(source: Path, options: Mapping[str, str]) -> Recording:
    """Read the logs, videos and users of one folder; a video is born at the start of its day of upload."""
    checked_options(options, {})
    standard = _find(source, "log_standard_*.csv")
    logs = [*standard, *sorted(source.glob("log_random_*.csv"))]
    events = joined([_events(read_csv(path, LOG_COLUMNS, PLAIN_CSV)) for path in logs])
    videos = _joined_sheet(_find(source, "video_features_basic_*.csv"), VIDEO_COLUMNS)
    people = _joined_sheet(_find(source, "user_features_*.csv"), ("user_id",))
    return assemble(events, _notes(videos), RawUsers.at(people.ids("user_id"), UNKNOWN_TIME))


def _find(folder: Path, pattern: str) -> list[Path]:
    paths = sorted(folder.glob(pattern))
    if not paths:
        raise SourceError(str(folder), pattern, "no such file")
    return paths


def _joined_sheet(paths: Sequence[Path], columns: Sequence[str]) -> Sheet:
    sheets = [read_csv(path, columns, PLAIN_CSV) for path in paths]
    return Sheet(", ".join(sheet.place for sheet in sheets), pa.concat_tables([sheet.table for sheet in sheets]))


def _events(sheet: Sheet) -> RawEvents:
    time_ms_E = np.floor(sheet.numbers("time_ms")).astype(np.int64)
    play_ms_E = sheet.numbers("play_time_ms")
    if len(sheet) and play_ms_E.min() < 0:
        raise SourceError(f"{sheet.place}: play_time_ms", "at least 0", play_ms_E.min())
    return RawEvents(
        sheet.ids("user_id"),
        sheet.ids("video_id"),
        time_ms_E // 1_000,
        time_ms_E,
        {ours: sheet.flags(theirs) for ours, theirs in RESPONSE_COLUMNS.items()},
        (play_ms_E / 1_000).astype(np.float32),
        sheet.flags("is_rand").astype(np.int8),
        CHANNELS,
    )


def _notes(videos: Sheet) -> RawNotes:
    """Return the videos; the first of a video's tags is its category."""
    tags = pc.list_element(pc.split_pattern(_known(videos, "tag"), ","), 0)
    return replace(
        bare_notes(videos.ids("video_id"), UNKNOWN_TIME),
        born_time_N=_upload_times(videos),
        author_N=_known(videos, "author_id"),
        category_N=tags,
        is_video=True,
    )


def _known(videos: Sheet, column: str) -> pa.LargeStringArray:
    """Return texts, those that stand for a missing value as the empty text."""
    texts = videos.texts(column)
    return pc.if_else(pc.is_in(texts, pa.array(MISSING, pa.large_string())), pa.scalar("", pa.large_string()), texts)


def _upload_times(videos: Sheet) -> NDArray[np.int64]:
    days = _known(videos, "upload_dt")
    try:
        days_N = pc.if_else(pc.equal(days, ""), pa.scalar(None, pa.large_string()), days).cast(pa.date32())
    except pa.ArrowException as error:
        raise SourceError(f"{videos.place}: upload_dt", "days like 2022-04-08", error) from error
    is_known_N = days_N.is_valid().to_numpy(zero_copy_only=False)
    day_N = days_N.cast(pa.int32()).fill_null(0).to_numpy().astype(np.int64)
    return np.where(is_known_N, day_N * 86_400 - CHINA_OFFSET_SECONDS, UNKNOWN_TIME)
