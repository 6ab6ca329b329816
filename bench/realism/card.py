"""The card: every target beside what this log has, and a verdict that no row can talk its way out of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.progress import Tell
from bench.realism.answering import answering
from bench.realism.finding import Drawing, Findings, Measured
from bench.realism.following import following
from bench.realism.relating import relating
from bench.realism.returning import returning
from bench.realism.spreading import spreading
from bench.realism.supply import supply
from bench.realism.target import Target
from bench.realism.targets import TARGETS
from bench.realism.traffic import Traffic
from simulator.schema import Observation
from simulator.spec import Preset

Verdict = Literal["pass", "FAIL", "no target", "not measurable", "run the arms"]
VERDICTS: tuple[Verdict, ...] = ("pass", "FAIL", "no target", "not measurable", "run the arms")
Subject = Callable[[Traffic, np.random.Generator], Findings]
SUBJECTS: tuple[Subject, ...] = (answering, returning, following, supply, spreading, relating)


@dataclass(frozen=True, slots=True)
class Line:
    """One row: the target, the value if there is one, what was judged and the detail or reason."""

    target: Target
    value: float | None
    verdict: Verdict
    detail: str


@dataclass(frozen=True, slots=True)
class Card:
    """The rows of the preset, those of the other for comparison (their verdicts count nothing), and the drawings."""

    name: str
    preset: Preset
    size: str
    lines: tuple[Line, ...]
    compared: tuple[Line, ...]
    drawings: tuple[Drawing, ...]

    def counts(self) -> dict[Verdict, int]:
        """Count the verdicts of the preset's rows."""
        found = Counter(line.verdict for line in self.lines)
        return {verdict: found[verdict] for verdict in VERDICTS}


def realism_card(  # noqa: PLR0913 - all but the first are named
    seen: Observation,
    *,
    name: str,
    preset: Preset,
    rng: np.random.Generator,
    is_recorded: bool = False,
    extra: Sequence[Measured] = (),
    tell: Tell | None = None,
) -> Card:
    """Measure a log and judge it against the targets; `extra` are rows that paired arms measured."""
    traffic = Traffic.of(seen)
    parts = []
    for done, subject in enumerate(SUBJECTS):
        # One stream a subject, so that a new draw in one changes no other.
        parts.append(subject(traffic, rng.spawn(1)[0]))
        if tell is not None:
            tell("measured", done + 1, len(SUBJECTS))
    measured = _by_id([number for part in parts for number in part.measured], extra)
    lines = [line_of(target, measured.get(target.id), is_recorded=is_recorded) for target in TARGETS]
    return Card(
        name=name,
        preset=preset,
        size=_size(traffic),
        lines=tuple(line for line in lines if preset in line.target.presets),
        compared=tuple(line for line in lines if preset not in line.target.presets),
        drawings=tuple(drawing for part in parts for drawing in part.drawings),
    )


def _by_id(found: Sequence[Measured], extra: Sequence[Measured]) -> dict[str, Measured]:
    """Key the numbers by id; of paired arms only their own rows are taken."""
    arms = {target.id for target in TARGETS if target.origin == "arms"}
    unknown = [number.id for number in extra if number.id not in arms]
    if unknown:
        raise ValueError(f"extra: expected ids among {', '.join(sorted(arms))}, got {unknown[0]}")
    return {number.id: number for number in (*found, *extra)}


def line_of(target: Target, found: Measured | None, *, is_recorded: bool) -> Line:
    """Judge one row."""
    if target.origin == "absent":
        if is_recorded:
            return Line(target, None, "not measurable", target.remark)
        return Line(target, None, "FAIL", f"not modelled: {target.remark}")
    if found is None and target.origin == "arms":
        if is_recorded:
            return Line(target, None, "not measurable", "a recorded log has no arms")
        return Line(target, None, "run the arms", "it takes paired worlds")
    if found is None:
        raise ValueError(f"card: expected a number or a reason for {target.id}, got neither")
    if found.value is None:
        return Line(target, None, "not measurable", found.detail)
    if not target.has_band:
        return Line(target, found.value, "no target", found.detail)
    return Line(target, found.value, "pass" if target.accepts(found.value) else "FAIL", found.detail)


def _size(traffic: Traffic) -> str:
    catalog = traffic.seen.catalog
    return (
        f"{len(traffic.seen.events):,} {'clicks' if traffic.lacks_impressions else 'impressions'}, "
        f"{len(catalog.users):,} users, {len(catalog.authors):,} authors, {len(catalog.notes):,} notes, "
        f"{traffic.n_days} days"
    )
