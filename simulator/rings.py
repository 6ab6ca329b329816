"""Spam rings: groups of authors whose own users open and like each other's notes whatever they are.

Only authors who are users too can be in one. What rings do is in the log, unlabelled; the truth of whom a note pleases
leaves it out. Shapes: U users, A authors, I rings, M members of a ring.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.luck import generator
from simulator.spec import Rings


@dataclass(frozen=True, slots=True, eq=False)
class RingTable:
    """Who is in which ring: `ring_U` of users and `ring_A` of authors, -1 for none; `member_IM` are authors."""

    ring_U: NDArray[np.int32]
    ring_A: NDArray[np.int32]
    member_IM: NDArray[np.int32]


def draw_rings(spec: Rings, author_U: NDArray[np.int32], n_authors: int, seed: int) -> RingTable:
    """Put a small share of the authors who are users into rings of `size`."""
    linked_U = np.flatnonzero(author_U >= 0)
    n_rings = min(round(spec.author_share * n_authors / spec.size), len(linked_U) // spec.size)
    user_IM = generator(seed, "rings").permutation(linked_U)[: n_rings * spec.size].reshape(n_rings, spec.size)
    ring_U = np.full(len(author_U), -1, np.int32)
    ring_A = np.full(n_authors, -1, np.int32)
    ring_U[user_IM] = np.arange(n_rings, dtype=np.int32)[:, None]
    member_IM = author_U[user_IM].astype(np.int32)
    ring_A[member_IM] = np.arange(n_rings, dtype=np.int32)[:, None]
    return RingTable(ring_U, ring_A, np.ascontiguousarray(member_IM))
