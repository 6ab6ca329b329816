"""Who publishes, again and for how many: the author's side.

A publisher of a day is an author with a note born on it, linked to a user or not; an active user of a day has an
impression on it. Founders, who were there before the log began, have no first note that we know of. Shapes: E events,
J notes born in the window, N notes, A authors, D days, R young notes, V viewers kept.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bench.readings.counting import meet
from bench.readings.result import Reading, mean, ratio, share
from bench.readings.survival import NEVER, Survival, kaplan_meier
from bench.readings.waiting import survival_readings
from bench.readings.window import HOUR_SECONDS, Window
from simulator.schema import DAY_SECONDS, EventLog


class Viewers:
    """Distinct impressed users of each note born in the window while it is young, counted up to `effective_viewers`.

    Only notes that are young at some time of the chunk hold their viewers: ids are in order of birth, so they are a
    range, and memory is that of a day's notes.
    """

    def __init__(self, window: Window) -> None:
        self._first, self._born_time_J = window.first_new_note, window.born_time_J
        self._young_seconds = window.config.effective_hours * HOUR_SECONDS
        self.count_J = np.zeros(len(self._born_time_J), np.int64)
        self._low, self._viewer_RV = 0, np.zeros((0, window.config.effective_viewers), np.int32)

    def absorb(self, events: EventLog) -> None:
        """Take in the next events."""
        if not len(events):
            return
        self._keep_young(int(events.time_E[0]), int(events.time_E[-1]))
        j_E = events.note_E.astype(np.int64) - self._first
        new_E = j_E >= 0
        j_E, user_E, time_E = j_E[new_E], events.user_E[new_E], events.time_E[new_E]
        is_young_E = time_E - self._born_time_J[j_E] < self._young_seconds
        row_E = j_E[is_young_E] - self._low
        meet(user_E[is_young_E], row_E, self._viewer_RV, self.count_J[self._low : self._low + len(self._viewer_RV)])

    def _keep_young(self, first_time: int, last_time: int) -> None:
        """Move the range to the notes young at some time in [first_time, last_time]."""
        low = int(np.searchsorted(self._born_time_J, first_time - self._young_seconds, side="right"))
        high = int(np.searchsorted(self._born_time_J, last_time, side="right"))
        viewer_RV = np.zeros((max(high - low, 0), self._viewer_RV.shape[1]), np.int32)
        kept_RV = self._viewer_RV[low - self._low :]
        viewer_RV[: len(kept_RV)] = kept_RV
        self._low, self._viewer_RV = low, viewer_RV


class Publishing:
    """Readings of publishers, their notes and whether they come again."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._viewers = Viewers(window)

    def absorb(self, events: EventLog) -> None:
        """Take in the next events."""
        self._viewers.absorb(events)

    def daily(self) -> dict[str, NDArray[np.float64]]:
        """Return notes, publishers and publishers of effective notes (NaN until their notes are old) by day."""
        window = self._window
        day_J, n_days = window.days_of(window.born_time_J), window.n_days
        young_seconds = window.config.effective_hours * HOUR_SECONDS
        ends_D = window.start + np.arange(1, n_days + 1) * DAY_SECONDS
        effective_D = _publishers(day_J, window.author_J, self._is_effective_J(), n_days)
        return {
            "notes": np.bincount(day_J[day_J >= 0], minlength=n_days).astype(np.float64),
            "publishers": _publishers(day_J, window.author_J, np.ones(len(day_J), bool), n_days),
            "effective_publishers": np.where(ends_D + young_seconds <= window.end, effective_D, np.nan),
        }

    def scalars(self, users_D: NDArray[np.float64]) -> Iterator[Reading]:
        """Yield the readings, given the active users of each day."""
        daily, n_days = self.daily(), self._window.n_days
        yield from _penetration(daily, users_D)
        m, hours = self._window.config.effective_viewers, self._window.config.effective_hours
        effective = f"effective: >= {m} distinct users impressed within {hours} h of birth"
        matured_D = daily["effective_publishers"][~np.isnan(daily["effective_publishers"])]
        meaning = f"distinct publishers a day with an effective note of that day, mean over days; {effective}"
        yield Reading("dap", mean(matured_D), "authors", len(matured_D), meaning)
        is_old_J = self._window.born_time_J + hours * HOUR_SECONDS <= self._window.end
        met = self._is_effective_J()[is_old_J]
        meaning = f"share of notes born in the window and {hours} h old at its end that are effective; {effective}"
        yield Reading("effective_notes", share(met), "share", len(met), meaning)
        meaning = "distinct publishers a day, mean over days"
        yield Reading("publishers", mean(daily["publishers"]), "authors", n_days, meaning)
        yield from self._survival()

    def second_note(self) -> Survival:
        """Return the Kaplan-Meier curve from an author's first note to the second, censored at the window's end."""
        first_A, second_A = self._debuts()
        cohort_A = self._cohort(first_A)
        wait_A = np.where(second_A == NEVER, NEVER, second_A - first_A)
        return kaplan_meier(wait_A[cohort_A], self._window.end - first_A[cohort_A])

    def _survival(self) -> Iterator[Reading]:
        config, window = self._window.config, self._window
        who = "authors, founders left out, whose first note was born in the window"
        first_A, _ = self._debuts()
        last = config.survival_days + 1
        old_A = self._cohort(first_A) & (first_A + last * DAY_SECONDS <= window.end)
        known_N = window.catalog.notes.author_N >= 0
        author_N, born_N = window.catalog.notes.author_N[known_N], window.catalog.notes.born_time_N[known_N]
        day_N = (born_N - first_A[author_N]) // DAY_SECONDS
        came_A = np.zeros(len(first_A), bool)
        came_A[author_N[(day_N >= 1) & (day_N < last)]] = True
        meaning = f"share with another note in days [1, {last}) after the first; {who} {last} d or more before its end"
        name = f"publish_survival_{config.survival_days}d"
        yield Reading(name, share(came_A[old_A]), "share", int(old_A.sum()), meaning)
        meaning = f"first note of an author to the second; {who}, censored at its end"
        yield from survival_readings("time_to_second_note", self.second_note(), config.restricted_hours, meaning)

    def _debuts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return when each author published the first and the second note, NEVER where that was not seen."""
        notes = self._window.catalog.notes
        order = np.argsort(notes.author_N, kind="stable")
        order = order[notes.author_N[order] >= 0]
        author_N, born_N = notes.author_N[order], notes.born_time_N[order]
        start_A = np.searchsorted(author_N, np.arange(len(self._window.catalog.authors)))
        n_A = np.bincount(author_N, minlength=len(start_A))
        padded_N = np.append(born_N, [NEVER, NEVER])
        return np.where(n_A > 0, padded_N[start_A], NEVER), np.where(n_A > 1, padded_N[start_A + 1], NEVER)

    def _cohort(self, first_A: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say which authors are no founders and published first in the window."""
        is_newcomer_A = self._window.catalog.authors.joined_time_A > self._window.config.founded_time
        return np.asarray(is_newcomer_A & (first_A != NEVER) & (first_A >= self._window.start))

    def _is_effective_J(self) -> NDArray[np.bool_]:
        return self._viewers.count_J >= self._window.config.effective_viewers


