"""A task on a dataset: views and requests, the same in every process that is given the same key."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.ask import among, ask
from bench.split import Views, fit_view, views
from bench.task import Cold, Split, Task
from simulator.luck import generator
from simulator.schema import Observation, Requests


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """What is asked, and what may be seen. `cold_only` asks the same among the cold targets alone, or is None."""

    task: Task
    cut: Views
    requests: Requests
    cold_only: Requests | None


class Opener:
    """Open tasks on one dataset; `key` seeds ages and requests and says nothing about the world's seed.

    The latest views are kept: tasks that share a split and a cold rule are best opened one after another.
    """

    def __init__(self, whole: Observation, *, key: int) -> None:
        self._whole, self._key = whole, key
        self._fit: tuple[Split, Observation] | None = None
        self._cut: tuple[Split, Cold | None, Views] | None = None

    def open(self, task: Task) -> Case:
        """Cut the views of `task` and draw its requests."""
        cut = self._views(task)
        requests = ask(task, self._whole, cut, rng=generator(self._key, f"requests/{task.asked_as}"))
        cold_only = None
        if task.has_cold_targets:
            cold_only = among(requests, np.intersect1d(requests.candidates_C, cut.cold_ids).astype(np.int32))
        return Case(task, cut, requests, cold_only)

    def _views(self, task: Task) -> Views:
        if self._fit is None or self._fit[0] != task.split:
            self._fit = (task.split, fit_view(task, self._whole))
        if self._cut is None or self._cut[:2] != (task.split, task.cold):
            rng = generator(self._key, f"views/{task.split}/{task.cold}")
            self._cut = (task.split, task.cold, views(task, self._whole, self._fit[1], rng=rng))
        return self._cut[2]


def opening_order(tasks: list[Task]) -> list[Task]:
    """Order tasks so that those which share a fit, then views, are neighbours; views of a family tell ever more."""
    return sorted(tasks, key=lambda task: (task.source, str(task.split), task.target, *_told_by(task.cold), task.id))


def _told_by(cold: Cold | None) -> tuple[str, int, int]:
    """Return the rule, all but what it reveals, and how much that is; none comes last: nothing is held back."""
    if cold is None:
        return "~", 0, 0
    rule = f"{cold.entity} {cold.arrived_days_ago} {cold.first_interactions is None}"
    return rule, cold.first_interactions or 0, max(cold.age_seconds or (0,))
