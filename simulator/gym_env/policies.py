"""Two policies to begin with: they read the observation alone, and their slates are always valid.

Shapes: B requests, K slots, M newest notes.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from simulator.gym_env.shown import Shown
from simulator.gym_env.spaces import draw_slates


class Policy(Protocol):
    """Whatever answers the requests of an hour."""

    def recommend(self, seen: Shown) -> NDArray[np.int32]:
        """Return the slates (B, K) of the hour that begins."""
        ...


class RandomPolicy:
    """Notes drawn uniformly from all that can be served."""

    def __init__(self, *, rng: np.random.Generator) -> None:
        self._rng = rng

    def recommend(self, seen: Shown) -> NDArray[np.int32]:
        """Draw a slate for every request."""
        slate_BK = draw_slates(np.arange(int(seen["n_notes"][0])), seen["last_slate"].shape, rng=self._rng)
        slate_BK[seen["request_mask"] == 0] = -1
        return slate_BK


class PopularityPolicy:
    """The most clicked of the newest notes, the same for everybody; the newer first among equals."""

    def recommend(self, seen: Shown) -> NDArray[np.int32]:
        """Repeat one slate for every request."""
        slate_BK = np.full_like(seen["last_slate"], -1)
        is_note_M = seen["new_id"] >= 0
        order = np.argsort(-seen["new_clicks"][is_note_M], kind="stable")
        best_K = seen["new_id"][is_note_M][order][: slate_BK.shape[1]]
        slate_BK[seen["request_mask"] == 1, : len(best_K)] = best_K
        return slate_BK
