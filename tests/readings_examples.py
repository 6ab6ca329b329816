"""Small dense logs for the readings, and the smallest config under which everything happens in them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from bench.readings import Config, Readings, readings
from simulator.schema import (
    DAY_SECONDS,
    RESPONSES,
    Authors,
    Catalog,
    EventLog,
    Follows,
    Notes,
    Observation,
    StoredTexts,
    Users,
)

DAYS = 9
EARLY = Config(
    impression_marks=(1, 3),
    restricted_hours=(1, 30),
    curve_hours=40,
    guarantee_impressions=4,
    guarantee_hours=20,
    heat_clicks=3,
    heat_clicks_scaled=2,
    heat_days=2,
    effective_viewers=2,
    effective_hours=20,
    retention_days=(0, 1, 2),
    lifetime_days=3,
    survival_days=3,
    age_hours=(0, 1, 6, 24, 72),
    tenure_days=(0, 1, 3),
    co_clickers=2,
    co_click_cap=2,
    co_click_young_days=5,
)


def a_world(
    user_joined: Iterable[int] = (), author_joined: Iterable[int] = (), notes: Iterable[tuple[int, int]] = ()
) -> Catalog:
    """A catalog of users, authors and notes (author, born), times in seconds in order."""
    users, authors, listed = list(user_joined), list(author_joined), list(notes)
    n, blank = len(listed), StoredTexts.of([""] * len(listed))
    return Catalog(
        Users(np.array(users, np.int64), np.full(len(users), -1, np.int32)),
        Authors(np.array(authors, np.int64), np.zeros(len(authors), np.int16), StoredTexts.of([""] * len(authors))),
        Notes(
            np.array([author for author, _ in listed], np.int32),
            np.array([born for _, born in listed], np.int64),
            np.zeros(n, bool),
            np.zeros(n, np.int16),
            blank,
            blank,
        ),
        ("all",),
    )


def a_log(rows: Iterable[tuple[int, int, int]], clicked: bool = False) -> EventLog:
    """Impressions (user, note, time), all clicked or none."""
    table = np.array(list(rows), np.int64).reshape(-1, 3)
    n = len(table)
    flags = {f"{name}_E": np.full(n, clicked and name == "click") for name in RESPONSES}
    return _event_log(table[:, 0], table[:, 1], table[:, 2], flags, np.zeros(n, np.float32))


def a_dense_run(seed: int) -> Observation:
    """Nine days of few users, authors and notes, where all happens often, in half of them on the half hour."""
    rng = np.random.default_rng(seed)
    n_users, n_authors, n_notes, n_events = (int(rng.integers(1, high)) for high in (9, 6, 16, 120))
    horizon, grid = DAYS * DAY_SECONDS, int(rng.choice([1, 1_800]))  # on the grid times tie, and meet edges
    joined_A = np.sort(rng.integers(0, horizon // grid, n_authors) * grid * (rng.random(n_authors) < 0.6))
    born_N = np.sort(rng.integers(0, horizon // grid, n_notes)) * grid
    n_there_N = np.searchsorted(joined_A, born_N, side="right")
    author_N = rng.integers(-1, np.maximum(n_there_N, 0))
    joined_U = np.sort(rng.integers(0, horizon // grid, n_users) * grid * (rng.random(n_users) < 0.6))
    catalog = a_world(joined_U, joined_A, zip(author_N, born_N, strict=True))
    user_E, note_E = rng.integers(0, n_users, n_events), rng.integers(0, n_notes, n_events)
    longest = int(rng.choice([9_000, 400_000]))
    time_E = np.maximum(joined_U[user_E], born_N[note_E]) + rng.integers(0, longest // grid, n_events) * grid
    order_E = np.argsort(time_E, kind="stable")
    order_E = order_E[time_E[order_E] < horizon]
    flags = {f"{name}_E": rng.random(len(order_E)) < 0.4 for name in RESPONSES}
    dwell_E = rng.random(len(order_E), np.float32)
    events = _event_log(user_E[order_E], note_E[order_E], time_E[order_E], flags, dwell_E)
    n_edges = int(rng.integers(0, 9))
    user_F, author_F = rng.integers(0, n_users, n_edges), rng.integers(0, n_authors, n_edges)
    time_F = rng.integers(np.maximum(joined_U[user_F], joined_A[author_F]), horizon)
    order_F = np.argsort(time_F, kind="stable")
    edges = Follows(user_F[order_F].astype(np.int32), author_F[order_F].astype(np.int32), time_F[order_F])
    return Observation(horizon, catalog, events, edges)


def read_whole(seen: Observation, *, start: int, end: int, config: Config = EARLY) -> Readings:
    """The readings of a log in one piece."""
    return readings(seen.catalog, seen.follows, [seen.events], start=start, end=end, config=config)


def no_follows() -> Follows:
    none = np.zeros(0, np.int32)
    return Follows(none, none.copy(), np.zeros(0, np.int64))


def _event_log(
    user_E: NDArray[np.int64],
    note_E: NDArray[np.int64],
    time_E: NDArray[np.int64],
    flags: dict[str, NDArray[np.bool_]],
    dwell_seconds_E: NDArray[np.float32],
) -> EventLog:
    n = len(time_E)
    return EventLog(
        user_E=user_E.astype(np.int32),
        note_E=note_E.astype(np.int32),
        time_E=time_E.copy(),
        session_E=np.zeros(n, np.int32),
        position_E=np.zeros(n, np.int16),
        channel_E=np.zeros(n, np.int8),
        propensity_E=np.full(n, np.nan, np.float32),
        dwell_seconds_E=dwell_seconds_E,
        channels=("any",),
        **flags,
    )
