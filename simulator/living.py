"""Who comes today and who publishes today: both answer to yesterday's feedback, through counts and keyed luck."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import poisson

from simulator.luck import keys, stream, uniforms
from simulator.population import Creators, People
from simulator.schema import DAY_SECONDS
from simulator.spec import Living, WorldSpec
from simulator.state import State

HOUR_SECONDS = 3_600
# Share of a day's load by hour: low before dawn, a noon shoulder, the peak in the evening.
HOURLY_LOAD = np.array(
    [30, 20, 13, 9, 8, 10, 18, 28, 36, 40, 42, 47, 54, 50, 44, 43, 45, 50, 58, 68, 78, 84, 76, 52], np.float64
)
_HOUR_UPTO = np.cumsum(HOURLY_LOAD / HOURLY_LOAD.sum())
_NEUTRAL_CTR, _PRIOR_SHOWN = 0.1, 20


@dataclass(frozen=True, slots=True, eq=False)
class Sessions:
    """The sessions of one day, in order of tick, then user."""

    user_S: NDArray[np.int32]
    hour_S: NDArray[np.int16]


def returning(spec: WorldSpec, people: People, state: State, seed: int, day: int) -> Sessions:
    """Decide who comes on `day`, how often and at which hours.

    The logit of coming moves with the click rate of the user's latest visit (shrunk by a prior); who joined today
    comes once, in the hour after.
    """
    joined_day_U = people.joined_time_U // DAY_SECONDS
    n_present = int(np.searchsorted(people.joined_time_U, (day + 1) * DAY_SECONDS))
    user_U = np.arange(n_present, dtype=np.int32)

    def luck(name: str, turn: int = 0) -> NDArray[np.float64]:
        return uniforms(keys(stream(seed, name), user_U, day, turn))

    clicks_U = state.visit_clicks_U[:n_present] + _PRIOR_SHOWN * _NEUTRAL_CTR
    satisfaction_U = clicks_U / (state.visit_shown_U[:n_present] + _PRIOR_SHOWN) - _NEUTRAL_CTR
    comes_U = luck("come") < expit(people.activity_U[:n_present] + spec.living.return_slope * satisfaction_U)
    is_new_U = (joined_day_U[:n_present] == day) & (people.joined_time_U[:n_present] > 0)
    n_sessions_U = np.where(comes_U, 1 + poisson.ppf(luck("sessions"), 0.5), 0)
    join_hour_U = (people.joined_time_U[:n_present] % DAY_SECONDS) // HOUR_SECONDS
    users, hours = [], []
    for turn in range(int(n_sessions_U.max(initial=0))):
        hour_U = np.searchsorted(_HOUR_UPTO, luck("hour", turn)).astype(np.int16)
        chosen_U = (n_sessions_U > turn) & ~is_new_U
        users.append(user_U[chosen_U])
        hours.append(hour_U[chosen_U])
    welcome_U = is_new_U & (join_hour_U < 23)
    users.append(user_U[welcome_U])
    hours.append((join_hour_U[welcome_U] + 1).astype(np.int16))
    user_S, hour_S = np.concatenate(users), np.concatenate(hours)
    # Two visits in one hour are one.
    visit_S = np.unique(hour_S.astype(np.int64) * len(people.joined_time_U) + user_S)
    hour_S, user_S = np.divmod(visit_S, len(people.joined_time_U))
    return Sessions(user_S.astype(np.int32), hour_S.astype(np.int16))


def motivation(spec: Living, creators: Creators, clicks_week_A: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the factor on each author's rate: 1 + elasticity x (saturating feedback - neutral), at least 0.1."""
    feedback_A = 1.0 - np.exp(-clicks_week_A / spec.feedback_scale)
    return np.maximum(1.0 + creators.elasticity_A * (feedback_A - 0.5), 0.1)


@dataclass(frozen=True, slots=True, eq=False)
class Births:
    """The notes of one day in order of birth."""

    author_N: NDArray[np.int32]
    born_time_N: NDArray[np.int64]


def publishing(spec: WorldSpec, creators: Creators, state: State, seed: int, day: int) -> Births:
    """Decide who publishes on `day` and when; whoever joins publishes a first note within the half hour."""
    start = day * DAY_SECONDS
    n_joined, n_soon = np.searchsorted(creators.joined_time_A, [start + (day == 0), start + DAY_SECONDS])
    rate_A = (
        creators.rate_A[:n_joined]
        * motivation(spec.living, creators, state.clicks_week_7A.sum(axis=0, dtype=np.int64))[:n_joined]
    )
    luck_A = uniforms(keys(stream(seed, "publish"), np.arange(n_joined), day))
    author_N = np.repeat(np.arange(n_joined, dtype=np.int32), np.asarray(poisson.ppf(luck_A, rate_A), np.int64))
    nth_N = np.arange(len(author_N)) - np.searchsorted(author_N, author_N)
    hour_N = np.searchsorted(_HOUR_UPTO, uniforms(keys(stream(seed, "publish/hour"), author_N, day, nth_N)))
    second_N = uniforms(keys(stream(seed, "publish/second"), author_N, day, nth_N)) * HOUR_SECONDS
    new_A = np.arange(n_joined, n_soon, dtype=np.int32)
    wait_A = uniforms(keys(stream(seed, "publish/first"), new_A)) * HOUR_SECONDS / 2
    first_A = np.minimum(creators.joined_time_A[n_joined:n_soon] + wait_A, start + DAY_SECONDS - 1)
    born_N = np.concatenate([start + hour_N * HOUR_SECONDS + second_N, first_A]).astype(np.int64)
    author_N = np.concatenate([author_N, new_A])
    order = np.lexsort((author_N, born_N))
    return Births(author_N[order], born_N[order])
