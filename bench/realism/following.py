"""Who follows whom: followees of a user, fans of an author, and the graph of people that both make.

Shapes: F follow edges, U users, A authors, X people: the users, then those authors who are no user.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.realism.coclicks import rewired
from bench.realism.finding import Drawing, Findings, Measured, Whole, ccdf, curve, missing
from bench.realism.fits import distance, log_normal
from bench.realism.tails import gini, hill, power_law, with_tail
from bench.realism.traffic import Traffic
from bench.realism.triangles import clustering, largest_part, mean_distance, undirected

FOLLOWEE_IDS = ("followees/log-normal", "followees/median", "followees/gini")
FAN_IDS = ("fans/hill", "fans/gini", "fans/median")
GRAPH_IDS = ("follow-graph/in-degree", "follow-graph/clustering", "follow-graph/distance")
MIN_EDGES = 200
N_SOURCES = 200  # people from whom distances are measured
HILL_SHARES = (0.02, 0.05, 0.2)


def following(traffic: Traffic, rng: np.random.Generator) -> Findings:
    """Measure the follow edges as they stand at the end."""
    follows = traffic.seen.follows
    if len(follows) < MIN_EDGES:
        why = f"{len(follows)} follows: {MIN_EDGES} are needed" if len(follows) else "no follow is recorded"
        return Findings(missing((*FOLLOWEE_IDS, *FAN_IDS, *GRAPH_IDS), why))
    n_users, n_authors = len(traffic.seen.catalog.users), len(traffic.seen.catalog.authors)
    # An edge given twice is one.
    edge = np.unique(follows.user_F.astype(np.int64) * n_authors + follows.author_F)
    user_F, author_F = np.divmod(edge, n_authors)
    followees, fans = np.bincount(user_F, minlength=n_users), np.bincount(author_F, minlength=n_authors)
    measured = (*_followees(followees), *_fans(fans), *_graph(traffic, user_F, author_F, rng))
    title = "share of users at or above"
    values = followees[followees > 0]
    grid = np.unique(np.geomspace(1, values.max(), 120).round().astype(np.int64))
    fitted = curve("log-normal", grid, 1.0 - log_normal(values).upto(grid - 1), "dashed")
    drawings = (
        Drawing(
            "fans",
            "Fans of an author",
            "fans",
            "share of authors with fans, at or above",
            with_tail(fans, hill(fans, whole=True)),
        ),
        Drawing("followees", "Followees of a user", "followees", title, (ccdf("this log", followees, "line"), fitted)),
    )
    return Findings(measured, drawings)


def _followees(followees_U: Whole) -> tuple[Measured, ...]:
    """Measure users who follow somebody: a log-normal has no zero."""
    values = followees_U[followees_U > 0]
    law = log_normal(values)
    said = f"{law}; {len(values):,} users who follow, {(followees_U == 0).mean():.1%} do not"
    return (
        Measured(FOLLOWEE_IDS[0], distance(values, law), said),
        Measured(
            FOLLOWEE_IDS[1], float(np.median(values)), f"mean {values.mean():.1f}, p99 {np.percentile(values, 99):g}"
        ),
        Measured(FOLLOWEE_IDS[2], gini(values), "over users who follow"),
    )


def _fans(fans_A: Whole) -> tuple[Measured, ...]:
    top = hill(fans_A, whole=True)
    others = [(share, hill(fans_A, top_share=share, whole=True)) for share in HILL_SHARES]
    said = ", ".join(f"top {share:.0%} {tail.alpha:.2f}" for share, tail in others if tail)
    few = "too few authors with fans for a tail"
    return (
        Measured(FAN_IDS[0], top.alpha if top else None, f"top 10 %: {top}; {said}" if top else few),
        Measured(FAN_IDS[1], gini(fans_A), f"{len(fans_A):,} authors, {(fans_A == 0).mean():.1%} without fans"),
        Measured(FAN_IDS[2], float(np.median(fans_A)), f"mean {fans_A.mean():.1f}, most {fans_A.max():,}"),
    )


def people_of(author_U: NDArray[np.int32], n_authors: int) -> Whole:
    """Return the person that each author is: the user who is that author, else one of their own after the users."""
    person_A = len(author_U) + np.arange(n_authors)
    user = np.flatnonzero(author_U >= 0)
    person_A[author_U[user]] = user
    return person_A


def _graph(traffic: Traffic, user_F: Whole, author_F: Whole, rng: np.random.Generator) -> tuple[Measured, ...]:
    author_U, n_authors = traffic.seen.catalog.users.author_U, len(traffic.seen.catalog.authors)
    person_F = people_of(author_U, n_authors)[author_F]
    n_people = len(author_U) + n_authors
    graph = undirected(user_F, person_F, n_people)
    tail = power_law(np.bincount(person_F, minlength=n_people))
    found = clustering(graph)
    by_degree = clustering(rewired(graph, rng))
    part = largest_part(graph)
    sources = np.sort(rng.choice(part, min(N_SOURCES, len(part)), replace=False))
    times = found.transitivity / found.density if found.density else 0.0
    said = (
        f"transitivity {found.transitivity:.4f} at density {found.density:.2g}, mean local {found.mean_local:.4f}; "
        f"by the same degrees drawn anew {by_degree.transitivity:.4f} and {by_degree.mean_local:.4f}"
    )
    where = f"from {len(sources)} people drawn in the largest part, {len(part):,} people"
    return (
        Measured(GRAPH_IDS[0], tail.alpha if tail else None, f"fans: {tail}" if tail else "too few people with fans"),
        Measured(GRAPH_IDS[1], times, said),
        Measured(GRAPH_IDS[2], mean_distance(graph, sources), where),
    )
