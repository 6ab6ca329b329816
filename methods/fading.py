"""Authors who have fallen silent, and notes that have aged: a score halves with each half life since the newest note.

Readers find what is new, and who publishes no more is found by few. A method that ranks by text or clicks of all time
sees nothing of that. Shapes: Q requests, T targets.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulator.schema import DAY_SECONDS, Kind, Observation

# Of methods that let authors, or notes, fade; chosen on world small, seed 5.
HALF_LIFE_DAYS = 14.0
NOTE_HALF_LIFE_DAYS = 2.0


def fading(
    seen: Observation, *, target: Kind, author_half_life_days: float = 0.0, note_half_life_days: float = 0.0
) -> NDArray[np.float32] | None:
    """Return what remains of each target's score, float32 (T,): 1 for a note of now and its author.

    An author without notes has 0. None where the half life is 0, which lets nobody fade, and for users. Raises
    ValueError for a half life below 0.
    """
    half_lives = {"author": author_half_life_days, "note": note_half_life_days}
    for kind, days in half_lives.items():
        if days < 0:
            raise ValueError(f"{kind}_half_life_days: expected at least 0, got {days}")
    half_life_days, notes = half_lives.get(target, 0.0), seen.catalog.notes
    if half_life_days == 0:
        return None
    if target == "note":
        return np.exp2((notes.born_time_N - seen.now) / DAY_SECONDS / half_life_days).astype(np.float32)
    newest_A = np.full(len(seen.catalog.authors), -np.inf)
    known_N = notes.author_N >= 0
    np.maximum.at(newest_A, notes.author_N[known_N], notes.born_time_N[known_N])
    return np.exp2((newest_A - seen.now) / DAY_SECONDS / half_life_days).astype(np.float32)


def faded(score_QT: NDArray[np.float32], remains_T: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Return scores with their positive part faded; a score below zero has nothing to lose."""
    return score_QT if remains_T is None else np.where(score_QT > 0, score_QT * remains_T, score_QT)
