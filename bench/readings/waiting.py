"""How notes start: time to their first impressions, clicks and engagement, the guarantee, and high heat.

All are over notes born in the window. Shapes: E events, J notes born in the window, M marks.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bench.readings.counting import reach
from bench.readings.result import Curve, Reading, share
from bench.readings.survival import NEVER, Survival, kaplan_meier
from bench.readings.window import HOUR_SECONDS, Window
from simulator.schema import DAY_SECONDS, EventLog


class Marks:
    """When each note born in the window reached each of some numbers of one kind of event."""

    def __init__(self, window: Window, marks: tuple[int, ...]) -> None:
        self.marks = tuple(sorted(set(marks)))
        self._first, self._born_time_J = window.first_new_note, window.born_time_J
        n = len(self._born_time_J)
        self.count_J = np.zeros(n, np.int64)
        self._time_JM = np.full((n, len(self.marks)), NEVER, np.int64)

    def absorb(self, note_E: NDArray[np.int32], time_E: NDArray[np.int64]) -> None:
        """Count events in order of time."""
        reach(note_E, time_E, self._first, np.array(self.marks, np.int64), (self.count_J, self._time_JM))

    def wait_J(self, mark: int) -> NDArray[np.int64]:
        """Return the seconds from birth to the mark-th event, NEVER where it was not seen."""
        time_J = self._time_JM[:, self.marks.index(mark)]
        return np.where(time_J == NEVER, NEVER, time_J - self._born_time_J)


class Waiting:
    """Readings of how notes start."""

    def __init__(self, window: Window) -> None:
        config = window.config
        self._window = window
        self.impressions = Marks(window, (*config.impression_marks, config.guarantee_impressions))
        self.clicks = Marks(window, (1, config.heat_clicks, config.heat_clicks_scaled))
        self.engagements = Marks(window, (1,))

    def absorb(self, events: EventLog) -> None:
        """Take in the next events."""
        note_E, time_E, click_E = events.note_E, events.time_E, events.click_E
        engaged_E = events.like_E | events.collect_E | events.comment_E | events.share_E | events.follow_E
        self.impressions.absorb(note_E, time_E)
        self.clicks.absorb(note_E[click_E], time_E[click_E])
        self.engagements.absorb(note_E[engaged_E], time_E[engaged_E])

    def curves(self) -> dict[str, Survival]:
        """Return the Kaplan-Meier curves of notes by what they wait for; censored at the end of the window."""
        age_J = self._window.end - self._window.born_time_J
        waits = {
            **{f"impression_{m}": self.impressions.wait_J(m) for m in self._window.config.impression_marks},
            "click_1": self.clicks.wait_J(1),
            "engagement_1": self.engagements.wait_J(1),
        }
        return {name: kaplan_meier(wait_J, age_J) for name, wait_J in waits.items()}

    def scalars(self) -> Iterator[Reading]:
        """Yield the readings of every curve, the guarantee and high heat."""
        config = self._window.config
        for name, curve in self.curves().items():
            what, _, mark = name.partition("_")
            meaning = f"birth of a note to its {what} number {mark}; notes born in the window, censored at its end"
            if what == "engagement":
                meaning += "; like, collect, comment, share or follow"
            yield from survival_readings(f"time_to_{name}", curve, config.restricted_hours, meaning)
        m, hours = config.guarantee_impressions, config.guarantee_hours
        met = self._within(self.impressions.wait_J(m), hours * HOUR_SECONDS)
        meaning = f"share of notes born in the window and {hours} h old at its end with >= {m} impressions in {hours} h"
        yield Reading("guarantee_success", share(met), "share", len(met), meaning)
        for name in ("heat_clicks", "heat_clicks_scaled"):
            m = getattr(config, name)
            met = self._within(self.clicks.wait_J(m), config.heat_days * DAY_SECONDS)
            meaning = (
                f"share of notes born in the window and {config.heat_days} d old at its end with >= {m} clicks in "
            )
            meaning += f"{config.heat_days} d"
            suffix = name.removeprefix("heat_clicks")
            yield Reading(f"high_heat{suffix}", share(met), "share", len(met), meaning)

    def _within(self, wait_J: NDArray[np.int64], span: int) -> NDArray[np.bool_]:
        """Say of the notes at least `span` old at the end whether the wait was less."""
        is_old_J = self._window.born_time_J + span <= self._window.end
        return np.asarray((wait_J[is_old_J] != NEVER) & (wait_J[is_old_J] < span))


def survival_readings(name: str, curve: Survival, horizons: tuple[int, ...], meaning: str) -> Iterator[Reading]:
    """Yield the quartiles, restricted means (hours) and censored share of one curve."""
    for word, part in (("q25", 0.25), ("median", 0.5), ("q75", 0.75)):
        hours = curve.quantile(part) / HOUR_SECONDS
        yield Reading(f"{name}/{word}", hours, "h", curve.n, f"Kaplan-Meier, {part:.0%} done: {meaning}")
    for horizon in horizons:
        hours = curve.restricted_mean(horizon * HOUR_SECONDS) / HOUR_SECONDS
        yield Reading(f"{name}/mean_{horizon}h", hours, "h", curve.n, f"mean of min(wait, {horizon} h): {meaning}")
    censored = curve.n_censored / curve.n if curve.n else float("nan")
    yield Reading(f"{name}/censored", censored, "share", curve.n, f"still waiting at the end: {meaning}")


def hourly(name: str, curve: Survival, last_hour: int) -> Curve:
    """Return a curve on the grid 0, 1, ..., `last_hour` hours."""
    hours_T = np.arange(last_hour + 1)
    return Curve(name, hours_T, curve.at(hours_T * HOUR_SECONDS))
