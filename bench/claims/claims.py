"""What a finished run on a world must show, whatever its methods' merits: the oracle on top, random lists at chance.

| claim         | of                                                               | value           | holds |
|---------------|------------------------------------------------------------------|-----------------|-------|
| oracle on top | each method, on the primary metric                               | oracle less it  | >= 0  |
| at chance     | `random`: recall of everything, of the new, among the new        | standard errors | +-4   |
| finds         | where no target is new: recall of everything                     | standard errors | >= 2  |
| finds new     | where some are, who declares to reach them: recall among these   | standard errors | >= 2  |
| knows no new  | who declares not to, of authors whom nobody has clicked          | standard errors | <= 4  |

A standard error is that of random lists: a list of chance p = k / C finds each of a request's G relevant targets with
p, so its recall has variance p (1 - p) / G. Where all candidates fit into the list it is 0, and so is the value. Two is
the 95 % of one comparison; hundreds are at chance, so that there four are allowed. Of users of whom nothing is known
(user-cold j0) nothing is claimed: users have no text.
Shapes: Q requests.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.exam import load as load_exam
from bench.plan import TRUTHS
from bench.record import ResultRecord
from bench.report import Run
from bench.score import within
from bench.tasks import TASKS, find_task
from methods.registry import create
from simulator.dataset import read_manifest

ABOVE, FAR = 2.0, 4.0  # standard errors
CHANCE = "random"
KS = (10, 50, 100, 500)


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim about one cell; without a bound on a side, `least` or `most` is None."""

    claim: str
    task: str
    method: str
    seed: int
    value: float
    least: float | None
    most: float | None
    commit: str

    @property
    def holds(self) -> bool:
        """Whether the value is within its bounds."""
        return (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)

    def as_line(self) -> str:
        """Return a line of JSON."""
        return json.dumps(asdict(self))


def claims_of(run: Run) -> Iterator[Claim]:
    """Yield every claim about the cells of a run, in the order of its records; of failed cells there are none."""
    done = [record for record in run.records if record.status == "ok" and record.task in TASKS]
    best = {(r.task, r.seed): _mean(r) for r in done if r.method == "oracle"}
    for record in done:
        if record.method in TRUTHS:
            continue
        top = best.get((record.task, record.seed))
        mine = _mean(record)
        if top is not None and mine is not None:
            yield _claim(record, "oracle on top", top - mine, least=0.0)
        yield from _of_chance(run, record)


def _of_chance(run: Run, record: ResultRecord) -> Iterator[Claim]:
    task = TASKS[record.task]
    if task.primary == "gauc":  # no list, no chance
        return
    if record.method == CHANCE:
        for prefix, k in product(("", "cold_", "cold_only_"), KS):
            yield from _compared(run, record, f"at chance: {prefix}recall@{k}", least=-FAR, most=FAR)
        return
    k, can = int(task.primary.partition("@")[2]), create(record.method).capabilities
    if task.has_cold_targets and can.cold_targets:
        yield from _compared(run, record, f"finds new: cold_only_recall@{k}", least=ABOVE)
    elif task.has_cold_targets and _is_of_unknown(record.task, "author-cold"):
        yield from _compared(run, record, f"knows no new: cold_only_recall@{k}", most=FAR)
    elif not task.has_cold_targets and not _is_of_unknown(record.task, "user-cold"):
        yield from _compared(run, record, f"finds: recall@{k}", least=ABOVE)


def _is_of_unknown(task: str, family: str) -> bool:
    """Whether a task of the family asks before anything is known of the new ones."""
    parts = task.partition("@")[0].split("/")
    return parts[0] == family and parts[-1] == "j0"


def _compared(
    run: Run, record: ResultRecord, claim: str, *, least: float | None = None, most: float | None = None
) -> Iterator[Claim]:
    """Yield the claim about a recall, which its name ends with, where the record has that recall."""
    metric = claim.partition(": ")[2]
    prefix, _, k = metric.rpartition("recall@")
    value = _standard_errors(run, record, prefix, int(k))
    if value is not None:
        yield _claim(record, claim, value, least=least, most=most)


def _standard_errors(run: Run, record: ResultRecord, prefix: str, k: int) -> float | None:
    """Return by how many standard errors recall is above chance; None where the record has no such metric."""
    recall_Q, chance_Q = (run.values(record, f"{prefix}{name}@{k}") for name in ("recall", "chance"))
    if recall_Q is None or chance_Q is None:
        return None
    count_Q = _n_relevant(run.root, record.fingerprint, record.task, bool(prefix))
    asked_Q = (count_Q > 0) & ~np.isnan(recall_Q)
    chance_Q, above_Q = chance_Q[asked_Q], (recall_Q - chance_Q)[asked_Q]
    error = float(np.sqrt((chance_Q * (1 - chance_Q) / count_Q[asked_Q]).sum()))
    return float(above_Q.sum()) / error if error > 0 else 0.0


@lru_cache(maxsize=256)
def _n_relevant(root: Path, fingerprint: str, task: str, of_new: bool) -> NDArray[np.int64]:
    """Return how many targets are relevant to each request, (Q,): all, or the new ones; from the exam of the run."""
    exam = load_exam(_exam_file(root, fingerprint, task))
    relevant = exam.truth.relevant
    return within(relevant, exam.cold_T).count_Q if of_new else relevant.count_Q


def _exam_file(root: Path, fingerprint: str, task: str) -> Path:
    """Return the newest exam of the question: code that makes exams may have changed, what is relevant has not."""
    found = [
        path
        for folder in (root / "datasets").glob("*/manifest.json")
        if find_task(task).fingerprint(read_manifest(folder.parent).fingerprint) == fingerprint
        for path in (root / "exams" / folder.parent.name).glob(f"{task.replace('/', '~')}.*.npz")
    ]
    if not found:
        raise ValueError(f"{root}: expected the exam of {task} that its records are of, got none")
    return max(found, key=lambda path: path.stat().st_mtime)


def _mean(record: ResultRecord) -> float | None:
    found = record.metrics.get(TASKS[record.task].primary)
    return None if found is None else found.mean


def _claim(
    record: ResultRecord, claim: str, value: float, *, least: float | None = None, most: float | None = None
) -> Claim:
    return Claim(claim, record.task, record.method, record.seed, round(value, 4), least, most, record.commit)


def kept(lines: Iterable[str]) -> list[Claim]:
    """Read what `Claim.as_line` wrote."""
    return [Claim(**json.loads(line)) for line in lines if line.strip()]
