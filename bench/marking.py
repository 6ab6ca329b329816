"""Turn what a worker answered into a record: check, score, keep the values, append the line."""

from __future__ import annotations

from copy import copy
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bench.answer import Answer, Said
from bench.exam import Exam
from bench.exam import load as load_exam
from bench.folder import RunFolder
from bench.plan import Cell
from bench.prepare import Source, exam_path
from bench.record import Machine, ResultRecord, Status, append
from bench.score import World, check_and_score, check_and_score_description
from bench.stats import mean_interval
from bench.tasks import find_task
from simulator.spec import find_world


class Marker:
    """Marks cells into one run folder, as results of a machine."""

    def __init__(self, folder: RunFolder, machine: Machine, commit: str) -> None:
        self._folder, self._machine, self._commit = folder, machine, commit
        self._exam = lru_cache(maxsize=24)(load_exam)

    def on(self, machine: Machine | None) -> Marker:
        """Return a marker of results of another machine, which shares the exams; None is no other one."""
        other = copy(self)
        other._machine = machine or self._machine
        return other

    def exam(self, source: Source, task: str) -> Exam:
        """Return the exam of a task; the latest are kept in memory."""
        return self._exam(exam_path(str(self._folder.exams), source.name, task))

    def mark(self, cell: Cell, source: Source, said: Said) -> ResultRecord:
        """Record the answer of a worker; a refused slate is a failed cell that says why."""
        answer = said.answer
        if answer.status != "ok" or said.ids_QK is None or answer.measured is None:
            return self.fail(cell, source, answer.error or "no answer", "oom" if answer.status == "oom" else "failed")
        cold_only = self.exam(source, cell.task).cold_only
        if (cold_only is None) != (said.cold_only_ids_QK is None):
            return self.fail(cell, source, f"lists: expected {1 if cold_only is None else 2} of {answer.shape}")
        return self._mark_lists(cell, source, said)

    def mark_truth(self, cell: Cell, source: Source) -> ResultRecord:
        """Record a list that was made from the truth itself."""
        truth = self.exam(source, cell.task)
        slates = truth.truth.oracle if cell.method == "oracle" else truth.truth.affinity
        if slates is None:
            return self.fail(cell, source, f"{cell.method}: expected a simulated world, got {source.name}")
        cold_only = None if truth.cold_only is None else _only(slates.ids_QK, truth.cold_T)
        told = Answer(task=cell.task, status="ok", confined=True)
        return self._mark_lists(cell, source, Said(told, slates.ids_QK, cold_only))

    def _mark_lists(self, cell: Cell, source: Source, said: Said) -> ResultRecord:
        """Check and score lists, then write the values and the line that speaks of them."""
        world: World | None = None
        if source.world is not None and source.seed is not None:
            world = (find_world(source.world), source.seed)
        try:
            task, exam = find_task(cell.task), self.exam(source, cell.task)
            assert said.ids_QK is not None
            values = check_and_score(task, exam, said.ids_QK, said.cold_only_ids_QK, world)
            values |= check_and_score_description(exam, said.described_TD)
        except ValueError as error:
            return self.fail(cell, source, f"{type(error).__name__}: {error}")
        metrics = {name: mean_interval(column) for name, column in values.items()}
        path = self._folder.write_values(cell.key, values)
        told = {"measured": said.answer.measured, "confined": said.answer.confined}
        return self._write(self._record(cell, source, status="ok", metrics=metrics, values=path, **told))

    def fail(self, cell: Cell, source: Source, error: str, status: Status = "failed") -> ResultRecord:
        """Record that a cell has no result, and why."""
        return self._write(self._record(cell, source, status=status, error=error))

    def _record(self, cell: Cell, source: Source, **result: object) -> ResultRecord:
        return ResultRecord(
            cell=cell.key,
            task=cell.task,
            source=source.world or source.name,
            fingerprint=cell.fingerprint,
            method=cell.method,
            config=cell.config,
            seed=cell.seed,
            commit=self._commit,
            machine=self._machine,
            **result,  # type: ignore[arg-type]
        )

    def _write(self, record: ResultRecord) -> ResultRecord:
        append(self._folder.records, record)
        return record


def _only(ids_QK: NDArray[np.int32], bucket_T: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Keep the listed ids that lie in a bucket, in order, with -1 pads on the right."""
    kept_QK = (ids_QK >= 0) & bucket_T[ids_QK]
    order = np.argsort(~kept_QK, axis=1, kind="stable")
    moved_QK = np.take_along_axis(np.where(kept_QK, ids_QK, np.int32(-1)), order, axis=1)
    return np.ascontiguousarray(moved_QK)
