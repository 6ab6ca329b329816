"""Where attention goes: concentration over notes, ageing of a note, categories.

Shapes: E events, N notes, K categories, V views (clicked events) within HORIZON_DAYS of birth.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.realism.ageing import HORIZON_DAYS, AgeCurve, Decay, age_curve, decay, half_lives
from bench.realism.finding import Drawing, Findings, Measured, Whole, curve, missing, rank_size
from bench.realism.tails import gini, herfindahl, rank_slope, top_share
from bench.realism.traffic import ASSISTED, Traffic
from simulator.schema import DAY_SECONDS

GINI_IDS = ("exposure/gini-unassisted", "exposure/gini", "exposure/rank-slope")
AGE_IDS = ("ageing/power-law", "ageing/exponent", "ageing/half-life", "ageing/high-heat")
CATEGORY_IDS = ("category/hhi", "category/effective", "category/top")
MIN_NOTES = 100
HALF_LIFE_DAYS = 14  # watched for so long, a note's half-life in hours or days is its own
HALF_LIFE_VIEWS = 10
HIGH_HEAT_CLICKS = 1_000


def spreading(traffic: Traffic, rng: np.random.Generator) -> Findings:
    """Measure exposure, ageing and categories."""
    exposure, ageing = _exposure(traffic), _ageing(traffic)
    measured = (*exposure.measured, *ageing.measured, _young(traffic), *_categories(traffic))
    return Findings(measured, exposure.drawings + ageing.drawings)


def _exposure(traffic: Traffic) -> Findings:
    """Measure impressions per note over notes that were there for a day at least, shown or not."""
    log, notes = traffic.seen.events, traffic.seen.catalog.notes
    settled_N = notes.born_time_N < traffic.seen.now - DAY_SECONDS
    if lacks := traffic.lacks_impressions or ("" if settled_N.sum() >= MIN_NOTES else "fewer than 100 notes"):
        return Findings(missing(GINI_IDS, lacks))
    codes = [code for code, name in enumerate(log.channels) if name in ASSISTED]
    alone_E = ~np.isin(log.channel_E, codes)
    shown_N = np.bincount(log.note_E, minlength=len(notes))[settled_N]
    alone_N = np.bincount(log.note_E[alone_E], minlength=len(notes))[settled_N]
    named = ", ".join(log.channels[code] for code in codes)
    without = f"without {named} ({1 - alone_E.mean():.0%} of impressions)" if named else "no channel assists"
    over = f"{len(shown_N):,} notes of a day and more, {(shown_N == 0).mean():.1%} never shown"
    slope = rank_slope(shown_N)
    measured = (
        Measured(
            GINI_IDS[0],
            gini(alone_N),
            f"{without}, which is no world without; top 1 % of notes hold {top_share(alone_N, 0.01):.0%}",
        ),
        Measured(GINI_IDS[1], gini(shown_N), over),
        Measured(GINI_IDS[2], slope, "top 10 % of shown notes" if slope is not None else "too few notes"),
    )
    curves = (rank_size("as served", shown_N, "line"), rank_size("unassisted channels", alone_N, "dashed"))
    drawing = Drawing("exposure", "Exposure of notes by rank", "rank of the note", "impressions", curves)
    return Findings(measured, (drawing,))


def _ageing(traffic: Traffic) -> Findings:
    """Measure clicks by age over notes whose whole life lies in the log."""
    if traffic.lacks_births:
        return Findings(missing(AGE_IDS, traffic.lacks_births))
    log, born_N = traffic.seen.events, traffic.seen.catalog.notes.born_time_N
    age_E = log.time_E - born_N[log.note_E]
    rows = log.click_E & (born_N[log.note_E] >= traffic.start) & (age_E < HORIZON_DAYS * DAY_SECONDS)
    note_V, age_V = log.note_E[rows].astype(np.int64), age_E[rows]
    first = int(np.searchsorted(born_N, traffic.start))
    end = traffic.start + traffic.n_days * DAY_SECONDS
    now = min(end, traffic.seen.now)
    if len(born_N) - first < MIN_NOTES:
        return Findings(missing(AGE_IDS, f"{len(born_N) - first} notes born in the log: {MIN_NOTES} are needed"))
    own_N, note_V = born_N[first:], note_V - first
    means = age_curve(own_N, note_V, age_V, now=now)
    fitted = decay(means)
    lives = (_half_life(own_N, note_V, age_V, now), _high_heat(own_N, note_V, now))
    if fitted is None:
        return Findings((*missing(AGE_IDS[:2], "views on fewer than 6 days of age"), *lives))
    sizes = _decay_by_size(own_N, note_V, age_V, now)
    measured = (
        Measured(AGE_IDS[0], fitted.aic_gain, f"AIC(exponential) - AIC(power law), {len(fitted.age_D)} days; {sizes}"),
        Measured(AGE_IDS[1], fitted.power, f"exponential would halve in {fitted.half_days:.2g} days"),
    )
    return Findings((*measured, *lives), (_age_drawing(means, fitted),))


def _decay_by_size(born_N: Whole, note_V: Whole, age_V: Whole, now: int) -> str:
    """Say what AIC gains among the most viewed tenth and among the rest."""
    views_N = np.bincount(note_V, minlength=len(born_N))
    is_hit_N = views_N > np.quantile(views_N, 0.9)
    said = []
    for name, of_N in (("top tenth", is_hit_N), ("rest", ~is_hit_N)):
        place_N, rows = np.cumsum(of_N) - 1, of_N[note_V]
        fitted = decay(age_curve(born_N[of_N], place_N[note_V[rows]], age_V[rows], now=now))
        said.append(f"{name} too few" if fitted is None else f"{name} {fitted.aic_gain:+.1f}")
    return ", ".join(said)


def _half_life(born_N: Whole, note_V: Whole, age_V: Whole, now: int) -> Measured:
    """Measure half-lives over notes watched for HALF_LIFE_DAYS, within these days."""
    window = HALF_LIFE_DAYS * DAY_SECONDS
    rows = (born_N[note_V] <= now - window) & (age_V < window)
    hours = half_lives(note_V[rows], age_V[rows], len(born_N), least=HALF_LIFE_VIEWS)
    if len(hours) < MIN_NOTES:
        return Measured(
            AGE_IDS[2], None, f"{len(hours)} of {MIN_NOTES} notes needed have {HALF_LIFE_VIEWS} views in 14 days"
        )
    low, high = np.percentile(hours, [25, 75])
    pooled = float(np.median(age_V[rows])) / 3_600
    said = f"median of {len(hours):,} notes of {HALF_LIFE_VIEWS}+ views; quartiles {low:.0f} and {high:.0f} h; "
    return Measured(AGE_IDS[2], float(np.median(hours)), said + f"half of all views by {pooled:.0f} h")


def _high_heat(born_N: Whole, note_V: Whole, now: int) -> Measured:
    """Measure how many notes reach the industry's mark within 30 days, and what the top 1 % reach."""
    watched_N = born_N <= now - HORIZON_DAYS * DAY_SECONDS
    if watched_N.sum() < MIN_NOTES:
        return Measured(AGE_IDS[3], None, f"{int(watched_N.sum())} of {MIN_NOTES} notes needed are 30 days old")
    clicks_N = np.bincount(note_V, minlength=len(born_N))[watched_N]
    said = (
        f"of {len(clicks_N):,} notes watched for 30 days; the top 1 % reach {np.percentile(clicks_N, 99):,.0f} clicks"
    )
    return Measured(AGE_IDS[3], float((clicks_N >= HIGH_HEAT_CLICKS).mean()), said)


