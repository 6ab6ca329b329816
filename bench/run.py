"""The run: make the datasets, then the exams, then let every method answer; score, record, and resume after a kill.

Only this process writes records, a whole line after the values it speaks of; a second start does what is missing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.case import opening_order
from bench.folder import RunFolder, locked
from bench.hashes import WORLD_CODE, code_hash
from bench.machine import commit_of, describe_machine
from bench.marking import Marker
from bench.plan import TRUTHS, Cell, Plan, make_cell, serves
from bench.prepare import Source, make_dataset, make_exams
from bench.processes import Ended, Job, Message, run_jobs
from bench.progress import Tell
from bench.record import ResultRecord, load, repair
from bench.task import WORLD
from bench.tasks import find_task
from bench.worker import Answer, Assignment, work
from simulator.dataset import read_manifest
from simulator.luck import stream
from simulator.spec import find_world

# Recorded datasets: the folder's name among the data, and the layout that reads it.
RECORDED = {"amazon2014-beauty": "beauty", "gowalla-lightgcn": "gowalla", "citeulike-a-coldstart": "citeulike"}


def run(plan: Plan, out: Path, *, n_workers: int, data: Path | None, tell: Tell) -> list[ResultRecord]:
    """Do what is missing of `plan` in folder `out` and return the newest record of each of its cells.

    `data` is the folder of recorded datasets, needed only for tasks on them. Raises BusyError when another run is at
    work in the folder.
    """
    folder = RunFolder(out)
    with locked(folder):
        repair(folder.records)
        sources = {(name, seed): source_of(plan, folder, data, name, seed) for name, seed in _wanted(plan)}
        _make_datasets(list(sources.values()), n_workers, tell)
        cells = _cells(plan, sources)
        if not cells:
            raise ValueError(
                f"methods: expected one that serves {', '.join(plan.tasks)}, got {', '.join(plan.methods)}"
            )
        done = {record.cell for record in load(folder.records) if record.status == "ok"}
        missing = [(cell, sources[find_task(cell.task).source, cell.seed]) for cell in cells if cell.key not in done]
        tell("cells", len(cells) - len(missing), len(cells))
        _fill(missing, folder, n_workers, lambda left: tell("cells", len(cells) - left, len(cells)))
        keys = {cell.key for cell in cells}
        newest = {record.cell: record for record in load(folder.records) if record.cell in keys}
    return [newest[cell.key] for cell in cells if cell.key in newest]


def _wanted(plan: Plan) -> list[tuple[str, int]]:
    names = dict.fromkeys(find_task(task).source for task in plan.tasks)
    return [(name, seed) for name in names for seed in plan.seeds]


def source_of(plan: Plan, folder: RunFolder, data: Path | None, name: str, seed: int) -> Source:
    """Return where the data of a world or a recorded dataset lies in the folder of a run."""
    if name == WORLD:
        # Methods are told where their dataset lies: its name must not tell them the seed.
        made_by = f"{find_world(plan.world)}/{code_hash(WORLD_CODE)}"
        label = f"{plan.world}-{int(stream(seed, made_by)):016x}"
        return Source(label, str(folder.datasets / label), world=plan.world, seed=seed)
    if data is None or not (data / name).is_dir():
        raise ValueError(f"data: expected a folder with {name}, got {data} (set COLDRECALL_DATA or --data)")
    return Source(name, str(folder.datasets / name), layout=RECORDED[name], recorded_at=str(data / name))


def case_key_of(source: Source) -> int:
    """Return the key of a source's requests; recorded data asks the same whatever the seed."""
    return int(stream(source.seed or 0, f"case/{source.world or source.name}"))


def method_key_of(seed: int) -> int:
    """Return the key of a method's own luck."""
    return int(stream(seed, "method"))


def _make_datasets(sources: Sequence[Source], n_workers: int, tell: Tell) -> None:
    missing = {source.name: source for source in sources if not Path(source.folder).exists()}
    jobs = [Job(source.name, make_dataset, (source,)) for source in missing.values()]
    days: dict[str, tuple[int, int]] = {}
    for event in run_jobs(jobs, n_workers=n_workers):
        if isinstance(event, Ended):
            if event.exitcode:
                raise RuntimeError(f"{event.job.name}: making the dataset ended with exit code {event.exitcode}")
            continue
        done, total = json.loads(event.content)
        days[event.job.name] = (done, total)
        tell("simulated days", sum(day for day, _ in days.values()), total * len(jobs))


