"""How the views of a note fade: views a day by age, a power law against an exponential, and half-lives.

A view is a click: an opened note. Shapes: N notes, V views, D days of age (0, 1, ..., n_days - 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.realism.finding import Numbers, Whole
from simulator.schema import DAY_SECONDS

HORIZON_DAYS = 30
MIN_DAYS_FITTED = 6
HOUR_SECONDS = 3_600


@dataclass(frozen=True, slots=True, eq=False)
class AgeCurve:
    """Mean views of a note on each day of its life, over the notes that were watched for the whole of that day."""

    views_D: Numbers
    n_notes_D: Whole


@dataclass(frozen=True, slots=True, eq=False)
class Decay:
    """Two laws of two parameters fitted to log views, and by how much AIC prefers the power law."""

    power: float  # views ~ age^-power, age in days at the middle of a day
    half_days: float  # views ~ 2^(-age / half_days)
    aic_gain: float  # positive: the power law is better
    age_D: Numbers
    power_D: Numbers
    exponential_D: Numbers


def age_curve(born_N: Whole, note_V: Whole, age_V: Whole, *, now: int, n_days: int = HORIZON_DAYS) -> AgeCurve:
    """Count views by day of age; `note_V` indexes `born_N`, times and ages are seconds."""
    watched_N = np.clip((now - born_N) // DAY_SECONDS, 0, n_days)
    n_upto_D = np.cumsum(np.bincount(watched_N, minlength=n_days + 1))[:n_days]
    n_notes_D = len(born_N) - n_upto_D  # watched for more than 0, 1, ... days
    day_V = age_V // DAY_SECONDS
    views_D = np.bincount(day_V[day_V < watched_N[note_V]], minlength=n_days)
    return AgeCurve(views_D / np.maximum(n_notes_D, 1), n_notes_D)


def decay(curve: AgeCurve) -> Decay | None:
    """Fit both laws to log views by least squares; None where too few days have views."""
    day = np.flatnonzero((curve.views_D > 0) & (curve.n_notes_D > 0))
    if len(day) < MIN_DAYS_FITTED:
        return None
    age, logs = day.astype(np.float64) + 0.5, np.log(curve.views_D[day])
    by_power, by_time = np.polyfit(np.log(age), logs, 1), np.polyfit(age, logs, 1)
    power, exponential = np.polyval(by_power, np.log(age)), np.polyval(by_time, age)
    errors = [max(float(((logs - fit) ** 2).sum()), 1e-12) for fit in (power, exponential)]
    gain = len(day) * float(np.log(errors[1] / errors[0]))
    half = float(np.log(2.0) / -by_time[0]) if by_time[0] < 0 else float("inf")
    return Decay(-float(by_power[0]), half, gain, age, np.exp(power), np.exp(exponential))


def half_lives(note_V: Whole, age_V: Whole, n_notes: int, *, least: int) -> Numbers:
    """Return, for each note of at least `least` views, the age in hours at which half of them had come."""
    order = np.lexsort((age_V, note_V))
    n_views_N = np.bincount(note_V, minlength=n_notes)
    first_N = np.cumsum(n_views_N) - n_views_N
    kept = np.flatnonzero(n_views_N >= max(1, least))
    middle = first_N[kept] + (n_views_N[kept] + 1) // 2 - 1
    hours: Numbers = age_V[order[middle]] / HOUR_SECONDS
    return hours
