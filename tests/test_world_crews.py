"""Any number of hands, and a life cut in two by a checkpoint, give the same bytes."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.checkpoint import CheckpointError, restore, save
from simulator.crew import Hand, Nobody, live_hour, packed, processes, share_of, unpacked
from simulator.spec import find_world
from simulator.tick import Impressions
from simulator.world import World
from tests.world_examples import PRESETS, digest, lived

TWO_DAYS = 48


class Table:
    """Hands at one table: no processes between them."""

    def __init__(self, name: str, seed: int, count: int) -> None:
        self._hands = [Hand(find_world(name), seed, None, (index, count)) for index in range(1, count)]
        self._served: list[bytes] = []

    def ask(self) -> None:
        """Have every hand serve its share."""
        self._served = [hand.serve() for hand in self._hands]

    def collect(self) -> list[Impressions]:
        """Return what they served."""
        return [unpacked(data) for data in self._served]

    def tell(self, shown: Impressions) -> None:
        """Let every hand enter the whole hour."""
        for hand in self._hands:
            hand.settle(packed(shown))


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("count", [2, 3, 7])
def test_any_number_of_hands_gives_the_same_bytes(name: str, count: int) -> None:
    world, crew = World(find_world(name), seed=3), Table(name, 3, count)
    for _ in range(TWO_DAYS):
        live_hour(world, crew, count)
    assert digest(world) == digest(lived(name, seed=3, hours=TWO_DAYS))


def test_processes_give_the_same_bytes_as_one_hand() -> None:
    spec = find_world("tiny")
    alone, world = World(spec, seed=3), World(spec, seed=3)
    with processes(spec, 3, None, 3) as crew:
        for _ in range(TWO_DAYS):
            live_hour(world, crew, 3)
            live_hour(alone, Nobody(), 1)
    assert digest(world) == digest(alone) == digest(lived("tiny", seed=3, hours=TWO_DAYS))


@given(st.integers(0, 1_000), st.integers(1, 40))
def test_shares_are_disjoint_and_whole(n: int, count: int) -> None:
    bounds = [share_of(n, index, count) for index in range(count)]
    assert [s for first, last in bounds for s in range(first, last)] == list(range(n))
    assert max(last - first for first, last in bounds) - min(last - first for first, last in bounds) <= 1


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize(("hours", "visited", "luck"), [(0, False, None), (30, True, None), (53, False, 9)])
def test_a_checkpoint_cuts_a_life_in_two(
    name: str, hours: int, visited: bool, luck: int | None, tmp_path: Path
) -> None:
    world = lived(name, seed=3, hours=hours).fork(luck=luck)
    if visited:
        world.visitors()
    save(world, tmp_path / "half.npz")
    again = restore(world.spec, tmp_path / "half.npz")
    assert digest(again) == digest(world)
    for _ in range(TWO_DAYS):
        world.step()
        again.step()
    assert digest(again) == digest(world)


def test_a_checkpoint_of_another_world_is_refused_by_what_differs(tmp_path: Path) -> None:
    save(lived("tiny", seed=3, hours=3), tmp_path / "half.npz")
    with pytest.raises(CheckpointError, match=r"expected a checkpoint of world tiny-video, got another .*preset"):
        restore(find_world("tiny-video"), tmp_path / "half.npz")
