"""docs/environment.md says all that the environment shows, takes and counts, and its example runs."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from simulator.gym_env.settings import Reward, Settings
from tests.environment_examples import platform

PAGE = (Path(__file__).parents[1] / "docs" / "environment.md").read_text()
SIZES = {"B": 7, "K": 3, "H": 5, "M": 11, "N": 97, "R": 6}


def rows_under(heading: str) -> list[list[str]]:
    """Return the cells of the table rows of one section, without its head."""
    section = PAGE.split(f"\n## {heading}\n")[1].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row] for row in rows]


def names_under(heading: str) -> list[str]:
    return [name for row in rows_under(heading) for name in re.findall(r"`([\w/]+)`", row[0])]


def shape_of(text: str) -> tuple[str, tuple[int, ...]]:
    dtype, sizes = re.fullmatch(r"(\w+) \(([\w, ]+)\)", text).groups()  # type: ignore[union-attr]
    return dtype, tuple(SIZES.get(size) or int(size) for size in sizes.split(", "))


def sized() -> Any:
    return platform(batch=SIZES["B"], slate=SIZES["K"], history=SIZES["H"], newest=SIZES["M"], capacity=SIZES["N"])


def test_every_observation_is_documented_with_its_dtype_and_shape() -> None:
    seen, _ = sized().reset(seed=0)
    shown = {key: (str(array.dtype), array.shape) for key, array in seen.items()}
    assert {row[0].strip("`"): shape_of(row[1]) for row in rows_under("Observation")} == shown


def test_every_account_is_documented() -> None:
    _, info = sized().reset(seed=0)
    documented = names_under("Info")
    assert len(documented) == len(set(documented))
    assert set(documented) == set(info)


def test_every_argument_is_documented_with_its_default() -> None:
    documented = {row[0].strip("`"): row[1].strip("`").strip('"') for row in rows_under("Arguments")}
    assert documented == {field.name: str(getattr(Settings(), field.name)) for field in fields(Settings)} | {
        "reward": "Reward()"
    }


def test_every_weight_is_documented_with_its_default() -> None:
    documented = {name: float(row[1]) for row in rows_under("Reward") for name in re.findall(r"`(\w+)`", row[0])}
    assert documented == {field.name: getattr(Reward(), field.name) for field in fields(Reward)}


def test_the_example_has_about_twenty_lines_and_popularity_wins_in_it() -> None:
    (block,) = re.findall(r"```python\n# environment\.py\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len([line for line in block.splitlines() if line.strip()]) <= 20
    names: dict[str, Any] = {}
    rows: list[str] = []
    exec(block + "\n    rows.append(row)\n", {"rows": rows, **names})
    totals = [float(row.split()[1]) for row in rows]
    assert len(totals) == 2
    assert np.isfinite(totals).all()
    assert totals[1] > totals[0] > 0