def _publishers(
    day_J: NDArray[np.int64], author_J: NDArray[np.int32], chosen_J: NDArray[np.bool_], n_days: int
) -> NDArray[np.float64]:
    """Return the number of distinct known authors of the chosen notes of each day."""
    rows_J = chosen_J & (author_J >= 0) & (day_J >= 0)
    n_authors = int(author_J.max(initial=0)) + 1
    pair_P = np.unique(day_J[rows_J] * n_authors + author_J[rows_J])
    return np.bincount(pair_P // n_authors, minlength=n_days).astype(np.float64)


def _penetration(daily: dict[str, NDArray[np.float64]], users_D: NDArray[np.float64]) -> Iterator[Reading]:
    busy_D = users_D > 0
    rate_D = daily["publishers"][busy_D] / users_D[busy_D]
    meaning = "distinct publishers of a day, linked to a user or not, over the users active on it; mean over days"
    yield Reading("publishing_penetration", mean(rate_D), "share", len(rate_D), meaning)
    rate_D = daily["notes"][busy_D] / users_D[busy_D]
    yield Reading("notes_per_dau", mean(rate_D), "notes", len(rate_D), "notes of a day over its users; mean over days")
    per_day = ratio(float(daily["notes"].sum()), float(users_D.sum()))
    meaning = "notes born on whole days over active user-days"
    yield Reading("notes_per_user_day", per_day, "notes", int(users_D.sum()), meaning)
