"""Checkpoints: a world written down between two steps, and brought back to go on with the same bytes.

Only what happened is stored; inhabitants, notes and trends are functions of (spec, seed) and are drawn again. The file
is an npz of plain arrays, written whole or not at all and never unpickled.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.arrays import load_arrays, save_arrays
from simulator.journal import Journal
from simulator.living import Sessions
from simulator.notes import note_truth
from simulator.response import AGE, APPEAL, NOISE
from simulator.schema import EVENT_COLUMNS
from simulator.spec import WorldSpec
from simulator.state import state_arrays, state_of
from simulator.world import World

_MOVING = [APPEAL, AGE, NOISE]  # fields of a card that change by the hour


class CheckpointError(ValueError):
    """A file that is no checkpoint, or one of another world."""


def save(world: World, path: Path) -> None:
    """Write the world at `path`."""
    head = {"spec": world.spec.as_dict(), "seed": world.seed, "luck": world.luck, "tick": world.tick}
    head |= {"begun": world._begun, "n_sessions": world._n_sessions}
    follows, n = world._journal.follows(), len(world._born_time_N)
    arrays: dict[str, NDArray[Any]] = {
        "head": np.array(json.dumps(head)),
        "author_N": world._notes.author_N,
        "born_time_N": world._born_time_N,
        "moving_NF": world._cards.card_NF[:n, _MOVING],
        "today.user_S": world._today.user_S,
        "today.start_H1": world._today.start_H1,
        "follows.user_F": follows.user_F,
        "follows.author_F": follows.author_F,
        "follows.time_F": follows.time_F,
    }
    arrays |= {f"events.{name}": column for name, column in world._journal.rows().items()}
    arrays |= {f"latest.{name}": column for name, column in world._latest.items()}
    arrays |= {f"state.{name}": array for name, array in state_arrays(world._state).items()}
    save_arrays(path, arrays)


def restore(spec: WorldSpec, path: Path) -> World:
    """Bring the world of `spec` back from `path`."""
    try:
        arrays = load_arrays(path)
        head = json.loads(str(arrays["head"]))
    except (zipfile.BadZipFile, KeyError, EOFError, ValueError) as error:
        raise CheckpointError(f"{path}: expected a whole checkpoint, got {error}") from error
    if head["spec"] != spec.as_dict():
        changed = sorted(name for name, value in spec.as_dict().items() if head["spec"].get(name) != value)
        raise CheckpointError(f"{path}: expected a checkpoint of world {spec.name}, got another {', '.join(changed)}")
    world = World(spec, seed=head["seed"], luck=head["luck"])
    world.tick, world._begun, world._n_sessions = head["tick"], head["begun"], head["n_sessions"]
    state = {name.removeprefix("state."): array for name, array in arrays.items() if name.startswith("state.")}
    world._state = state_of(state)
    author_N, born_time_N = arrays["author_N"], arrays["born_time_N"]
    notes = note_truth(spec.affinity, world._population.creators, world.seed, author_N, born_time_N)
    world._admit(notes, born_time_N, 0)
    world._cards.card_NF[: len(author_N), _MOVING] = arrays["moving_NF"]
    latest = {name.removeprefix("latest."): array for name, array in arrays.items() if name.startswith("latest.")}
    world._latest = latest
    world._today = Sessions(arrays["today.user_S"], arrays["today.start_H1"])
    world._journal = Journal()
    world._journal.befriend(arrays["follows.user_F"], arrays["follows.author_F"], arrays["follows.time_F"])
    world._journal.write({name: arrays[f"events.{name}"] for name in EVENT_COLUMNS})
    return world
