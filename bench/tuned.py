"""Which methods have logged trials on which task, and which have none: what "equal tuning" means so far.

A method counts as tuned on a task when its log has a full budget of configs, `bench.tuning.BUDGET`, that ran without an
error. Trials are told apart by their configs, since names moved when a default did.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from bench.plan import serves
from bench.tasks import find_task
from bench.tuning import BUDGET, Trial, load
from methods.registry import METHODS, TRIALS, VARIANTS

LOGS = Path("docs") / "tuning"  # one file of trials a task


def counted(logs: Path) -> dict[str, Counter[str]]:
    """Return task -> method -> distinct configs that ran, of a folder of logs; raises ValueError where it has none."""
    trials = [trial for path in sorted(logs.glob("*.jsonl")) for trial in load(path)]
    if not trials:
        raise ValueError(f"logs: expected a folder of logged trials, got none in {logs}")
    return {task: _configs(trial for trial in trials if trial.task == task) for task in {t.task: None for t in trials}}


def _configs(trials: Iterable[Trial]) -> Counter[str]:
    ran = {(trial.method, json.dumps(trial.config, sort_keys=True)) for trial in trials if trial.error is None}
    return Counter(method for method, _ in sorted(ran))


def table(logs: Path) -> str:
    """Return one row a logged task in Markdown: methods with a full budget, with less, and, of those it asks, none.

    Two lines below it name methods whose trials are logged nowhere, and methods that have no trials.
    """
    n_logged = counted(logs)
    lines = [f"| task | {BUDGET} configs or more | fewer | none |", "|---|---|---|---|"]
    for task, n_configs in n_logged.items():
        able = [method for method in TRIALS if serves(method, find_task(task)) or method in n_configs]
        full = _named(method for method in able if n_configs[method] >= BUDGET)
        fewer = _named(f"{m} ({n_configs[m]})" for m in able if 0 < n_configs[m] < BUDGET)
        lines.append(f"| {task} | {full} | {fewer} | {_named(m for m in able if not n_configs[m])} |")
    nowhere = _named(method for method in TRIALS if not any(n[method] for n in n_logged.values()))
    without = _named(method for method in METHODS if method not in TRIALS and method not in VARIANTS)
    return "\n".join([*lines, "", f"Logged on no task: {nowhere}.", f"Without trials: {without}."])


def _named(names: Iterable[str]) -> str:
    return ", ".join(names) or "-"
