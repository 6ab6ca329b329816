"""A world whose answer is known: users and targets of equal parity like each other, and words tell the parity.

The fit sees what came before FIT. After it come new users with histories, a pair of authors with clicked notes, and a
pair without any. Authors 20, 21 and notes 80, 81 were there at the fit but nobody has clicked them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from simulator.schema import (
    DAY_SECONDS,
    Authors,
    Catalog,
    EventLog,
    Follows,
    Kind,
    Notes,
    Observation,
    Requests,
    StoredTexts,
    Users,
)

FIT, NOW = 4 * DAY_SECONDS, 6 * DAY_SECONDS
N_OLD_USERS, N_USERS, N_AUTHORS, N_NOTES = 200, 240, 26, 88
AUTHOR_N = np.concatenate([np.arange(80) % 20, [20, 21], [22, 23, 22, 23], [24, 25]]).astype(np.int32)
OLD_COLD: dict[Kind, tuple[int, int]] = {"author": (20, 21), "note": (80, 81)}
NEW_WARM: dict[Kind, tuple[int, int]] = {"author": (22, 23), "note": (82, 83)}
NEW_COLD: dict[Kind, tuple[int, int]] = {"author": (24, 25), "note": (86, 87)}
LEXICON = (("apple", "pear", "plum", "cherry", "melon", "grape"), ("bolt", "nut", "screw", "gear", "spring", "lever"))
NEUTRAL = ("today", "nice", "new", "about")


def checkerboard(*, seed: int = 1) -> Observation:
    """Return the whole world at NOW."""
    rng = np.random.default_rng(seed)
    joined_U = np.where(np.arange(N_USERS) < N_OLD_USERS, 0, FIT)
    joined_A = np.concatenate([np.zeros(20), [DAY_SECONDS] * 2, [FIT] * 4]).astype(np.int64)
    born_N = np.concatenate([np.zeros(80), [DAY_SECONDS] * 2, [FIT] * 6]).astype(np.int64)
    parity_A, parity_N = parity(np.arange(N_AUTHORS)), parity(np.arange(N_NOTES))
    catalog = Catalog(
        Users(joined_U, np.full(N_USERS, -1, np.int32)),
        Authors(joined_A, parity_A.astype(np.int16), _texts(parity_A, 6, rng)),
        Notes(
            AUTHOR_N,
            born_N,
            parity_N == 0,
            parity_N.astype(np.int16),
            _texts(parity_N, 3, rng),
            _texts(parity_N, 8, rng),
        ),
        ("even", "odd"),
    )
    none = np.empty(0, np.int32)
    return Observation(NOW, catalog, _events(rng), Follows(none, none.copy(), np.empty(0, np.int64)))


def as_of_fit(whole: Observation) -> Observation:
    """Return what was known before FIT."""
    return Observation(FIT, whole.catalog.before(FIT), whole.events.between(0, FIT), whole.follows.before(FIT))


def without_clicks(seen: Observation) -> Observation:
    """Return the same world in which everything was shown and nothing was clicked."""
    return replace(seen, events=replace(seen.events, click_E=np.zeros(len(seen.events), bool)))


def ask(seen: Observation, query: Kind, target: Kind, ids: NDArray[np.integer]) -> Requests:
    """Ask for all targets but those shown to the user, or the asking author."""
    if query == target:
        pairs = np.column_stack([np.arange(len(ids)), ids])
    else:
        target_E = seen.events.note_E if target == "note" else AUTHOR_N[seen.events.note_E]
        shown = {(int(u), int(t)) for u, t in zip(seen.events.user_E, target_E, strict=True)}
        pairs = np.array(sorted((q, t) for q, i in enumerate(ids) for u, t in shown if u == i)).reshape(-1, 2)
    start_Q1 = np.searchsorted(pairs[:, 0], np.arange(len(ids) + 1)).astype(np.int64)
    candidates_C = np.arange(seen.catalog.count(target), dtype=np.int32)
    return Requests(
        query, target, ids.astype(np.int32), seen.now, candidates_C, start_Q1, pairs[:, 1].astype(np.int32), 7
    )


def among(requests: Requests, candidates_C: NDArray[np.integer]) -> Requests:
    """Return the same requests with other candidates."""
    return replace(requests, candidates_C=candidates_C.astype(np.int32))


def parity(ids: NDArray[np.integer]) -> NDArray[np.int64]:
    return (ids % 2).astype(np.int64)


def _texts(parity_X: NDArray[np.int64], n_words: int, rng: np.random.Generator) -> StoredTexts:
    """Return texts of which half the words tell the parity."""
    return StoredTexts.of(
        [
            " ".join(rng.choice(LEXICON[int(side)] if word % 2 == 0 else NEUTRAL) for word in range(n_words))
            for side in parity_X
        ]
    )


def _events(rng: np.random.Generator) -> EventLog:
    """Show each user all notes of 6 of the 11 clicked authors of the same parity, and some notes of the other parity.

    The former are clicked, the latter are not.
    """
    user_E, note_E = (ids.ravel() for ids in np.meshgrid(np.arange(N_USERS), np.arange(86), indexing="ij"))
    likes_author_UA = np.zeros((N_USERS, N_AUTHORS), bool)
    for side in (0, 1):
        authors = np.setdiff1d(np.arange(side, 24, 2), OLD_COLD["author"])
        likes_author_UA[:, authors] = rng.permuted(np.tile(np.arange(11) < 6, (N_USERS, 1)), axis=1)
    agree_E = parity(user_E) == parity(note_E)
    shown_E = np.where(agree_E, likes_author_UA[user_E, AUTHOR_N[note_E]], rng.random(len(user_E)) < 0.1)
    shown_E &= ~np.isin(note_E, OLD_COLD["note"])
    user_E, note_E, click_E = user_E[shown_E], note_E[shown_E], agree_E[shown_E]
    is_late_E = (user_E >= N_OLD_USERS) | (note_E >= 82)
    time_E = rng.integers(DAY_SECONDS, FIT, len(user_E)) + np.where(is_late_E, FIT - DAY_SECONDS, 0)
    time_E = np.minimum(time_E, NOW - 1)
    order = np.argsort(time_E, kind="stable")
    return _log(user_E[order], note_E[order], time_E[order], click_E[order])


def _log(
    user_E: NDArray[np.int64], note_E: NDArray[np.int64], time_E: NDArray[np.int64], click_E: NDArray[np.bool_]
) -> EventLog:
    n = len(user_E)
    no = np.zeros(n, bool)
    return EventLog(
        user_E.astype(np.int32),
        note_E.astype(np.int32),
        time_E.astype(np.int64),
        np.zeros(n, np.int32),
        np.zeros(n, np.int16),
        np.zeros(n, np.int8),
        np.full(n, np.nan, np.float32),
        click_E,
        no,
        no,
        no,
        no,
        no,
        np.zeros(n, np.float32),
        ("all",),
    )
