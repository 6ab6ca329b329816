"""The README says what is there, and its example runs."""

import re
import sys
from pathlib import Path

import pytest

from bench.plan import TRUTHS, Plan
from bench.run import run
from bench.task import Task
from bench.tasks import TASKS
from methods.registry import METHODS
from simulator.policy import CHANNELS
from simulator.spec import WORLDS
from tests.waiting import quiet

README = Path(__file__).parents[1] / "README.md"
WORLD_PAGE = README.parent / "docs" / "world.md"


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.id)
def test_every_task_is_in_the_readme(task: Task) -> None:
    name = task.id.partition("@")[0]
    family = re.sub(r"/(j\d+|age-\d+h)$", "", name)
    assert family in README.read_text()


@pytest.mark.parametrize("name", [*WORLDS, *CHANNELS])
def test_every_world_and_channel_is_in_the_page_of_the_world(name: str) -> None:
    assert re.search(rf"^\|.*(?<![\w-]){name}(?![\w-]).*\|", WORLD_PAGE.read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize("method", [*METHODS, *TRUTHS])
def test_every_method_is_in_the_readme(method: str) -> None:
    assert f"`{method}`" in README.read_text()


def test_the_method_of_the_readme_has_twenty_lines_and_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = re.findall(r"```python\n# trending\.py\n(.*?)```", README.read_text(), flags=re.DOTALL)
    assert len([line for line in block.splitlines() if line.strip()]) <= 22
    (tmp_path / "trending.py").write_text(block)
    monkeypatch.syspath_prepend(tmp_path)
    plan = Plan(
        world="tiny",
        seeds=(1,),
        tasks=("warm/next-note@v1",),
        methods=("random", "trending:Trending"),
        reference="random",
    )
    records = run(plan, tmp_path / "run", n_workers=1, data=None, tell=quiet)
    assert [record.status for record in records] == ["ok", "ok"]
    assert records[1].config == {"window_days": 1.0}
    sys.modules.pop("trending", None)
