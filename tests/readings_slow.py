"""The readings again, as plain loops over rows: slow, obvious, and sharing no code with the fast ones."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from statistics import median

import numpy as np

from bench.readings import Config
from simulator.schema import Observation
from tests.readings_slow_formulas import (
    NAN,
    average,
    chance_gini,
    over,
    pairwise_gini,
    restricted_mean,
    share,
    still_waiting,
)

DAY, HOUR = 86_400, 3_600
ENGAGEMENTS = ("like", "collect", "comment", "share", "follow")


@dataclass
class Row:
    user: int
    note: int
    time: int
    click: bool
    engagements: int
    dwell: float


@dataclass
class Slow:
    """One world, one window."""

    seen: Observation
    start: int
    end: int
    config: Config

    def __post_init__(self) -> None:
        catalog, log = self.seen.catalog, self.seen.events
        self.n_days = (self.end - self.start) // DAY
        self.user_joined = [int(t) for t in catalog.users.joined_time_U if t < self.end]
        self.author_joined = [int(t) for t in catalog.authors.joined_time_A if t < self.end]
        both = zip(catalog.notes.author_N, catalog.notes.born_time_N, strict=True)
        self.notes = [(int(author), int(born)) for author, born in both if born < self.end]
        self.rows = [
            Row(
                int(log.user_E[e]),
                int(log.note_E[e]),
                int(log.time_E[e]),
                bool(log.click_E[e]),
                sum(bool(getattr(log, f"{name}_E")[e]) for name in ENGAGEMENTS),
                float(log.dwell_seconds_E[e]),
            )
            for e in range(len(log))
            if self.start <= log.time_E[e] < self.end
        ]
        self.new = [n for n, (_, born) in enumerate(self.notes) if born >= self.start]
        self.seen_by: dict[int, list[Row]] = defaultdict(list)
        for row in self.rows:
            self.seen_by[row.note].append(row)

    def founder(self, joined: int) -> bool:
        return joined <= self.config.founded_time

    def readings(self) -> dict[str, float]:
        parts = (self.waits(), self.notes_made(), self.exposure(), self.publishers(), self.survivors())
        others = (self.users(), self.returns(), self.follows(), self.degrees())
        return {name: value for part in (*parts, *others) for name, value in part.items()}

    # how notes start

    def wait(self, note: int, mark: int, kind: str) -> int | None:
        born = self.notes[note][1]
        rows = [row for row in self.seen_by[note] if kind == "impression" or (kind == "click" and row.click)]
        if kind == "engagement":
            rows = [row for row in self.seen_by[note] if row.engagements]
        return rows[mark - 1].time - born if len(rows) >= mark else None

    def note_waits(self) -> dict[str, list[tuple[int | None, int]]]:
        kinds = [("impression", m) for m in self.config.impression_marks] + [("click", 1), ("engagement", 1)]
        return {
            f"{kind}_{m}": [(self.wait(n, m, kind), self.end - self.notes[n][1]) for n in self.new] for kind, m in kinds
        }

    def waits(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, waits in {**self.note_waits(), "second_note": self.second_notes()}.items():
            found |= {f"time_to_{name}/{key}": value for key, value in self.survival(waits).items()}
        return found

    def survival(self, waits: list[tuple[int | None, int]]) -> dict[str, float]:
        found = {}
        for name, part in (("q25", Fraction(1, 4)), ("median", Fraction(1, 2)), ("q75", Fraction(3, 4))):
            times = sorted(wait for wait, _ in waits if wait is not None)
            done = [t for t in times if still_waiting(waits, t) <= 1 - part]
            found[name] = done[0] / HOUR if done else NAN
        for hours in self.config.restricted_hours:
            found[f"mean_{hours}h"] = restricted_mean(waits, hours * HOUR) / HOUR
        found["censored"] = share([wait is None for wait, _ in waits])
        return found

    def notes_made(self) -> dict[str, float]:
        config = self.config
        found = {}
        for name, kind, mark, span in (
            ("guarantee_success", "impression", config.guarantee_impressions, config.guarantee_hours * HOUR),
            ("high_heat", "click", config.heat_clicks, config.heat_days * DAY),
            ("high_heat_scaled", "click", config.heat_clicks_scaled, config.heat_days * DAY),
        ):
            old = [n for n in self.new if self.notes[n][1] + span <= self.end]
            waits = [self.wait(n, mark, kind) for n in old]
            found[name] = share([wait is not None and wait < span for wait in waits])
        old = [n for n in self.new if self.notes[n][1] + config.effective_hours * HOUR <= self.end]
        return found | {"effective_notes": share([self.effective(n) for n in old])}

    def effective(self, note: int) -> bool:
        limit = self.notes[note][1] + self.config.effective_hours * HOUR
        return len({row.user for row in self.seen_by[note] if row.time < limit}) >= self.config.effective_viewers

    # where impressions go

    def exposure(self) -> dict[str, float]:
        fresh = [row.time - self.notes[row.note][1] < DAY for row in self.rows]
        found = {"exposure_fresh": share(fresh)}
        shown = [len(self.seen_by[n]) for n in self.new]
        by_author: dict[int, int] = {self.notes[n][0]: 0 for n in self.new if self.notes[n][0] >= 0}
        for n, count in zip(self.new, shown, strict=True):
            if self.notes[n][0] >= 0:
                by_author[self.notes[n][0]] += count
        for name, counts in (("note", shown), ("author", list(by_author.values()))):
            observed, chance = pairwise_gini(counts), chance_gini(len(counts), sum(counts))
            room = 1 - 1 / len(counts) - chance if counts else 0
            found |= {f"gini_{name}": observed, f"gini_{name}_random": chance}
            found[f"gini_{name}_excess"] = (observed - chance) / room if room > 1e-9 else NAN
        return found

    def bucket_cells(self) -> dict[str, list[float]]:
        """Exposure, availability, ratio and click rate by bucket, of note age and then of author tenure."""
        cells: dict[str, list[float]] = {}
        hours, days = self.config.age_hours, self.config.tenure_days
        for name, edges in (("note_age", [HOUR * h for h in hours]), ("author_tenure", [DAY * d for d in days])):
            impressions, clicks, seconds = ([0] * len(edges) for _ in range(3))
            for row in self.rows:
                if (bucket := self.bucket(name, row.note, row.time, edges)) is not None:
                    impressions[bucket] += 1
                    clicks[bucket] += row.click
            for n in range(len(self.notes)):
                for lower, upper in self.pieces(name, n, edges):
                    if (bucket := self.bucket(name, n, lower, edges)) is not None:
                        seconds[bucket] += upper - lower
            exposure = [over(i, sum(impressions)) for i in impressions]
            available = [over(s, sum(seconds)) for s in seconds]
            cells[f"{name}/exposure"], cells[f"{name}/available"] = exposure, available
            cells[f"{name}/ratio"] = [e / a if a else NAN for e, a in zip(exposure, available, strict=True)]
            cells[f"{name}/ctr"] = [over(c, i) for c, i in zip(clicks, impressions, strict=True)]
        return cells

    def bucket(self, name: str, note: int, time: int, edges: list[int]) -> int | None:
        author, since = self.notes[note]
        if name == "author_tenure":
            if author < 0:
                return None
            since = self.author_joined[author]
            if self.founder(since):
                return len(edges) - 1
        return max(b for b, edge in enumerate(edges) if time - since >= edge)

    def pieces(self, name: str, note: int, edges: list[int]) -> list[tuple[int, int]]:
        """Cut a note's time in the window where its bucket may change."""
        author, born = self.notes[note]
        since = born if name == "note_age" or author < 0 else self.author_joined[author]
        first = max(born, self.start)
        cuts = sorted({first, self.end, *(since + edge for edge in edges if first < since + edge < self.end)})
        return list(pairwise(cuts))

    # authors

    def day(self, time: int) -> int | None:
        day = (time - self.start) // DAY
        return day if 0 <= day < self.n_days else None

    def dau(self) -> list[int]:
        return [len({row.user for row in self.rows if self.day(row.time) == d}) for d in range(self.n_days)]

    def publishers(self) -> dict[str, float]:
        born = [[n for n in self.new if self.day(self.notes[n][1]) == d] for d in range(self.n_days)]
        authors = [{self.notes[n][0] for n in notes} - {-1} for notes in born]
        users = self.dau()
        busy = [d for d in range(self.n_days) if users[d]]
        ripe = [
            d for d in range(self.n_days) if self.start + (d + 1) * DAY + self.config.effective_hours * HOUR <= self.end
        ]
        return {
            "publishing_penetration": average([len(authors[d]) / users[d] for d in busy]),
            "notes_per_dau": average([len(born[d]) / users[d] for d in busy]),
            "notes_per_user_day": over(sum(map(len, born)), sum(users)),
            "publishers": average([len(there) for there in authors]),
            "dap": average([len({self.notes[n][0] for n in born[d] if self.effective(n)} - {-1}) for d in ripe]),
        }

    def debuts(self) -> dict[int, list[int]]:
        """Births of the notes of each author, of those whose first falls in the window and who are no founders."""
        births: dict[int, list[int]] = defaultdict(list)
        for author, born in self.notes:
            if author >= 0 and not self.founder(self.author_joined[author]):
                births[author].append(born)
        return {author: times for author, times in births.items() if times[0] >= self.start}

    def second_notes(self) -> list[tuple[int | None, int]]:
        return [
            (times[1] - times[0] if len(times) > 1 else None, self.end - times[0]) for times in self.debuts().values()
        ]

    def survivors(self) -> dict[str, float]:
        last = (self.config.survival_days + 1) * DAY
        old = [times for times in self.debuts().values() if times[0] + last <= self.end]
        came = [any(DAY <= time - times[0] < last for time in times) for times in old]
        return {f"publish_survival_{self.config.survival_days}d": share(came)}

    # users

    def users(self) -> dict[str, float]:
        whole = [row for row in self.rows if self.day(row.time) is not None]
        n = sum(self.dau())
        return {
            "dau": average(self.dau()),
            "impressions_per_user_day": over(len(whole), n),
            "clicks_per_user_day": over(sum(row.click for row in whole), n),
            "engagements_per_user_day": over(sum(row.engagements for row in whole), n),
            "dwell_per_user_day": over(sum(row.dwell for row in whole), n),
        }

    def returns(self) -> dict[str, float]:
        found = {}
        for k in self.config.retention_days:
            came = []
            for u, joined in enumerate(self.user_joined):
                if joined >= self.start and not self.founder(joined) and joined + (k + 1) * DAY <= self.end:
                    times = [row.time for row in self.rows if row.user == u]
                    came.append(any(joined + k * DAY <= time < joined + (k + 1) * DAY for time in times))
            found[f"retention_day_{k}"] = share(came)
        active = {(row.user, self.day(row.time)) for row in self.rows} - {(row.user, None) for row in self.rows}
        span = self.config.lifetime_days
        lives = [
            sum((u, d + k) in active for k in range(span))
            for u, d in active
            if d is not None and d + span <= self.n_days
        ]
        return found | {f"lt{span}": average(lives)}

    def follows(self) -> dict[str, float]:
        edges = self.seen.follows
        last = self.start + self.n_days * DAY
        new = [
            (int(author), int(time))
            for author, time in zip(edges.author_F, edges.time_F, strict=True)
            if self.start <= time < last and time > self.config.founded_time and author < len(self.author_joined)
        ]
        joined = [(self.author_joined[author], time) for author, time in new]
        to_new = [not self.founder(there) and time - there < 7 * DAY for there, time in joined]
        return {"follows_per_user_day": over(len(new), sum(self.dau())), "follows_to_new_authors": share(to_new)}

    def degrees(self) -> dict[str, float]:
        kept = []
        for u in range(len(self.user_joined)):
            newest: list[int] = []
            for row in reversed(self.rows):
                author = self.notes[row.note][0]
                if row.user == u and row.click and author >= 0 and author not in newest:
                    newest.append(author)
            kept.append(set(newest[: self.config.co_click_cap]))
        authors = sorted({author for author, _ in self.notes} - {-1})
        degree = {
            a: sum(b != a and sum(a in own and b in own for own in kept) >= self.config.co_clickers for b in authors)
            for a in authors
        }
        young = [
            a
            for a in authors
            if not self.founder(self.author_joined[a])
            and self.end - self.author_joined[a] < self.config.co_click_young_days * DAY
        ]
        values = list(degree.values())
        return {
            "co_click_degree/mean": average(values),
            "co_click_degree/median": median(values) if values else NAN,
            "co_click_degree/p90": float(np.percentile(values, 90)) if values else NAN,
            "co_click_alone": share([degree[a] == 0 for a in young]),
        }
