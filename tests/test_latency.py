"""Latency's arithmetic: bounds of quantiles, replayed load, warm-up, turns, noise; each against what is known."""

import math
import resource
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.latency import clock
from bench.latency.blocks import PAIRS, block_medians, median_ratio, take_turns
from bench.latency.clock import WINDOW, trace, warm_up
from bench.latency.load import greatest_load, load_view, p99, poisson_arrivals, responses, responses_of_many
from bench.latency.memory import pickled_bytes, resident_bytes
from bench.latency.quantiles import order_bounds, pessimistic_rank, quantile
from bench.latency.record import Checks
from bench.latency.views import noise_gate, overlap, refusal, same_values, service_view


def coverage(n: int, p: float, low: int, high: int) -> float:
    """Add up, from the definition, the chance that the p-quantile lies in [X_(low), X_(high))."""
    return math.fsum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(low, high))


@pytest.mark.parametrize(
    ("n", "p", "ranks"),
    # At the median by counting: 2 and 9 of 10 cover with 1 - 2 (1 + 10) / 1024 = 97.9 %, 6 and 15 of 20 with 95.9 %.
    [(10_000, 0.99, (9_880, 9_920)), (10, 0.5, (2, 9)), (20, 0.5, (6, 15)), (100, 0.99, None), (5, 0.5, None)],
)
def test_bounds_are_the_known_ranks(n: int, p: float, ranks: tuple[int, int] | None) -> None:
    assert order_bounds(n, p) == ranks


@given(n=st.integers(2, 300), p=st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_bounds_cover_with_95_percent(n: int, p: float) -> None:
    found = order_bounds(n, p)
    if found is not None:
        assert 1 <= found[0] < found[1] <= n
        assert coverage(n, p, *found) >= 0.95 - 1e-9


def test_bounds_cover_in_simulation() -> None:
    rng, n, p, runs = np.random.default_rng(0), 2_000, 0.95, 4_000
    low, high = order_bounds(n, p) or (0, 0)
    sorted_RN = np.sort(rng.exponential(size=(runs, n)), axis=1)
    inside = (sorted_RN[:, low - 1] <= -np.log(1 - p)) & (-np.log(1 - p) < sorted_RN[:, high - 1])
    assert coverage(n, p, low, high) == pytest.approx(inside.mean(), abs=4 * math.sqrt(0.05 * 0.95 / runs))


@pytest.mark.parametrize(("p", "least"), [(0.9, 64), (0.95, 130), (0.99, 662), (0.999, 6_636)])
def test_a_level_is_reported_from_the_least_n_of_mlperf(p: float, least: int) -> None:
    assert pessimistic_rank(least - 1, p) is None
    assert pessimistic_rank(least, p) == 1


@pytest.mark.parametrize(("n", "rank"), [(1_000, 2), (10_000, 77), (50_000, 448)])
def test_the_pessimistic_p99_is_the_rank_of_mlperf(n: int, rank: int) -> None:
    assert pessimistic_rank(n, 0.99) == rank


def test_a_quantile_lies_within_its_bounds_and_below_the_pessimistic_one() -> None:
    found = quantile(np.arange(1, 10_001)[::-1].astype(float), 0.99)
    assert found is not None
    assert (found.value, found.low, found.high, found.pessimistic) == (9_900, 9_880, 9_920, 9_924)
    assert quantile(np.arange(661.0), 0.99) is None


def simulated(arrival_N: NDArray[np.float64], service_N: NDArray[np.float64], workers: int) -> list[float]:
    """Walk through time: a request begins when it has come and a worker is free."""
    free, out = [0.0] * workers, []
    for arrival, service in zip(arrival_N, service_N, strict=True):
        worker = min(range(workers), key=lambda w: free[w])
        begin = max(arrival, free[worker])
        free[worker] = begin + service
        out.append(free[worker] - arrival)
    return out


whole_times = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 100)), min_size=1, max_size=60)


@given(pairs=whole_times)
def test_the_replay_is_that_of_a_slow_simulation(pairs: list[tuple[int, int]]) -> None:
    gaps, service = np.array(pairs, float).T
    arrival = np.cumsum(gaps)
    assert responses(arrival, service).tolist() == simulated(arrival, service, 1)


@given(pairs=whole_times, workers=st.integers(1, 5))
def test_the_replay_of_many_workers_is_that_of_a_slow_simulation(pairs: list[tuple[int, int]], workers: int) -> None:
    gaps, service = np.array(pairs, float).T
    arrival = np.cumsum(gaps)
    assert responses_of_many(arrival, service, workers=workers).tolist() == simulated(arrival, service, workers)


