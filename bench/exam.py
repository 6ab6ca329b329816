"""The answer key of one task on one dataset: what the harness needs to check and score slates, and no method sees.

Shapes: Q requests, C candidates, T targets, K list length, N notes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.case import Case
from bench.described import Past
from bench.probe import Impressions
from bench.relevant import Relevant
from bench.split import entity_of
from bench.truth import Truth
from simulator.arrays import load_arrays, save_arrays
from simulator.schema import Requests, Slates

_OPTIONAL = ("best_QK", "gain_QT", "author_N", "born_time_N", "age_seconds_N")


@dataclass(frozen=True, slots=True, eq=False)
class Exam:
    """Requests, cold bucket and truth of a task; `known_T` is how many clicks on each target a method is shown.

    `shown` are the impressions of a probe and `past` those before it, None for tasks that lists are scored by.
    """

    requests: Requests
    cold_only: Requests | None
    n_targets: int
    cold_T: NDArray[np.bool_]
    known_T: NDArray[np.int64]
    truth: Truth
    shown: Impressions | None = None
    past: Past | None = None


def exam_of(case: Case, truth: Truth, shown: Impressions | None = None) -> Exam:
    """Put a case and its truth together."""
    n_targets = case.cut.index.catalog.count(case.task.target)
    cold_T = np.zeros(n_targets, np.bool_)
    if case.task.has_cold_targets:
        cold_T[case.cut.cold_ids] = True
    index = case.cut.index
    clicked_E = entity_of(case.task.target, index)[index.events.click_E]
    known_T = np.bincount(clicked_E[clicked_E >= 0], minlength=n_targets)
    past = None if shown is None else Past.of(index, case.requests)
    return Exam(case.requests, case.cold_only, n_targets, cold_T, known_T, truth, shown, past)


def save(exam: Exam, path: Path) -> None:
    """Write the exam in one piece: a temporary file, then a rename."""
    r, truth = exam.requests, exam.truth
    head = {"query": r.query, "target": r.target, "time": r.time, "tie_seed": r.tie_seed}
    arrays = {
        "head": np.array(json.dumps(head)),
        "ids_Q": r.ids_Q,
        "candidates_C": r.candidates_C,
        "seen_start_Q1": r.seen_start_Q1,
        "seen_S": r.seen_S,
        "cold_T": exam.cold_T,
        "known_T": exam.known_T,
        "relevant_start_Q1": truth.relevant.start_Q1,
        "relevant_R": truth.relevant.ids_R,
    }
    if exam.cold_only is not None:
        arrays["cold_only_C"] = exam.cold_only.candidates_C
    for name in _OPTIONAL:
        if getattr(truth, name) is not None:
            arrays[name] = getattr(truth, name)
    for prefix, part in (("shown", exam.shown), ("past", exam.past)):
        if part is not None:
            arrays |= {f"{prefix}_{field.name}": getattr(part, field.name) for field in fields(part)}
    for name in ("oracle", "affinity"):
        slates: Slates | None = getattr(truth, name)
        if slates is not None:
            arrays[f"{name}_ids_QK"], arrays[f"{name}_scores_QK"] = slates.ids_QK, slates.scores_QK
    save_arrays(path, arrays)


def load(path: Path) -> Exam:
    """Read an exam."""
    arrays = load_arrays(path)
    head = json.loads(str(arrays["head"]))
    seen = (arrays["seen_start_Q1"], arrays["seen_S"], head["tie_seed"])

    def requests(candidates_C: NDArray[np.int32]) -> Requests:
        return Requests(head["query"], head["target"], arrays["ids_Q"], head["time"], candidates_C, *seen)

    def slates(name: str) -> Slates | None:
        if f"{name}_ids_QK" not in arrays:
            return None
        return Slates(arrays[f"{name}_ids_QK"], arrays[f"{name}_scores_QK"])

    truth = Truth(
        relevant=Relevant(arrays["relevant_start_Q1"], arrays["relevant_R"]),
        oracle=slates("oracle"),
        affinity=slates("affinity"),
        **{name: arrays.get(name) for name in _OPTIONAL},
    )
    cold_only = requests(arrays["cold_only_C"]) if "cold_only_C" in arrays else None
    cold_T, known_T = arrays["cold_T"], arrays["known_T"]
    shown, past = None, None
    if "shown_row_I" in arrays:
        shown = Impressions(**{field.name: arrays[f"shown_{field.name}"] for field in fields(Impressions)})
        past = Past(**{field.name: arrays[f"past_{field.name}"] for field in fields(Past)})
    return Exam(requests(arrays["candidates_C"]), cold_only, len(cold_T), cold_T, known_T, truth, shown, past)
