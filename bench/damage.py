"""Damage what a method gets: texts that are missing, categories and authors that are new, rings that flood the log.

What is damaged is drawn once for all by id, so that the views of a task, prefixes of one another, agree. The truth is
left alone. Shapes: N notes, A authors, U users, C categories, E events, J notes in a ring.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from simulator.luck import generator
from simulator.schema import Catalog, EventLog, Observation, StoredTexts
from simulator.schema.catalog import Texts

_KEY = 0
_HOUR = 3_600


def without_text(catalog: Catalog, share: float) -> Catalog:
    """Return the catalog with a share of the profiles, and of the titles with their bodies, empty."""
    notes, authors = catalog.notes, catalog.authors
    is_mute_N, is_mute_A = _drawn("mute notes", len(notes), share), _drawn("mute authors", len(authors), share)
    notes = replace(notes, title=_emptied(notes.title, is_mute_N), body=_emptied(notes.body, is_mute_N))
    return replace(catalog, notes=notes, authors=replace(authors, profile=_emptied(authors.profile, is_mute_A)))


def newly_opened(catalog: Catalog, share: float) -> NDArray[np.bool_]:
    """Mark the notes (N,) whose label is one of the categories that are new, a share of all and at least one."""
    n = len(catalog.categories)
    new_C = generator(_KEY, "new categories").permutation(n)[: max(1, round(share * n))]
    return np.isin(catalog.notes.category_N, new_C)


def held_authors(catalog: Catalog, share: float) -> NDArray[np.bool_]:
    """Mark a share of the authors (A,)."""
    return _drawn("held authors", len(catalog.authors), share)


def flooded(seen: Observation, *, author_share: float, size: int) -> EventLog:
    """Return the log with what rings do: each hired user opens and likes every note of its ring an hour after birth.

    A ring is `size` authors and `size` users. Notes younger than an hour are not yet opened.
    """
    notes, luck = seen.catalog.notes, generator(_KEY, "rings")
    n_rings = round(author_share * len(seen.catalog.authors) / size)
    n_rings = min(n_rings, len(seen.catalog.authors) // size, len(seen.catalog.users) // size)
    ring_A1 = np.full(len(seen.catalog.authors) + 1, -1)  # the author -1 is in none
    ring_A1[luck.permutation(len(seen.catalog.authors))[: n_rings * size]] = np.repeat(np.arange(n_rings), size)
    hired_U = luck.permutation(len(seen.catalog.users))[: n_rings * size].reshape(n_rings, size)
    note_J = np.flatnonzero((ring_A1[notes.author_N] >= 0) & (notes.born_time_N + _HOUR < seen.now))
    note_E = np.repeat(note_J, size).astype(np.int32)
    user_E = hired_U[ring_A1[notes.author_N[note_J]]].ravel().astype(np.int32)
    time_E = notes.born_time_N[note_E] + _HOUR
    # Whom the world has not yet does nothing.
    joined_E = seen.catalog.users.joined_time_U[user_E] < time_E
    return _merged(seen.events, user_E[joined_E], note_E[joined_E], time_E[joined_E])


def _merged(log: EventLog, user_E: NDArray[np.int32], note_E: NDArray[np.int32], time_E: NDArray[np.int64]) -> EventLog:
    """Return the log with rows of clicks and likes of the first channel; at equal times they come last."""
    n = len(user_E)
    yes, no, unknown = np.ones(n, np.bool_), np.zeros(n, np.bool_), np.full(n, np.nan, np.float32)
    added: dict[str, NDArray[np.generic]] = {
        "user_E": user_E,
        "note_E": note_E,
        "time_E": time_E,
        "session_E": np.full(n, log.session_E.max(initial=0), np.int32),
        "position_E": np.zeros(n, np.int16),
        "channel_E": np.zeros(n, np.int8),
        "propensity_E": unknown,
        "click_E": yes,
        "like_E": yes,
        **dict.fromkeys(("collect_E", "comment_E", "share_E", "follow_E"), no),
        "dwell_seconds_E": np.zeros(n, np.float32),
    }
    order = np.argsort(np.append(log.time_E, time_E), kind="stable")
    columns = {name: np.concatenate([getattr(log, name), column])[order] for name, column in added.items()}
    return EventLog(**columns, channels=log.channels)


def _drawn(what: str, n: int, share: float) -> NDArray[np.bool_]:
    """Draw a share of `n` ids; the first of more ids are drawn alike."""
    return generator(_KEY, what).random(n) < share


def _emptied(texts: Texts, is_mute_T: NDArray[np.bool_]) -> StoredTexts:
    kept = texts.take(np.arange(len(texts), dtype=np.int32))
    return StoredTexts.of(["" if mute else text for text, mute in zip(kept, is_mute_T.tolist(), strict=True)])
