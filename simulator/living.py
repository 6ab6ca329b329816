"""Who comes today, how often and when: habit, weekday and the satisfaction of the latest visit, by keyed luck.

Shapes: U users, S sessions, H hours of a day.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.kernel import compiled
from simulator.luck import day_keys, keys, mix, poisson, uniform
from simulator.population import People
from simulator.schema import DAY_SECONDS
from simulator.shelf import HOUR_SECONDS
from simulator.spec import Living
from simulator.state import PLEASED, SHOWN, State

# Share of a day's load by hour: low before dawn, a noon shoulder, the peak in the evening.
HOURLY_LOAD = np.array(
    [30, 20, 13, 9, 8, 10, 18, 28, 36, 40, 42, 47, 54, 50, 44, 43, 45, 50, 58, 68, 78, 84, 76, 52], np.float64
)
_HOUR_UPTO = np.cumsum(HOURLY_LOAD[:-1] / HOURLY_LOAD.sum())
_PRIOR_SHOWN = 20  # impressions at the neutral rate that every visit is credited with


@dataclass(frozen=True, slots=True, eq=False)
class Sessions:
    """The sessions of one day by hour, each hour in an order that says nothing; two visits in one hour are one."""

    user_S: NDArray[np.int32]
    start_H1: NDArray[np.int64]  # those of hour h are start_H1[h] <= s < start_H1[h + 1]


def no_sessions() -> Sessions:
    """Return the sessions of the day before the first."""
    return Sessions(np.empty(0, np.int32), np.zeros(25, np.int64))


def returning(spec: Living, people: People, state: State, seed: int, day: int) -> Sessions:
    """Decide who comes on `day`, how often and at which hours.

    The logit of coming moves with the click rate of the user's latest visit (shrunk by a prior), relative to the
    neutral one; who joins today comes in the hour after joining, and not otherwise.
    """
    n_present = int(np.searchsorted(people.joined_time_U, (day + 1) * DAY_SECONDS))
    keys_4 = day_keys(seed, ("come", "sessions", "hour", "order"), day)
    hours_U = np.zeros(n_present, np.int32)
    drive_2 = np.array([spec.weekday[day % len(spec.weekday)], spec.return_slope])
    more_U = spec.more_sessions * np.exp(people.patience_U - spec.length_log_median)
    _plan_visits(people.activity_U, more_U, state.visit_U3, drive_2, spec.neutral_ctr, keys_4, hours_U)
    new_U = np.arange(np.searchsorted(people.joined_time_U, max(day * DAY_SECONDS, 1)), n_present)
    join_hour_U = people.joined_time_U[new_U] % DAY_SECONDS // HOUR_SECONDS
    hours_U[new_U] = np.where(join_hour_U < 23, 2 << join_hour_U, 0)
    user_S, start_H1 = _by_hour(hours_U)
    hour_S = np.repeat(np.arange(24), np.diff(start_H1))
    return Sessions(user_S[np.lexsort((keys(keys_4[3], user_S), hour_S))], start_H1)


@compiled
def hour_of(luck: float) -> int:
    """Map a uniform to an hour of the day by its share of the load."""
    return int(np.searchsorted(_HOUR_UPTO, luck))


@compiled
def _plan_visits(  # noqa: PLR0913 - a kernel takes its arrays one by one
    activity_U: NDArray[np.float64],
    more_U: NDArray[np.float64],
    visit_U3: NDArray[np.int32],
    drive_2: NDArray[np.float64],
    neutral: float,
    keys_4: NDArray[np.uint64],
    hours_U: NDArray[np.int32],
) -> None:
    """Write the hours at which each user comes as bits."""
    for user in range(len(hours_U)):
        liked = (visit_U3[user, PLEASED] + _PRIOR_SHOWN * neutral) / (visit_U3[user, SHOWN] + _PRIOR_SHOWN)
        logit = activity_U[user] + drive_2[0] + drive_2[1] * (liked / neutral - 1.0)
        if uniform(mix(keys_4[0], np.uint64(user))) >= 1.0 / (1.0 + np.exp(-logit)):
            continue
        n = 1 + poisson(uniform(mix(keys_4[1], np.uint64(user))), more_U[user])
        hour_key = mix(keys_4[2], np.uint64(user))
        for turn in range(n):
            hours_U[user] |= 1 << hour_of(uniform(mix(hour_key, np.uint64(turn))))


@compiled
def _by_hour(hours_U: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Sort visits by hour, then user: a counting sort."""
    start_H1 = np.zeros(25, np.int64)
    for hours in hours_U:
        for hour in range(24):
            start_H1[hour + 1] += (hours >> hour) & 1
    start_H1 = np.cumsum(start_H1)
    user_S, next_H = np.empty(start_H1[24], np.int32), start_H1.copy()
    for user in range(len(hours_U)):
        for hour in range(24 if hours_U[user] else 0):
            if (hours_U[user] >> hour) & 1:
                user_S[next_H[hour]] = user
                next_H[hour] += 1
    return user_S, start_H1
