"""What the platform remembers, as plain containers: notes, rows of the log, rings, filters of seen notes, boards."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from tests.slow_luck import mix

DAY, HOUR = 86_400, 3_600


@dataclass(frozen=True)
class Note:
    """A note; numbers that the platform keeps in single precision are single here too."""

    author: int
    born: int
    key: int
    topic: int
    second_topic: int
    label: int  # the platform's own category, wrong for one note in ten
    quality: np.float32
    is_video: bool
    style: list[np.float32]


@dataclass(frozen=True)
class Impression:
    """A note shown to a user, and the answer: responses are among click, like, collect, comment, share, follow."""

    user: int
    note: int
    slot: int
    position: int
    channel: str
    propensity: float
    responses: frozenset[str]
    dwell: float


@dataclass(frozen=True)
class Row:
    """An impression in the log."""

    time: int
    session: int
    shown: Impression


@dataclass
class Ring:
    """The newest `size` things; thing i lies at place i % size, so the newest takes the place of the oldest."""

    size: int
    held: list[int] = field(default_factory=list)
    n: int = 0  # things ever added

    def add(self, thing: int) -> None:
        """Add a thing."""
        if self.n < self.size:
            self.held.append(thing)
        else:
            self.held[self.n % self.size] = thing
        self.n += 1

    def at(self, i: int) -> int:
        """Return thing number i, counted from the first ever added."""
        return self.held[i % self.size]


@dataclass
class Filter:
    """What a user saw: two bits a note of 4096, in two filters that take turns of 600 notes; a turn begins empty."""

    bits: list[set[int]] = field(default_factory=lambda: [set(), set()])
    n: int = 0

    @staticmethod
    def bits_of(key: int) -> set[int]:
        """Return the bits of a note's key."""
        return {(key >> 32) % 4096, (key >> 48) % 4096}

    def add(self, key: int) -> None:
        """Enter a note."""
        turn = self.n // 600 % 2
        if self.n % 600 == 0:
            self.bits[turn] = set()
        self.bits[turn] |= self.bits_of(key)
        self.n += 1

    def holds(self, key: int) -> bool:
        """Whether the user saw the note lately, or notes that left the same two bits."""
        return any(self.bits_of(key) <= bits for bits in self.bits)


@dataclass
class SlowBoard:
    """Notes pinned at hashed cells, at most three quarters of them taken."""

    cells: list[int | None] = field(default_factory=lambda: [None] * 512)
    n: int = 0

    def home(self, key: int) -> int:
        """Return the cell that a key points at."""
        return (key >> 20) % len(self.cells)

    def make_room(self, n_more: int, keys: dict[int, int]) -> None:
        """Where more would be taken, or less than a sixth is, pin everything anew on a board of a better size."""
        n = self.n + n_more
        if 4 * n > 3 * len(self.cells) or len(self.cells) > 6 * max(n, 4):
            notes = sorted(note for note in self.cells if note is not None)
            size = 16
            while size <= 4 * n // 3:
                size *= 2
            self.cells, self.n = [None] * size, 0
            for note in notes:
                self.pin(note, keys[note])

    def pin(self, note: int, key: int) -> None:
        """Pin a note at its home, or at the next free cell after it."""
        at = self.home(key)
        while self.cells[at] is not None:
            at = (at + 1) % len(self.cells)
        self.cells[at] = note
        self.n += 1

    def unpin(self, note: int) -> None:
        """Take a note off, if it is there."""
        if note in self.cells:
            self.cells[self.cells.index(note)] = None
            self.n -= 1

    def draw(self, key: int) -> int:
        """Look at one cell after another, by luck, until one holds a note."""
        while True:
            note = self.cells[self.home(key)]
            if note is not None:
                return note
            key = mix(key, 1)


@dataclass
class Memory:
    """All that happened, as counts and lists; within an hour it only gets read."""

    exposed: Counter[int] = field(default_factory=Counter)  # by note
    clicked_on: Counter[tuple[int, int]] = field(default_factory=Counter)  # by (note, day)
    author_exposed: Counter[int] = field(default_factory=Counter)
    author_exposed_on: Counter[tuple[int, int]] = field(default_factory=Counter)  # by (author, day)
    author_clicked_on: Counter[tuple[int, int]] = field(default_factory=Counter)
    newest_of: dict[int, Ring] = field(default_factory=dict)  # notes by author
    clickers_of: dict[int, Ring] = field(default_factory=dict)  # users by author
    history_of: dict[int, Ring] = field(default_factory=dict)  # clicked notes by user
    followed_by: dict[int, Ring] = field(default_factory=dict)  # authors by user
    seen_by: dict[int, Filter] = field(default_factory=dict)
    latest_visit: dict[int, tuple[int, int, int]] = field(default_factory=dict)  # user: day, shown, clicked
    pool: SlowBoard = field(default_factory=SlowBoard)
    young: SlowBoard = field(default_factory=SlowBoard)
    fresh: SlowBoard = field(default_factory=SlowBoard)
