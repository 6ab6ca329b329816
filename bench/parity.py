"""Our numbers beside the printed ones, on the recorded logs and by the protocols that print used.

A target is held when ours is within its tolerance of print, relative, or better. What print made from other features is
shown and not judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from rich.console import Group
from rich.table import Table
from rich.text import Text

from bench.plan import Plan
from bench.processes import Limits
from bench.progress import Tell
from bench.record import ResultRecord, load
from bench.run import run

Verdict = Literal["held", "better", "short", "not comparable", "not run"]

_LIMITS = Limits(seconds=24 * 3_600, memory_bytes=24e9)  # print is reached by long fits

RECORDS = Path("docs") / "parity"  # cached results, one file of records a task


@dataclass(frozen=True, slots=True)
class Target:
    """A printed number: of which method, on which task and metric, by whom; and what sets ours apart."""

    task: str
    method: str
    metric: str
    value: float
    source: str
    tolerance: float = 0.02
    remark: str = ""
    comparable: bool = True


GOWALLA, BEAUTY = "gowalla/lightgcn-split@v1", "beauty/leave-one-out@v1"
CITEULIKE = "citeulike/cold@v1"
_BARS = "BARS, openbenchmark.github.io"
_LIGHTGCN = "LightGCN, doi:10.1145/3397271.3401063"
_S3REC = "SASRec in S3-Rec, doi:10.1145/3340531.3411954"
_CORNAC, _RECBOLE = "SASRec tuned, BCE, d 128, cornac", "SASRec, CE, RecBole"
_COLDLLM = "ColdLLM's table 1, on 300-d text that is not to be had"
_OTHER_TEXT = "our text is the tags, which leak"
_COLDREC = "ColdRec, the public code, same tags and split, benchmarks/coldrec.py"
_DEFAULTS = "ours the best of five trials, theirs at its defaults"
_BATCHES = "its clicked and drawn papers are normalised apart, docs/parity.md"
_SHOWN = f"{_BATCHES}, and cold ones are shown as trained negatives; part is not explained"
_BY_HAND = "ColdRec, an earlier run by hand, cut while it rose, docs/parity.md"
_BOTH_DEFAULTS = "both at their defaults, ours chosen on a simulated world"
_WEIGHTED = "users are weighted and pairs shrunk; print is the plain cosine"
_LIBRARY = "told from one item, drawn by its clicks, print from 300 drawn evenly"
_SOFTMAX = "told from 256 drawn items by a softmax, print from one"
_MANY_NOES = "told from 2,048 drawn items by a softmax, print from 300 pair by pair"
_ITS_LOG = (
    "negatives, batches, rates and epochs are of print's log, which chose its epochs on the test part; "
    "dropout and regularization those with which our training loss is that of the log"
)
_GIVEN_TIME = "print is S3-Rec's rerun of a baseline; ours was tuned on the last interaction but one"


def _among_cold(recall: float, ndcg: float) -> dict[str, float]:
    """Name what print calls cold: only cold papers compete."""
    return {"cold_only_recall@20": recall, "cold_only_ndcg@20": ndcg}


def _both(task: str, method: str, printed: dict[str, float], source: str, remark: str = "") -> list[Target]:
    return [Target(task, method, metric, value, source, remark=remark) for metric, value in printed.items()]


def _other_text(method: str, recall: float, ndcg: float) -> list[Target]:
    targets = _both(CITEULIKE, method, _among_cold(recall, ndcg), _COLDLLM, _OTHER_TEXT)
    return [replace(target, comparable=False) for target in targets]


TARGETS: tuple[Target, ...] = (
    *_both(GOWALLA, "popular-all", {"recall@20": 0.0416, "ndcg@20": 0.0317}, "checked on the same split"),
    *_both(GOWALLA, "item-cf", {"recall@20": 0.1570, "ndcg@20": 0.1214}, _BARS, _WEIGHTED),
    *_both(GOWALLA, "bpr-wide", {"recall@20": 0.1627, "ndcg@20": 0.1378}, f"MF-BPR, {_BARS}", _LIBRARY),
    *_both(GOWALLA, "mf-bpr", {"recall@20": 0.1627, "ndcg@20": 0.1378}, f"MF-BPR, {_BARS}", _ITS_LOG),
    *_both(GOWALLA, "mf-softmax", {"recall@20": 0.1627, "ndcg@20": 0.1378}, f"MF-BPR, {_BARS}", _MANY_NOES),
    *_both(GOWALLA, "ease-whole", {"recall@20": 0.1765, "ndcg@20": 0.1467}, _BARS),
    *_both(GOWALLA, "lightgcn", {"recall@20": 0.1820, "ndcg@20": 0.1547}, _BARS, _SOFTMAX),
    *_both(GOWALLA, "lightgcn", {"recall@20": 0.1824, "ndcg@20": 0.1547}, f"{_LIGHTGCN}, 3 layers", _SOFTMAX),
    *_both(
        BEAUTY,
        "sasrec-bce-wide",
        {"recall@5": 0.0387, "ndcg@5": 0.0249, "recall@10": 0.0605, "ndcg@10": 0.0318},
        _S3REC,
        _GIVEN_TIME,
    ),
    *_both(
        BEAUTY,
        "sasrec-bce-wide",
        {"recall@5": 0.0508, "ndcg@5": 0.0348, "recall@10": 0.0740, "ndcg@10": 0.0423},
        _CORNAC,
    ),
    *_both(
        BEAUTY,
        "sasrec-ce-wide",
        {"recall@5": 0.0543, "ndcg@5": 0.0315, "recall@10": 0.0821, "ndcg@10": 0.0405},
        _RECBOLE,
        "ours not tuned; why the item stands higher in our lists is not known",
    ),
    *_both(
        CITEULIKE, "content-knn", _among_cold(0.3527, 0.2385), "TF-IDF neighbours by tags, measured on the same split"
    ),
    *_both(
        CITEULIKE,
        "clcrec/slow and long",
        _among_cold(0.2949, 0.1820),
        _BY_HAND,
        f"{_DEFAULTS}, a lower bound",
    ),
    *_both(CITEULIKE, "aldi/soft teacher", _among_cold(0.1583, 0.0867), _COLDREC, f"{_DEFAULTS}; {_BATCHES}"),
    *_both(CITEULIKE, "aldi/long", _among_cold(0.1583, 0.0867), _COLDREC, f"{_DEFAULTS} among cold papers; {_BATCHES}"),
    *_both(CITEULIKE, "dropoutnet/wide", _among_cold(0.0501, 0.0296), _COLDREC, f"{_DEFAULTS}; {_SHOWN}"),
    *_both(CITEULIKE, "clcrec/base", _among_cold(0.2949, 0.1820), _BY_HAND, f"{_BOTH_DEFAULTS}; a lower bound"),
    *_both(CITEULIKE, "aldi/base", _among_cold(0.1583, 0.0867), _COLDREC, f"{_BOTH_DEFAULTS}; {_BATCHES}"),
    *_both(CITEULIKE, "dropoutnet/base", _among_cold(0.0501, 0.0296), _COLDREC, f"{_BOTH_DEFAULTS}; {_SHOWN}"),
    *_other_text("aldi/soft teacher", 0.2684, 0.1550),
    *_other_text("aldi/long", 0.2684, 0.1550),
    *_other_text("clcrec/slow and long", 0.2295, 0.1347),
    *_other_text("dropoutnet/wide", 0.2268, 0.1356),
)


@dataclass(frozen=True, slots=True)
class Row:
    """A target and what we reach: `low` and `high` are the 95 % interval over requests."""

    target: Target
    ours: float | None
    low: float | None
    high: float | None
    commit: str

    @property
    def relative(self) -> float | None:
        """How far ours is from print, relative to print."""
        return None if self.ours is None else self.ours / self.target.value - 1

    @property
    def verdict(self) -> Verdict:
        """Whether ours is as near as it must be."""
        if self.relative is None:
            return "not run"
        if not self.target.comparable:
            return "not comparable"
        if self.relative < -self.target.tolerance:
            return "short"
        return "better" if self.relative > self.target.tolerance else "held"


def chosen(targets: Sequence[Target], *, tasks: Sequence[str] = (), methods: Sequence[str] = ()) -> tuple[Target, ...]:
    """Return the targets of the tasks (ids, or what stands before / or @) and methods; of all where none is named."""
    picked = tuple(
        target
        for target in targets
        if (not tasks or any(name in _names(target.task) for name in tasks))
        and (not methods or target.method in methods)
    )
    if not picked:
        raise ValueError(f"parity: expected a target of {', '.join([*tasks, *methods])}, got none")
    return picked


def _names(task: str) -> tuple[str, str, str]:
    return task, task.partition("@")[0], task.partition("/")[0]


def held_beside(targets: Iterable[Target], records: Iterable[ResultRecord]) -> Iterator[Row]:
    """Put the newest record of each target's task and method beside it."""
    newest = {(record.task, record.method): record for record in records if record.status == "ok"}
    for target in targets:
        record = newest.get((target.task, target.method))
        got = None if record is None else record.metrics.get(target.metric)
        if record is None or got is None:
            yield Row(target, None, None, None, "")
        else:
            yield Row(target, got.mean, got.low, got.high, record.commit)


