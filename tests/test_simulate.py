"""A simulation gives the same bytes however it is run: by how many hands, in one go, after kills, restored."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from simulator.checkpoint import CheckpointError, restore, save
from simulator.crew import Nobody, live_hour, packed, processes, share_of, unpacked
from simulator.dataset import read
from simulator.schema import Requests, SchemaError, Slates
from simulator.simulate import Running, live, simulate
from simulator.spec import TINY, WorldSpec, find_world
from simulator.tick import Impressions
from simulator.world import World

SPEC = replace(TINY, days=4)
SEED = 6
SCRIPT = """
import sys
from pathlib import Path
from simulator.simulate import Running, simulate
from simulator.spec import find_world
if __name__ == "__main__":
    running = Running(workers=int(sys.argv[2]), checkpoint_seconds=0.0)
    simulate(find_world(sys.argv[3]), Path(sys.argv[1]), seed=6, running=running)
"""


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone") / "tiny"
    simulate(SPEC, folder, seed=SEED)
    return folder


def test_what_is_streamed_is_what_was_lived(alone: Path) -> None:
    lived, streamed = live(SPEC, seed=SEED), read(alone).observation
    assert streamed.now == lived.now
    for name in ("user_E", "note_E", "time_E", "session_E", "click_E", "dwell_seconds_E", "propensity_E"):
        assert getattr(streamed.events, name).tobytes() == getattr(lived.events, name).tobytes()
    assert np.array_equal(streamed.follows.author_F, lived.follows.author_F)


def test_the_manifest_carries_spec_seed_version_and_fingerprint(alone: Path) -> None:
    manifest = read(alone).manifest
    assert manifest.origin["spec"] == SPEC.as_dict()
    assert manifest.origin["seed"] == SEED
    assert manifest.origin["version"]
    assert len(manifest.fingerprint) == 64
    assert len(manifest.tables["events"].parts) == SPEC.days


@pytest.mark.parametrize("workers", [2, 3])
def test_any_number_of_hands_gives_the_same_bytes(workers: int, alone: Path, tmp_path: Path) -> None:
    simulate(SPEC, tmp_path / "tiny", seed=SEED, running=Running(workers=workers))
    assert files_of(tmp_path / "tiny") == files_of(alone)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of Ray's own making
def test_a_ray_cluster_gives_the_same_bytes(alone: Path, tmp_path: Path) -> None:
    simulate(SPEC, tmp_path / "tiny", seed=SEED, running=Running(workers=3, ray="local"))
    assert files_of(tmp_path / "tiny") == files_of(alone)


def test_texts_are_written_only_when_asked_for(alone: Path, tmp_path: Path) -> None:
    note = np.zeros(1, np.int32)
    with pytest.raises(SchemaError, match="--texts"):
        read(alone).observation.catalog.notes.title.take(note)
    simulate(SPEC, tmp_path / "tiny", seed=SEED, running=Running(texts=True))
    assert read(tmp_path / "tiny").observation.catalog.notes.title.take(note)[0]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_simulation_goes_on_to_the_same_bytes(workers: int, tmp_path: Path) -> None:
    world = "tiny:days=6"
    simulate(find_world(world), tmp_path / "whole", seed=SEED)
    out, script = tmp_path / "killed", tmp_path / "run.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(out), str(workers), world]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    unfinished = out.with_name(".killed.unfinished")
    for n_parts in (1, 3):
        running = subprocess.Popen(command, env=environment)
        while running.poll() is None and len(list(unfinished.glob("dataset/events/*.parquet"))) <= n_parts:
            time.sleep(0.005)
        running.send_signal(signal.SIGKILL)
        running.wait()
        assert not out.exists()
    subprocess.run(command, env=environment, check=True)
    assert files_of(out) == files_of(tmp_path / "whole")


def test_shares_cover_all_sessions_once() -> None:
    for n in (0, 1, 7, 100):
        for count in (1, 2, 3, 8):
            bounds = [share_of(n, index, count) for index in range(count)]
            assert bounds[0][0] == 0
            assert bounds[-1][1] == n
            assert all(one[1] == other[0] for one, other in pairwise(bounds))


def test_impressions_survive_the_way_to_another_hand() -> None:
    world = lived(SPEC, 40)
    served = world.serve(0, len(world.visitors()))
    again = unpacked(packed(served))
    for name in Impressions._fields:
        one, other = getattr(served, name), getattr(again, name)
        assert (one.dtype, one.tobytes()) == (other.dtype, other.tobytes())


def test_a_hand_that_dies_is_no_silent_loss() -> None:
    world = World(SPEC, seed=SEED)
    with processes(SPEC, SEED, None, 2) as crew:
        live_hour(world, crew, 2)
        for pipe in crew._pipes:
            pipe.close()
        with pytest.raises(OSError, match="closed"):
            live_hour(world, crew, 2)


def lived(spec: WorldSpec, hours: int) -> World:
    world = World(spec, seed=SEED)
    for _ in range(hours):
        world.step()
    return world


def rows_of(world: World) -> list[NDArray[np.generic]]:
    events, follows = world.observe().events, world.observe().follows
    return [events.user_E, events.note_E, events.time_E, events.session_E, events.dwell_seconds_E, follows.author_F]


def same(one: World, other: World) -> bool:
    return all(a.tobytes() == b.tobytes() for a, b in zip(rows_of(one), rows_of(other), strict=True))


def shown_something(world: World) -> None:
    """Expose one note to some users, so that an hour has begun and moved."""
    user_Q = np.arange(5, dtype=np.int32)
    ids_Q1 = np.zeros((5, 1), np.int32)
    start_Q1, seen_S = np.zeros(6, np.int64), np.empty(0, np.int32)
    requests = Requests("user", "note", user_Q, world.now, np.arange(3, dtype=np.int32), start_Q1, seen_S, 0)
    world.expose(requests, Slates(ids_Q1, np.zeros((5, 1), np.float32)))


def nothing(world: World) -> None:
    """Leave the world between two hours."""


@pytest.mark.parametrize(
    ("hours", "meddle"),
    [(0, nothing), (1, nothing), (24, nothing), (37, nothing), (24, shown_something), (37, shown_something)],
)
def test_a_restored_world_goes_on_as_if_nothing_was(
    hours: int, meddle: Callable[[World], None], tmp_path: Path
) -> None:
    world = lived(SPEC, hours)
    meddle(world)
    save(world, tmp_path / "world.npz")
    again = restore(SPEC, tmp_path / "world.npz")
    assert same(world, again)
    assert len(world.latest()) == len(again.latest())
    for _ in range(30):
        world.step()
        again.step()
    assert same(world, again)


def test_a_checkpoint_of_another_world_is_refused_by_what_differs(tmp_path: Path) -> None:
    save(lived(SPEC, 3), tmp_path / "world.npz")
    with pytest.raises(CheckpointError, match="expected a checkpoint of world tiny, got another days"):
        restore(TINY, tmp_path / "world.npz")


def test_running_refuses_no_hands() -> None:
    with pytest.raises(ValueError, match="workers: expected at least 1, got 0"):
        Running(workers=0)


def test_one_hand_alone_is_a_world_that_steps() -> None:
    one, other = World(SPEC, seed=SEED), World(SPEC, seed=SEED)
    for _ in range(30):
        one.step()
        live_hour(other, Nobody(), 1)
    assert same(one, other)


def test_a_broken_checkpoint_is_refused_by_its_path(tmp_path: Path) -> None:
    for name, content in (("torn", b"PK\x03\x04 torn"), ("empty", b"")):
        (tmp_path / f"{name}.npz").write_bytes(content)
        with pytest.raises(CheckpointError, match=rf"{name}\.npz: expected a whole checkpoint"):
            restore(SPEC, tmp_path / f"{name}.npz")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(CheckpointError, match="expected a whole checkpoint"):
        restore(SPEC, tmp_path / "other.npz")


def test_a_catalog_carries_no_truth() -> None:
    title = lived(SPEC, 30).observe().catalog.notes.title
    own = [name for name in dir(title) if not name.startswith("__")]
    assert own
    assert not [name for name in own if isinstance(getattr(title, name), np.ndarray)]


def test_a_slate_with_a_note_twice_is_refused() -> None:
    world = lived(SPEC, 40)
    ids_QK = np.zeros((1, 2), np.int32)
    with pytest.raises(SchemaError, match="a note at most once a slate"):
        world.step(Slates(ids_QK, np.zeros(ids_QK.shape, np.float32)))
