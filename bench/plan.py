"""What a run is to do: the cells (task, method, seed), each with a key made of all that its result depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from pydantic import JsonValue

from bench.hashes import SCORE_CODE, code_hash, method_hash
from bench.task import WORLD, Task
from bench.tasks import DEFAULT_TASKS, find_task
from methods.base import Method
from methods.registry import METHODS, TRAINED, VARIANTS, create
from simulator.spec import find_world

# Lists made from the truth itself: the ceiling of each task, and the ranking by true chance whatever the task asks.
TRUTHS = ("oracle", "true-affinity")
DEFAULT_METHODS = (*TRUTHS, *(name for name in METHODS if name not in (*VARIANTS, *TRAINED)))


def check_seeds(seeds: Sequence[int]) -> None:
    """Refuse no seeds, the same twice, and negative ones."""
    if not seeds or len(set(seeds)) != len(seeds) or min(seeds) < 0:
        raise ValueError(f"seeds: expected distinct numbers >= 0, got {', '.join(map(str, seeds)) or 'none'}")


@dataclass(frozen=True, slots=True)
class Plan:
    """The run as asked for. `world` is simulated once a seed; recorded tasks bring their own data."""

    world: str = "small"
    seeds: tuple[int, ...] = (1, 2, 3)
    tasks: tuple[str, ...] = DEFAULT_TASKS
    methods: tuple[str, ...] = DEFAULT_METHODS
    reference: str = "popular"

    def __post_init__(self) -> None:
        find_world(self.world)
        for name in self.tasks:
            find_task(name)
        for name in self.methods:
            if name not in TRUTHS:
                create(name)
        check_seeds(self.seeds)
        if self.reference not in self.methods:
            raise ValueError(f"reference: expected one of {', '.join(self.methods)}, got {self.reference!r}")
        for field in ("tasks", "methods"):
            if not getattr(self, field):
                raise ValueError(f"{field}: expected at least one, got none")
        if len(self.idle) == len(self.methods):
            raise ValueError(
                f"methods: expected one that serves {', '.join(self.tasks)}, got {', '.join(self.methods)}"
            )

    @property
    def idle(self) -> tuple[str, ...]:
        """The methods that answer no question of any of the tasks."""
        tasks = [find_task(name) for name in self.tasks]
        return tuple(name for name in self.methods if not any(serves(name, task) for task in tasks))


@dataclass(frozen=True, slots=True)
class Cell:
    """One (task, method, seed) on one dataset, and the sha256 of all that its result depends on."""

    task: str
    method: str
    seed: int
    fingerprint: str
    config: dict[str, JsonValue]
    key: str


def serves(method: str, task: Task) -> bool:
    """Whether a method answers the kind of question a task asks; truths answer those of simulated worlds."""
    if method in TRUTHS:
        return task.source == WORLD
    return (task.query, task.target) in create(method).capabilities.serves


def make_cell(task: Task, method: str, seed: int, dataset: str) -> Cell:
    """Describe one cell on the dataset of fingerprint `dataset`."""
    fingerprint = task.fingerprint(dataset)
    config, code = ({}, "") if method in TRUTHS else config_and_code(create(method))
    inputs = [fingerprint, method, config, code, seed, code_hash(SCORE_CODE)]
    key = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
    return Cell(task.id, method, seed, fingerprint, config, key)


def config_of(method: Method) -> dict[str, JsonValue]:
    """Return the config as records hold it: as JSON, in which infinity, however deep it lies, is a word."""
    plain: dict[str, JsonValue] = json.loads(json.dumps(asdict(method.config)), parse_constant=lambda x: str(float(x)))
    return plain


def config_and_code(method: Method) -> tuple[dict[str, JsonValue], str]:
    """Return the config, and a hash of the method's code, so that an edited method is run anew."""
    return config_of(method), method_hash(type(method).__module__)
