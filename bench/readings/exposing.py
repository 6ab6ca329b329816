"""Where impressions go: by age of the note, by tenure of its author, and how unevenly.

Availability is note-seconds: the time that notes spent in a bucket within the window, over all that existed. Shapes: E
events, J notes born in the window, N notes, B buckets.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bench.readings.concentration import excess, gini, random_gini
from bench.readings.result import Buckets, Reading, ratio
from bench.readings.window import HOUR_SECONDS, Window
from simulator.schema import DAY_SECONDS, EventLog

_FOREVER = 2**63 - 1


class Exposing:
    """Impressions and clicks by bucket of note age and author tenure; what is over unknown authors is left out."""

    def __init__(self, window: Window) -> None:
        config, notes = window.config, window.catalog.notes
        self._window = window
        self._age_edges_B = np.array(config.age_hours) * HOUR_SECONDS
        self._tenure_edges_B = np.array(config.tenure_days) * DAY_SECONDS
        self._tenure_from_A = window.tenure_from()
        self._known_N = notes.author_N >= 0
        self._by_age_2B = np.zeros((2, len(config.age_hours)), np.int64)
        self._by_tenure_2B = np.zeros((2, len(config.tenure_days)), np.int64)
        self._n_fresh = 0

    def absorb(self, events: EventLog) -> None:
        """Take in the next events."""
        notes, note_E, time_E = self._window.catalog.notes, events.note_E, events.time_E
        age_E = time_E - notes.born_time_N[note_E]
        self._n_fresh += int((age_E < DAY_SECONDS).sum())
        _count(self._by_age_2B, self._age_edges_B, age_E, events.click_E)
        known_E = self._known_N[note_E]
        from_E = self._tenure_from_A[notes.author_N[note_E[known_E]]]
        _count(self._by_tenure_2B, self._tenure_edges_B, time_E[known_E] - from_E, events.click_E[known_E])

    def tables(self) -> tuple[Buckets, Buckets]:
        """Return exposure share, availability, their ratio and click rate by note age and by author tenure."""
        notes, config = self._window.catalog.notes, self._window.config
        born_N, author_N = notes.born_time_N, notes.author_N[self._known_N]
        age_B = self._seconds(born_N, born_N, self._age_edges_B)
        tenure_B = self._seconds(self._tenure_from_A[author_N], born_N[self._known_N], self._tenure_edges_B)
        meaning = (
            "share of impressions (n), share of note-seconds in the window, the ratio of both, clicks / impressions"
        )
        by_age = f"{meaning}; by age of the note"
        by_tenure = f"{meaning}; by time since the note's author joined, founders in the last, unknown authors in none"
        return (
            _table("note_age", _labels(config.age_hours), self._by_age_2B, age_B, by_age),
            _table(
                "author_tenure",
                _labels(tuple(24 * day for day in config.tenure_days)),
                self._by_tenure_2B,
                tenure_B,
                by_tenure,
            ),
        )

    def scalars(self, count_J: NDArray[np.int64]) -> Iterator[Reading]:
        """Yield the share of fresh notes and the Ginis, from the impressions of each note born in the window."""
        n = int(self._by_age_2B[0].sum())
        fresh = ratio(self._n_fresh, n)
        yield Reading("exposure_fresh", fresh, "share", n, "share of impressions that go to notes younger than 24 h")
        author_J = self._window.author_J
        known_J = author_J >= 0
        _, code_K = np.unique(author_J[known_J], return_inverse=True)
        count_A = np.zeros(int(code_K.max()) + 1 if len(code_K) else 0, np.int64)
        np.add.at(count_A, code_K, count_J[known_J])
        yield from _concentration("note", count_J, "notes born in the window, unseen ones too")
        yield from _concentration("author", count_A, "authors of notes born in the window, impressions of those notes")

    def _seconds(
        self, from_N: NDArray[np.int64], born_N: NDArray[np.int64], edges_B: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return the seconds in the window that existing notes spent at each age counted from `from_N`."""
        first_N = np.maximum(born_N, self._window.start) - from_N
        last_N = self._window.end - from_N
        uppers_B = np.append(edges_B[1:], _FOREVER)
        spent = [
            int(np.maximum(np.minimum(last_N, upper) - np.maximum(first_N, lower), 0).sum())
            for lower, upper in zip(edges_B, uppers_B, strict=True)
        ]
        return np.array(spent, np.int64)


def _count(
    counts_2B: NDArray[np.int64], edges_B: NDArray[np.int64], age_E: NDArray[np.int64], click_E: NDArray[np.bool_]
) -> None:
    bucket_E = np.searchsorted(edges_B, age_E, side="right") - 1
    counts_2B[0] += np.bincount(bucket_E, minlength=len(edges_B))
    counts_2B[1] += np.bincount(bucket_E[click_E], minlength=len(edges_B))


def _table(
    name: str, labels: tuple[str, ...], counts_2B: NDArray[np.int64], seconds_B: NDArray[np.int64], meaning: str
) -> Buckets:
    with np.errstate(invalid="ignore", divide="ignore"):
        exposure_B = counts_2B[0] / counts_2B[0].sum()
        available_B = seconds_B / seconds_B.sum()
        ratio_B = np.where(available_B > 0, exposure_B / available_B, np.nan)
        rate_B = counts_2B[1] / counts_2B[0]
    columns = {"exposure": exposure_B, "available": available_B, "ratio": ratio_B, "ctr": rate_B}
    return Buckets(name, labels, counts_2B[0].copy(), columns, meaning)


def _labels(edges: tuple[int, ...]) -> tuple[str, ...]:
    """Return names such as <1h, 6-24h, 1-7d, >30d of buckets with these lower edges in hours."""
    return (*(_label(low, high) for low, high in pairwise(edges)), _label(edges[-1], None))


def _label(low: int, high: int | None) -> str:
    unit, hours = ("d", 24) if low % 24 == 0 and (high or low) % 24 == 0 else ("h", 1)
    if high is None:
        return f">{low // hours}{unit}"
    return f"{low // hours}-{high // hours}{unit}" if low else f"<{high // hours}{unit}"


def _concentration(name: str, count_X: NDArray[np.int64], over: str) -> Iterator[Reading]:
    n, total = len(count_X), int(count_X.sum())
    observed, by_chance = gini(count_X), random_gini(n, total)
    yield Reading(f"gini_{name}", observed, "", n, f"Gini of impressions in the window over {over}")
    yield Reading(f"gini_{name}_random", by_chance, "", n, "expected, were the same impressions thrown by even chance")
    normal = excess(observed, by_chance, n)
    yield Reading(f"gini_{name}_excess", normal, "", n, "(G - random) / (1 - 1/n - random): 0 chance, 1 all on one")
