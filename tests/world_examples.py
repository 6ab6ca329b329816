"""Worlds that have lived for a while, slates to show them, and digests of all that a world is."""

from functools import cache
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from simulator.policy import CHANNELS
from simulator.schema import DAY_SECONDS, EventLog, Observation, Requests, Slates
from simulator.spec import find_world
from simulator.state import state_arrays
from simulator.world import World
from tests.slow_world import SlowWorld

PRESETS = ("tiny", "tiny-video")
CROWD = "tiny:n_users=6000,n_authors=1000,days=30"  # enough people to see a habit


@cache
def _lived(name: str, seed: int, hours: int) -> World:
    world = World(find_world(name), seed=seed)
    for _ in range(hours):
        world.step()
    return world


def lived(name: str, *, seed: int, hours: int) -> World:
    """Return a world of one's own that has lived for `hours`."""
    return _lived(name, seed, hours).fork()


@cache
def seen(name: str, *, seed: int, hours: int) -> Observation:
    """Return what was seen of such a world."""
    return lived(name, seed=seed, hours=hours).observe()


def channel(name: str) -> int:
    """Return the number of a channel."""
    return CHANNELS.index(name)


def present(world: World) -> NDArray[np.int32]:
    """Return the users who have joined by now."""
    return np.arange(np.searchsorted(world._population.people.joined_time_U, world.now), dtype=np.int32)


def n_born(world: World) -> int:
    """Return how many notes are born by now."""
    return int(np.searchsorted(world._born_time_N, world.now))


def asked(world: World, user_Q: NDArray[np.int32]) -> Requests:
    """Return requests for notes, of users who have seen nothing."""
    nothing = (np.zeros(len(user_Q) + 1, np.int64), np.empty(0, np.int32))
    return Requests("user", "note", user_Q, world.now, np.arange(n_born(world), dtype=np.int32), *nothing, 0)


def slates(ids_QK: NDArray[np.int32]) -> Slates:
    """Return slates without scores."""
    return Slates(ids_QK, np.zeros(ids_QK.shape, np.float32))


def slow_twin(world: World) -> SlowWorld:
    """Return the slow world with the notes of a fast one, at the same hour."""
    slow, turns = SlowWorld(world.spec, world.seed), dict[tuple[int, int], int]()
    for author, born in zip(world._notes.author_N.tolist(), world._born_time_N.tolist(), strict=True):
        turn = turns.get((author, born // DAY_SECONDS), 0)
        slow.notes.append(slow.write_note(author, born, turn))
        turns[author, born // DAY_SECONDS] = turn + 1
    slow.now = world.now
    return slow


def show(world: World, user_Q: NDArray[np.int32], ids_QK: NDArray[np.int32]) -> EventLog:
    """Expose slates to users, all read to their end if the preset allows."""
    return world.expose(asked(world, user_Q), slates(ids_QK))


def one_note_each(world: World, shift: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return everybody present, and one note for each: another one for every `shift` below the number of notes."""
    user_Q = present(world)
    return user_Q, ((user_Q * 7 + shift) % n_born(world)).astype(np.int32)[:, None]


def engaged(events: EventLog) -> NDArray[np.bool_]:
    """Whether anything but a click came of each impression."""
    return events.like_E | events.collect_E | events.comment_E | events.share_E | events.follow_E


def digest(world: World) -> str:
    """Return a hash of all that happened and all that is remembered."""
    observed, hashed = world.observe(), sha256()
    arrays = [column for column in (getattr(observed.events, name) for name in observed.events.__slots__)]
    arrays = [array for array in arrays if isinstance(array, np.ndarray)]
    arrays += [observed.follows.user_F, observed.follows.author_F, observed.follows.time_F]
    arrays += [world._notes.key_N, world._born_time_N, *state_arrays(world._state).values()]
    for array in arrays:
        hashed.update(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return hashed.hexdigest()


def z_of(got: float, expected: float, variance: float) -> float:
    """Return by how many standard deviations `got` is off."""
    return float((got - expected) / np.sqrt(variance))


def ahead(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Return by how many standard errors the rate of the first sample exceeds that of the second."""
    rates, sizes = np.array([first.mean(), second.mean()]), np.array([len(first), len(second)])
    return float((rates[0] - rates[1]) / np.sqrt((rates * (1 - rates) / sizes).sum()))
