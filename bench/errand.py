"""An errand: one method on one dataset, the tasks that it is to answer there, and the job that does it.

It can be sent to another machine: it holds neither truth nor seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.handout import hand_out
from bench.processes import Job, Limits
from bench.worker import Assignment, work


@dataclass(frozen=True, slots=True)
class Errand:
    """What to answer, in the order of `tasks`, on the dataset folder; both keys are hashes."""

    name: str
    method: str
    tasks: tuple[str, ...]
    dataset: str
    case_key: int
    method_key: int
    limits: Limits

    def job(self, scratch: Path, *, hidden: Sequence[str], needs: Sequence[str] = ()) -> Job:
        """Return the job: the method in a process of its own, in a new folder `scratch`, and the log in another."""
        scratch.mkdir()
        given = Assignment(self.method, self.tasks, self.method_key, self.limits.memory_bytes, str(scratch))
        return Job(
            self.name,
            work,
            (given, tuple(hidden)),
            needs=frozenset(needs),
            beside=(hand_out, (self.dataset, self.tasks, self.case_key)),
            limits=self.limits,
            n_messages=1 + len(self.tasks),
        )
