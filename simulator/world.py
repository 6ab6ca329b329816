"""The world: a platform that lives by the hour. Truth is not on it; `simulator.oracle` has that.

Within an hour everybody sees the state at its start, so sessions run in any order; only after the hour do the counts
move. Shapes: S sessions, E events, N notes, A authors, U users.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.befriending import initial_follows
from simulator.journal import Journal, event_log, rows_of
from simulator.living import HOUR_SECONDS, Sessions, publishing, returning
from simulator.luck import mix, stream
from simulator.notes import NoteTruth, note_truth
from simulator.policy import room, stock
from simulator.population import draw_population
from simulator.response import appeal, note_view, response_model
from simulator.schema import DAY_SECONDS, EventLog, Observation, Requests, Slates
from simulator.serving import Habits, Impressions, Luck, Tick, blank, serve, serving_rules, show_slates
from simulator.showing import Showing
from simulator.spec import WorldSpec
from simulator.state import absorb, add_notes, empty_state, grown, turn_day
from simulator.topics import draw_topics


class World:
    """A world of `spec` and `seed` at the start of an hour; `step` lives the hour."""

    def __init__(self, spec: WorldSpec, *, seed: int) -> None:
        self.spec, self.seed, self.tick = spec, seed, 0
        self._population = draw_population(spec, draw_topics(spec.affinity, seed), seed)
        self._model = response_model(spec, self._population)
        self._state = empty_state(spec.n_users, spec.n_authors)
        self._notes = self._draw_notes(0, np.empty(0, np.int32))
        self._born_time_N = np.empty(0, np.int64)
        self._journal = Journal()
        self._n_sessions = 0
        user_F, author_F = initial_follows(spec.living, self._population, self._model, self._state, seed)
        self._journal.befriend(user_F, author_F, np.zeros(len(user_F), np.int64))
        self._today = Sessions(np.empty(0, np.int32), np.empty(0, np.int16))

    @property
    def now(self) -> int:
        """Seconds since the world began."""
        return self.tick * HOUR_SECONDS

    def step(self) -> None:
        """Live one hour: at midnight the day is planned, then sessions are served, then the counts move."""
        if self.now % DAY_SECONDS == 0:
            self._begin_day(self.now // DAY_SECONDS)
        hour = self.now % DAY_SECONDS // HOUR_SECONDS
        self._announce_notes()
        first, last = np.searchsorted(self._today.hour_S, [hour, hour + 1])
        user_S = self._today.user_S[first:last]
        has_notes = len(self._born_time_N) > 0 and self._born_time_N[0] < self.now
        if len(user_S) and has_notes:
            self._settle(self._serve(user_S), user_S)
        self.tick += 1

    def observe(self) -> Observation:
        """Return all that may be known now."""
        showing = Showing(self.spec, self._population, self._notes, self._born_time_N, self.seed)
        now = max(self.now, 1)  # the first inhabitants are there at time 0
        events, follows = self._journal.events(), self._journal.follows()
        return Observation(now, showing.catalog().before(now), events.between(0, now), follows.before(now))

    def expose(self, requests: Requests, slates: Slates) -> EventLog:
        """Show slates of notes to users now, draw their responses, move the counts; return the impressions."""
        if (requests.query, requests.target) != ("user", "note"):
            raise ValueError(f"Requests: expected user -> note, got {requests.query} -> {requests.target}")
        n_born = int(np.searchsorted(self._born_time_N, self.now))
        if slates.ids_QK.size and int(slates.ids_QK.max()) >= n_born:
            raise ValueError(f"Slates.ids: expected notes below {n_born}, got {int(slates.ids_QK.max())}")
        shown = blank(len(requests), slates.ids_QK.shape[1])
        show_slates(self._tick_inputs(), requests.ids_Q, slates.ids_QK, shown)
        return event_log(self._settle(shown, requests.ids_Q))

    def _begin_day(self, day: int) -> None:
        turn_day(self._state, day)
        births = publishing(self.spec, self._population.creators, self._state, self.seed, day)
        first_id = len(self._born_time_N)
        self._notes = self._notes.then(self._draw_notes(first_id, births.author_N))
        self._born_time_N = np.concatenate([self._born_time_N, births.born_time_N])
        self._state = grown(self._state, len(self._born_time_N))
        self._today = returning(self.spec, self._population.people, self._state, self.seed, day)

    def _announce_notes(self) -> None:
        """Enter the notes of the hour that has passed into their authors' rings."""
        first, last = np.searchsorted(self._born_time_N, [self.now - HOUR_SECONDS, self.now])
        add_notes(self._state, int(first), self._notes.author_N[first:last])

    def _draw_notes(self, first_id: int, author_N: NDArray[np.int32]) -> NoteTruth:
        ids_N = np.arange(first_id, first_id + len(author_N), dtype=np.int32)
        return note_truth(self.spec.affinity, self._population.creators, self.seed, ids_N, author_N)

    def _tick_inputs(self) -> Tick:
        """Gather what the sessions of this hour read."""
        spec, people = self.spec, self._population.people
        born = self._born_time_N
        day = self.now // DAY_SECONDS
        luck = Luck(
            serve=self._key("serve", self.tick),
            rank=self._key("rank", day),
            read=self._key("read", self.tick),
            respond=self._key("respond", day),
        )
        appeal_N = appeal(spec.responding, self._notes.quality_N, self.now - born)
        return Tick(
            serving_rules(spec.logging),
            Habits(people.examine_U, people.go_on_U),
            stock(spec.logging, self._state, born, self._notes.author_N, self.now),
            self._state,
            self._model,
            note_view(self._notes, appeal_N),
            luck,
        )

    def _key(self, name: str, part: int) -> np.uint64:
        return np.uint64(mix(stream(self.seed, name), np.uint64(part)))

    def _serve(self, user_S: NDArray[np.int32]) -> Impressions:
        rules = self.spec.logging
        shown = blank(len(user_S), rules.page_size * rules.max_pages)
        serve(self._tick_inputs(), user_S, room(8 * rules.candidates_per_channel), shown)
        return shown

    def _settle(self, shown: Impressions, user_S: NDArray[np.int32]) -> dict[str, NDArray[Any]]:
        """Write the impressions into the journal, then move the counts; return the rows."""
        key = self._key("start", self.tick)
        columns, responses_E = rows_of(shown, user_S, self.now, self._n_sessions, key)
        self._n_sessions += len(user_S)
        author_N = self._notes.author_N
        day = self.now // DAY_SECONDS
        user_E, note_E = columns["user"], columns["note"]
        is_new_E = absorb(self._state, author_N, user_E, note_E, responses_E, day)
        self._journal.write(columns)
        self._journal.befriend(user_E[is_new_E], author_N[note_E[is_new_E]], columns["time"][is_new_E])
        return columns
