"""The table of tasks."""

from __future__ import annotations

from bench.task import Cold, LeaveOneOut, Recorded, Task
from simulator.schema import Kind

HOUR = 3_600
_FEW = (0, 1, 5, 20)
_AUTHOR_QUERIES: tuple[tuple[str, str, Kind], ...] = (
    ("u2a", "user -> author", "user"),
    ("a2a", "author -> co-engaged author", "author"),
)
_AGES = {"0h": (0, 1), "1h": (1, HOUR), "6h": (HOUR, 6 * HOUR), "24h": (6 * HOUR, 24 * HOUR)}


def _known(j: int) -> str:
    return {0: "nothing known of what they did", 1: "their first click known"}.get(j, f"their first {j} clicks known")


def _author_cold() -> list[Task]:
    return [
        Task(
            f"author-cold/{name}/j{j}@v1",
            f"{asks}: new authors, {_known(j)}",
            query,
            "author",
            cold=Cold("author", first_interactions=j),
            primary="cold_recall@50",
        )
        for name, asks, query in _AUTHOR_QUERIES
        for j in _FEW
    ]


def _note_cold() -> list[Task]:
    return [
        Task(
            f"note-cold/u2n/age-{name}@v1",
            f"user -> note: notes of the last day, known as they were at age {low // HOUR}-{high // HOUR} h"
            if high > 1
            else "user -> note: notes of the last day, nothing known of what happened to them",
            "user",
            "note",
            # The newest notes there are, so that nothing younger stands in their way at any age.
            cold=Cold("note", arrived_days_ago=(1.0, 0.0), age_seconds=(low, high)),
            primary="cold_recall@100",
        )
        for name, (low, high) in _AGES.items()
    ]


def _user_cold() -> list[Task]:
    return [
        Task(
            f"user-cold/u2n/j{j}@v1",
            f"user -> note: new users, {_known(j)}",
            "user",
            "note",
            cold=Cold("user", first_interactions=j),
            primary="recall@100",
        )
        for j in _FEW
    ]


_SIMULATED = [
    *_author_cold(),
    *_note_cold(),
    *_user_cold(),
    Task(
        "warm/next-note@v1",
        "user -> the next note the user engages with",
        "user",
        "note",
        next_only=True,
        max_requests=1_500,
        primary="recall@100",
    ),
]

_RECORDED = [
    Task(
        "beauty/leave-one-out@v1",
        "Amazon Beauty 2014, leave-one-out, all 12,101 items ranked",
        "user",
        "note",
        source="amazon2014-beauty",
        split=LeaveOneOut(),
        max_requests=22_363,
        ks=(5, 10, 20),
        primary="recall@10",
    ),
    Task(
        "beauty/leave-one-out-leaky@v1",
        "the same with the published mistake: popularity counts the test item; never ranked",
        "user",
        "note",
        source="amazon2014-beauty",
        split=LeaveOneOut(leaky=True),
        max_requests=22_363,
        ks=(5, 10, 20),
        primary="recall@10",
        tags=("leaky",),
    ),
    Task(
        "gowalla/lightgcn-split@v1",
        "Gowalla, the split of NGCF and LightGCN",
        "user",
        "note",
        source="gowalla-lightgcn",
        split=Recorded(now=1, positives_from=1),
        max_requests=29_858,
        ks=(10, 20, 50),
        primary="recall@20",
    ),
    Task(
        "citeulike/cold@v1",
        "CiteULike-a, one item in five cold, the split of ALDI and ColdRec (its tags leak: see docs)",
        "user",
        "note",
        source="citeulike-a-coldstart",
        split=Recorded(now=1, positives_from=2),
        cold=Cold("note", arrived_days_ago=None, first_interactions=0),
        max_requests=5_551,
        ks=(10, 20, 50),
        primary="cold_recall@20",
    ),
]

TASKS: dict[str, Task] = {task.id: task for task in [*_SIMULATED, *_RECORDED]}


def find_task(name: str) -> Task:
    """Return a task by its id."""
    if name not in TASKS:
        raise ValueError(f"task: expected one of {', '.join(TASKS)}, got {name!r}")
    return TASKS[name]
