"""Time cells one at a time, after their quality is known; append a record each; a second start does what is missing."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.exam import load as load_exam
from bench.folder import RunFolder, locked
from bench.hashes import code_hash
from bench.latency import record as lines
from bench.latency.parent import Cell, Told, time_cell
from bench.latency.record import LatencyRecord, Measures
from bench.latency.views import checks, measures_of, refusal, same_values
from bench.machine import commit_of, describe_machine
from bench.plan import TRUTHS, Plan
from bench.prepare import exam_path
from bench.processes import Limits
from bench.progress import Tell
from bench.record import Machine, ResultRecord, append, repair
from bench.run import case_key_of, method_key_of, run, source_of
from bench.score import check_and_score
from bench.tasks import find_task
from simulator.arrays import load_arrays
from simulator.luck import generator

# What decides what is timed, and how.
LATENCY_CODE = tuple(f"bench.latency.{name}" for name in ("blocks", "child", "clock", "load", "quantiles", "views"))

LIMITS = Limits(seconds=1_800.0, memory_bytes=16e9)  # of a whole cell, fit and all


def _last_core() -> int:
    return max(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class Protocol:
    """How long a cell is timed: until `queries` or `seconds`, whichever is first; pinned to `core`."""

    queries: int = 10_000
    seconds: float = 60.0
    limits: Limits = LIMITS
    core: int = field(default_factory=_last_core)

    def __post_init__(self) -> None:
        for name in ("queries", "seconds"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}: expected more than 0, got {getattr(self, name)}")
        if self.core not in os.sched_getaffinity(0):
            raise ValueError(f"core: expected one of {sorted(os.sched_getaffinity(0))}, got {self.core}")


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of the run, the folder of recorded datasets, and how many processes its quality part may use."""

    out: Path
    data: Path | None
    n_workers: int


def time_all(plan: Plan, place: Place, protocol: Protocol, *, tell: Tell) -> list[LatencyRecord]:
    """Score what is not scored yet, then time every cell with a score; return the newest record of each.

    Cells run one after another: another one beside it would be what is measured.
    """
    scored = run(plan, place.out, n_workers=place.n_workers, data=place.data, tell=tell)
    cells = [found for found in scored if found.method not in TRUTHS]
    if not cells:
        raise ValueError(f"methods: expected one that can be timed, got {', '.join(plan.methods)}")
    folder, path = RunFolder(place.out), place.out / "latency.jsonl"
    with locked(folder):
        repair(path)
        done = {found.key for found in lines.load(path) if found.status == "ok"}
        timer = _Timer(plan, place, protocol, describe_machine(), commit_of(Path(__file__).parent))
        keys = {cell.cell: timer.key(cell) for cell in cells}
        for n, cell in enumerate(cells):
            tell("timed cells", n, len(cells))
            if keys[cell.cell] not in done:
                append(path, timer.time(cell, tell))
        tell("timed cells", len(cells), len(cells))
        newest = {found.key: found for found in lines.load(path)}
    return [newest[key] for key in keys.values()]


@dataclass(frozen=True, slots=True)
class _Timer:
    plan: Plan
    place: Place
    protocol: Protocol
    machine: Machine
    commit: str

    def key(self, cell: ResultRecord) -> str:
        """Return the sha256 of the cell, how it is timed and where."""
        p = self.protocol
        how = [cell.cell, p.queries, p.seconds, self.machine.model_dump(), code_hash(LATENCY_CODE)]
        return hashlib.sha256(json.dumps(how, sort_keys=True).encode()).hexdigest()

    def time(self, cell: ResultRecord, tell: Tell) -> LatencyRecord:
        """Run one cell in a process of its own, and judge what it brings; what has no score is not timed."""
        if cell.status != "ok":
            return self._record(cell, status="failed", error=f"not timed, for it has no score: {cell.error}")
        key, task = self.key(cell), find_task(cell.task)
        file = f"latency/{key}.npz"
        folder, out = RunFolder(self.place.out), self.place.out
        source = source_of(self.plan, folder, self.place.data, task.source, cell.seed)
        timed = Cell(
            method=cell.method,
            task=cell.task,
            dataset=source.folder,
            case_key=case_key_of(source),
            method_key=method_key_of(cell.seed),
            queries=self.protocol.queries,
            seconds=self.protocol.seconds,
            core=self.protocol.core,
            limits=self.protocol.limits,
            hidden=tuple(str(path.resolve()) for path in (out, self.place.data) if path is not None),
            file=out / file,
        )
        told = time_cell(timed, tell=lambda done, total: tell(f"{cell.method} {cell.task}", done, total))
        exam = exam_path(str(folder.exams), source.name, cell.task)
        return self._judge(cell, told, file, exam)

    def _judge(self, cell: ResultRecord, told: Told, file: str, exam: Path) -> LatencyRecord:
        """Compare the answers with the score, and sum up; what cannot be believed has no numbers."""
        if told.error is not None or told.result is None:
            return self._record(cell, status="failed", error=told.error or "no answer", confined=told.confined)
        try:
            measures = self._believed(cell, told.result, told.spent_ns, load_arrays(self.place.out / file), exam)
        except Exception as error:  # what a stranger's process sends may be anything
            why = " ".join(str(error).split())[:1_000]
            return self._record(cell, status="failed", error=f"{type(error).__name__}: {why}", confined=told.confined)
        return self._record(cell, status="ok", measures=measures, raw=file, confined=told.confined)

    def _believed(
        self, cell: ResultRecord, result: dict[str, Any], spent_ns: int, arrays: dict[str, NDArray[Any]], exam: Path
    ) -> Measures:
        """Return what was measured; raise ValueError where the answers or the clock are not those they should be."""
        task = find_task(cell.task)
        values = check_and_score(task, load_exam(exam), arrays["ids_QK"], None, None)
        if task.primary not in values:
            raise ValueError(f"{task.id}: expected a task that is scored by its lists")
        found = checks(
            arrays,
            ks=task.ks,
            as_recorded=same_values(values[task.primary], self._recorded(cell)[task.primary]),
            spent_ns=spent_ns,
            overhead_ns=result["overhead_ns"],
        )
        refused = refusal(found)
        if refused is not None:
            raise ValueError(refused)
        rng = generator(cell.seed, "latency/replay")
        return measures_of(arrays, result, found, core=self.protocol.core, rng=rng)

    def _recorded(self, cell: ResultRecord) -> dict[str, NDArray[np.float32]]:
        assert cell.values is not None, "a scored cell has values"
        return load_arrays(self.place.out / cell.values)

    def _record(self, cell: ResultRecord, **outcome: object) -> LatencyRecord:
        return LatencyRecord(
            key=self.key(cell),
            cell=cell.cell,
            task=cell.task,
            source=cell.source,
            fingerprint=cell.fingerprint,
            method=cell.method,
            config=cell.config,
            seed=cell.seed,
            k=max(find_task(cell.task).ks),
            commit=self.commit,
            machine=self.machine,
            **outcome,  # type: ignore[arg-type]
        )
