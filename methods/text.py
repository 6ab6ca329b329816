"""What is written about a target, as TF-IDF vectors that are fitted once and then read what is new.

A note is its title and body; an author is the profile and the newest notes. Shapes: T targets, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from methods.groups import place_in_group
from methods.interactions import Sparse, nothing
from simulator.schema import Catalog, Kind, Observation

Value = TypeVar("Value")

# Words of letters, digits and inner hyphens (a tag is one word); Chinese runs become overlapping pairs of characters.
CHINESE = r"\u4e00-\u9fff"
LETTER = rf"[^\W{CHINESE}]"
TOKEN = rf"(?=((?<!{LETTER})(?<!{LETTER}-){LETTER}(?:{LETTER}|-)*{LETTER}|[{CHINESE}]{{2}}))"


@dataclass(frozen=True, slots=True)
class TextConfig:
    """How texts become vectors."""

    notes_per_author: int = 20  # the newest ones
    min_documents: int = 2  # a word in fewer is left out
    sublinear: bool = True  # 1 + log(count) instead of the count


class PerCatalog(Generic[Value]):
    """What depends on a catalog alone, made once for each: tasks that differ in events share their texts."""

    def __init__(self) -> None:
        self._catalog: Catalog | None = None
        self._value: Value | None = None

    def __deepcopy__(self, memo: dict[int, object]) -> PerCatalog[Value]:
        return self  # holds nothing that differs between views of one catalog

    def of(self, catalog: Catalog, make: Callable[[], Value]) -> Value:
        """Return the value for `catalog`, made anew when it is another one than last time."""
        if self._value is None or self._catalog is not catalog:
            self._catalog, self._value = catalog, make()
        return self._value


@dataclass(frozen=True, slots=True, eq=False)
class TextSpace:
    """A fitted vocabulary and the vectors of the texts it was fitted on."""

    config: TextConfig
    target: Kind
    words: TfidfVectorizer | None  # None when no word was frequent enough
    fitted_TV: Sparse

    @classmethod
    def learn(cls, seen: Observation, config: TextConfig, *, target: Kind) -> TextSpace:
        """Fit vocabulary and document frequencies on the texts of all targets."""
        words = TfidfVectorizer(
            token_pattern=TOKEN, min_df=config.min_documents, sublinear_tf=config.sublinear, dtype=np.float32
        )
        texts = documents(seen, target=target, notes_per_author=config.notes_per_author)
        if not _has_frequent_word(words, texts, config.min_documents):
            return cls(config, target, None, nothing(len(texts), 1))
        return cls(config, target, words, words.fit_transform(texts))

    def vectors(self, seen: Observation) -> Sparse:
        """Return the unit vectors of all targets of now; a note's text stays as it was, an author's does not."""
        first = self.fitted_TV.shape[0] if self.target == "note" else 0
        texts = documents(seen, target=self.target, notes_per_author=self.config.notes_per_author, first=first)
        if not texts:
            return self.fitted_TV
        n_words = self.fitted_TV.shape[1]
        new_TV = nothing(len(texts), n_words) if self.words is None else self.words.transform(texts)
        return sp.vstack([self.fitted_TV, new_TV], format="csr") if first else new_TV


def documents(seen: Observation, *, target: Kind, notes_per_author: int, first: int = 0) -> list[str]:
    """Return the text of each target from id `first` on."""
    notes, authors = seen.catalog.notes, seen.catalog.authors
    if target == "note":
        return _note_texts(seen, np.arange(first, len(notes), dtype=np.int32))
    newest_P = newest_notes(notes.author_N, notes_per_author)
    texts = authors.profile.take(np.arange(first, len(authors), dtype=np.int32))
    parts: list[list[str]] = [[text] for text in texts]
    for author, text in zip(notes.author_N[newest_P], _note_texts(seen, newest_P), strict=True):
        if author >= first:
            parts[author - first].append(text)
    return [" ".join(part) for part in parts]


def newest_notes(author_N: NDArray[np.int32], n_each: int) -> NDArray[np.int32]:
    """Return the last `n_each` notes of every known author, ascending; ids are in order of birth."""
    by_author = np.lexsort((-np.arange(len(author_N)), author_N))
    sorted_author = author_N[by_author]
    return np.sort(by_author[(place_in_group(sorted_author) < n_each) & (sorted_author >= 0)]).astype(np.int32)


def _note_texts(seen: Observation, ids: NDArray[np.int32]) -> list[str]:
    notes = seen.catalog.notes
    return [f"{title} {body}" for title, body in zip(notes.title.take(ids), notes.body.take(ids), strict=True)]


def _has_frequent_word(words: TfidfVectorizer, texts: Sequence[str], min_documents: int) -> bool:
    """Whether the vectorizer would keep any word; it raises when it would not."""
    analyze, seen_in = words.build_analyzer(), dict[str, int]()
    for text in texts:
        for word in set(analyze(text)):
            seen_in[word] = seen_in.get(word, 0) + 1
            if seen_in[word] >= min_documents:
                return True
    return False
