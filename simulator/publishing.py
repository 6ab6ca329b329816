"""Who publishes today and when: productivity, weekday, and a motivation that answers to exposure and feedback.

Most authors do not answer to feedback, some do strongly; what it does fades within days. Shapes: A authors, N notes, L
counts of an author.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.kernel import compiled
from simulator.living import hour_of
from simulator.luck import day_keys, keys, mix, poisson, stream, uniform, uniforms
from simulator.population import Creators
from simulator.schema import DAY_SECONDS
from simulator.shelf import HOUR_SECONDS
from simulator.spec import Publishing, WorldSpec
from simulator.state import State

_LEAST = 0.1  # of an author's rate is left however little feedback there is
_NEUTRAL = 0.5  # the answer to feedback, in [0, 1), at which an author publishes at the own rate


@dataclass(frozen=True, slots=True, eq=False)
class Births:
    """The notes of one day in order of birth."""

    author_N: NDArray[np.int32]
    born_time_N: NDArray[np.int64]


def feedback(spec: Publishing, count_AL: NDArray[np.int32], day: int) -> NDArray[np.float64]:
    """Return each author's decayed clicks of the last week, impressions counted in clicks, on the eve of `day`."""
    lag_7 = (day - 1 - np.arange(7)) % 7
    weight_7 = np.exp(-lag_7 / spec.memory_days)
    decayed_A: NDArray[np.float64] = count_AL[:, :14] @ np.concatenate([weight_7, spec.exposure_weight * weight_7])
    return decayed_A


def motivation(
    spec: Publishing, elasticity_A: NDArray[np.float64], feedback_A: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the factor on each author's rate: 1 + elasticity x (saturating feedback - neutral), at least 0.1."""
    answer_A = 1.0 - np.exp(-feedback_A / spec.feedback_scale)
    return np.maximum(1.0 + elasticity_A * (answer_A - _NEUTRAL), _LEAST)


def publish(spec: WorldSpec, creators: Creators, state: State, seed: int, day: int) -> Births:
    """Decide who publishes on `day` and when; whoever joins publishes a first note within the half hour."""
    start = day * DAY_SECONDS
    n_joined, n_soon = np.searchsorted(creators.joined_time_A, [start + (day == 0), start + DAY_SECONDS])
    drive_A = feedback(spec.publishing, state.count_AL[:n_joined], day)
    rate_A = creators.rate_A[:n_joined] * motivation(spec.publishing, creators.elasticity_A[:n_joined], drive_A)
    rate_A *= np.exp(spec.living.weekday[day % len(spec.living.weekday)])
    keys_3 = day_keys(seed, ("publish", "publish/hour", "publish/second"), day)
    author_N, time_N = _plan_births(rate_A, keys_3)
    first_A, wait_A = _first_notes(np.arange(n_joined, n_soon, dtype=np.int32), stream(seed, "publish/first"))
    first_time_A = np.minimum(creators.joined_time_A[n_joined:n_soon] + wait_A, start + DAY_SECONDS - 1)
    author_N, born_N = np.concatenate([author_N, first_A]), np.concatenate([start + time_N, first_time_A])
    order = np.lexsort((author_N, born_N))
    return Births(author_N[order], born_N[order])


@compiled
def _plan_births(
    rate_A: NDArray[np.float64], keys_3: NDArray[np.uint64]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return author and second of the day of each note."""
    count_A = np.empty(len(rate_A), np.int64)
    for author in range(len(rate_A)):
        count_A[author] = poisson(uniform(mix(keys_3[0], np.uint64(author))), rate_A[author])
    author_N, time_N, n = np.empty(count_A.sum(), np.int32), np.empty(count_A.sum(), np.int64), 0
    for author in range(len(rate_A)):
        for turn in range(count_A[author]):
            hour = hour_of(uniform(mix(mix(keys_3[1], np.uint64(author)), np.uint64(turn))))
            second = uniform(mix(mix(keys_3[2], np.uint64(author)), np.uint64(turn))) * HOUR_SECONDS
            author_N[n], time_N[n] = author, hour * HOUR_SECONDS + int(second)
            n += 1
    return author_N, time_N


def _first_notes(author_A: NDArray[np.int32], key: np.uint64) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return those who join and how long after joining their first note comes."""
    return author_A, (uniforms(keys(key, author_A)) * HOUR_SECONDS / 2).astype(np.int64)
