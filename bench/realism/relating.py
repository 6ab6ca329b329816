"""Related items and related authors: graphs of common users, against random ones.

No figure is published for authors. Their graph is held against two nulls: the bipartite configuration model (how
much users click and authors are clicked is kept, who clicks whom is not), and the configuration model of the graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.realism.coclicks import (
    Clicks,
    capped,
    click_matrix,
    modularity,
    redrawn,
    related,
    rewired,
    strongest,
)
from bench.realism.finding import Drawing, Findings, Measured, Whole, ccdf, missing
from bench.realism.tails import power_law
from bench.realism.traffic import Traffic
from bench.realism.triangles import Graph, clustering, largest_part, mean_distance

RELATED_IDS = ("related/clustering", "related/times-random", "related/distance")
AUTHOR_IDS = ("author-graph/degree-tail", "author-graph/clustering", "author-graph/modularity")
MOST_NOTES, MOST_AUTHORS, MOST_CLICKS = 30_000, 3_000, 200  # above these, a draw of them
RELATED, COMMON, LEAST_CLICKS = 10, 2, 5  # related notes of a note, users in common, clicks of a note
MEAN_DEGREE = 10  # of the author graph
N_NULLS = 3
N_SOURCES = 200
MIN_NODES = 100
LEAST_TIMES = 100.0  # a graph in which no clustering is so many times random says nothing


def relating(traffic: Traffic, rng: np.random.Generator) -> Findings:
    """Measure both graphs."""
    parts = (_notes(traffic, rng), _authors(traffic, rng))
    drawings = tuple(drawing for part in parts for drawing in part.drawings)
    return Findings(tuple(number for part in parts for number in part.measured), drawings)


def _clicks_on(traffic: Traffic, item_N: Whole, n_most: int, rng: np.random.Generator) -> tuple[Clicks, str]:
    """Return the clicks on items (-1 of a note: none) of LEAST_CLICKS clicks and more, and how they were drawn."""
    log = traffic.seen.events
    item_E, user_E = item_N[log.note_E[log.click_E]], log.user_E[log.click_E]
    user_E, item_E = user_E[item_E >= 0], item_E[item_E >= 0]
    kept_I = np.flatnonzero(np.bincount(item_E, minlength=1) >= LEAST_CLICKS)
    said = f"{len(kept_I):,} of {LEAST_CLICKS}+ clicks"
    if len(kept_I) > n_most:
        kept_I = np.sort(rng.choice(kept_I, n_most, replace=False))
        said = f"{n_most:,} drawn from the {said}"
    place_I = np.full(int(item_N.max(initial=0)) + 1, -1)
    place_I[kept_I] = np.arange(len(kept_I))
    rows = place_I[item_E] >= 0
    shape = (len(traffic.seen.catalog.users), len(kept_I))
    matrix = click_matrix(user_E[rows], place_I[item_E[rows]], shape)
    if np.diff(matrix.indptr).max(initial=0) > MOST_CLICKS:
        matrix, said = capped(matrix, MOST_CLICKS, rng), f"{said}; at most {MOST_CLICKS} drawn from each user"
    return matrix, said


def _notes(traffic: Traffic, rng: np.random.Generator) -> Findings:
    matrix, said = _clicks_on(traffic, np.arange(len(traffic.seen.catalog.notes)), MOST_NOTES, rng)
    graph = related(matrix, RELATED, least=COMMON, rng=rng) if matrix.shape[1] else None
    n_joined = int((np.diff(graph.indptr) > 0).sum()) if graph is not None else 0
    if graph is None or n_joined < MIN_NODES:
        return Findings(missing(RELATED_IDS, f"{n_joined} of {MIN_NODES} notes needed"))
    found, part = clustering(graph), largest_part(graph)
    sources = np.sort(rng.choice(part, min(N_SOURCES, len(part)), replace=False))
    how = f"top {RELATED} by cosine, {COMMON}+ users in common; notes: {said}"
    random = f"a random graph of {n_joined:,} nodes and as many edges has {found.density:.2g}"
    times = Measured(RELATED_IDS[1], found.mean_local / found.density, random)
    if found.density * LEAST_TIMES > 1.0:
        times = Measured(RELATED_IDS[1], None, f"too few notes: {random}, and none has more than 1")
    where = f"from {len(sources)} notes drawn in the largest part, {len(part):,} of {n_joined:,}"
    return Findings(
        (
            Measured(RELATED_IDS[0], found.mean_local, how),
            times,
            Measured(RELATED_IDS[2], mean_distance(graph, sources), where),
        )
    )


@dataclass(frozen=True, slots=True)
class Shape:
    """What is compared between a graph and its random counterparts."""

    tail: float | None
    clustering: float
    modularity: float


def shape_of(graph: Graph, rng: np.random.Generator) -> Shape:
    """Measure a graph."""
    tail = power_law(np.diff(graph.indptr))
    return Shape(tail.alpha if tail else None, clustering(graph).mean_local, modularity(graph, rng))


def _authors(traffic: Traffic, rng: np.random.Generator) -> Findings:
    if traffic.lacks_authors:
        return Findings(missing(AUTHOR_IDS, traffic.lacks_authors))
    author_N = traffic.seen.catalog.notes.author_N.astype(np.int64)
    matrix, said = _clicks_on(traffic, author_N, MOST_AUTHORS, rng)
    n_edges = MEAN_DEGREE * matrix.shape[1] // 2
    graph = strongest(matrix, n_edges, rng)
    n_joined = int((np.diff(graph.indptr) > 0).sum())
    if n_joined < MIN_NODES:
        return Findings(missing(AUTHOR_IDS, f"{n_joined} of {MIN_NODES} authors needed"))
    by_clicks = [strongest(redrawn(matrix, rng), n_edges, rng) for _ in range(N_NULLS)]
    shapes = [shape_of(null, rng) for null in by_clicks]
    degrees = [shape_of(rewired(graph, rng), rng) for _ in range(N_NULLS)]
    own = shape_of(graph, rng)
    curves = (
        ccdf("this log", np.diff(graph.indptr), "line"),
        ccdf("null: pairs redrawn", np.diff(by_clicks[0].indptr), "dashed"),
    )
    title = "authors that share most users with an author"
    drawing = Drawing("author-graph", "Author co-occurrence graph", title, "share at or above", curves)
    return Findings(
        _compared(own, shapes, degrees, f"authors: {said}; the {n_edges:,} pairs of most users in common"), (drawing,)
    )


def _compared(own: Shape, redrawn: list[Shape], rewired: list[Shape], of: str) -> tuple[Measured, ...]:
    """Say of each number what both nulls have; degrees are kept by the second."""
    tails = [shape.tail for shape in redrawn if shape.tail is not None]
    tail = f"{_spread('pairs redrawn', tails)}; {of}" if own.tail else "too few authors for a tail"
    clusterings = [[shape.clustering for shape in null] for null in (redrawn, rewired)]
    modularities = [[shape.modularity for shape in null] for null in (redrawn, rewired)]
    names = ("pairs redrawn", "degrees kept")
    measured = [Measured(AUTHOR_IDS[0], own.tail, tail)]
    for id_, value, nulls in (
        (AUTHOR_IDS[1], own.clustering, clusterings),
        (AUTHOR_IDS[2], own.modularity, modularities),
    ):
        said = "; ".join(_spread(name, null) for name, null in zip(names, nulls, strict=True))
        measured.append(Measured(id_, value, said))
    return tuple(measured)


def _spread(name: str, values: list[float]) -> str:
    """Write mean and standard deviation of a null's draws."""
    if len(values) < 2:
        return f"{name}: too few"
    return f"{name} {np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"
