"""The command that reads a run of days."""

import json
from pathlib import Path

import pytest

from bench.readings import Readings, readings
from bench.readings.terminal import number, render
from bench.report.terminal import console
from simulator.dataset import write
from simulator.schema import DAY_SECONDS
from tests.readings_examples import a_dense_run, read_whole
from tests.test_cli import coldrecall


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("readings") / "dense"
    write(path, a_dense_run(3), name="dense", origin={"seed": 3})
    return path


def whole_days(since: int, until: int) -> Readings:
    seen = a_dense_run(3)
    start, end = since * DAY_SECONDS, until * DAY_SECONDS
    return readings(seen.catalog, seen.follows, [seen.events], start=start, end=end)


def test_a_dataset_is_read_day_by_day_into_table_and_json(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "readings.json"
    said = coldrecall("readings", "--dataset", folder, "--since", 1, "--until", 6, "--json", out)
    assert "days [1, 6)" in said
    assert json.loads(out.read_text()) == whole_days(1, 6).as_dict()


def test_a_world_is_lived_and_read() -> None:
    said = coldrecall("readings", "--world", "tiny", "--seed", 2)
    assert "days [0, 16)" in said
    assert "guarantee_success" in said


def test_every_reading_is_in_the_tables() -> None:
    read = read_whole(a_dense_run(3), start=0, end=6 * DAY_SECONDS)
    screen = console()
    screen.width = 200
    with screen.capture() as captured:
        screen.print(render(read))
    said = captured.get()
    for reading in read.scalars:
        if not reading.name.startswith("time_to_"):
            assert reading.name in said
    for curve in read.curves:
        assert curve.name in said
    for table in read.tables:
        assert table.name.replace("_", " ") in said


@pytest.mark.parametrize(
    ("value", "text"), [(float("nan"), "-"), (0.123456, "0.1235"), (12_345.6, "12,346"), (0.0, "0"), (3.0, "3")]
)
def test_numbers_have_four_digits(value: float, text: str) -> None:
    assert number(value) == text
