"""Readings of cold start from a run of days: how notes and authors start, who sees them, who comes back.

    readings(catalog, follows, (a log a day), start=0, end=60 * DAY_SECONDS).value("time_to_impression_10/median")

Definitions stand with the code that counts them and in every `Reading.meaning`. Sources: Kaplan-Meier for all waits;
the guarantee, high heat, publishing penetration and LT7 as in Xiaohongshu's lectures (wangshusen/RecommenderSystem).
"""

from bench.readings.accumulator import Accumulator, readings
from bench.readings.result import Buckets, Curve, Difference, Reading, Readings, difference
from bench.readings.window import Config, Window, window_of

__all__ = [
    "Accumulator",
    "Buckets",
    "Config",
    "Curve",
    "Difference",
    "Reading",
    "Readings",
    "Window",
    "difference",
    "readings",
    "window_of",
]
