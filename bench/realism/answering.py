"""How users answer what they are shown: rates per impression, their order, and one response given another."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bench.realism.finding import Findings, Measured
from bench.realism.traffic import Traffic
from simulator.schema import RESPONSES

LONG_VIEW_SECONDS = 18.0  # KuaiRand's is_long_view for videos longer than that
# From the most to the least frequent in KuaiRand-Pure.
ORDER = ("click", "long-view", "like", "comment", "follow", "share")
RATES = (*ORDER, "collect")
GIVEN = (("like", "click"), ("long-view", "click"), ("follow", "like"), ("click", "like"))


def answering(traffic: Traffic, rng: np.random.Generator) -> Findings:
    """Measure the responses."""
    flags, lacks = _flags(traffic), traffic.lacks_impressions
    measured = [_rate(name, flags[name], lacks) for name in RATES]
    measured += [_rate("click", flags["click"], lacks, as_id="click/impression/note-feed")]
    measured += [_rate("like", flags["like"], lacks, as_id="like-rate/single-column")]
    measured += [_order(flags, lacks), _likes_per_click(flags)]
    measured += [_given(flags, one, other, lacks) for one, other in GIVEN]
    return Findings(tuple(measured))


def _flags(traffic: Traffic) -> dict[str, NDArray[np.bool_]]:
    log = traffic.seen.events
    flags: dict[str, NDArray[np.bool_]] = {name: log.response(name) for name in RESPONSES}
    return flags | {"long-view": log.dwell_seconds_E >= LONG_VIEW_SECONDS}


def _unrecorded(name: str) -> str:
    return "no dwell of 18 s is recorded" if name == "long-view" else f"no {name} is recorded"


def _rate(name: str, flag_E: NDArray[np.bool_], lacks: str, *, as_id: str = "") -> Measured:
    id_, n = as_id or f"{name}/impression", int(flag_E.sum())
    if lacks or not n:
        return Measured(id_, None, lacks or _unrecorded(name))
    return Measured(id_, n / len(flag_E), f"{n:,} of {len(flag_E):,}")


def _order(flags: dict[str, NDArray[np.bool_]], lacks: str) -> Measured:
    """Count the neighbours of ORDER that do not fall strictly."""
    counts = [int(flags[name].sum()) for name in ORDER]
    never = [_unrecorded(name) for name, count in zip(ORDER, counts, strict=True) if not count]
    if lacks or never:
        return Measured("responses/order", None, lacks or never[0])
    breaks = sum(more <= less for more, less in pairwise(counts))
    seen = sorted(zip(counts, ORDER, strict=True), reverse=True)
    return Measured("responses/order", float(breaks), "here " + " > ".join(name for _, name in seen))


def _likes_per_click(flags: dict[str, NDArray[np.bool_]]) -> Measured:
    """Measure likes per note that was opened: what a listen is to music, an opened note is to a feed of covers."""
    n_likes, n_clicks = int(flags["like"].sum()), int(flags["click"].sum())
    if not n_likes or not n_clicks:
        return Measured("like-rate/note-feed", None, _unrecorded("like" if n_clicks else "click"))
    return Measured("like-rate/note-feed", n_likes / n_clicks, f"{n_likes:,} likes, {n_clicks:,} clicks")


def _given(flags: dict[str, NDArray[np.bool_]], one: str, other: str, lacks: str) -> Measured:
    """Estimate P(one | other); where every row is a click, a click given anything is no answer."""
    id_, n_other = f"P({one}|{other})", int(flags[other].sum())
    never = next((_unrecorded(name) for name in (one, other) if not flags[name].any()), "")
    if never or (lacks and one == "click"):
        return Measured(id_, None, never or lacks)
    n_both = int((flags[one] & flags[other]).sum())
    return Measured(id_, n_both / n_other, f"{n_both:,} of {n_other:,}")
