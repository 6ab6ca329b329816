"""Authors who have fallen silent: a score halves with each half life since the author's newest note.

Readers find what is new, and who publishes no more is found by few. A method that ranks authors by text or clicks of
all time sees nothing of that. Shapes: Q requests, T targets.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulator.schema import DAY_SECONDS, Kind, Observation

HALF_LIFE_DAYS = 14.0  # of methods that let authors fade; chosen on world small, seed 5


def fading(seen: Observation, half_life_days: float, *, target: Kind) -> NDArray[np.float32] | None:
    """Return what remains of each author's score, float32 (T,): 1 for one with a note of now, 0 for one without notes.

    None where the half life is 0, which lets nobody fade, and for targets that are not authors. Raises ValueError for
    a half life below 0.
    """
    if half_life_days < 0:
        raise ValueError(f"author_half_life_days: expected at least 0, got {half_life_days}")
    if target != "author" or half_life_days == 0:
        return None
    notes = seen.catalog.notes
    newest_A = np.full(len(seen.catalog.authors), -np.inf)
    known_N = notes.author_N >= 0
    np.maximum.at(newest_A, notes.author_N[known_N], notes.born_time_N[known_N])
    return np.exp2((newest_A - seen.now) / DAY_SECONDS / half_life_days).astype(np.float32)


def faded(score_QT: NDArray[np.float32], remains_T: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Return scores with their positive part faded; a score below zero has nothing to lose."""
    return score_QT if remains_T is None else np.where(score_QT > 0, score_QT * remains_T, score_QT)