def _cells(plan: Plan, sources: Mapping[tuple[str, int], Source]) -> list[Cell]:
    prints = {place: read_manifest(Path(source.folder)).fingerprint for place, source in sources.items()}
    cells = []
    for name in plan.tasks:
        task = find_task(name)
        methods = [method for method in plan.methods if serves(method, task)]
        for seed in plan.seeds:
            cells += [make_cell(task, method, seed, prints[task.source, seed]) for method in methods]
    return cells


@dataclass(frozen=True, slots=True)
class _Group:
    """The cells that one worker fills: one method on one source."""

    source: Source
    method: str
    seed: int
    cells: dict[str, Cell]


def _fill(
    missing: Sequence[tuple[Cell, Source]], folder: RunFolder, n_workers: int, tell_left: Callable[[int], None]
) -> None:
    """Let workers answer the missing cells and mark each as it comes."""
    marker = Marker(folder, describe_machine(), commit_of(Path(__file__).parent))
    groups = _groups(missing)
    left = {cell.key for cell, _ in missing}
    for event in run_jobs(_jobs(groups, folder), n_workers=n_workers):
        for cell in _settle(event, groups, marker):
            left.remove(cell.key)
        tell_left(len(left))


def _settle(event: Message | Ended, groups: dict[str, _Group], marker: Marker) -> list[Cell]:
    """Mark the cells that an event decides, and return them."""
    group = groups.get(event.job.name)
    if group is None:
        return _after_exams(event, groups, marker)
    if isinstance(event, Message):
        answer = Answer(**json.loads(event.content))
        cell = group.cells.pop(answer.task)
        marker.mark(cell, group.source, answer)
        return [cell]
    cells = list(group.cells.values())
    for cell in cells:
        marker.fail(cell, group.source, f"the worker ended with exit code {event.exitcode} and no answer")
    return cells


def _after_exams(event: Message | Ended, groups: dict[str, _Group], marker: Marker) -> list[Cell]:
    """Once the exams of a source are there, mark the lists made from the truth."""
    if isinstance(event, Message):
        return []
    if event.exitcode:
        raise RuntimeError(f"{event.job.name} ended with exit code {event.exitcode}")
    cells = []
    for group in groups.values():
        if group.method in TRUTHS and _exam_job(group.source) == event.job.name:
            for cell in group.cells.values():
                marker.mark_truth(cell, group.source)
                cells.append(cell)
    return cells


def _groups(missing: Sequence[tuple[Cell, Source]]) -> dict[str, _Group]:
    groups: dict[str, _Group] = {}
    for cell, source in missing:
        name = f"{source.name}~{cell.method}~{cell.seed}".replace("/", "~")
        groups.setdefault(name, _Group(source, cell.method, cell.seed, {})).cells[cell.task] = cell
    return groups


def _exam_job(source: Source) -> str:
    return f"exams of {source.name}"


def _jobs(groups: Mapping[str, _Group], folder: RunFolder) -> list[Job]:
    """Return one job for the exams of each source, and one for each method on it."""
    exams: dict[str, Job] = {}
    workers = []
    for name, group in groups.items():
        source = group.source
        case_key = case_key_of(source)
        exam_job, tasks = _exam_job(source), {task for g in groups.values() if g.source == source for task in g.cells}
        args = (source, tuple(sorted(tasks)), str(folder.exams), case_key)
        exams[exam_job] = Job(exam_job, make_exams, args)
        if group.method not in TRUTHS:
            ordered = tuple(task.id for task in opening_order([find_task(task) for task in group.cells]))
            method_key = method_key_of(group.seed)
            scratch = str(folder.scratch(name))
            assignment = Assignment(group.method, source.folder, ordered, case_key, method_key, scratch)
            workers.append(Job(name, work, (assignment,), frozenset([exam_job])))
    return [*exams.values(), *workers]
