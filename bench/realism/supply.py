"""Who publishes, how much, and what it brings: penetration, productivity, outcomes, and authors among users."""

from __future__ import annotations

import numpy as np

from bench.realism.finding import Drawing, Findings, Measured, Whole, missing
from bench.realism.tails import hill, power_law, power_law_from, top_share, with_tail
from bench.realism.traffic import Traffic
from simulator.schema import DAY_SECONDS

MIN_AUTHORS = 50
SUPPLY_IDS = (
    "publishing/penetration",
    "publishing/notes-per-dau",
    "publishing/ever",
    "productivity/top-10",
    "productivity/lotka",
    "productivity/one-in-3-days",
    "outcome/tail",
    "overlap/authors",
)


def supply(traffic: Traffic, rng: np.random.Generator) -> Findings:
    """Measure the publishing side."""
    if traffic.lacks_authors:
        return Findings(missing(SUPPLY_IDS, traffic.lacks_authors))
    notes_A, clicks_A = traffic.notes_A(), traffic.clicks_A()
    measured = (*_publishing(traffic), *_productivity(notes_A), _pool(traffic), _outcome(clicks_A), *_overlap(traffic))
    title, tails = "share of authors at or above", (power_law(notes_A), power_law(clicks_A))
    notes, clicks = with_tail(notes_A, tails[0]), with_tail(clicks_A, tails[1])
    drawings = (
        Drawing("productivity", "Author productivity", "notes of an author", title, notes),
        Drawing("outcome", "Author outcomes", "clicks on an author's notes", title, clicks),
    )
    return Findings(measured, drawings)


def _publishing(traffic: Traffic) -> tuple[Measured, ...]:
    """Measure publishers and notes of a day over the users active on it, summed over days."""
    ids = ("publishing/penetration", "publishing/notes-per-dau")
    if lacks := traffic.lacks_births or traffic.lacks_impressions:
        return missing(ids, lacks)
    notes = traffic.seen.catalog.notes
    known = (notes.born_time_N >= traffic.start) & (notes.author_N >= 0)
    day_N = (notes.born_time_N[known] - traffic.start) // DAY_SECONDS
    n_publishers = len(np.unique(day_N * len(traffic.seen.catalog.authors) + notes.author_N[known]))
    user_days = len(traffic.active_days()[0])
    a_day = f"{user_days / traffic.n_days:,.0f} daily active users"
    return (
        Measured(ids[0], n_publishers / user_days, f"{n_publishers / traffic.n_days:,.0f} authors a day, {a_day}"),
        Measured(ids[1], len(day_N) / user_days, f"{len(day_N) / traffic.n_days:,.0f} notes a day, {a_day}"),
    )


def _productivity(notes_A: Whole) -> tuple[Measured, ...]:
    """Measure the notes of those who published at all."""
    notes_A = notes_A[notes_A > 0]
    ids = ("productivity/top-10", "productivity/lotka")
    if len(notes_A) < MIN_AUTHORS:
        return missing(ids, f"{len(notes_A)} authors with a note: {MIN_AUTHORS} are needed")
    if notes_A.max() == 1:
        return missing(ids, "every author has one note")
    share = Measured(ids[0], top_share(notes_A, 0.1), f"{len(notes_A):,} authors, {int(notes_A.sum()):,} notes")
    tail, whole = power_law(notes_A), power_law_from(notes_A, 1)
    if tail is None:
        return share, Measured(ids[1], None, "every author in the tail has as many notes")
    return share, Measured(ids[1], tail.alpha, f"{tail}; over all authors {whole}")


def _pool(traffic: Traffic) -> Measured:
    """Measure how many authors of three days' notes have one, over windows without overlap."""
    id_ = "productivity/one-in-3-days"
    if traffic.lacks_births:
        return Measured(id_, None, traffic.lacks_births)
    notes, n_authors = traffic.seen.catalog.notes, len(traffic.seen.catalog.authors)
    known = (notes.born_time_N >= traffic.start) & (notes.author_N >= 0)
    window_N = (notes.born_time_N[known] - traffic.start) // (3 * DAY_SECONDS)
    _, count = np.unique(window_N * n_authors + notes.author_N[known], return_counts=True)
    if len(count) < MIN_AUTHORS:
        return Measured(id_, None, f"{len(count)} authors in 3 days: {MIN_AUTHORS} are needed")
    return Measured(id_, float((count == 1).mean()), f"{len(count):,} authors of 3 days")


def _outcome(clicks_A: Whole) -> Measured:
    tail = power_law(clicks_A)
    if tail is None:
        return Measured("outcome/tail", None, "too few authors with clicks for a tail")
    top = hill(clicks_A, whole=True)
    return Measured("outcome/tail", tail.alpha, f"clicks: {tail}; Hill over the top 10 %: {top or 'too few'}")


def _overlap(traffic: Traffic) -> tuple[Measured, Measured]:
    """Measure how many authors are users too, and how many active users have published."""
    author_U, notes_A = traffic.seen.catalog.users.author_U, traffic.notes_A()
    ids = ("overlap/authors", "publishing/ever")
    if not (author_U >= 0).any():
        one, other = missing(ids, "no user is known as an author")
        return one, other
    n_authors = len(traffic.seen.catalog.authors)
    n_linked = len(np.unique(author_U[author_U >= 0]))
    active_U = np.unique(traffic.seen.events.user_E)
    own = author_U[active_U]
    n_published = int((notes_A[own[own >= 0]] > 0).sum())
    return (
        Measured(ids[0], n_linked / n_authors, f"{n_linked:,} of {n_authors:,} authors"),
        Measured(ids[1], n_published / len(active_U), f"{n_published:,} of {len(active_U):,} active users"),
    )