def test_exponential_service_responds_as_queueing_theory_says() -> None:
    rng, n, load = np.random.default_rng(1), 400_000, 0.7
    service, arrival = rng.exponential(size=n), poisson_arrivals(n, rng=rng)
    # M/M/1: responses are exponential with mean 1 / (1 - load); neighbours are correlated, so 5 % is about 4 sigma.
    assert p99(service, arrival, load) == pytest.approx(-math.log(0.01) / (1 - load), rel=0.05)


def test_a_rare_stall_shows_under_load_and_not_in_a_closed_loop() -> None:
    rng = np.random.default_rng(2)
    service = np.ones(20_000)
    service[rng.random(len(service)) < 0.002] = 50.0
    found = load_view(service, "wall", rng=rng)
    alone = quantile(service, 0.99)
    assert alone is not None
    assert alone.value == 1.0
    half = next(point for point in found.curve if point.utilisation == 0.5)
    assert half.p99_ms is not None
    assert half.p99_ms > 20


def test_the_greatest_load_is_where_the_budget_is_met_and_no_higher() -> None:
    rng = np.random.default_rng(3)
    service, arrival = rng.exponential(size=20_000), poisson_arrivals(20_000, rng=rng)
    rate = greatest_load(service, arrival, 10.0)
    assert rate is not None
    below, above = (p99(service, arrival, rate * factor) for factor in (1.0, 1.001))
    assert below is not None
    assert above is not None
    assert below <= 10.0 < above
    assert greatest_load(service, arrival, 1.0) is None  # the service alone takes longer
    assert greatest_load(service[:100], arrival[:100], 10.0) is None  # too few to say


@dataclass
class FakeTime:
    """A clock that moves by what each query costs, and by nothing else."""

    cost_ns: Callable[[int], int]
    now: int = 0
    asked: int = 0

    def ask(self, request: int) -> None:
        self.now += self.cost_ns(self.asked)
        self.asked += 1


def with_time(monkeypatch: pytest.MonkeyPatch, cost_ns: Callable[[int], int]) -> FakeTime:
    fake = FakeTime(cost_ns)
    monkeypatch.setattr(clock, "perf_counter_ns", lambda: fake.now)
    monkeypatch.setattr(clock, "process_time_ns", lambda: fake.now)
    return fake


def test_warm_up_takes_a_hundred_queries_where_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = with_time(monkeypatch, lambda number: 1_000)
    found = warm_up(fake.ask, [0, 1, 2], seconds=1.0)
    assert (len(found.trace), found.stable, found.median_ns) == (2 * WINDOW, True, 1_000)
    assert found.trace.request_N[:5].tolist() == [0, 1, 2, 0, 1]


