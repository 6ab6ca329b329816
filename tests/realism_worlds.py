"""Logs planted with a known answer: who, what, when, and the responses, over a catalog that fits them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.realism import Card, Measured, realism_card
from bench.realism.card import Line
from simulator.schema import (
    DAY_SECONDS,
    RESPONSES,
    Authors,
    Catalog,
    EventLog,
    Follows,
    Notes,
    Observation,
    StoredTexts,
    Users,
)
from simulator.spec import Preset

Whole = NDArray[np.int64]
CHANNELS = ("popular", "fresh")


@dataclass(frozen=True, slots=True)
class Planted:
    """What is planted; what is left out is empty, 0 or unknown. Rows may stand in any order."""

    user_E: Whole
    note_E: Whole
    time_E: Whole
    born_N: Whole
    author_N: Whole
    flags: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    dwell_E: NDArray[np.float64] | None = None
    channel_E: Whole | None = None
    category_N: Whole | None = None
    author_U: Whole | None = None
    follows: tuple[tuple[int, int], ...] = ()
    n_users: int | None = None
    n_authors: int | None = None

    def seen(self) -> Observation:
        """Return the observation one second after the last event."""
        order = np.argsort(self.time_E, kind="stable")
        n = len(order)
        channel_E = np.zeros(n, np.int64) if self.channel_E is None else self.channel_E
        dwell_E = np.zeros(n) if self.dwell_E is None else self.dwell_E
        log = EventLog(
            user_E=self.user_E[order].astype(np.int32),
            note_E=self.note_E[order].astype(np.int32),
            time_E=self.time_E[order].astype(np.int64),
            session_E=np.zeros(n, np.int32),
            position_E=np.zeros(n, np.int16),
            channel_E=channel_E[order].astype(np.int8),
            propensity_E=np.full(n, np.nan, np.float32),
            dwell_seconds_E=dwell_E[order].astype(np.float32),
            channels=CHANNELS,
            **{f"{name}_E": self.flags.get(name, np.zeros(n, bool))[order] for name in RESPONSES},
        )
        return Observation(int(log.time_E[-1]) + 1, self._catalog(), log, self._follows())

    def _catalog(self) -> Catalog:
        n_notes = len(self.born_N)
        n_users = self.n_users or int(self.user_E.max()) + 1
        n_authors = self.n_authors or int(self.author_N.max(initial=-1)) + 1
        nothing = StoredTexts.of([""] * n_notes)
        category_N = np.full(n_notes, -1) if self.category_N is None else self.category_N
        author_U = np.full(n_users, -1) if self.author_U is None else self.author_U
        return Catalog(
            Users(np.zeros(n_users, np.int64), author_U.astype(np.int32)),
            Authors(np.zeros(n_authors, np.int64), np.full(n_authors, -1, np.int16), StoredTexts.of([""] * n_authors)),
            Notes(
                self.author_N.astype(np.int32),
                self.born_N.astype(np.int64),
                np.zeros(n_notes, bool),
                category_N.astype(np.int16),
                nothing,
                nothing,
            ),
            tuple(f"category {k}" for k in range(int(category_N.max(initial=0)) + 1)),
        )

    def _follows(self) -> Follows:
        pairs = np.array(self.follows, np.int32).reshape(-1, 2)
        return Follows(pairs[:, 0], pairs[:, 1], np.zeros(len(pairs), np.int64))


def visits(gap_G: Whole, n_users: int) -> Planted:
    """Users who come on a day, then after each of their gaps again, and see one note each time."""
    gap_UG = gap_G.reshape(n_users, -1)
    day_UV = np.cumsum(np.concatenate([np.zeros((n_users, 1), np.int64), gap_UG], axis=1), axis=1)
    user_E = np.repeat(np.arange(n_users), day_UV.shape[1])
    n = len(user_E)
    return Planted(user_E, np.zeros(n, np.int64), day_UV.ravel() * DAY_SECONDS + 60, np.array([0]), np.array([-1]))


def ageing_notes(views_D: NDArray[np.float64], *, n_notes: int, n_days: int) -> Planted:
    """Notes born an hour into each day, clicked `views_D` times on each day of their age, half a day in."""
    born_N = np.sort(np.arange(n_notes) % n_days) * DAY_SECONDS + 3_600
    count_D = views_D.round().astype(np.int64)
    age_V = np.repeat(np.arange(len(count_D)), count_D) * DAY_SECONDS + DAY_SECONDS // 2
    note_E = np.repeat(np.arange(n_notes), len(age_V))
    time_E = born_N[note_E] + np.tile(age_V, n_notes)
    kept = time_E < n_days * DAY_SECONDS
    note_E, time_E = note_E[kept], time_E[kept]
    # One more impression at the very start and end, so that the log spans all days.
    note_E, time_E = np.append(note_E, [0, 0]), np.append(time_E, [born_N[0], n_days * DAY_SECONDS - 1])
    clicked = np.append(np.ones(int(kept.sum()), bool), [False, False])
    n = len(note_E)
    return Planted(np.arange(n) % 50, note_E, time_E, born_N, np.full(n_notes, -1), flags={"click": clicked})


def rates(n: int = 10_000) -> Planted:
    """A log in which the first rows are clicked, liked, and so on, in the published shares of KuaiRand."""
    upto = {"click": 0.46, "like": 0.0185, "comment": 0.0026, "share": 0.001, "follow": 0.0011, "collect": 0.01}
    row = np.arange(n)
    return Planted(
        user_E=row % 50,
        note_E=row % 20,
        time_E=row * 100,
        born_N=np.zeros(20, np.int64),
        author_N=np.full(20, -1),
        flags={name: row < share * n for name, share in upto.items()},
        dwell_E=np.where(row < 0.3318 * n, 18.0, 17.9),
    )


def card_of(
    seen: Observation,
    *,
    preset: Preset = "note-feed",
    is_recorded: bool = False,
    extra: tuple[Measured, ...] = (),
    seed: int = 0,
) -> Card:
    rng = np.random.default_rng(seed)
    return realism_card(seen, name="planted", preset=preset, rng=rng, is_recorded=is_recorded, extra=extra)


def lines(card: Card) -> dict[str, Line]:
    return {line.target.id: line for line in (*card.lines, *card.compared)}
