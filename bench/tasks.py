"""The table of tasks."""

from __future__ import annotations

from bench.task import (
    ON_REQUEST,
    WORLD,
    Cold,
    HeldAuthors,
    LeaveOneOut,
    MissingText,
    NewCategories,
    Recorded,
    Shown,
    SpamRings,
    Task,
    Window,
)
from simulator.schema import Kind

HOUR = 3_600
_BEAUTY_CUT = 1_394_150_400  # 2014-03-07, where 80 % of the interactions lie before
_FEW = (0, 1, 5, 20)
_MANY = 2_500  # requests about new authors: one user in nine would engage with any of them
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
            max_requests=_MANY,
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
    Task(
        "publish/n2u@v1",
        "new note -> users who would engage with it and come within a day",
        "note",
        "user",
        split=Window(),
        cold=Cold("note", arrived_days_ago=(1.0, 0.0), first_interactions=0),
        primary="recall@100",
    ),
]

_SIMULATED.append(
    Task(
        "rank-probe/u2n@v1",
        "user -> order of notes, as a column of a fixed ranker of impressions that chance made",
        "user",
        "note",
        split=Shown(),
        max_requests=1_000,
        ks=(2_000,),
        primary="gauc",
    )
)

# What a method must bear; each wants a fit of its own, so that a run has them only when they are named.
_ROBUST = [
    Task(
        "robust/author-cold/u2a/missing-text@v1",
        "user -> author: new authors, nothing known of what they did, and half of all texts are missing",
        "user",
        "author",
        split=MissingText(),
        cold=Cold("author", first_interactions=0),
        max_requests=_MANY,
        primary="cold_recall@50",
        tags=(ON_REQUEST,),
    ),
    Task(
        "robust/note-cold/u2n/new-categories@v1",
        "user -> note: notes of categories that opened after the fit, a week of impressions known",
        "user",
        "note",
        split=NewCategories(),
        primary="cold_recall@100",
        tags=(ON_REQUEST,),
    ),
    Task(
        "robust/author-cold/u2a/spam-rings@v1",
        "user -> author: new authors, their first 5 clicks known, and rings flood the log",
        "user",
        "author",
        split=SpamRings(),
        cold=Cold("author", first_interactions=5),
        max_requests=_MANY,
        primary="cold_recall@50",
        tags=(ON_REQUEST,),
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
        "beauty/time-split@v1",
        "Amazon Beauty 2014, split at 2014-03-07: 326 items are new",
        "user",
        "note",
        source="amazon2014-beauty",
        split=Recorded(now=_BEAUTY_CUT, positives_from=_BEAUTY_CUT),
        cold=Cold("note", arrived_days_ago=None, first_interactions=0),
        max_requests=22_363,
        ks=(10, 20, 50, 100),
        primary="cold_recall@50",
    ),
    Task(
        "beauty/held-out-brands@v1",
        "Amazon Beauty 2014, split at 2014-03-07: user -> brand, one in five shown as if it were new",
        "user",
        "author",
        source="amazon2014-beauty",
        split=HeldAuthors(now=_BEAUTY_CUT),
        cold=Cold("author", arrived_days_ago=None, first_interactions=0),
        max_requests=22_363,
        ks=(10, 20, 50, 100),
        primary="cold_recall@20",
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

TASKS: dict[str, Task] = {task.id: task for task in [*_SIMULATED, *_ROBUST, *_RECORDED]}
DEFAULT_TASKS = tuple(task.id for task in TASKS.values() if task.source == WORLD and ON_REQUEST not in task.tags)


def find_task(name: str) -> Task:
    """Return a task by its id."""
    if name not in TASKS:
        raise ValueError(f"task: expected one of {', '.join(TASKS)}, got {name!r}")
    return TASKS[name]
