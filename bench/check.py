"""Refuse slates that break a rule before anything is scored: published evaluators give such lists full marks.

Shapes: Q requests, K list length, T targets.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from bench.relevant import Relevant, contains
from simulator.schema import Requests, Slates


class SlateError(ValueError):
    """A slate that breaks a rule; the message names the field, what was expected, what came and where."""

    def __init__(self, field: str, expected: str, got: str) -> None:
        super().__init__(f"{field}: expected {expected}, got {got}")
        self.field = field


def check_slates(slates: Slates | NDArray[np.int32], requests: Requests, *, k: int, n_targets: int) -> None:
    """Raise SlateError at the first rule that the slates break; bare ids count as slates of equal scores."""
    if not isinstance(slates, Slates):
        slates = Slates(slates, np.broadcast_to(np.float32(0), slates.shape))
    ids_QK = slates.ids_QK
    if ids_QK.shape != (len(requests), k):
        raise SlateError("Slates.ids", f"shape ({len(requests)}, {k})", f"{ids_QK.shape}")
    _refuse(ids_QK >= n_targets, ids_QK, f"ids < {n_targets}")
    _refuse(_is_no_candidate(ids_QK, requests, n_targets), ids_QK, "ids among the candidates of the request")
    _refuse(_is_repeated(ids_QK, n_targets), ids_QK, "distinct ids within a request")
    seen = Relevant(requests.seen_start_Q1, requests.seen_S)
    _refuse(contains(ids_QK, seen), ids_QK, "ids that the request has not seen")
    check_scores(slates)


def _is_no_candidate(ids_QK: NDArray[np.int32], requests: Requests, n_targets: int) -> NDArray[np.bool_]:
    # One entry more than there are targets, so that the pad -1 finds itself at the end.
    outside_T1 = np.ones(n_targets + 1, np.bool_)
    outside_T1[requests.candidates_C] = False
    outside_T1[-1] = False
    return outside_T1[ids_QK]


def _is_repeated(ids_QK: NDArray[np.int32], n_targets: int) -> NDArray[np.bool_]:
    """Mark later copies of an id within a row."""
    repeated_QK = np.empty(ids_QK.shape, np.bool_)
    _mark_repeated(ids_QK, np.full(n_targets, -1, np.int64), repeated_QK)
    return repeated_QK


@numba.njit(cache=True)
def _mark_repeated(ids_QK: NDArray[np.int32], last_row_T: NDArray[np.int64], repeated_QK: NDArray[np.bool_]) -> None:
    """Keep the last row that each target was met in: met there again, it is a copy."""
    for q in range(len(ids_QK)):
        for k in range(ids_QK.shape[1]):
            i = ids_QK[q, k]
            repeated_QK[q, k] = i >= 0 and last_row_T[i] == q
            if i >= 0:
                last_row_T[i] = q


def _refuse(bad_QK: NDArray[np.bool_], ids_QK: NDArray[np.int32], expected: str) -> None:
    if bool(bad_QK.any()):
        row, place = _first(bad_QK)
        raise SlateError("Slates.ids", expected, f"id {ids_QK[row, place]} at request {row}, place {place}")


def check_scores(slates: Slates) -> None:
    """Raise SlateError where a score rises along a list."""
    scores_QK = slates.scores_QK
    rises_QK = (scores_QK[:, 1:] > scores_QK[:, :-1]) & (slates.ids_QK[:, 1:] >= 0)
    if bool(rises_QK.any()):
        row, before = _first(rises_QK)
        place = before + 1
        got = f"{scores_QK[row, place]} after {scores_QK[row, before]}"
        where = f"at request {row}, place {place}, id {slates.ids_QK[row, place]}"
        raise SlateError("Slates.scores", "scores that never rise", f"{got} {where}")


def _first(bad_QK: NDArray[np.bool_]) -> tuple[int, int]:
    row, place = divmod(int(np.argmax(bad_QK)), bad_QK.shape[1])
    return row, place
