"""Experiments in paired arms: forks that differ in the guarantee alone, and effects that say what they can."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.experiments import guarantee, render
from bench.experiments.arms import run_arms
from bench.experiments.guarantee import CONTROL, GuaranteeTable, measure
from bench.report.terminal import console
from bench.stats import Interval
from simulator.policy import FRESH
from simulator.simulate import live
from simulator.spec import find_world
from tests.waiting import quiet

SPEC = find_world("tiny:n_users=1500,days=12")


def test_arms_differ_in_their_recommender_alone() -> None:
    arms = {"none": replace(SPEC.logging, fresh_guarantee=0), "usual": SPEC.logging}
    lived, follows = run_arms(SPEC, seed=3, days=(4, 3), arms=arms, tell=quiet)
    shown = {name: np.concatenate([log.channel_E for log in arm.logs]) for name, arm in lived.items()}
    assert not (shown["none"] == FRESH).any()
    assert (shown["usual"] == FRESH).any()
    # The arm that changes nothing is the world that was never forked.
    whole = live(replace(SPEC, days=SPEC.days), seed=3).events.between(4 * 86_400, 7 * 86_400)
    assert np.concatenate([log.note_E for log in lived["usual"].logs]).tobytes() == whole.note_E.tobytes()
    assert (follows.time_F < 4 * 86_400).all()


def test_the_control_arm_keeps_no_promise() -> None:
    arms = measure(SPEC, 3, days=(4, 6), early=(0, 2), late=(2, 6), tell=quiet)
    assert set(arms) == {CONTROL, "100", "200"}
    kept = "notes younger than 24 h: share of impressions, late"
    assert arms[CONTROL][kept] < arms["100"][kept]


@pytest.mark.parametrize(("seeds", "got"), [((), "none"), ((1, 1), "1, 1"), ((-1,), "-1")])
def test_seeds_are_refused_by_what_is_wrong(seeds: tuple[int, ...], got: str) -> None:
    with pytest.raises(ValueError, match=f"seeds: expected distinct numbers >= 0, got {got}"):
        guarantee("tiny", seeds, tell=quiet)


def test_an_effect_on_nothing_is_no_number() -> None:
    none = Interval(None, None, None, 1)
    table = GuaranteeTable("tiny", (1,), {"x": 0.0}, {"x": {"100": none, "200": Interval(0.05, 0.04, 0.06, 3)}})
    screen = console()
    with screen.capture() as captured:
        screen.print(render(table))
    said = captured.get()
    assert " - " in said
    assert "+5.00 ± 1.00 %" in said


@pytest.mark.slow
def test_the_command_prints_every_reading_and_writes_them(tmp_path: Path) -> None:
    out = tmp_path / "found.json"
    words = ["experiment", "guarantee", "--world", "tiny", "--seeds", "1,2", "--json", str(out)]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0
    assert "clicks / impression, first two days" in done.output
    assert out.stat().st_size > 500
