"""The world: a platform that lives by the hour. Truth is not on it; `simulator.oracle` has that.

Within an hour everybody sees the state at its start, so sessions run in any order and in any place; only after the
hour do the counts move. Shapes: S sessions, E events, N notes, A authors, U users, Q requests.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from simulator.befriending import initial_follows
from simulator.journal import Journal, Rows, event_log, in_time, join_rows, rows_of
from simulator.living import no_sessions, returning
from simulator.luck import mix, stream
from simulator.notes import NoteTruth, note_truth
from simulator.policy import room
from simulator.population import draw_population
from simulator.publishing import publish
from simulator.response import Cards, blank_cards, fill_cards, response_model
from simulator.schema import DAY_SECONDS, EventLog, Observation, Requests, SchemaError, Slates
from simulator.serving import serve, show_slates
from simulator.shelf import HOUR_SECONDS, age_table, doubt, pool_bounds, refresh, stock
from simulator.showing import Showing
from simulator.sizes import MAX_SLOTS
from simulator.spec import Logging, WorldSpec
from simulator.state import (
    CLICKED,
    EXPOSED,
    HISTORY,
    absorb,
    add_notes,
    copy_state,
    empty_state,
    grown,
    retire,
    turn_day,
)
from simulator.tick import Habits, Impressions, Luck, Tick, blank, joined, serving_rules
from simulator.trends import draw_trends

_BLOCK = 1 << 17  # impressions served between two copies


class World:
    """A world of `spec` and `seed` at the start of an hour; `step` lives the hour.

    `luck` re-draws what happens to the same inhabitants: worlds of one seed and different luck are independent runs.
    """

    def __init__(self, spec: WorldSpec, *, seed: int, luck: int | None = None) -> None:
        self.spec, self.seed, self.tick = spec, seed, 0
        self.luck = seed if luck is None else luck
        population = draw_population(spec, seed)
        people, rings = population.people, population.rings
        self._population, self._trends = population, draw_trends(spec, seed)
        self._model = response_model(spec, population)
        self._habits = Habits(people.examine_U, people.patience_U, rings.ring_U, people.author_U, rings.member_IM)
        self._age_H = age_table(24 * (spec.days + 400))
        self._state = empty_state(spec.n_users, spec.n_authors)
        self._born_time_N = np.empty(0, np.int64)
        self._notes = note_truth(spec.affinity, population.creators, seed, np.empty(0, np.int32), self._born_time_N)
        self._cards = blank_cards(1024)
        self._today, self._n_sessions, self._begun = no_sessions(), 0, -1
        self._journal, self._latest, self._found, self._scratch = Journal(), join_rows([]), room(), blank(_BLOCK)
        user_F, author_F = initial_follows(spec.living, population, self._model, self._state, seed)
        self._journal.befriend(user_F, author_F, np.zeros(len(user_F), np.int64))

    @property
    def now(self) -> int:
        """Seconds since the world began."""
        return self.tick * HOUR_SECONDS

    def visitors(self) -> NDArray[np.int32]:
        """Return the users whose sessions start in this hour, in the order in which `step` serves them."""
        if self._begun < self.tick:
            self._begin_hour()
        hour = self.now % DAY_SECONDS // HOUR_SECONDS
        return self._today.user_S[self._today.start_H1[hour] : self._today.start_H1[hour + 1]]

    def step(self, slates: Slates | None = None) -> EventLog | None:
        """Live one hour: at midnight the day is planned, then sessions are served, then the counts move.

        Row s of `slates`, if given, is shown to visitor s instead of the platform's own pages; visitors beyond the
        slates get the platform's. Returns the impressions of the slates, if there are any.
        """
        user_S = self.visitors()
        n_own = 0 if slates is None else len(slates)
        if n_own > len(user_S):
            raise SchemaError("Slates.ids", f"at most {len(user_S)} rows, one a visitor", n_own)
        shown = None if slates is None else self._show(user_S[:n_own], slates)
        served = self.serve(n_own, len(user_S))
        if shown is None:
            self.settle(served)
            return None
        rows = self.settle(joined([shown, served]))
        is_own_E = rows["session"] < self._n_sessions - len(user_S) + n_own
        return event_log({name: column[is_own_E] for name, column in rows.items()})

    def serve(self, first: int, last: int) -> Impressions:
        """Serve visitors first <= s < last of this hour by the platform's own policy; nothing moves yet."""
        user_S = self.visitors()[first:last]
        if not len(user_S) or self._state.pool.n_1[0] == 0:
            return blank(0)
        served = serve(self._inputs(), user_S, self._found, self._scratch)
        return served._replace(session_E=served.session_E + np.int32(first))

    def settle(self, shown: Impressions) -> Rows:
        """Enter the impressions of the hour, move the counts, and go on to the next hour; return the rows."""
        user_S = self.visitors()
        self._latest = self._enter(shown, user_S)
        self.tick += 1
        return self._latest

    def expose(self, requests: Requests, slates: Slates) -> EventLog:
        """Show slates of notes to users now, draw their responses, move the counts; return the impressions."""
        if (requests.query, requests.target) != ("user", "note"):
            raise ValueError(f"Requests: expected user -> note, got {requests.query} -> {requests.target}")
        self.visitors()
        return event_log(self._enter(self._show(requests.ids_Q, slates), requests.ids_Q))

    def observe(self) -> Observation:
        """Return all that may be known now; events that were drained are not in it."""
        now = max(self.now, 1)  # the first inhabitants are there at time 0
        events, follows = event_log(self._journal.rows()), self._journal.follows()
        return Observation(now, self.showing().catalog().before(now), events.between(0, now), follows.before(now))

    def showing(self) -> Showing:
        """Return what of the world can be seen."""
        return Showing(self.spec, self._population, self._notes, self._born_time_N, self.seed)

    def latest(self) -> EventLog:
        """Return all impressions of the hour lived last, those of slates and the platform's own."""
        return event_log(self._latest)

    def recent_clicks(self, user_Q: NDArray[np.int32], n: int) -> NDArray[np.int32]:
        """Return the notes (Q, n) that users clicked last, newest first, -1 pads on the right; n is at most HISTORY."""
        place_Qn = self._state.n_history_U[user_Q][:, None] - 1 - np.arange(n)
        note_Qn = self._state.history_UR[user_Q[:, None], place_Qn % HISTORY]
        return np.where(place_Qn >= 0, note_Qn, np.int32(-1))

    def note_counts(self, first: int, last: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the impressions and the clicks so far of first <= note < last."""
        count_N4 = self._state.count_N4[first:last].copy()
        return count_N4[:, EXPOSED], count_N4[:, CLICKED]

    def drain(self) -> Rows:
        """Hand out the events since the last time and forget them, so that a long life fits in memory."""
        return self._journal.drain()

    def fork(self, *, luck: int | None = None, logging: Logging | None = None) -> World:
        """Return a twin that goes on by itself: with the same luck and recommender unless others are given."""
        twin = object.__new__(World)
        twin.__dict__.update(self.__dict__)
        twin._state, twin._journal = copy_state(self._state), self._journal.copy()
        twin._cards = _copy_cards(self._cards)
        twin._found, twin._scratch = room(), blank(_BLOCK)
        twin.luck = self.luck if luck is None else luck
        twin.spec = self.spec if logging is None else replace(self.spec, logging=logging)
        return twin

    def _begin_hour(self) -> None:
        self._begun = self.tick
        if self.now % DAY_SECONDS == 0:
            self._begin_day(self.now // DAY_SECONDS)
        first, last = np.searchsorted(self._born_time_N, [self.now - HOUR_SECONDS, self.now])
        author_N, key_N = self._notes.author_N, self._notes.key_N
        self._state = add_notes(self._state, int(first), author_N[:last], key_N[:last])
        oldest, newest = pool_bounds(self.spec.logging, self._born_time_N, self.now)
        young = int(np.searchsorted(self._born_time_N, self.now - DAY_SECONDS))
        retire(self._state, oldest, young, self.spec.logging.fresh_guarantee)
        self._refresh(oldest, newest)

    def _begin_day(self, day: int) -> None:
        births = publish(self.spec, self._population.creators, self._state, self.luck, day)
        turn_day(self._state, day)
        creators, first = self._population.creators, len(self._born_time_N)
        today = note_truth(self.spec.affinity, creators, self.seed, births.author_N, births.born_time_N)
        self._admit(self._notes.then(today), np.concatenate([self._born_time_N, births.born_time_N]), first)
        self._today = returning(self.spec.living, self._population.people, self._state, self.luck, day)

    def _admit(self, notes: NoteTruth, born_time_N: NDArray[np.int64], first: int) -> None:
        """Make room for all notes, and cards of those from `first` on."""
        self._notes, self._born_time_N, n = notes, born_time_N, len(born_time_N)
        self._state = grown(self._state, n)
        if n > len(self._cards.card_NF):
            larger = blank_cards(2 * n)
            larger.card_NF[: len(self._cards.card_NF)] = self._cards.card_NF
            self._cards = larger
        fill_cards(self._cards, notes.since(first), first=first)

    def _refresh(self, first: int, last: int) -> None:
        """Bring the cards of some notes up to this hour."""
        logging, bounds = self.spec.logging, (first, last)
        quality_N = np.float32(self.spec.responding.quality_slope) * self._notes.quality_N
        refresh(self._cards, quality_N, self._trends.lift(self.now), self._age_H, self._born_time_N, self.now, bounds)
        doubt(self._cards, self._state, self._notes.author_N, logging.ranker_noise, logging.ranker_halving, bounds)

    def _inputs(self) -> Tick:
        """Gather what the sessions of this hour read."""
        logging, day = self.spec.logging, self.now // DAY_SECONDS
        oldest, newest = pool_bounds(logging, self._born_time_N, self.now)
        parts = (("serve", self.tick), ("rank", day), ("read", self.tick), ("respond", day))
        luck = Luck(*(self._key(*part) for part in parts))
        return Tick(
            serving_rules(logging, self.spec.living, self.spec.rings),
            self._habits,
            stock(logging, self._state, self._notes, oldest, newest),
            self._state,
            self._model,
            self._cards,
            luck,
        )

    def _key(self, name: str, part: int) -> np.uint64:
        return np.uint64(mix(stream(self.luck, name), np.uint64(part)))

    def _show(self, user_Q: NDArray[np.int32], slates: Slates) -> Impressions:
        """Show slates of any notes born by now."""
        n_born = int(np.searchsorted(self._born_time_N, self.now))
        n_joined = int(np.searchsorted(self._population.people.joined_time_U, max(self.now, 1)))
        if user_Q.size and int(user_Q.max()) >= n_joined:
            raise SchemaError("Requests.ids", f"users below {n_joined}, who have joined", int(user_Q.max()))
        if len(slates) != len(user_Q):
            raise SchemaError("Slates.ids", f"{len(user_Q)} rows", len(slates))
        ordered_QK = np.sort(slates.ids_QK, axis=1)
        if bool(((ordered_QK[:, 1:] == ordered_QK[:, :-1]) & (ordered_QK[:, 1:] >= 0)).any()):
            raise SchemaError("Slates.ids", "a note at most once a slate", "one twice")
        if slates.ids_QK.shape[1] > MAX_SLOTS:
            raise SchemaError("Slates.ids", f"at most {MAX_SLOTS} columns", slates.ids_QK.shape[1])
        if slates.ids_QK.size and int(slates.ids_QK.max()) >= n_born:
            raise SchemaError("Slates.ids", f"notes below {n_born}", int(slates.ids_QK.max()))
        self._refresh(0, n_born)
        shown = blank(slates.ids_QK.size)
        return shown.head(show_slates(self._inputs(), user_Q, slates.ids_QK, shown))

    def _enter(self, shown: Impressions, user_S: NDArray[np.int32]) -> Rows:
        """Write impressions into the journal and move the counts; return the rows."""
        shown, second_E = in_time(shown, user_S, self._key("start", self.tick))
        user_E, time_E, notes = user_S[shown.session_E], self.now + second_E, self._notes
        day = self.now // DAY_SECONDS
        is_new_E = absorb(self._state, notes.author_N, notes.key_N, user_E, shown.note_E, shown.responses_E, day)
        rows = rows_of(shown, user_E, time_E, self._n_sessions)
        self._n_sessions += len(user_S)
        self._journal.write(rows)
        self._journal.befriend(user_E[is_new_E], notes.author_N[shown.note_E[is_new_E]], time_E[is_new_E])
        return rows


def _copy_cards(cards: Cards) -> Cards:
    twin = blank_cards(len(cards.card_NF))
    twin.card_NF[:] = cards.card_NF
    return twin
