"""What every reader of a source needs: one error, files that exist, options that are known, lines of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


class SourceError(ValueError):
    """A source that cannot be imported; the message names file or field, what was expected and what came."""

    def __init__(self, place: str, expected: object, got: object) -> None:
        super().__init__(f"{place}: expected {expected}, got {got}")
        self.place = place


def check_file(path: Path) -> None:
    """Refuse a file that is not there."""
    if not path.is_file():
        raise SourceError(str(path), "a file", "none")


def checked_options(options: Mapping[str, str], defaults: Mapping[str, str]) -> dict[str, str]:
    """Return the defaults with the options in their place, refusing an option that has no default."""
    unknown = sorted(set(options) - set(defaults))
    if unknown:
        raise SourceError("options", f"names among {', '.join(defaults) or 'none'}", ", ".join(unknown))
    return {**defaults, **options}


def checked_number(options: Mapping[str, str], name: str) -> float:
    """Return an option that must be a number."""
    try:
        return float(options[name])
    except ValueError as error:
        raise SourceError(name, "a number", repr(options[name])) from error


@dataclass(frozen=True, slots=True, eq=False)
class Lists:
    """Lines of a key and whole numbers. Line l, of `key_L[l]`, owns the next `length_L[l]` of `value_V`."""

    key_L: NDArray[np.int64]
    length_L: NDArray[np.int64]
    value_V: NDArray[np.int64]

    @property
    def owner_V(self) -> NDArray[np.int64]:
        """The key of each value's line."""
        return np.repeat(self.key_L, self.length_L)

    @property
    def place_V(self) -> NDArray[np.int64]:
        """The place of each value in its line, from 0."""
        return np.arange(len(self.value_V)) - np.repeat(np.cumsum(self.length_L) - self.length_L, self.length_L)


def read_lists(path: Path) -> Lists:
    """Read lines of non-negative whole numbers that stand apart by white space, at least the key in each."""
    words = pc.ascii_split_whitespace(pc.ascii_trim_whitespace(pa.array(read_lines(path), pa.large_string())))
    try:
        numbers = pc.list_flatten(words).cast(pa.uint32()).to_numpy().astype(np.int64)
    except pa.ArrowException as error:
        raise SourceError(path.name, "lines of whole numbers", error) from error
    count_L = pc.list_value_length(words).to_numpy().astype(np.int64)
    key_at_L = np.cumsum(count_L) - count_L
    return Lists(numbers[key_at_L], count_L - 1, np.delete(numbers, key_at_L))


def read_lines(path: Path) -> list[str]:
    """Read the lines of a UTF-8 file."""
    check_file(path)
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise SourceError(path.name, "UTF-8", error) from error


def as_ids(numbers: NDArray[np.int64]) -> pa.LargeStringArray:
    """Return whole numbers as ids of the source."""
    return pa.array(numbers).cast(pa.large_string())
