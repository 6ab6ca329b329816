"""Methods that break the contract, each in one way."""

import os
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from methods.base import Budget, Capabilities
from methods.ranking import rank
from simulator.schema import Kind, Observation, Requests, Slates


@dataclass(frozen=True, slots=True)
class NoConfig:
    """Nothing to set."""


class Good:
    """Answers with the first unseen candidates."""

    capabilities = Capabilities(frozenset({("user", "note"), ("user", "author")}), cold_targets=False)

    def __init__(self) -> None:
        self.config = NoConfig()

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        self.n_ = seen.catalog.count(target)

    def index(self, seen: Observation) -> None:
        self.now_ = seen.now

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        ids_QK = np.full((len(requests), k), -1, np.int32)
        for q in range(len(requests)):
            seen = requests.seen_S[requests.seen_start_Q1[q] : requests.seen_start_Q1[q + 1]]
            free = np.setdiff1d(requests.candidates_C, seen)[:k]
            ids_QK[q, : len(free)] = free
        return self.finish(ids_QK)

    def finish(self, ids_QK: NDArray[np.int32]) -> Slates:
        """Make slates of the lists; the bad ones bend this."""
        return Slates(ids_QK, np.zeros(ids_QK.shape, np.float32))


class NanScores(Good):
    """Scores are NaN."""

    def finish(self, ids_QK: NDArray[np.int32]) -> Slates:
        return Slates(ids_QK, np.full(ids_QK.shape, np.nan, np.float32))


class Duplicates(Good):
    """Every place holds the first id."""

    def finish(self, ids_QK: NDArray[np.int32]) -> Slates:
        return super().finish(np.repeat(ids_QK[:, :1], ids_QK.shape[1], axis=1))


class Unknown(Good):
    """An id beyond the corpus."""

    def finish(self, ids_QK: NDArray[np.int32]) -> Slates:
        ids_QK[0, 0] = 2**30
        return super().finish(ids_QK)


class Rising(Good):
    """Scores that rise along the list."""

    def finish(self, ids_QK: NDArray[np.int32]) -> Slates:
        return Slates(ids_QK, np.tile(np.arange(ids_QK.shape[1], dtype=np.float32), (len(ids_QK), 1)))


class Leaves(Good):
    """Asks Python to exit."""

    def index(self, seen: Observation) -> None:
        raise SystemExit(0)


class Stateful(Good):
    """Ranks authors by the most clicks that any view has ever shown."""

    capabilities = Capabilities(frozenset({("user", "author")}), cold_targets=False)

    def __init__(self) -> None:
        super().__init__()
        self.most = np.zeros(0)

    def index(self, seen: Observation) -> None:
        author_E = seen.catalog.notes.author_N[seen.events.note_E[seen.events.click_E]]
        clicks_A = np.bincount(author_E, minlength=len(seen.catalog.authors)).astype(float)
        self.most = np.maximum(np.pad(self.most, (0, len(clicks_A) - len(self.most))), clicks_A)

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        return rank(self.most.astype(np.float32)[None, :], requests, k=k)


class Short(Good):
    """Lists of another length than asked."""

    def finish(self, ids_QK: NDArray[np.int32]) -> Slates:
        return super().finish(ids_QK[:, 1:])


class WrongType(Good):
    """Ids as int64."""

    def finish(self, ids_QK: NDArray[np.int32]) -> Slates:
        return Slates(ids_QK.astype(np.int64), np.zeros(ids_QK.shape, np.float32))


class NotSlates(Good):
    """A list instead of slates."""

    def finish(self, ids_QK: NDArray[np.int32]) -> Slates:
        return cast(Slates, ids_QK.tolist())


class Seen(Good):
    """Shows what was seen."""

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        ids_QK = np.full((len(requests), k), -1, np.int32)
        for q in range(len(requests)):
            seen = requests.seen_S[requests.seen_start_Q1[q] : requests.seen_start_Q1[q + 1]][:k]
            ids_QK[q, : len(seen)] = seen
        return self.finish(ids_QK)


class Raises(Good):
    """Fails to fit."""

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        raise RuntimeError("no memory for a model of this size")


class Dies(Good):
    """Takes its process along."""

    def index(self, seen: Observation) -> None:
        os._exit(9)


class Mutates(Good):
    """Writes into what it was shown."""

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        seen.events.click_E[:] = True


class Describes(Good):
    """Holds codes of notes: the category, then the note itself."""

    def index(self, seen: Observation) -> None:
        super().index(seen)
        notes = seen.catalog.notes
        self.codes_TL_ = np.column_stack([notes.category_N, np.arange(len(notes))]).astype(np.int32)

    def describe(self) -> NDArray[np.float32] | NDArray[np.int32]:
        """Return the codes; the bad ones bend this."""
        return self.codes_TL_


class DescribesFew(Describes):
    """Leaves a note out."""

    def describe(self) -> NDArray[np.float32] | NDArray[np.int32]:
        return self.codes_TL_[1:]


class DescribesNothing(Describes):
    """A vector is not a number."""

    def describe(self) -> NDArray[np.float32] | NDArray[np.int32]:
        return np.full((len(self.codes_TL_), 2), np.nan, np.float32)


class DescribesInWords(Describes):
    """Another type than asked for."""

    def describe(self) -> NDArray[np.float32] | NDArray[np.int32]:
        return self.codes_TL_.astype(np.float64)  # type: ignore[return-value]


class DescribesInALine(Describes):
    """No array at all."""

    def describe(self) -> NDArray[np.float32] | NDArray[np.int32]:
        return "notes of all kinds"  # type: ignore[return-value]


class DescribesTooMuch(Describes):
    """More than is taken, though every number is the same."""

    def describe(self) -> NDArray[np.float32] | NDArray[np.int32]:
        return np.broadcast_to(np.float32(0), (10**6, 10**7))


class IsNotAsked(Good):
    """Has the name for something else."""

    describe = False
