"""Who is given which new note when users have budgets: a greedy matching, and the user -> notes lists it makes.

All (note, user) candidates are walked by falling score; one is kept while its user has budget left and its note wants
more. For such a matching with capacities greedy gives at least half of the greatest total score (Korte and Hausmann
1978). Shapes: Q notes, K users offered to a note, D deliveries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from methods.kernel import compiled
from simulator.schema import SchemaError


@dataclass(frozen=True, slots=True)
class BudgetConfig:
    """What a user bears and what a note wants."""

    per_user: int = 3  # new notes a user is given
    per_note: int = 100  # users a note is given to: the first hundred impressions

    def __post_init__(self) -> None:
        for name in ("per_user", "per_note"):
            if getattr(self, name) < 1:
                raise SchemaError(f"BudgetConfig.{name}", "at least 1", getattr(self, name))


@dataclass(frozen=True, slots=True, eq=False)
class Deliveries:
    """Who is given which note, by user and then by falling score: the reverse index that serving reads."""

    user_D: NDArray[np.int32]
    note_D: NDArray[np.int32]
    score_D: NDArray[np.float32]


def deliver(
    notes_Q: NDArray[np.int32], users_QK: NDArray[np.int32], scores_QK: NDArray[np.float32], config: BudgetConfig
) -> Deliveries:
    """Allot users (-1 pads) to notes within both budgets; of equal scores the earlier note's, then its earlier user."""
    if users_QK.shape != scores_QK.shape or len(users_QK) != len(notes_Q):
        raise SchemaError("users_QK", f"({len(notes_Q)}, K) like scores_QK {scores_QK.shape}", users_QK.shape)
    row_P, place_P = np.nonzero(users_QK >= 0)
    user_P, score_P = users_QK[row_P, place_P], scores_QK[row_P, place_P]
    order = np.argsort(-score_P, kind="stable")
    kept_P = np.zeros(len(order), np.bool_)
    n_users = int(user_P.max(initial=-1)) + 1
    _allot(order, row_P, user_P, np.full(len(notes_Q), config.per_note), np.full(n_users, config.per_user), kept_P)
    kept = order[kept_P[order]]
    kept = kept[np.argsort(user_P[kept], kind="stable")]
    return Deliveries(user_P[kept], notes_Q[row_P[kept]], score_P[kept])


@compiled
def _allot(  # noqa: PLR0913 - a kernel takes its arrays one by one
    order_P: NDArray[np.int64],
    row_P: NDArray[np.int64],
    user_P: NDArray[np.int32],
    left_Q: NDArray[np.int64],
    left_U: NDArray[np.int64],
    kept_P: NDArray[np.bool_],
) -> None:
    for p in order_P:
        if left_Q[row_P[p]] > 0 and left_U[user_P[p]] > 0:
            left_Q[row_P[p]] -= 1
            left_U[user_P[p]] -= 1
            kept_P[p] = True
