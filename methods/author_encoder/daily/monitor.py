"""Whether a version is fit to go live: its figures, those of the live one, and thresholds that block the switch.

PSI, the population stability index of the categories, is sum_c (p_c - q_c) ln(p_c / q_c) over the shares of this and
the last version, each count raised by a half so that an empty category does not make it infinite; below 0.1 a mix
counts as stable, above 0.25 as shifted (Siddiqi 2006, Credit Risk Scorecards, ISBN 978-0-471-75451-0).
A category that is new or gone since the last version counts as empty there.
A figure that cannot be had (no last version, another model) is NaN and breaches nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from methods.author_encoder.daily.manifest import Manifest
from simulator.schema import SchemaError


@dataclass(frozen=True, slots=True)
class Health:
    """The figures of a version; drifts are against the last one."""

    n_authors: int
    coverage: float  # authors in it / authors that were expected
    size_ratio: float  # authors in it / authors in the last one
    retained: float  # share of the last one's authors that are in it
    fill_rate: float  # share of authors whose vector is a mean
    norm_mean: float
    norm_drift: float  # |mean length / the last one's - 1|
    mean_length: float  # length of the mean vector / mean length: 1 when all vectors are one
    mean_drift: float  # distance of the mean vectors / mean length; of one model only
    category_psi: float
    unknown_category_rate: float
    ann_recall: float  # the worst of the indexes


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What a figure must be at least (min_) or at most (max_); both ends are allowed."""

    min_coverage: float = 0.99
    min_size_ratio: float = 0.8
    max_size_ratio: float = 1.5
    min_retained: float = 0.5
    max_fill_rate: float = 0.2
    max_norm_drift: float = 0.05
    max_mean_length: float = 0.95
    max_mean_drift: float = 0.1
    max_category_psi: float = 0.25
    max_unknown_category_rate: float = 0.2
    min_ann_recall: float = 0.95

    def __post_init__(self) -> None:
        for field in fields(self):
            if not math.isfinite(getattr(self, field.name)):
                raise SchemaError(f"Thresholds.{field.name}", "a finite number", getattr(self, field.name))

    @classmethod
    def of(cls, changes: Mapping[str, float]) -> Thresholds:
        """Return the defaults with some changed; an unknown name is refused."""
        known = {field.name for field in fields(cls)}
        for name in changes:
            if name not in known:
                raise SchemaError("threshold", f"one of {', '.join(sorted(known))}", repr(name))
        return cls(**changes)


@dataclass(frozen=True, slots=True)
class Breach:
    """A figure beyond its threshold."""

    figure: str
    value: float
    threshold: str
    limit: float

    def __str__(self) -> str:
        word = "at least" if self.threshold.startswith("min_") else "at most"
        return f"{self.figure}: expected {word} {self.limit:g}, got {self.value:.6g}"


def health_of(now: Manifest, last: Manifest | None, *, n_expected: int, ann_recall: float) -> Health:
    """Return the figures of a version against the last one that was live; `ann_recall` is NaN without an index."""
    figures, n_authors = now.figures, now.n_authors
    if n_expected < 1:
        raise SchemaError("n_expected", "at least 1", n_expected)
    same_model = last is not None and (last.model, last.model_version) == (now.model, now.model_version)
    mean_D = np.array(figures.mean_vector)
    mean_drift = float("nan")
    if last is not None and same_model:
        mean_drift = float(np.linalg.norm(mean_D - np.array(last.figures.mean_vector))) / figures.norm_mean
    return Health(
        n_authors=n_authors,
        coverage=n_authors / n_expected,
        size_ratio=n_authors / last.n_authors if last else float("nan"),
        retained=now.counts.known / last.n_authors if last and now.base == last.version else float("nan"),
        fill_rate=(figures.category_fills + figures.global_fills) / n_authors,
        norm_mean=figures.norm_mean,
        norm_drift=abs(figures.norm_mean / last.figures.norm_mean - 1) if last and same_model else float("nan"),
        mean_length=float(np.linalg.norm(mean_D)) / figures.norm_mean,
        mean_drift=mean_drift,
        category_psi=psi(figures.category_counts, last.figures.category_counts) if last else float("nan"),
        unknown_category_rate=figures.category_counts[-1] / n_authors,
        ann_recall=ann_recall,
    )


def psi(now_C: Sequence[int], last_C: Sequence[int]) -> float:
    """Return the population stability index of two tables of counts, of which the last row is of no known category.

    Categories that only one of them knows are the highest ids, and are empty in the other.
    """
    n_rows = max(len(now_C), len(last_C))
    p_C, q_C = (_padded(counts, n_rows) + 0.5 for counts in (now_C, last_C))
    p_C, q_C = p_C / p_C.sum(), q_C / q_C.sum()
    return float(((p_C - q_C) * np.log(p_C / q_C)).sum())


def _padded(counts_C: Sequence[int], n_rows: int) -> NDArray[np.int64]:
    """Return the counts with empty categories before the last row, which stays last."""
    *known, unknown = counts_C
    return np.array([*known, *[0] * (n_rows - len(counts_C)), unknown], np.int64)


def breaches(health: Health, thresholds: Thresholds) -> tuple[Breach, ...]:
    """Return the figures that are beyond their thresholds, in the order of the thresholds."""
    found = []
    for field in fields(thresholds):
        side, _, figure = field.name.partition("_")
        value, limit = float(getattr(health, figure)), float(getattr(thresholds, field.name))
        if (value < limit) if side == "min" else (value > limit):
            found.append(Breach(figure, value, field.name, limit))
    return tuple(found)
