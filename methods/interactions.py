"""Who clicked what: the sparse matrices that all methods learn from, and what a request brings as its history.

A click is the positive interaction. Shapes: U users, T targets (notes or authors), E events, Q requests.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from simulator.schema import Kind, Observation, Requests

Sparse: TypeAlias = "sp.csr_matrix[np.float32]"

FROM_USERS: frozenset[tuple[Kind, Kind]] = frozenset({("user", "note"), ("user", "author")})
FROM_NOTES: frozenset[tuple[Kind, Kind]] = frozenset({("note", "user")})
FROM_USERS_AND_AUTHORS: frozenset[tuple[Kind, Kind]] = FROM_USERS | {("author", "author")}


def targets_of_events(seen: Observation, *, target: Kind) -> NDArray[np.int32]:
    """Return the note of each event, the note's author (-1 where it is not known), or the user."""
    match target:
        case "note":
            return seen.events.note_E
        case "author":
            return seen.catalog.notes.author_N[seen.events.note_E]
        case "user":
            return seen.events.user_E


def clicks(seen: Observation, *, target: Kind) -> Sparse:
    """Return how often each user clicked each target, (U, T), ids ascending within a row."""
    target_E = targets_of_events(seen, target=target)
    rows = seen.events.click_E & (target_E >= 0)
    ones = np.ones(int(rows.sum()), np.float32)
    shape = (len(seen.catalog.users), seen.catalog.count(target))
    counts: Sparse = sp.csr_matrix((ones, (seen.events.user_E[rows], target_E[rows])), shape=shape)
    counts.sum_duplicates()
    return counts


def binary(counts_UT: Sparse) -> Sparse:
    """Return the same pairs, each with the value one."""
    ones = np.ones(counts_UT.nnz, np.float32)
    return sp.csr_matrix((ones, counts_UT.indices, counts_UT.indptr), shape=counts_UT.shape)


def nothing(n_rows: int, n_columns: int) -> Sparse:
    """Return a matrix without entries."""
    start = np.zeros(n_rows + 1, np.int32)
    return sp.csr_matrix((np.empty(0, np.float32), np.empty(0, np.int32), start), shape=(n_rows, n_columns))


def n_users_of(counts_UT: Sparse) -> NDArray[np.int64]:
    """Return how many users clicked each target."""
    return np.bincount(counts_UT.indices, minlength=counts_UT.shape[1])


def profiles(requests: Requests, history_UT: Sparse) -> Sparse:
    """Return the targets that speak for each query, (Q, T): a user's history; for an author, the author itself."""
    if requests.query == "user":
        return history_UT[requests.ids_Q]
    shape = (len(requests), history_UT.shape[1])
    return sp.csr_matrix((np.ones(shape[0], np.float32), requests.ids_Q, np.arange(shape[0] + 1)), shape=shape)
