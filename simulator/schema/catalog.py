"""Who and what exists: users, authors, notes, each as it stood when it arrived.

Shapes: U users, A authors, N notes. Ids are dense, 0-based and in order of arrival, so that the catalog at an
earlier time is a prefix of a later one. Times are int64 seconds since the world began (the Unix epoch for recorded
data).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from simulator.schema.checks import SchemaError, check_column, check_range, check_sorted

Kind = Literal["user", "author", "note"]


class Texts(Protocol):
    """A column of texts that is read only when somebody asks for it."""

    def __len__(self) -> int: ...

    def take(self, ids: NDArray[np.int32]) -> list[str]:
        """Return the texts of `ids`, in that order."""
        ...

    def head(self, n: int) -> Texts:
        """Return the first `n` texts as a column."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class StoredTexts:
    """Texts that lie in memory as one Arrow string column."""

    column: pa.LargeStringArray

    def __post_init__(self) -> None:
        if not isinstance(self.column, pa.LargeStringArray):
            raise SchemaError("StoredTexts.column", "LargeStringArray", type(self.column).__name__)
        if self.column.null_count:
            raise SchemaError("StoredTexts.column", "no nulls", f"{self.column.null_count} nulls")

    @classmethod
    def of(cls, texts: Sequence[str]) -> StoredTexts:
        """Make a column of a sequence of strings."""
        return cls(pa.array(texts, type=pa.large_string()))

    def __len__(self) -> int:
        return len(self.column)

    def take(self, ids: NDArray[np.int32]) -> list[str]:
        """Return the texts of `ids`, in that order."""
        taken: list[str] = self.column.take(pa.array(ids)).to_pylist()
        return taken

    def head(self, n: int) -> StoredTexts:
        """Return the first `n` texts without copying."""
        return StoredTexts(self.column.slice(0, n))


@dataclass(frozen=True, slots=True)
class WithheldTexts:
    """Texts of which only the number is known: the dataset was written without them."""

    field: str
    n_texts: int

    def __len__(self) -> int:
        return self.n_texts

    def take(self, ids: NDArray[np.int32]) -> list[str]:
        """Refuse: there is nothing to be read."""
        raise SchemaError(self.field, "texts", "a dataset written without them; simulate with --texts")

    def head(self, n: int) -> WithheldTexts:
        """Return the first `n` texts, as little known."""
        return WithheldTexts(self.field, min(n, self.n_texts))


@dataclass(frozen=True, slots=True, eq=False)
class Users:
    """Users in order of arrival. `author_U` is the author a user also is, or -1."""

    joined_time_U: NDArray[np.int64]
    author_U: NDArray[np.int32]

    def __post_init__(self) -> None:
        check_column("Users.joined_time", self.joined_time_U, "int64")
        check_column("Users.author", self.author_U, "int32", len(self))
        check_sorted("Users.joined_time", self.joined_time_U)

    def __len__(self) -> int:
        return len(self.joined_time_U)

    def head(self, n: int) -> Users:
        """Return the first `n` users."""
        return Users(self.joined_time_U[:n], self.author_U[:n])


@dataclass(frozen=True, slots=True, eq=False)
class Authors:
    """Authors in order of arrival. `category_A` is the platform's own noisy first-level label, -1 unknown."""

    joined_time_A: NDArray[np.int64]
    category_A: NDArray[np.int16]
    profile: Texts

    def __post_init__(self) -> None:
        check_column("Authors.joined_time", self.joined_time_A, "int64")
        check_column("Authors.category", self.category_A, "int16", len(self))
        check_sorted("Authors.joined_time", self.joined_time_A)
        if len(self.profile) != len(self):
            raise SchemaError("Authors.profile", f"{len(self)} texts", len(self.profile))

    def __len__(self) -> int:
        return len(self.joined_time_A)

    def head(self, n: int) -> Authors:
        """Return the first `n` authors."""
        return Authors(self.joined_time_A[:n], self.category_A[:n], self.profile.head(n))


@dataclass(frozen=True, slots=True, eq=False)
class Notes:
    """Notes in order of birth, each as it stood when published: nothing that accrues later is here.

    `author_N` is -1 where recorded data names no author; `category_N` is the platform's noisy label, -1 unknown.
    """

    author_N: NDArray[np.int32]
    born_time_N: NDArray[np.int64]
    is_video_N: NDArray[np.bool_]
    category_N: NDArray[np.int16]
    title: Texts
    body: Texts

    def __post_init__(self) -> None:
        check_column("Notes.born_time", self.born_time_N, "int64")
        check_column("Notes.author", self.author_N, "int32", len(self))
        check_column("Notes.is_video", self.is_video_N, "bool", len(self))
        check_column("Notes.category", self.category_N, "int16", len(self))
        check_sorted("Notes.born_time", self.born_time_N)
        for name, texts in (("title", self.title), ("body", self.body)):
            if len(texts) != len(self):
                raise SchemaError(f"Notes.{name}", f"{len(self)} texts", len(texts))

    def __len__(self) -> int:
        return len(self.born_time_N)

    def head(self, n: int) -> Notes:
        """Return the first `n` notes."""
        columns = (self.author_N[:n], self.born_time_N[:n], self.is_video_N[:n], self.category_N[:n])
        return Notes(*columns, self.title.head(n), self.body.head(n))


@dataclass(frozen=True, slots=True, eq=False)
class Catalog:
    """All entities that exist, with the names of the first-level categories."""

    users: Users
    authors: Authors
    notes: Notes
    categories: tuple[str, ...]

    def __post_init__(self) -> None:
        check_range("Users.author", self.users.author_U, -1, len(self.authors))
        check_range("Notes.author", self.notes.author_N, -1, len(self.authors))
        check_range("Authors.category", self.authors.category_A, -1, len(self.categories))
        check_range("Notes.category", self.notes.category_N, -1, len(self.categories))
        known = self.notes.author_N >= 0
        joined_N = self.authors.joined_time_A[self.notes.author_N[known]]
        if bool((self.notes.born_time_N[known] < joined_N).any()):
            raise SchemaError("Notes.born_time", "no note before its author joined", "an earlier note")

    def __deepcopy__(self, memo: dict[int, object]) -> Catalog:
        return self  # nothing in it can change

    def count(self, kind: Kind) -> int:
        """Return how many entities of `kind` there are."""
        return {"user": len(self.users), "author": len(self.authors), "note": len(self.notes)}[kind]

    def before(self, now: int) -> Catalog:
        """Return what existed strictly before `now`: a prefix of each table."""
        n_users = int(np.searchsorted(self.users.joined_time_U, now))
        n_authors = int(np.searchsorted(self.authors.joined_time_A, now))
        n_notes = int(np.searchsorted(self.notes.born_time_N, now))
        users = self.users.head(n_users)
        # A user who becomes an author later is not yet known as one.
        author_U = np.where(users.author_U < n_authors, users.author_U, np.int32(-1))
        users = Users(users.joined_time_U, author_U)
        return Catalog(users, self.authors.head(n_authors), self.notes.head(n_notes), self.categories)
