"""The latency table on a terminal: one a task, methods by their ratio to the baseline."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.latency.record import LatencyRecord, Measures, Quantile
from bench.latency.views import faults

SPEED = (
    "x flat",
    "p50 ms",
    "p99 ms",
    "cpu p99",
    "clean p99",
    "/s<10ms",
    "b1 /s",
    "b32 /s",
    "b256 /s",
    "steal",
    "not ranked",
)
COST = ("fit s", "index s", "refresh s", "stale s", "fresh found", "peak MB", "index MB")
LEGEND = (
    "x flat: median of one request over that of exact flat search in turns with it, half the 95 % interval behind ±; "
    "p99: half its 95 % bounds behind ±. /s<10ms: the most requests a second with a p99 below 10 ms, replayed: one "
    "worker, first come first served, service times that do not depend on load. b1, b32, b256: requests a second in "
    "batches. steal: wall over CPU time; above 1.05 loads are replayed by CPU time, above "
    "1.2 nothing is ranked. stale: refresh and one answer, - where nothing of the last day reaches any list; found: "
    "how much of it does."
)


def render(records: Sequence[LatencyRecord]) -> RenderableType:
    """Return the tables, what failed, and the legend."""
    parts: list[RenderableType] = []
    for task in dict.fromkeys(record.task for record in records):
        ours = [record for record in records if record.task == task]
        parts += [_heading(ours), _rows(ours, SPEED, _speed), Text(), _rows(ours, COST, _cost)]
        parts += [*map(_failure, ours), Text()]
    return Group(*parts, Text(LEGEND, style="dim"))


def _heading(records: Sequence[LatencyRecord]) -> Text:
    record, timed = records[0], [record.measures for record in records if record.measures is not None]
    text = Text(record.task, style="bold")
    text.append(f"  {record.source}, k {record.k}, {record.machine.cpu}", style="not bold dim")
    if timed:
        counts = [measures.service.n for measures in timed]
        n_queries = " to ".join(f"{n:,}" for n in sorted({min(counts), max(counts)}))
        text.append(f", baseline {timed[0].headline.baseline}", style="not bold dim")
        text.append(f", {n_queries} queries", style="not bold dim")
    return text


def _rows(records: Sequence[LatencyRecord], headings: Sequence[str], cells: Callable[[Measures], list[str]]) -> Table:
    out = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="underline")
    out.add_column("method", overflow="fold", min_width=12)
    for heading in ("seed", *headings):
        reasons = heading == "not ranked"
        out.add_column(heading, justify="left" if reasons else "right", no_wrap=not reasons, min_width=11 * reasons)
    timed = [(record, record.measures) for record in records if record.measures is not None]
    for record, measures in sorted(timed, key=lambda pair: (bool(faults(pair[1])), pair[1].headline.ratio)):
        out.add_row(record.method, str(record.seed), *cells(measures))
    return out


def _speed(measures: Measures) -> list[str]:
    service, head = measures.service, measures.headline
    half = "" if head.low is None or head.high is None else f" ±{number((head.high - head.low) / 2)}"
    return [
        number(head.ratio) + half,
        _quantile(service.wall["p50"]),
        _quantile(service.wall["p99"], bounds=True),
        _quantile(service.cpu["p99"]),
        _quantile(service.clean["p99"]),
        number(measures.load.greatest_per_second["10"]),
        *(number(measures.throughput[size].per_second) for size in ("1", "32", "256")),
        f"{measures.noise.steal:.2f}",
        ", ".join(faults(measures)),
    ]


def _cost(measures: Measures) -> list[str]:
    took = measures.resources
    return [
        *(number(seconds) for seconds in (took.fit_seconds, took.index_seconds, took.refresh_seconds)),
        number(took.staleness_seconds),
        f"{took.n_fresh_reached} of {took.n_fresh}",
        number(took.peak_bytes / 1e6),
        number(None if took.index_bytes is None else took.index_bytes / 1e6),
    ]


def _quantile(found: Quantile | None, *, bounds: bool = False) -> str:
    if found is None:
        return "-"
    return number(found.value) + (f" ±{number((found.high - found.low) / 2)}" if bounds else "")


def number(value: float | None) -> str:
    """Write three figures, without exponent."""
    if value is None:
        return "-"
    if value == 0:
        return "0"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(decimals, 4)}f}"


def _failure(record: LatencyRecord) -> Text:
    return Text(f"{record.method}, seed {record.seed}: {record.error}\n" if record.status == "failed" else "", end="")