def test_warm_up_outlasts_a_slow_start(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = with_time(monkeypatch, lambda number: max(1_000, 100_000 - 700 * number))
    found = warm_up(fake.ask, [0], seconds=1.0)
    assert found.stable
    assert found.median_ns == 1_000
    assert len(found.trace) == 250  # 142 fall, so the fourth window is the first level one


def test_warm_up_gives_up_on_what_never_settles(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = with_time(monkeypatch, lambda number: 1_000_000 * (1 + number // WINDOW % 2))
    found = warm_up(fake.ask, [0], seconds=0.5)
    assert not found.stable
    assert 0.5 <= fake.now / 1e9 < 0.6


def test_a_trace_keeps_every_reading_and_shows_every_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = with_time(monkeypatch, lambda number: 10 * number)
    shown: list[tuple[int, object]] = []

    def ask(request: int) -> int:
        fake.ask(request)
        return request

    found = trace(ask, [7, 3, 5], keep=lambda *pair: shown.append(pair))
    assert found.wall_ns_N.tolist() == found.cpu_ns_N.tolist() == [0, 10, 20]
    assert shown == [(0, 7), (1, 3), (2, 5)]


def test_a_query_that_is_switched_away_from_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    switches = iter([0, 0, 0, 1, 1, 1])

    @dataclass
    class Usage:
        ru_nivcsw: int

    monkeypatch.setattr(
        clock, "getrusage", lambda who: Usage(next(switches)) if who == resource.RUSAGE_THREAD else None
    )
    assert trace(lambda request: None, [0, 1, 2]).preempted_N.tolist() == [False, True, False]


def test_turns_go_abba_and_each_query_is_asked_once() -> None:
    asked: list[str] = []
    kept: list[int] = []
    turns = take_turns(
        (lambda i: asked.append(f"a{i}"), lambda i: asked.append(f"b{i}")),
        (list(range(3 * PAIRS)), list(range(PAIRS))),
        keep=lambda at, answer: kept.append(at),
        tell=lambda done: None,
    )
    assert asked[:10] == ["a0", "a1", "a2", "b0", "b1", "a3", "a4", "a5", "a6", "a7"]
    assert sorted(asked) == sorted([f"a{i}" for i in range(3 * PAIRS)] + [f"b{i}" for i in range(PAIRS)])
    assert kept == list(range(3 * PAIRS))
    assert [len(block) for block in turns.method] == [3] * PAIRS
    assert len(block_medians(turns.baseline, "wall_ns_N")) == PAIRS


def test_the_ratio_forgets_what_drifts_in_both() -> None:
    rng = np.random.default_rng(4)
    drift = np.exp(rng.normal(0, 0.5, PAIRS))
    ratio, low, high = median_ratio(3 * drift, drift, rng=rng)
    assert ratio == pytest.approx(3)
    assert low == pytest.approx(3)
    assert high == pytest.approx(3)


def test_the_interval_of_the_ratio_covers_in_simulation() -> None:
    rng, runs = np.random.default_rng(5), 300
    hits = 0
    for _ in range(runs):
        _, low, high = median_ratio(np.exp(rng.normal(1, 0.1, PAIRS)), np.exp(rng.normal(0, 0.1, PAIRS)), rng=rng)
        hits += low <= math.e <= high
    assert 0.90 <= hits / runs <= 1.0  # the percentile bootstrap of a median is a little off 95 %; 3 sigma are 4 %


@pytest.mark.parametrize(
    ("extra", "verdict"), [(0.0, "quiet"), (0.05, "quiet"), (0.1, "noisy"), (0.2, "noisy"), (0.3, "not rankable")]
)
def test_the_gate_goes_by_wall_over_cpu(extra: float, verdict: str) -> None:
    cpu = np.full(100, 1_000_000)
    preempted = np.arange(100) < 10
    steal, kept, found = noise_gate((cpu * (1 + extra)).astype(np.int64), cpu, preempted)
    assert steal == pytest.approx(1 + extra)
    assert (kept, found) == (0.9, verdict)


@pytest.mark.parametrize(("n_preempted", "reported"), [(200, True), (201, False)])
def test_undisturbed_queries_speak_for_all_where_they_are_four_in_five(n_preempted: int, reported: bool) -> None:
    preempted = np.arange(1_000) < n_preempted
    wall = np.where(preempted, 9_000_000, 1_000_000)
    clean = service_view(wall, wall, preempted).clean["p50"]
    assert (clean is not None) == reported
    if clean is not None:
        assert clean.value == 1.0


GOOD = Checks(n_checked=50, overlap=1.0, overlap_top=1.0, as_recorded=1.0, repeat_ratio=1.0, accounted=1.0)


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("overlap", 0.98, "overlap >= 0.99, got 0.980"),
        ("overlap_top", 0.9, "overlap_top"),
        ("as_recorded", 0.5, "as_recorded"),
        ("accounted", 0.1, "got 0.100 of that"),
        ("accounted", 10.0, "got 10.000 of that"),
    ],
)
def test_answers_that_are_no_evidence_are_refused(field: str, value: float, word: str) -> None:
    assert refusal(GOOD) is None
    assert word in (refusal(GOOD.model_copy(update={field: value})) or "")


def test_lists_are_compared_as_sets_and_pads_count() -> None:
    full, other = np.array([[1, 2, 3, 4]], np.int32), np.array([[2, 1, 4, 9]], np.int32)
    assert overlap(full, other, k=4) == 0.75
    assert overlap(full, other, k=2) == 1.0
    assert overlap(np.array([[5, -1]], np.int32), np.array([[5, -1]], np.int32), k=2) == 1.0
    assert overlap(np.array([[-1, -1]], np.int32), np.array([[5, 6]], np.int32), k=2) == 0.0


def test_values_are_the_same_where_both_are_undefined() -> None:
    values = np.array([0.1, np.nan, 0.3, 0.4])
    assert same_values(values, values.astype(np.float32)) == 1.0
    assert same_values(values, np.array([0.1, 0.2, 0.3, np.nan], np.float32)) == 0.5
    assert same_values(values, np.ones(3, np.float32)) == 0.0


def test_a_pickle_is_counted_and_not_kept() -> None:
    array = np.ones(1_000_000)
    assert array.nbytes < (pickled_bytes({"a": array}) or 0) < array.nbytes + 1_000
    assert pickled_bytes(lambda: None) is None


def test_the_peak_is_no_less_than_what_is_held() -> None:
    assert 0 < resident_bytes() <= resident_bytes(peak=True)
