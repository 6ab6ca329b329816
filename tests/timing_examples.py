"""Made-up timings of made-up cells: what `coldrecall latency` would have written."""

from __future__ import annotations

from pathlib import Path

from bench.latency.record import (
    Checks,
    Headline,
    LatencyRecord,
    Load,
    Measures,
    Noise,
    Quantile,
    Resources,
    Service,
    Verdict,
)
from bench.record import Machine, ResultRecord, append


def quantile(value: float) -> Quantile:
    return Quantile(value=value, low=0.9 * value, high=1.2 * value, pessimistic=1.3 * value)


def measures(p50_ms: float, *, verdict: Verdict = "quiet") -> Measures:
    levels: dict[str, Quantile | None] = {"p50": quantile(p50_ms), "p99": quantile(3 * p50_ms)}
    return Measures(
        service=Service(wall=levels, cpu=levels, clean=levels, n=10_000),
        noise=Noise(steal=1.0, kept=1.0, load_average=0.0, pressure=None, verdict=verdict),
        load=Load(clock="wall", curve=(), greatest_per_second={}),
        throughput={},
        headline=Headline(ratio=1, low=1, high=1, cpu_ratio=1, n_pairs=20, baseline="flat", baseline_p50_ms=1),
        checks=Checks(n_checked=1, overlap=1, overlap_top=1, as_recorded=1, repeat_ratio=1, accounted=1),
        resources=Resources(
            fit_seconds=1,
            fit_cpu_seconds=1,
            index_seconds=1,
            index_cpu_seconds=1,
            refresh_seconds=1,
            staleness_seconds=None,
            n_fresh=0,
            n_fresh_reached=0,
            start_bytes=1,
            peak_bytes=1,
            index_bytes=None,
        ),
        warm_up_queries=100,
        warm=True,
        overhead_ns=1,
        core=0,
        threads=1,
    )


def timed(record: ResultRecord, found: Measures | None, *, machine: Machine | None = None) -> LatencyRecord:
    return LatencyRecord(
        key=f"timing of {record.cell}",
        cell=record.cell,
        task=record.task,
        source=record.source,
        fingerprint=record.fingerprint,
        method=record.method,
        config={},
        seed=record.seed,
        k=500,
        commit=record.commit,
        status="ok" if found else "failed",
        error=None if found else "no answer",
        measures=found,
        machine=machine or record.machine,
    )


def write(folder: Path, *records: LatencyRecord) -> None:
    for record in records:
        append(folder / "latency.jsonl", record)
