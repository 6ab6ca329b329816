"""The run: make the datasets, then the exams, then let every method answer; score, record, and resume after a kill.

Only this process writes records, a whole line after the values it speaks of; a second start does what is missing.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType

from bench import answer as answers
from bench.case import opening_order
from bench.errand import Errand
from bench.folder import RunFolder, locked
from bench.hashes import WORLD_CODE, code_hash
from bench.machine import commit_of, describe_machine
from bench.marking import Marker
from bench.node import Elsewhere
from bench.plan import TRUTHS, Cell, Plan, make_cell, serves
from bench.prepare import Source, make_dataset, make_exams
from bench.processes import Ended, Job, Limits, Message, run_jobs
from bench.progress import Tell
from bench.record import Machine, ResultRecord, Status, load, renew, repair
from bench.task import WORLD
from bench.tasks import find_task
from simulator.dataset import read_manifest
from simulator.luck import stream
from simulator.spec import find_world

# Recorded datasets: the folder's name among the data, and the layout that reads it.
RECORDED = {"amazon2014-beauty": "beauty", "gowalla-lightgcn": "gowalla", "citeulike-a-coldstart": "citeulike"}


# Of one cell: a method that takes more is ended. The memory is that of all its processes together.
LIMITS = Limits(seconds=3_600, memory_bytes=16e9)


def run(  # noqa: PLR0913 - the plan, and all that is not to change a result
    plan: Plan,
    out: Path,
    *,
    n_workers: int | None,
    data: Path | None,
    tell: Tell,
    limits: Limits = LIMITS,
    ray: str | None = None,
) -> list[ResultRecord]:
    """Do what is missing of `plan` in folder `out` and return the newest record of each of its cells.

    `data` is the folder of recorded datasets, needed only for tasks on them. A method that is beyond `limits` is ended,
    and its cells that have no answer yet say so. Methods run on the Ray cluster at the address `ray`, if one is given;
    `n_workers` at the same time, None for as many as there are CPUs. Raises BusyError when another run is at work in
    the folder.
    """
    folder = RunFolder(out)
    if ray is not None:
        _cluster().check_address(ray)
    with locked(folder):
        repair(folder.records)
        sources = {(name, seed): source_of(plan, folder, data, name, seed) for name, seed in _wanted(plan)}
        _make_datasets(list(sources.values()), n_workers or os.cpu_count() or 1, tell)
        cells = _cells(plan, sources)
        done = {record.cell for record in load(folder.records) if record.status == "ok"}
        missing = [(cell, sources[find_task(cell.task).source, cell.seed]) for cell in cells if cell.key not in done]
        tell("cells", len(cells) - len(missing), len(cells))
        crew = _Crew(folder, data, n_workers, limits, ray)
        _fill(missing, crew, lambda left: tell("cells", len(cells) - left, len(cells)))
        newest = renew(folder.records, {cell.key for cell in cells})
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
    raw = recorded_at(data, name)
    return Source(name, str(folder.datasets / name), layout=RECORDED[name], recorded_at=str(raw))


def recorded_at(data: Path | None, name: str) -> Path:
    """Return the folder of a recorded dataset among the data; raise ValueError where it is not."""
    if data is None or not (data / name).is_dir():
        raise ValueError(f"data: expected a folder with {name}, got {data} (set COLDRECALL_DATA or --data)")
    return data / name


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
            if event.status != "ok":
                raise RuntimeError(f"{event.name}: making the dataset: {event.why}")
            continue
        done, total = json.loads(event.content)
        days[event.name] = (done, total)
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
class _Crew:
    """Where and within what the workers work: here, or on the Ray cluster at an address."""

    folder: RunFolder
    data: Path | None
    n_workers: int | None
    limits: Limits
    ray: str | None

    @property
    def hidden(self) -> tuple[str, ...]:
        """The folders that tell the truth."""
        return tuple(str(path.resolve()) for path in (self.folder.root, self.data) if path is not None)


@dataclass(slots=True)
class _Group:
    """The cells that one worker fills: one method on one source; those without a record yet are left in `cells`."""

    source: Source
    method: str
    seed: int
    cells: dict[str, Cell] = field(default_factory=dict)
    has_begun: bool = False
    machine: Machine | None = None  # where it is not this one


def _fill(missing: Sequence[tuple[Cell, Source]], crew: _Crew, tell_left: Callable[[int], None]) -> None:
    """Let workers answer the missing cells and mark each as it comes."""
    marker = Marker(crew.folder, describe_machine(), commit_of(Path(__file__).parent))
    groups = _groups(missing)
    left = {cell.key for cell, _ in missing}
    with closing(_events(groups, crew)) as events:
        for event in events:
            for cell in _settle(event, groups, marker):
                left.remove(cell.key)
            tell_left(len(left))


def _events(groups: Mapping[str, _Group], crew: _Crew) -> Generator[Message | Ended | Elsewhere]:
    """Make the exams, let the methods answer, and yield what is said; a cluster begins when all exams are there."""
    exams, errands = _exam_jobs(groups, crew.folder), _errands(groups, crew.limits)
    n_workers = crew.n_workers or os.cpu_count() or 1
    if crew.ray is not None:
        cluster = _cluster()
        with cluster.connected(crew.ray):
            yield from run_jobs(exams, n_workers=n_workers)
            yield from cluster.run_errands(errands, hidden=crew.hidden, n_at_once=crew.n_workers)
        return
    with tempfile.TemporaryDirectory(prefix="coldrecall-", ignore_cleanup_errors=True) as scratch:
        jobs = [
            errand.job(Path(scratch) / str(n), hidden=crew.hidden, needs=[_exam_job(groups[errand.name].source)])
            for n, errand in enumerate(errands)
        ]
        yield from run_jobs([*exams, *jobs], n_workers=n_workers)


def _cluster() -> ModuleType:
    try:
        return import_module("bench.cluster")
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise ValueError("ray: expected the package, got none; pip install coldrecall[ray]") from error


def _settle(event: Message | Ended | Elsewhere, groups: dict[str, _Group], marker: Marker) -> list[Cell]:
    """Mark the cells that an event decides, and return them."""
    group = groups.get(event.name)
    if group is None:
        return _after_exams(event, groups, marker)
    if isinstance(event, Elsewhere):
        group.machine = event.machine
        return []
    marker = marker.on(group.machine)
    if isinstance(event, Message):
        if not group.has_begun:
            group.has_begun = True
            return []
        try:
            said = answers.unpack(event.content)
            cell = group.cells.pop(said.answer.task)
        except (ValueError, KeyError) as error:
            got = " ".join(str(error).split())[:300]
            return _fail_all(group, marker, f"answer: expected one to a task that was asked, got {got}")
        unaccounted = answers.unaccounted(said.answer, event.spent) if said.answer.status == "ok" else None
        if unaccounted is not None:
            marker.fail(cell, group.source, unaccounted)
        else:
            marker.mark(cell, group.source, said)
        return [cell]
    return _fail_all(group, marker, event.why or "the process ended without an answer", event.status)


def _fail_all(group: _Group, marker: Marker, why: str, status: Status = "failed") -> list[Cell]:
    """Give every cell that is left of a group up; what its worker says from now on is not heard."""
    cells = list(group.cells.values())
    for cell in cells:
        marker.fail(cell, group.source, why, "failed" if status == "ok" else status)
    group.cells.clear()
    return cells


def _after_exams(event: Message | Ended | Elsewhere, groups: dict[str, _Group], marker: Marker) -> list[Cell]:
    """Once the exams of a source are there, mark the lists made from the truth."""
    if not isinstance(event, Ended):
        return []
    if event.status != "ok":
        raise RuntimeError(f"{event.name}: {event.why}")
    cells = []
    for group in groups.values():
        if group.method in TRUTHS and _exam_job(group.source) == event.name:
            for cell in group.cells.values():
                marker.mark_truth(cell, group.source)
                cells.append(cell)
    return cells


def _groups(missing: Sequence[tuple[Cell, Source]]) -> dict[str, _Group]:
    groups: dict[str, _Group] = {}
    for cell, source in missing:
        name = f"{source.name}~{cell.method}~{cell.seed}".replace("/", "~")
        groups.setdefault(name, _Group(source, cell.method, cell.seed)).cells[cell.task] = cell
    return groups


def _exam_job(source: Source) -> str:
    return f"exams of {source.name}"


def _exam_jobs(groups: Mapping[str, _Group], folder: RunFolder) -> list[Job]:
    """Return one job for the exams of each source."""
    tasks: dict[Source, set[str]] = {}
    for group in groups.values():
        tasks.setdefault(group.source, set()).update(group.cells)
    return [
        Job(_exam_job(source), make_exams, (source, tuple(sorted(names)), str(folder.exams), case_key_of(source)))
        for source, names in tasks.items()
    ]


def _errands(groups: Mapping[str, _Group], limits: Limits) -> list[Errand]:
    """Return one errand for each method on a source."""
    return [
        Errand(
            name=name,
            method=group.method,
            tasks=tuple(task.id for task in opening_order([find_task(task) for task in group.cells])),
            dataset=group.source.folder,
            case_key=case_key_of(group.source),
            method_key=method_key_of(group.seed),
            limits=limits,
        )
        for name, group in groups.items()
        if group.method not in TRUTHS
    ]
