"""Rows of the card that no log can tell: what paired arms of a world do, and what a first click does to an author."""

from __future__ import annotations

import numpy as np

from bench.experiments.guarantee import CONTROL, WARM_DAYS, measure
from bench.progress import Tell
from bench.realism.finding import Measured, missing
from simulator.population import draw_population
from simulator.publishing import motivation
from simulator.spec import WorldSpec

DAYS, EARLY, LATE = 14, (0, 2), (7, 14)
_BOOST = {
    "elasticity/boost": ("authors: notes of small authors, late", LATE),
    "consumer/boost-cost": ("consumers: clicks / impression, first two days", EARLY),
}


def arms_of(spec: WorldSpec, seed: int, *, tell: Tell) -> tuple[Measured, ...]:
    """Return the rows of paired arms of one seed: the boost arm has the fresh guarantee, its twin has none."""
    engaged = first_engagement(spec, seed)
    if spec.days < WARM_DAYS + DAYS:
        reason = f"the world lasts {spec.days} days, the arms take {WARM_DAYS + DAYS}"
        return (engaged, *missing(_BOOST, reason))
    arms = measure(spec, seed, days=(WARM_DAYS, DAYS), early=EARLY, late=LATE, times=(1,), tell=tell)
    usual, rows = f"{spec.logging.fresh_guarantee}", []
    for name, (reading, (first, last)) in _BOOST.items():
        value = arms[usual][reading] / arms[CONTROL][reading] - 1.0
        detail = f"guarantee {usual} against none from day {WARM_DAYS} on; days {first} to {last} after"
        rows.append(Measured(name, value, detail))
    return (engaged, *rows)


def first_engagement(spec: WorldSpec, seed: int) -> Measured:
    """Return the relative rise of all authors' publishing rates when yesterday brought each one click, not none."""
    creators = draw_population(spec, seed).creators
    none_A = np.zeros(spec.n_authors)
    without_A, with_A = (
        creators.rate_A * motivation(spec.publishing, creators.elasticity_A, feedback_A)
        for feedback_A in (none_A, none_A + 1.0)
    )
    return Measured("elasticity/first-engagement", float(with_A.sum() / without_A.sum() - 1.0), "of the model, exact")
