"""The spaces: slates of notes, and an observation of fixed-capacity arrays.

Shapes: B requests, K slots of a slate, R responses, H clicks of a user's history, M newest notes, N notes that can be
served, X notes to draw from.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict, MultiBinary
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from simulator.gym_env.settings import Settings
from simulator.schema import RESPONSES, SchemaError
from simulator.sizes import N_CATEGORIES
from simulator.spec import WorldSpec

_MOST = 2**31 - 1


class SlateSpace(Box[np.int32]):
    """Slates of note ids, -1 pads on the right, no note twice in a slate.

    Which notes are born the space cannot know. `sample` draws from the first `n_sure`, those that are there when an
    episode begins; `sample(mask=observation["note_mask"])` from all that can be served.
    """

    def __init__(self, shape: tuple[int, ...], capacity: int, *, n_sure: int) -> None:
        super().__init__(-1, capacity - 1, shape, np.int32)
        self.capacity, self.n_sure = capacity, n_sure

    def sample(self, mask: NDArray[np.int8] | None = None, probability: None = None) -> NDArray[np.int32]:
        """Draw full slates uniformly, shorter ones where there are fewer notes than slots."""
        del probability
        note_X = np.arange(self.n_sure) if mask is None else np.flatnonzero(mask)
        return draw_slates(note_X, self.shape, rng=self.np_random)

    def contains(self, x: Any) -> bool:
        """Say whether `step` could take it, were all notes born."""
        return fault_of(x, self.shape, self.capacity) is None


@batch_space.register(SlateSpace)
def _batched(space: SlateSpace, n: int = 1) -> SlateSpace:
    return SlateSpace((n, *space.shape), space.capacity, n_sure=space.n_sure)


def draw_slates(note_X: NDArray[np.int64], shape: tuple[int, ...], *, rng: np.random.Generator) -> NDArray[np.int32]:
    """Draw slates without replacement, all orders alike (Floyd; Bentley 1987, doi:10.1145/30401.315746)."""
    n_rows, n_slots, width = prod(shape[:-1]), shape[-1], min(shape[-1], len(note_X))
    place_RK = np.full((n_rows, width), -1, np.int64)
    for k, last in enumerate(range(len(note_X) - width, len(note_X))):
        place_R = rng.integers(0, last + 1, n_rows)
        is_taken_R = (place_RK[:, :k] == place_R[:, None]).any(axis=1)
        place_RK[:, k] = np.where(is_taken_R, last, place_R)
    slate_RK = np.full((n_rows, n_slots), -1, np.int32)
    slate_RK[:, :width] = note_X[rng.permuted(place_RK, axis=1)]
    return slate_RK.reshape(shape)


def fault_of(action: object, shape: tuple[int, ...], n_notes: int) -> SchemaError | None:
    """Return what is wrong with slates when notes below `n_notes` can be served; the place is named by its index."""
    if not isinstance(action, np.ndarray):
        return SchemaError("action", f"int32{shape} array", type(action).__name__)
    if action.dtype != np.int32 or action.shape != shape:
        return SchemaError("action", f"int32{shape}", f"{action.dtype}{action.shape}")
    is_unknown = (action < -1) | (action >= n_notes)
    if is_unknown.any():
        at = _first(is_unknown)
        return SchemaError(_named(at), f"ids in [-1, {n_notes}), the notes that can be served now", int(action[at]))
    is_late = (action[..., 1:] >= 0) & (action[..., :-1] < 0)
    if is_late.any():
        *rows, k = _first(is_late)
        return SchemaError(_named((*rows, k + 1)), "-1 after a pad", int(action[(*rows, k + 1)]))
    ordered = np.sort(action, axis=-1)
    is_twice = (ordered[..., 1:] == ordered[..., :-1]) & (ordered[..., 1:] >= 0)
    if is_twice.any():
        *rows, k = _first(is_twice)
        return SchemaError(_named(tuple(rows)), "no note twice in a slate", f"note {ordered[(*rows, k)]} twice")
    return None


def _first(mask: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(place) for place in np.unravel_index(int(np.argmax(mask)), mask.shape))


def _named(at: tuple[int, ...]) -> str:
    return f"action[{', '.join(map(str, at))}]"


def observation_space(settings: Settings, spec: WorldSpec) -> Dict[Any]:
    """Return the space of observations; docs/environment.md explains every key."""
    n_requests, n_slots, n_shown = settings.batch, settings.slate, settings.newest
    n_notes, n_days = settings.n_notes(spec), settings.last_day(spec)
    slates, days = (n_requests, n_slots), float(n_days + 1)

    def ids(n: int, *shape: int) -> Box[np.int32]:
        return Box(-1, n - 1, shape, np.int32)

    def counts(*shape: int, most: int = _MOST) -> Box[np.int32]:
        return Box(0, most, shape, np.int32)

    def amounts(most: float, *shape: int) -> Box[np.float32]:
        return Box(0.0, most, shape, np.float32)

    return Dict(
        {
            "now": Box(np.zeros(2, np.int32), np.array([23, n_days], np.int32), dtype=np.int32),
            "request_mask": MultiBinary(n_requests),
            "request_user": ids(spec.n_users, n_requests),
            "request_history": ids(n_notes, n_requests, settings.history),
            "request_tenure_days": amounts(days, n_requests),
            "request_visits": counts(n_requests),
            "n_notes": counts(1, most=n_notes),
            "note_mask": MultiBinary(n_notes),
            "new_id": ids(n_notes, n_shown),
            "new_author": ids(spec.n_authors, n_shown),
            "new_category": ids(N_CATEGORIES, n_shown),
            "new_is_video": MultiBinary(n_shown),
            "new_age_hours": amounts(24.0 * days, n_shown),
            "new_impressions": counts(n_shown),
            "new_clicks": counts(n_shown),
            "last_user": ids(spec.n_users, n_requests),
            "last_slate": ids(n_notes, *slates),
            "last_shown": MultiBinary(slates),
            "last_responses": MultiBinary((*slates, len(RESPONSES))),
            "last_dwell_seconds": amounts(float(np.finfo(np.float32).max), *slates),
        }
    )
