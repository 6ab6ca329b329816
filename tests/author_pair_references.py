"""Author pairs the slow and obvious way: dictionaries and loops over users, straight from the formulas."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np

from methods.author_encoder.pairs import PairConfig, Pairs
from simulator.schema import DAY_SECONDS, Observation

Pair = tuple[int, int]
Edges = dict[int, dict[int, tuple[float, int]]]  # user -> author -> weight, newest time
Known = tuple[Edges, dict[int, int], dict[int, list[int]]]  # edges, authors of each user, readers of each author


def slow_edges(seen: Observation, config: PairConfig) -> Edges:
    """Each user's kept authors: weight and newest time."""
    edges: dict[int, dict[int, list[int]]] = {}
    events = seen.events
    for e in range(len(events)):
        author = int(seen.catalog.notes.author_N[events.note_E[e]])
        in_window = seen.now - config.window_days * DAY_SECONDS <= events.time_E[e] < seen.now
        if author >= 0 and in_window and any(events.response(name)[e] for name in config.responses):
            edges.setdefault(int(events.user_E[e]), {}).setdefault(author, []).append(int(events.time_E[e]))
    kept: Edges = {}
    for user, times in edges.items():
        newest = sorted(times, key=lambda a: (-max(times[a]), -a))[: config.cap]
        kept[user] = {a: (weight(times[a], seen.now, config), max(times[a])) for a in newest}
    return kept


def slow_degrees(seen: Observation, config: PairConfig) -> dict[int, int]:
    """Each user's number of distinct authors, before the cap."""
    whole = PairConfig(window_days=config.window_days, responses=config.responses, cap=10**9)
    return {user: len(authors) for user, authors in slow_edges(seen, whole).items()}


def weight(times: list[int], now: int, config: PairConfig) -> float:
    counted = times if config.repeats == "sum" else [max(times)]
    return sum(math.exp(-(now - t) / DAY_SECONDS / config.tau_days) for t in counted)


def slow_scores(seen: Observation, config: PairConfig) -> dict[Pair, tuple[float, int]]:
    """Every pair with enough shared readers: score and count."""
    edges, n = slow_edges(seen, config), slow_degrees(seen, config)
    readers: dict[int, list[int]] = {}
    for user, authors in edges.items():
        for a in authors:
            readers.setdefault(a, []).append(user)
    found = {}
    for a, b in combinations(sorted(readers), 2):
        both = [u for u in readers[a] if u in readers[b]]
        if len(both) >= config.min_count:
            found[a, b] = (slow_score((a, b), both, (edges, n, readers), config), len(both))
    return found


def slow_score(pair: Pair, both: list[int], known: Known, config: PairConfig) -> float:
    edges, n, readers = known
    a, b = pair
    product = {u: edges[u][a][0] * edges[u][b][0] for u in both}
    lengths = math.sqrt(math.prod(sum(edges[u][x][0] ** 2 for u in readers[x]) for x in pair))
    c, d_a, d_b, n_users = len(both), len(readers[a]), len(readers[b]), len(edges)
    match config.score:
        case "count":
            return sum(product.values())
        case "notellm":
            return sum(product[u] / n[u] for u in both)
        case "cosine":
            return sum(product.values()) / lengths
        case "iuf-cosine":
            return sum(product[u] / math.log(1 + n[u]) for u in both) / lengths
        case "jaccard":
            return c / (d_a + d_b - c)
        case "npmi":
            return 1.0 if c == n_users else math.log(c * n_users / (d_a * d_b)) / -math.log(c / n_users)
    return slow_swing(pair, (edges, n, readers), config)


def slow_swing(pair: Pair, known: Known, config: PairConfig) -> float:
    edges, n, readers = known
    newest = [
        set(sorted(readers[a], key=lambda u, a=a: (-edges[u][a][1], -u))[: config.swing_users])  # type: ignore[misc]
        for a in pair
    ]
    total = 0.0
    for u, v in combinations(sorted(newest[0] & newest[1]), 2):
        shared = len(edges[u].keys() & edges[v].keys())
        weights = 1.0
        if config.score == "swing-weighted":
            weights = ((n[u] + config.swing_weight_alpha) * (n[v] + config.swing_weight_alpha)) ** -config.swing_beta
        total += weights / (config.swing_alpha + shared)
    return total


def pairs_of(*rows: tuple[int, int, float, int], n_authors: int = 10) -> Pairs:
    """Pairs written down by hand: first, second, score, shared readers."""
    first, second, score, count = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [], [])
    ids = (np.array(first, np.int32), np.array(second, np.int32))
    return Pairs(*ids, np.array(score, np.float32), np.array(count, np.int32), n_authors)
