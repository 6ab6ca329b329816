"""What a method's process is handed: the same views as the harness cut, and nothing of what they were cut from."""

import threading
from dataclasses import fields, is_dataclass
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.case import Opener
from bench.handout import Questions, View, ask, hand_out, pack, unpack
from bench.tasks import find_task
from simulator.dataset import read, write
from simulator.schema import Observation, StoredTexts
from simulator.simulate import live
from simulator.spec import TINY

TASKS = ("author-cold/u2a/j0@v1", "author-cold/u2a/j5@v1", "warm/next-note@v1")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("handout") / "world"
    write(folder, live(TINY, seed=3), name="tiny", origin={})
    return folder


@pytest.fixture(scope="module")
def whole(world: Path) -> Observation:
    return read(world).observation


def same(one: Any, other: Any) -> bool:
    """Compare two things field by field, texts by their words."""
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    if hasattr(one, "take") and hasattr(one, "head"):
        ids = np.arange(len(one), dtype=np.int32)
        return len(one) == len(other) and bool(one.take(ids) == other.take(ids))
    if is_dataclass(one):
        return all(same(getattr(one, field.name), getattr(other, field.name)) for field in fields(one))
    return bool(one == other)


def test_what_is_handed_out_is_what_was_cut(whole: Observation, world: Path) -> None:
    ours, theirs = Pipe()
    clerk = threading.Thread(target=hand_out, args=(str(world), TASKS, 5, theirs), daemon=True)
    clerk.start()
    opener = Opener(whole, key=5)
    first, second, third = (opener.open(find_task(name)) for name in TASKS)
    held: list[tuple[int, Any, object]] = [
        (0, "nothing", View("fit", first.cut.fit)),
        (0, "fit", View("index", first.cut.index)),
        (0, "index", Questions(first.requests, first.cold_only)),
        (1, "index", View("index", second.cut.index)),  # the fit serves both
        (1, "index", Questions(second.requests, second.cold_only)),
        (2, "index", View("fit", third.cut.fit)),  # other targets
        (2, "nothing", View("fit", third.cut.fit)),  # the fit failed
    ]
    for place, holds, expected in held:
        assert same(ask(ours, place, holds), expected)
    ours.send_bytes(b"0 index")  # nothing is handed out twice
    clerk.join(10)
    assert not clerk.is_alive()


def test_a_view_carries_nothing_of_what_it_was_cut_from(whole: Observation) -> None:
    early = Opener(whole, key=5).open(find_task(TASKS[0])).cut.fit
    assert early.now < whole.now
    texts = StoredTexts.of([f"note {n} says this" for n in range(1_000)])
    assert len(pack(View("fit", early))) < len(pack(View("fit", whole))) * 0.8
    assert b"note 999 says" in _packed_texts(texts)
    for n in range(1, 80):
        assert b"note %d says" % n not in _packed_texts(texts.head(n))


def _packed_texts(texts: StoredTexts) -> bytes:
    return pack(View("fit", texts))  # type: ignore[arg-type]


def test_what_is_unpacked_is_read_only_for_good(whole: Observation) -> None:
    found = unpack(pack(View("fit", whole)))
    assert isinstance(found, View)
    for column in (found.seen.events.click_E, found.seen.catalog.notes.born_time_N):
        with pytest.raises(ValueError, match="WRITEABLE"):
            column.flags.writeable = True