def run_targets(
    targets: Sequence[Target], out: Path, *, n_workers: int, data: Path | None, tell: Tell
) -> list[ResultRecord]:
    """Run the methods of the targets on their tasks, seed 1, in a folder that resumes."""
    records = []
    for task in dict.fromkeys(target.task for target in targets):
        methods = tuple(dict.fromkeys(target.method for target in targets if target.task == task))
        plan = Plan(seeds=(1,), tasks=(task,), methods=methods, reference=methods[0])
        records += run(plan, out, n_workers=n_workers, data=data, tell=tell, limits=_LIMITS)
    return records


def render(rows: Sequence[Row]) -> Group:
    """Return the table, print, ours with its interval and what to make of it, over the sources, which it numbers."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="underline")
    for name in ("task", "method", "metric"):
        table.add_column(name, no_wrap=True)
    for name in ("print", "ours", "95 %", "differs", "within"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("note", justify="right", no_wrap=True)
    notes: dict[str, int] = {}
    for row in rows:
        target = row.target
        note = notes.setdefault("; ".join(filter(None, (target.source, target.remark))), len(notes) + 1)
        name = target.task.partition("/")[0]
        table.add_row(name, target.method, target.metric, f"{target.value:.4f}", *_ours(row), str(note))
    return Group(table, Text(), *(Text(f"{number:3} {said}") for said, number in notes.items()))


def _ours(row: Row) -> tuple[str, str, str, str, str]:
    within = f"{row.target.tolerance:.0%}"
    if row.ours is None or row.relative is None:
        return "-", "-", "-", within, row.verdict
    half = "-" if row.low is None or row.high is None else f"±{(row.high - row.low) / 2:.4f}"
    return f"{row.ours:.4f}", half, f"{row.relative:+.1%}", within, row.verdict


def cached(folder: Path) -> list[ResultRecord]:
    """Read all records of a folder of JSON lines; raises ValueError where there is no such folder."""
    if not folder.is_dir():
        raise ValueError(f"kept: expected a folder of records, got {folder}, which is none")
    return [record for path in sorted(folder.glob("*.jsonl")) for record in load(path)]


def keep(records: Iterable[ResultRecord], folder: Path) -> None:
    """Write records beside those of the folder, one file a task; a newer one of the same method and seed replaces.

    Records of a task and method that no target names are dropped, be they new or of the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # The per-request values stay in the folder of the run.
    fresh = [record.model_copy(update={"values": None}) for record in records if record.status == "ok"]
    known = {(record.task, record.method, record.seed): record for record in [*cached(folder), *fresh]}
    named = {(target.task, target.method) for target in TARGETS}
    for task in {task for task, _, _ in known}:
        lines = [r.model_dump_json() for key, r in sorted(known.items()) if key[0] == task and key[:2] in named]
        path = folder / f"{task.replace('/', '~')}.jsonl"
        if lines:
            path.write_text("\n".join(lines) + "\n")
        else:
            path.unlink(missing_ok=True)
