"""The platform told slowly: one hour after another, one user after another, in plain Python. Read it to know the world.

A day: at midnight authors decide what to publish and users when to come. An hour: new notes go up on the boards, every
visitor is served from the state at the start of the hour, then what was shown and answered is remembered. What the
world starts with (who lives there, trends, first follows) is drawn by `simulator`; all that happens then is told here
and in `slow_session`. `simulator.world` says the same quickly, and `test_slow_world` holds that it is the same.
"""

import math
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from statistics import NormalDist

import numpy as np

from simulator.befriending import initial_follows
from simulator.living import HOURLY_LOAD
from simulator.notes import _AUTHORS_QUALITY
from simulator.population import Population, draw_population
from simulator.response import response_model
from simulator.sizes import N_CATEGORIES, TOPICS_PER_CATEGORY
from simulator.spec import WorldSpec
from simulator.state import empty_state
from simulator.trends import draw_trends
from tests.slow_luck import mix, place, poisson, stream, uniform
from tests.slow_memory import DAY, HOUR, Filter, Memory, Note, Ring, Row, SlowBoard
from tests.slow_session import serve

HOUR_UPTO = list(accumulate(float(load) / float(HOURLY_LOAD.sum()) for load in HOURLY_LOAD))


class SlowWorld:
    """A world of `spec` and `seed`; `hour` lives one."""

    def __init__(self, spec: WorldSpec, seed: int) -> None:
        self.spec, self.seed, self.now, self.n_sessions = spec, seed, 0, 0
        self.population: Population = draw_population(spec, seed)
        self.trends = draw_trends(spec, seed)
        self.notes: list[Note] = []
        self.memory = Memory()
        self.visitors_at: list[list[int]] = []
        self.follow_time: dict[tuple[int, int], int] = {}  # by (user, author), in order of time
        model = response_model(spec, self.population)
        first = initial_follows(spec.living, self.population, model, empty_state(spec.n_users, spec.n_authors), seed)
        for user, author in zip(*first, strict=True):
            self._follow(int(user), int(author), 0)

    def luck(self, name: str, *parts: int) -> int:
        """Return the key of something that happens."""
        return mix(stream(self.seed, name), *parts)

    def hour(self) -> list[Row]:
        """Live one hour; return what was shown, in order of time."""
        if self.now % DAY == 0:
            self.plan_day(self.now // DAY)
        self.put_up_notes()
        visitors = self.visitors_at[self.now % DAY // HOUR]
        rows = []
        for session, user in enumerate(visitors if self.memory.pool.n else []):
            begin = self.now + int(uniform(self.luck("start", self.now // HOUR, user)) * HOUR / 2)
            for shown in serve(self, user):
                rows.append(Row(begin + 8 * shown.slot, self.n_sessions + session, shown))
        rows.sort(key=lambda row: (row.time, row.session, row.shown.slot))
        for row in rows:
            self.remember(row)
        self.n_sessions += len(visitors)
        self.now += HOUR
        return rows

    # Midnight

    def plan_day(self, day: int) -> None:
        """Decide what is published today, and who comes at which hours."""
        turns: Counter[int] = Counter()
        for born, author in sorted(self.births(day)):
            self.notes.append(self.write_note(author, born, turns[author]))
            turns[author] += 1
        self.visitors_at = [[] for _ in range(24)]
        for user in range(self.spec.n_users):
            for hour in self.hours_of(user, day):
                self.visitors_at[hour].append(user)
        for visitors in self.visitors_at:  # an order that says nothing
            visitors.sort(key=lambda user: self.luck("order", day, user))

    def births(self, day: int) -> Iterator[tuple[int, int]]:
        """Say when notes are born today, and whose they are."""
        creators, weekday = self.population.creators, self.spec.living.weekday
        for author in range(self.spec.n_authors):
            joined = int(creators.joined_time_A[author])
            if joined < day * DAY or joined == 0:
                rate = float(creators.rate_A[author]) * self.motivation(author, day) * math.exp(weekday[day % 7])
                for turn in range(poisson(uniform(self.luck("publish", day, author)), rate)):
                    hour = place(uniform(self.luck("publish/hour", day, author, turn)), HOUR_UPTO)
                    second = int(uniform(self.luck("publish/second", day, author, turn)) * HOUR)
                    yield day * DAY + hour * HOUR + second, author
            elif joined < (day + 1) * DAY:  # who joins publishes a first note within half an hour
                wait = int(uniform(self.luck("publish/first", author)) * HOUR / 2)
                yield min(joined + wait, (day + 1) * DAY - 1), author

    def motivation(self, author: int, day: int) -> float:
        """Say by which factor an author publishes more or less, given the feedback of the last seven days."""
        drive, memory, feedback = self.spec.publishing, self.memory, 0.0
        for ago in range(1, 8):
            clicks = memory.author_clicked_on[author, day - ago]
            exposures = memory.author_exposed_on[author, day - ago]
            feedback += math.exp(-(ago - 1) / drive.memory_days) * (clicks + drive.exposure_weight * exposures)
        answer = 1 - math.exp(-feedback / drive.feedback_scale)
        return max(1 + float(self.population.creators.elasticity_A[author]) * (answer - 0.5), 0.1)

    def write_note(self, author: int, born: int, turn: int) -> Note:
        """Write an author's note number `turn` of its day."""
        creators, jitter = self.population.creators, self.spec.affinity.note_jitter
        key = mix(stream(self.seed, "note"), author, born // DAY, turn)

        def luck(name: str) -> float:
            return uniform(mix(stream(self.seed, f"note/{name}"), key))

        def normal(name: str) -> float:
            return NormalDist().inv_cdf(luck(name))

        def topic(name: str) -> int:
            topics = [int(t) for t in creators.topics_AM[author] if t >= 0]
            upto = accumulate(float(share) for share in creators.topic_share_AM[author])
            return topics[min(sum(luck(name) >= share for share in upto), len(topics) - 1)]

        first = topic("topic")
        second = topic("second") if luck("mixes") < 0.5 else first
        own, common = math.sqrt(jitter), math.sqrt(1 - jitter)
        style = [common * float(s) + own * normal(f"style/{i}") for i, s in enumerate(creators.style_AS[author])]
        own, common = math.sqrt(1 - _AUTHORS_QUALITY), math.sqrt(_AUTHORS_QUALITY)
        quality = common * float(creators.quality_A[author]) + own * normal("quality")
        is_video = luck("video") < float(creators.video_share_A[author])
        label = int(luck("wrong-label") * N_CATEGORIES) if luck("label") < 0.1 else first // TOPICS_PER_CATEGORY
        single = [np.float32(s) for s in style]
        return Note(author, born, key, first, second, label, np.float32(quality), is_video, single)

    def hours_of(self, user: int, day: int) -> set[int]:
        """Say at which hours of the day a user comes: by habit, weekday, and how the latest visit was liked."""
        living, people = self.spec.living, self.population.people
        joined = int(people.joined_time_U[user])
        if joined >= (day + 1) * DAY:
            return set()
        if joined >= max(1, day * DAY):  # new today: comes in the hour after joining
            return {joined % DAY // HOUR + 1} - {24}
        _, shown, clicked = self.memory.latest_visit.get(user, (-1, 0, 0))
        rate = (clicked + 20 * living.neutral_ctr) / (shown + 20)
        surplus = rate / living.neutral_ctr - 1
        logit = float(people.activity_U[user]) + living.weekday[day % 7] + living.return_slope * surplus
        if uniform(self.luck("come", day, user)) >= 1 / (1 + math.exp(-logit)):
            return set()
        more = living.more_sessions * np.exp(people.patience_U[user] - np.float32(living.length_log_median))
        n = 1 + poisson(uniform(self.luck("sessions", day, user)), float(more))
        return {place(uniform(self.luck("hour", day, user, turn)), HOUR_UPTO) for turn in range(n)}

    # The hour begins

    def put_up_notes(self) -> None:
        """Pin the notes born in the last hour on every board, take off what is old or had its guarantee."""
        memory, keys = self.memory, {note: self.notes[note].key for note in range(len(self.notes))}
        new = [note for note, it in enumerate(self.notes) if self.now - HOUR <= it.born < self.now]
        for board in (memory.pool, memory.young, memory.fresh):
            board.make_room(len(new), keys)
            for note in new:
                board.pin(note, keys[note])
        for note in new:
            memory.newest_of.setdefault(self.notes[note].author, Ring(8)).add(note)
        guarantee = self.spec.logging.fresh_guarantee
        for note in range(len(self.notes)):
            is_young = self.notes[note].born >= self.now - DAY
            if not self.in_pool(note):
                memory.pool.unpin(note)
            if not is_young:
                memory.young.unpin(note)
            if not is_young or memory.exposed[note] >= guarantee:
                memory.fresh.unpin(note)

    def in_pool(self, note: int) -> bool:
        """Whether a note was born within the days of the pool, and before now."""
        return self.now - int(self.spec.logging.pool_days * DAY) <= self.notes[note].born < self.now

    def heat(self, note: int) -> int:
        """Return how hot a note is: its clicks of today, twice, and of yesterday."""
        clicked_on, today = self.memory.clicked_on, self.now // DAY
        return 2 * clicked_on[note, today] + clicked_on[note, today - 1]

    def hot(self, category: int | None) -> SlowBoard:
        """Return the board of hot notes of a category, or of all: in a cell hit twice the greater hash stays."""
        board = SlowBoard([None] * 512)
        mine = [note for note, it in enumerate(self.notes) if category in (None, it.label) and self.in_pool(note)]
        weight_of = {note: self.heat(note) ** self.spec.logging.popular_power for note in mine if self.heat(note)}
        if weight_of:
            scale = 2 ** math.floor(math.log2(256 / sum(weight_of.values())))
            hash_at: dict[int, int] = {}
            for note, weight in weight_of.items():
                key = self.notes[note].key
                for turn in range(int(scale * weight + uniform(mix(key, 0)))):
                    dart = mix(key, turn + 1)
                    if dart > hash_at.get(board.home(dart), 0):
                        hash_at[board.home(dart)], board.cells[board.home(dart)] = dart, note
            board.n = len(hash_at)
        return board

    # The hour is over

    def remember(self, row: Row) -> None:
        """Count one impression and what came of it."""
        user, note, memory, day = row.shown.user, row.shown.note, self.memory, self.now // DAY
        author, clicked = self.notes[note].author, "click" in row.shown.responses
        memory.exposed[note] += 1
        memory.author_exposed[author] += 1
        memory.author_exposed_on[author, day] += 1
        memory.seen_by.setdefault(user, Filter()).add(self.notes[note].key)
        last_day, shown, clicks = memory.latest_visit.get(user, (-1, 0, 0))
        shown, clicks = (shown, clicks) if last_day == day else (0, 0)
        memory.latest_visit[user] = day, shown + 1, clicks + clicked
        if clicked:
            memory.clicked_on[note, day] += 1
            memory.author_clicked_on[author, day] += 1
            memory.clickers_of.setdefault(author, Ring(16)).add(user)
            memory.history_of.setdefault(user, Ring(32)).add(note)
        if "follow" in row.shown.responses:
            self._follow(user, author, row.time)

    def _follow(self, user: int, author: int, time: int) -> None:
        """Add a follow edge, unless it is among the latest 64 of the user; the log keeps the first of each edge."""
        followed = self.memory.followed_by.setdefault(user, Ring(64))
        if author not in followed.held:
            followed.add(author)
            if (user, author) not in self.follow_time:
                self.follow_time[user, author] = time
