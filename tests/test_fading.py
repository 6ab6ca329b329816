"""Authors who have fallen silent lose, those who publish keep, and where nobody fades nothing changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from methods.base import Budget
from methods.fading import faded, fading
from methods.registry import create
from simulator.schema import DAY_SECONDS, Kind
from tests import checkerboard as board

WORLD = board.checkerboard()


def test_an_author_halves_with_each_half_life_since_its_newest_note() -> None:
    notes = WORLD.catalog.notes
    got = fading(WORLD, target="author", author_half_life_days=3.0)
    assert got is not None
    for author in range(len(WORLD.catalog.authors)):
        born = [int(t) for a, t in zip(notes.author_N, notes.born_time_N, strict=True) if a == author]
        wanted = 0.5 ** ((WORLD.now - max(born)) / DAY_SECONDS / 3.0) if born else 0.0
        assert got[author] == pytest.approx(wanted, rel=1e-5)


def test_an_author_without_notes_has_nothing_left() -> None:
    notes = WORLD.catalog.notes
    silent = np.where(notes.author_N == 0, -1, notes.author_N).astype(np.int32)
    catalog = replace(WORLD.catalog, notes=replace(notes, author_N=silent))
    got = fading(replace(WORLD, catalog=catalog), target="author", author_half_life_days=3.0)
    assert got is not None
    assert got[0] == 0
    assert got[1:].min() > 0


def test_a_note_halves_with_each_half_life_since_its_birth() -> None:
    got, notes = fading(WORLD, target="note", note_half_life_days=3.0), WORLD.catalog.notes
    assert got is not None
    for note in range(len(notes)):
        wanted = 0.5 ** ((WORLD.now - int(notes.born_time_N[note])) / DAY_SECONDS / 3.0)
        assert got[note] == pytest.approx(wanted, rel=1e-5)


def test_nobody_fades_without_a_half_life_of_its_kind() -> None:
    assert fading(WORLD, target="author", note_half_life_days=3.0) is None
    assert fading(WORLD, target="note", author_half_life_days=3.0) is None
    assert fading(WORLD, target="user", author_half_life_days=3.0, note_half_life_days=3.0) is None


@pytest.mark.parametrize("kind", ["author", "note"])
def test_a_half_life_below_zero_is_refused(kind: str) -> None:
    half_lives = {"author_half_life_days": 0.0, "note_half_life_days": 0.0} | {f"{kind}_half_life_days": -1.0}
    with pytest.raises(ValueError, match=f"{kind}_half_life_days: expected at least 0, got -1.0"):
        fading(WORLD, target="author", **half_lives)


def test_only_what_is_above_zero_fades() -> None:
    scores = np.array([[2.0, -2.0, 0.0]], np.float32)
    np.testing.assert_array_equal(faded(scores, np.array([0.5, 0.5, 0.5], np.float32)), [[1.0, -2.0, 0.0]])
    assert faded(scores, None) is scores


@pytest.mark.parametrize("target", ["author", "note"])
@pytest.mark.parametrize("name", ["content-knn", "als-ridge", "als-knn"])
def test_a_long_half_life_changes_no_list_and_a_short_one_puts_the_newest_first(name: str, target: Kind) -> None:
    def listed(named: str, half_life_days: float | None = None) -> np.ndarray:
        method = create(named)
        if half_life_days is not None:
            half_lives = dict.fromkeys(("author_half_life_days", "note_half_life_days"), half_life_days)
            method = type(method)(replace(method.config, **half_lives))  # type: ignore[call-arg]
        method.fit(WORLD, target=target, rng=np.random.default_rng(1), budget=Budget())
        method.index(WORLD)
        return method.recommend(board.ask(WORLD, "user", target, np.arange(6)), k=4).ids_QK

    plain = listed(name)
    np.testing.assert_array_equal(listed(f"{name}-fading", 1e9), plain)
    remains = fading(WORLD, target=target, author_half_life_days=0.05, note_half_life_days=0.05)
    assert remains is not None
    assert (np.diff(remains[listed(f"{name}-fading", 0.05)], axis=1) <= 0).all()
