"""Jobs that come before the methods: make the dataset, then the exam of each task on it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path

from threadpoolctl import threadpool_limits

from bench.case import Opener
from bench.exam import exam_of, save
from bench.hashes import EXAM_CODE, code_hash
from bench.importers import import_dataset
from bench.probe import impressions_of, shown_by_chance
from bench.task import WORLD, Shown
from bench.tasks import find_task
from bench.truth import draw_chances, recorded_truth, simulated_truth
from simulator.dataset import read, write
from simulator.luck import generator
from simulator.simulate import live
from simulator.spec import find_world


@dataclass(frozen=True, slots=True)
class Source:
    """Where the data of some cells comes from: a world and its seed, or a recorded dataset in a folder."""

    name: str
    folder: str
    world: str | None = None
    seed: int | None = None
    layout: str | None = None
    recorded_at: str | None = None


def make_dataset(source: Source, pipe: connection.Connection) -> None:
    """Simulate or import the dataset of `source` unless it is there; report days as JSON [done, in all]."""
    folder = Path(source.folder)
    if folder.exists():
        return
    if source.world is not None and source.seed is not None:

        def tell(done: int, total: int) -> None:
            pipe.send_bytes(json.dumps([done, total]).encode())

        observation = live(find_world(source.world), seed=source.seed, progress=tell)
        # Methods read it: neither seed nor spec is said.
        write(folder, observation, name=source.world, origin={"world": source.world})
    elif source.layout is not None and source.recorded_at is not None:
        import_dataset(source.layout, Path(source.recorded_at), folder, {})


def make_exams(source: Source, tasks: tuple[str, ...], exams: str, case_key: int, pipe: connection.Connection) -> None:
    """Write the exam of each task that has none yet."""
    missing = [find_task(name) for name in tasks if not exam_path(exams, source.name, name).exists()]
    if not missing:
        return
    whole = read(Path(source.folder)).observation
    opener, chances = Opener(whole, key=case_key), None
    with threadpool_limits(1):
        # Families stay together, so that they share their chances.
        for task in sorted(missing, key=lambda task: task.id):
            case = opener.open(task)
            if task.source == WORLD and source.world is not None and source.seed is not None:
                if chances is None or not chances.serves(case):
                    rng = generator(case_key, f"chances/{task.asked_as}")
                    chances = draw_chances(case, find_world(source.world), seed=source.seed, rng=rng)
                truth = simulated_truth(case, chances, whole, rng=generator(case_key, f"truth/{task.asked_as}"))
            else:
                truth = recorded_truth(case, whole)
            shown = None
            if isinstance(task.split, Shown):
                known = case.cut.index
                shown = impressions_of(shown_by_chance(task.split, whole, known), known, case.requests)
            save(exam_of(case, truth, shown), exam_path(exams, source.name, task.id))
            pipe.send_bytes(json.dumps(task.id).encode())


def exam_path(exams: str, source: str, task: str) -> Path:
    """Return where the exam of a task on a source lies: another question or other code has another place."""
    question = hashlib.sha256((find_task(task).fingerprint(source) + code_hash(EXAM_CODE)).encode()).hexdigest()
    return Path(exams) / source / f"{task.replace('/', '~')}.{question[:12]}.npz"
