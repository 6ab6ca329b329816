"""What of the truth is shown: the catalog, with texts rendered only when somebody reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.luck import keys, stream, uniforms
from simulator.notes import NoteTruth
from simulator.population import Population
from simulator.schema import Authors, Catalog, Notes, Texts, Users
from simulator.sizes import N_CATEGORIES, TOPICS_PER_CATEGORY
from simulator.spec import WorldSpec
from simulator.text.pack import load
from simulator.text.render import AuthorProfiles, NoteBodies, NoteTitles


@dataclass(frozen=True, slots=True, eq=False)
class Sealed:
    """Texts without what they are rendered from: a reader of a catalog meets no true topic by the way."""

    n: int
    render: Callable[[NDArray[np.int32]], list[str]]
    cut: Callable[[int], Sealed]

    @classmethod
    def of(cls, texts: Texts) -> Sealed:
        """Seal a column of texts."""
        return cls(len(texts), lambda ids: texts.take(ids), lambda n: cls.of(texts.head(n)))

    def __len__(self) -> int:
        return self.n

    def take(self, ids: NDArray[np.int32]) -> list[str]:
        """Return the texts of `ids`, in that order."""
        return self.render(ids)

    def head(self, n: int) -> Sealed:
        """Return the first `n` texts as a column."""
        return self.cut(n)


@dataclass(frozen=True, slots=True, eq=False)
class Showing:
    """The population and notes of a world, seen as its users see them."""

    spec: WorldSpec
    population: Population
    notes: NoteTruth
    born_time_N: NDArray[np.int64]
    seed: int

    def catalog(self) -> Catalog:
        """Return everybody and everything, past and yet to come; cut it with `before`."""
        people, creators = self.population.people, self.population.creators
        label_A = creators.topics_AM[:, 0] // TOPICS_PER_CATEGORY
        luck_A = uniforms(keys(stream(self.seed, "author/label"), np.arange(len(label_A))))
        wrong_A = luck_A < 0.1
        label_A = np.where(wrong_A, (luck_A * 10 * N_CATEGORIES).astype(np.int16), label_A).astype(np.int16)
        notes, pack, key = self.notes, load(self.spec.language), stream(self.seed, "text")
        said = (pack, key, notes.topic_N, notes.second_N, notes.author_N)
        return Catalog(
            Users(people.joined_time_U, people.author_U),
            Authors(creators.joined_time_A, label_A, Sealed.of(AuthorProfiles(pack, key, creators.topics_AM))),
            Notes(
                notes.author_N,
                self.born_time_N,
                notes.is_video_N,
                notes.label_N,
                Sealed.of(NoteTitles(*said)),
                Sealed.of(NoteBodies(*said)),
            ),
            tuple(category.name for category in pack.categories),
        )
