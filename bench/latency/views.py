"""From raw clocks to what is reported: service, noise, headline, checks. N queries, Q requests, K list length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.latency.blocks import median_ratio
from bench.latency.load import load_view
from bench.latency.quantiles import quantiles
from bench.latency.record import Checks, Headline, Measures, Noise, Rate, Resources, Service, Verdict

Arrays = Mapping[str, NDArray[Any]]

QUIET, NOISY = 1.05, 1.2  # wall over CPU time, up to
KEPT = 0.8  # share of undisturbed queries from which they speak for all
OVERLAP, OVERLAP_TOP, AS_RECORDED = 0.99, 0.98, 0.95  # sums in another order trade neighbours with all but equal scores
REPEAT, ACCOUNTED = 0.9, 0.8


def service_view(wall_ns_N: NDArray[np.int64], cpu_ns_N: NDArray[np.int64], preempted_N: NDArray[np.bool_]) -> Service:
    """Return quantiles in milliseconds of wall time, CPU time and undisturbed queries."""
    wall_N, cpu_N = wall_ns_N / 1e6, cpu_ns_N / 1e6
    # Where many were preempted the others are the short ones, and say nothing of all.
    clean_N = wall_N[~preempted_N] if (~preempted_N).mean() >= KEPT else wall_N[:0]
    return Service(wall=quantiles(wall_N), cpu=quantiles(cpu_N), clean=quantiles(clean_N), n=len(wall_N))


def noise_gate(
    wall_ns_N: NDArray[np.int64], cpu_ns_N: NDArray[np.int64], preempted_N: NDArray[np.bool_]
) -> tuple[float, float, Verdict]:
    """Return wall over CPU time, the share not preempted, and what they allow: wall, CPU only, no rank."""
    steal = float(wall_ns_N.sum() / max(1, cpu_ns_N.sum()))
    verdict: Verdict = "quiet" if steal <= QUIET else "noisy" if steal <= NOISY else "not rankable"
    return steal, float((~preempted_N).mean()), verdict


def headline(arrays: Arrays, *, baseline: str, rng: np.random.Generator) -> Headline:
    """Return the ratio of medians between the method and the baseline, by the wall with its interval, and by CPU."""
    medians = {
        (side, clock): _block_medians(arrays[f"{side}_{clock}_ns_N"], arrays[f"{side}_block_N"])
        for side in ("method", "baseline")
        for clock in ("wall", "cpu")
    }
    ratio, low, high = median_ratio(medians["method", "wall"], medians["baseline", "wall"], rng=rng)
    return Headline(
        ratio=ratio,
        low=low,
        high=high,
        cpu_ratio=float(np.median(medians["method", "cpu"]) / max(1.0, np.median(medians["baseline", "cpu"]))),
        n_pairs=len(medians["method", "wall"]),
        baseline=baseline,
        baseline_p50_ms=float(np.median(arrays["baseline_wall_ns_N"])) / 1e6,
    )


def _block_medians(values_N: NDArray[np.int64], block_N: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.array([np.median(values_N[block_N == block]) for block in np.unique(block_N)])


def overlap(found_CK: NDArray[np.int32], expected_CK: NDArray[np.int32], *, k: int) -> float:
    """Return the share of the first `k` places of one list that the first `k` of the other hold; pads count as one."""
    shares = []
    for found, expected in zip(found_CK[:, :k], expected_CK[:, :k], strict=True):
        wanted = set(expected.tolist())
        shares.append(len(wanted & set(found.tolist())) / len(wanted))
    return float(np.mean(shares)) if shares else 1.0


def same_values(values_Q: NDArray[np.floating], recorded_Q: NDArray[np.floating]) -> float:
    """Return the share of requests whose value is the recorded one; both undefined is the same."""
    if values_Q.shape != recorded_Q.shape:
        return 0.0
    return float(np.isclose(values_Q.astype(np.float32), recorded_Q, rtol=1e-5, equal_nan=True).mean())


def checks(arrays: Arrays, *, ks: tuple[int, ...], as_recorded: float, spent_ns: int, overhead_ns: int) -> Checks:
    """Compare the timed answers with the scored ones, repeats with first times, and CPU time with the parent's."""
    scored_CK = arrays["ids_QK"][arrays["checked_request_C"]]
    timed_CK = arrays["checked_ids_CK"]
    again_N = arrays["again_cpu_ns_N"]
    first_N = arrays["first_cpu_ns_N"]
    n_asked = len(arrays["method_cpu_ns_N"]) + len(arrays["baseline_cpu_ns_N"])
    told_ns = int(arrays["method_cpu_ns_N"].sum() + arrays["baseline_cpu_ns_N"].sum()) + n_asked * overhead_ns
    return Checks(
        n_checked=len(timed_CK),
        overlap=overlap(timed_CK, scored_CK, k=max(ks)),
        overlap_top=overlap(timed_CK, scored_CK, k=min(ks)),
        as_recorded=as_recorded,
        repeat_ratio=float(np.median(again_N / np.maximum(first_N, 1))),
        accounted=told_ns / max(1, spent_ns),
    )


def refusal(found: Checks) -> str | None:
    """Say why the timed answers are no evidence: they are not those that were scored, or the clock was not right."""
    for name, least in (("overlap", OVERLAP), ("overlap_top", OVERLAP_TOP), ("as_recorded", AS_RECORDED)):
        if getattr(found, name) < least:
            return f"timed answers: expected those that were scored, {name} >= {least}, got {getattr(found, name):.3f}"
    if not ACCOUNTED <= found.accounted <= 1 / ACCOUNTED:
        return f"clock: expected CPU time as another process reads it, got {found.accounted:.3f} of that"
    return None


def faults(measures: Measures) -> list[str]:
    """Name what keeps a cell from being ranked by latency."""
    out = []
    if measures.noise.verdict == "not rankable":
        out.append("noise")
    if not measures.warm:
        out.append("not warm")
    # Where others disturb, CPU time wanders by more than that: then only a plain case is called one.
    if measures.checks.repeat_ratio < (REPEAT if measures.noise.verdict == "quiet" else REPEAT / 2):
        out.append("remembers")
    if measures.service.wall["p99"] is None:
        out.append("few queries")
    return out


def measures_of(
    arrays: Arrays, told: dict[str, Any], found: Checks, *, core: int, rng: np.random.Generator
) -> Measures:
    """Put together all that was measured; loads are replayed by the wall where that is quiet, else by CPU time."""
    clocks = (arrays["method_wall_ns_N"], arrays["method_cpu_ns_N"], arrays["method_preempted_N"])
    steal, kept, verdict = noise_gate(*clocks)
    clock = "wall" if verdict == "quiet" else "cpu"
    service_ms_N = clocks[0 if clock == "wall" else 1] / 1e6
    fields = Resources.model_fields
    heard = {name: told[name] for name in ("load_average", "pressure")}
    return Measures(
        service=service_view(*clocks),
        noise=Noise(steal=steal, kept=kept, verdict=verdict, **heard),
        load=load_view(service_ms_N, clock, rng=rng),
        throughput={size: Rate(**rate) for size, rate in told["throughput"].items()},
        headline=headline(arrays, baseline=told["baseline"], rng=rng),
        checks=found,
        resources=Resources(**{name: told[name] for name in fields}),
        warm_up_queries=len(arrays["warm_up_wall_ns_N"]),
        warm=told["warm"],
        overhead_ns=told["overhead_ns"],
        core=core,
        threads=1,
    )