def _age_drawing(means: AgeCurve, fitted: Decay) -> Drawing:
    day = np.flatnonzero(means.views_D > 0)
    curves = (
        curve("this log", day + 0.5, means.views_D[day], "points"),
        curve(f"power law, exponent {fitted.power:.2f}", fitted.age_D, fitted.power_D, "line"),
        curve(f"exponential, half in {fitted.half_days:.2g} days", fitted.age_D, fitted.exponential_D, "dashed"),
    )
    return Drawing("ageing", "Ageing of a note", "age, days", "clicks a day of a note", curves)


def _young(traffic: Traffic) -> Measured:
    """Measure the share of impressions that went to notes younger than a day."""
    if lacks := traffic.lacks_impressions or traffic.lacks_births:
        return Measured("exposure/young", None, lacks)
    everything: NDArray[np.bool_] = np.ones(len(traffic.seen.events), bool)
    young_E = traffic.age_seconds_E(everything) < DAY_SECONDS
    codes = [code for code, name in enumerate(traffic.seen.events.channels) if name in ASSISTED]
    alone_E = ~np.isin(traffic.seen.events.channel_E, codes)
    alone = f"{young_E[alone_E].mean():.1%} in unassisted channels" if alone_E.any() else "no unassisted channel"
    return Measured("exposure/young", float(young_E.mean()), alone)


def _categories(traffic: Traffic) -> tuple[Measured, ...]:
    """Measure concentration over the notes' own labels."""
    notes, names = traffic.seen.catalog.notes, traffic.seen.catalog.categories
    known = notes.category_N >= 0
    if not known.any():
        return missing(CATEGORY_IDS, "the notes have no category")
    count_K = np.bincount(notes.category_N[known], minlength=len(names))
    shown = notes.category_N[traffic.seen.events.note_E]
    by_event = herfindahl(np.bincount(shown[shown >= 0], minlength=len(names))) if (shown >= 0).any() else 0.0
    hhi, top = herfindahl(count_K), int(count_K.argmax())
    return (
        Measured(
            CATEGORY_IDS[0], hhi, f"over {int(known.sum()):,} notes, {len(names)} labels; {by_event:.3f} by events"
        ),
        Measured(CATEGORY_IDS[1], 1.0 / hhi, f"of {int((count_K > 0).sum())} labels in use"),
        Measured(CATEGORY_IDS[2], float(count_K.max() / count_K.sum()), names[top]),
    )
