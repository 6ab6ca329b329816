"""One JSON line a cell: what was measured of its latency; append-only and schema-versioned like `bench.record`.

The raw clocks lie beside the lines, one npz file a cell, so that another quantile or load is a later pass.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from bench.record import Machine, load_lines

Verdict = Literal["quiet", "noisy", "not rankable"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Quantile(_Frozen):
    """A quantile in milliseconds, its 95 % bounds, and a value that lies above it with 99 %."""

    value: float
    low: float
    high: float
    pessimistic: float


class Service(_Frozen):
    """How long one request takes alone: all of it, its CPU time, and those that nothing preempted.

    A level is None where there are too few queries for it; all of `clean` is where fewer than 80 % ran undisturbed.
    """

    wall: dict[str, Quantile | None]
    cpu: dict[str, Quantile | None]
    clean: dict[str, Quantile | None]
    n: int


class Noise(_Frozen):
    """How much others disturbed: wall over CPU time, the share of queries not preempted, and what the kernel says."""

    steal: float
    kept: float
    load_average: float
    pressure: float | None
    verdict: Verdict


class LoadPoint(_Frozen):
    """The p99 of response times when requests arrive at random, `per_second` of them."""

    utilisation: float
    per_second: float
    p99_ms: float | None


class Load(_Frozen):
    """A replay of the service times: which clock they are of, the curve, and the greatest load within each budget."""

    clock: Literal["wall", "cpu"]
    curve: tuple[LoadPoint, ...]
    greatest_per_second: dict[str, float | None]


class Rate(_Frozen):
    """Requests a second of wall and of CPU time, over `n` requests asked in batches."""

    per_second: float
    per_cpu_second: float
    n: int


class Headline(_Frozen):
    """The method's median over that of the exact flat search it took turns with, over pairs of blocks."""

    ratio: float
    low: float | None
    high: float | None
    cpu_ratio: float
    n_pairs: int
    baseline: str
    baseline_p50_ms: float


class Checks(_Frozen):
    """Whether the timed answers can be believed.

    `overlap` and `overlap_top`: the share of the scored list, and of its first places, among the timed answers that
    were looked at; `as_recorded`: the share of requests whose primary metric is the recorded one; `repeat_ratio`: the
    time of a request asked again over that of its first time, soon before; `accounted`: CPU time of the timed stretch
    as told, over what the parent process read of it from the kernel.
    """

    n_checked: int
    overlap: float
    overlap_top: float
    as_recorded: float
    repeat_ratio: float
    accounted: float


class Resources(_Frozen):
    """What fit, index and refresh take, how soon what is new is found, and bytes.

    `refresh_seconds`: to index the present after the state of a day before. `staleness_seconds`: that and one answer,
    None where none of the `n_fresh` targets of that day reaches any list. `peak_bytes`: of the process when it has
    fitted, indexed and answered single requests; `start_bytes`: before the fit, data included. `index_bytes`: what
    the fields that `index` set take when pickled, None where they cannot be.
    """

    fit_seconds: float
    fit_cpu_seconds: float
    index_seconds: float
    index_cpu_seconds: float
    refresh_seconds: float
    staleness_seconds: float | None
    n_fresh: int
    n_fresh_reached: int
    start_bytes: int
    peak_bytes: int
    index_bytes: int | None


class Measures(_Frozen):
    """All that was measured of one cell."""

    service: Service
    noise: Noise
    load: Load
    throughput: dict[str, Rate]
    headline: Headline
    checks: Checks
    resources: Resources
    warm_up_queries: int
    warm: bool
    overhead_ns: int
    core: int
    threads: int


class LatencyRecord(_Frozen):
    """The evidence of one cell. `cell` is the key of its quality record, `key` adds how it was timed.

    `confined` says whether the kernel kept the method from all files but code.
    """

    schema_version: Literal[1] = 1
    key: str
    cell: str
    task: str
    source: str
    fingerprint: str
    method: str
    config: dict[str, JsonValue]
    seed: int
    k: int
    commit: str
    status: Literal["ok", "failed"]
    error: str | None = None
    measures: Measures | None = None
    raw: str | None = None
    confined: bool = False
    machine: Machine


def load(path: Path) -> list[LatencyRecord]:
    """Read every whole line of a file of timings."""
    return load_lines(path, LatencyRecord)
