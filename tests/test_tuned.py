"""The committed logs of trials: a full budget for every method that has any, and the page that says which have none."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.record import append
from bench.tuned import LOGS, counted, table
from bench.tuning import BUDGET, load

ROOT = Path(__file__).parents[1]

N_LOGGED = [(task, method, n) for task, methods in counted(ROOT / LOGS).items() for method, n in methods.items()]


@pytest.mark.parametrize(("task", "method", "n_configs"), N_LOGGED)
def test_every_method_with_a_log_has_a_full_budget_of_distinct_configs(task: str, method: str, n_configs: int) -> None:
    assert n_configs >= BUDGET, f"{task}, {method}"


def test_the_page_says_which_methods_were_tuned_on_which_task() -> None:
    written = CliRunner().invoke(app, ["tuned", "--logs", str(ROOT / LOGS)], catch_exceptions=False).output
    assert written in (ROOT / "docs" / "parity.md").read_text()


def test_configs_are_counted_once_and_failed_trials_not_at_all(tmp_path: Path) -> None:
    log, one, *_ = tmp_path / "log.jsonl", *load(ROOT / LOGS / "citeulike~cold@v1.jsonl")
    for n, config in enumerate(({"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 2, "b": 2}, {"a": 3, "b": 2})):
        error = "no luck" if config["a"] == 3 else None
        append(log, one.model_copy(update={"method": "heater", "trial": str(n), "config": config, "error": error}))
    assert counted(tmp_path) == {"citeulike/cold@v1": {"heater": 2}}
    (row,) = [line for line in table(tmp_path).splitlines() if "citeulike" in line]
    full, fewer, none = (cell.strip() for cell in row.split("|")[2:5])
    assert (full, fewer) == ("-", "heater (2)")
    assert "clcrec" in none.split(", ")
    assert "heater" not in none.split(", ")


def test_a_folder_without_logs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="logs: expected a folder of logged trials, got none in"):
        counted(tmp_path / "none")
