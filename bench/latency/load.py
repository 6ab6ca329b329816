"""The load view: replay the service times of a closed loop under random arrivals, without a load generator.

One worker, first come first served: request i arrives at a_i and, with C = cumsum(service), responds after
f_i = C_i + max over j <= i of (a_j - C_{j-1}) - a_i (Lindley 1952, doi:10.1017/S0305004100027638). Latency counts from
the intended arrival, so that a stall delays all who queue behind it. N requests, in the order they were served.
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

from bench.latency.quantiles import quantile
from bench.latency.record import Load, LoadPoint

UTILISATIONS = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
BUDGETS_MS = (1.0, 5.0, 10.0, 50.0)
_HALVINGS = 40


def responses(arrival_N: NDArray[np.float64], service_N: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the response times of one worker; arrivals never fall."""
    done_N = np.cumsum(service_N)
    return done_N + np.maximum.accumulate(arrival_N - (done_N - service_N)) - arrival_N


def responses_of_many(
    arrival_N: NDArray[np.float64], service_N: NDArray[np.float64], *, workers: int
) -> NDArray[np.float64]:
    """Return the response times of several workers that share a queue."""
    free = [0.0] * workers
    response_N = np.empty(len(arrival_N))
    for i, (arrival, service) in enumerate(zip(arrival_N.tolist(), service_N.tolist(), strict=True)):
        done = max(arrival, free[0]) + service
        heapq.heapreplace(free, done)
        response_N[i] = done - arrival
    return response_N


def poisson_arrivals(n: int, *, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return arrival times at one a unit of time; divided by a rate they are those of that rate."""
    return np.cumsum(rng.exponential(size=n))


def p99(service_N: NDArray[np.float64], arrival_N: NDArray[np.float64], per_unit: float) -> float | None:
    """Return the p99 of responses at a rate; None where there are too few."""
    found = quantile(responses(arrival_N / per_unit, service_N), 0.99)
    return None if found is None else found.value


def greatest_load(service_N: NDArray[np.float64], arrival_N: NDArray[np.float64], budget: float) -> float | None:
    """Return the greatest rate, below that of the service itself, whose p99 is within a budget; None where none is.

    The same arrivals closer together never shorten a wait, so the p99 rises with the rate and bisection finds it.
    """
    least = quantile(service_N, 0.99)
    if least is None or least.value > budget:
        return None
    low, high = 0.0, len(service_N) / float(service_N.sum())
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        found = p99(service_N, arrival_N, middle)
        low, high = (middle, high) if found is not None and found <= budget else (low, middle)
    return low or None


def load_view(service_ms_N: NDArray[np.float64], clock: str, *, rng: np.random.Generator) -> Load:
    """Replay one worker at shares of what it can do, and find the greatest load within each budget."""
    arrival_N = poisson_arrivals(len(service_ms_N), rng=rng)
    full = 1 / float(service_ms_N.mean())
    curve = tuple(
        LoadPoint(utilisation=u, per_second=1e3 * u * full, p99_ms=p99(service_ms_N, arrival_N, u * full))
        for u in UTILISATIONS
    )
    found = {f"{budget:g}": greatest_load(service_ms_N, arrival_N, budget) for budget in BUDGETS_MS}
    greatest = {budget: None if rate is None else 1e3 * rate for budget, rate in found.items()}
    return Load(clock="wall" if clock == "wall" else "cpu", curve=curve, greatest_per_second=greatest)
