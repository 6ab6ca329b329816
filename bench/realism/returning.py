"""When users come back and how much they see: gaps between active days, impressions a day, clicks a user.

Shapes: U users, G gaps, K lengths of a gap (1, 2, ..., K days), D active user-days.
"""

from __future__ import annotations

import numpy as np

from bench.realism.finding import Curve, Drawing, Findings, Measured, Whole, ccdf, curve, missing
from bench.realism.fits import LogNormal, distance, distance_of, geometric, log_normal, mass, weibull, zeta_law
from bench.realism.tails import power_law, with_tail
from bench.realism.traffic import Traffic

PUBLISHED_GAPS = np.array([0.617, 0.165, 0.079, 0.047, 0.031, 0.021, 0.014, 0.009])  # 1 to 8 days, KuaiRand-Pure
PUBLISHED_DAY = (("25th percentile", 19.0), ("median", 42.0), ("75th percentile", 83.0))  # KuaiRec, big matrix
GAP_IDS = ("gap/weibull", "gap/geometric", "gap/power-law", "gap/published", "gap/mean")
DAY_IDS = ("day/mean-to-median", "day/log-normal", "day/p25", "day/median", "day/p75")
MIN_VALUES = 200


def returning(traffic: Traffic, rng: np.random.Generator) -> Findings:
    """Measure return, the size of a day, and the tail of activity."""
    parts = [_activity(traffic)]
    if traffic.lacks_days:
        parts += [Findings(missing((*GAP_IDS, *DAY_IDS), traffic.lacks_days))]
    else:
        user_D, day_D, count_D = traffic.active_days()
        parts += [_gaps(gaps_of(user_D, day_D)), _days(count_D, traffic.lacks_impressions)]
    measured = tuple(number for part in parts for number in part.measured)
    return Findings(measured, tuple(drawing for part in parts for drawing in part.drawings))


def gaps_of(user_D: Whole, day_D: Whole) -> Whole:
    """Return the days from one active day of a user to the next; user-days stand by user, then day."""
    gap_G: Whole = (day_D[1:] - day_D[:-1])[user_D[1:] == user_D[:-1]]
    return gap_G


def _gaps(gap_G: Whole) -> Findings:
    if len(gap_G) < MIN_VALUES or gap_G.max() < 3:
        return Findings(missing(GAP_IDS, f"{len(gap_G)} returns: {MIN_VALUES} of up to 3 days and more are needed"))
    count_K = np.bincount(gap_G)[1:]
    k = np.arange(1, len(count_K) + 1)
    upto_K = np.cumsum(count_K) / count_K.sum()
    shape, forgetful, scale_free = weibull(count_K), geometric(count_K), zeta_law(count_K)
    head = min(len(PUBLISHED_GAPS), len(k))
    apart = float(np.abs(upto_K[:head] - np.cumsum(PUBLISHED_GAPS)[:head]).max())
    pmf = " ".join(f"{share:.3f}"[1:] for share in (count_K / count_K.sum())[:8])
    measured = (
        Measured("gap/weibull", distance_of(k, upto_K, shape), f"q = {shape.q:.3f}, b = {shape.b:.2f}; pmf {pmf}"),
        Measured("gap/geometric", distance_of(k, upto_K, forgetful), f"q = {forgetful.q:.3f}"),
        Measured("gap/power-law", distance_of(k, upto_K, scale_free), f"a = {scale_free.a:.2f}"),
        Measured("gap/published", apart, f"greatest difference of the cumulative shares over 1 to {head} days"),
        Measured("gap/mean", float(gap_G.mean()), f"{len(gap_G):,} gaps"),
    )
    curves = (
        curve("this log", k, count_K / count_K.sum(), "bars"),
        curve("discrete Weibull", k, mass(shape, k), "line"),
        curve("geometric", k, mass(forgetful, k), "dashed"),
        curve("power law", k, mass(scale_free, k), "dotted"),
        curve("KuaiRand-Pure", k[:head], PUBLISHED_GAPS[:head], "points"),
    )
    drawing = Drawing("gaps", "Return gaps", "days until the next active day", "share", curves, log_x=False)
    return Findings(measured, (drawing,))


def _days(count_D: Whole, lacks: str) -> Findings:
    """Measure the impressions of an active user-day."""
    if lacks or len(count_D) < MIN_VALUES:
        return Findings(missing(DAY_IDS, lacks or f"{len(count_D)} user-days: {MIN_VALUES} are needed"))
    low, median, high = (float(value) for value in np.percentile(count_D, [25, 50, 75]))
    mean, law = float(count_D.mean()), log_normal(count_D)
    law_text = str(law)
    measured = (
        Measured("day/mean-to-median", mean / median, f"mean {mean:.1f}, median {median:g}, most {count_D.max():,}"),
        Measured("day/log-normal", distance(count_D, law), law_text),
        Measured("day/p25", low),
        Measured("day/median", median, f"mean {mean:.1f}"),
        Measured("day/p75", high),
    )
    return Findings(measured, (_day_drawing(count_D, law),))


def _day_drawing(count_D: Whole, law: LogNormal) -> Drawing:
    """Draw cumulative shares, which need no bins."""
    x, n_x = np.unique(count_D, return_counts=True)
    grid = np.unique(np.geomspace(1, x[-1], 120).round().astype(np.int64))
    published = Curve("KuaiRec quartiles", tuple(value for _, value in PUBLISHED_DAY), (0.25, 0.5, 0.75), "points")
    curves = (
        curve("this log", x, np.cumsum(n_x) / len(count_D), "line"),
        curve("log-normal", grid, law.upto(grid), "dashed"),
        published,
    )
    title = "impressions on an active user-day"
    return Drawing("days", "Size of an active user-day", title, "share at or below", curves, log_y=False)


def _activity(traffic: Traffic) -> Findings:
    """Measure the tail of clicks per user, the nearest to MovieLens' ratings per user."""
    log = traffic.seen.events
    clicks_U = np.bincount(log.user_E[log.click_E], minlength=len(traffic.seen.catalog.users))
    tail = power_law(clicks_U)
    curves = with_tail(clicks_U, tail)
    if not traffic.lacks_impressions:
        curves = (*curves, ccdf("impressions", np.bincount(log.user_E), "dotted"))
    drawing = Drawing("activity", "User activity", "clicks of a user", "share of active users at or above", curves)
    said = f"clicks: {tail}" if tail else "too few active users for a tail"
    some_U = clicks_U[clicks_U > 0]
    measured = [Measured("activity/tail", tail.alpha if tail else None, said)]
    if len(some_U):
        a_user = f"mean {some_U.mean():.1f}, {len(some_U):,} users who click, {traffic.n_days} days"
        measured.append(Measured("activity/median", float(np.median(some_U)), a_user))
    else:
        measured.append(Measured("activity/median", None, "nobody clicks"))
    return Findings(tuple(measured), (drawing,))
