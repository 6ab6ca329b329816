"""What the words of a command name: tasks and methods by id or pattern, numbers."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable

import typer

from bench.task import WORLD
from bench.tasks import DEFAULT_TASKS, TASKS


def words_of(words: str) -> list[str]:
    """Return the comma-separated words, without blanks."""
    return [word.strip() for word in words.split(",") if word.strip()]


def numbers_of(field: str, words: str) -> tuple[int, ...]:
    """Return comma-separated whole numbers; `field` is named where they are none."""
    try:
        return tuple(int(word) for word in words_of(words))
    except ValueError as error:
        raise typer.BadParameter(f"{field}: expected comma-separated numbers, got {words!r}") from error


def tasks_of(words: str) -> tuple[str, ...]:
    """Return the tasks that the words name: ids with or without version, patterns, "world" for `DEFAULT_TASKS`."""
    chosen: dict[str, None] = {}
    for word in words_of(words):
        if word == WORLD:
            found = list(DEFAULT_TASKS)
        else:
            found = [name for name in TASKS if word in (name, name.partition("@")[0]) or fnmatch.fnmatch(name, word)]
        if not found:
            raise typer.BadParameter(f"tasks: expected one of {', '.join(TASKS)}, got {word!r}")
        chosen |= dict.fromkeys(found)
    return tuple(chosen)


def methods_of(words: str, known: Iterable[str]) -> frozenset[str]:
    """Return which of the known methods the words name, as they stand or as patterns."""
    names, chosen = list(known), set[str]()
    for word in words_of(words):
        found = [name for name in names if name == word or fnmatch.fnmatch(name, word)]
        if not found:
            raise typer.BadParameter(f"methods: expected one of {', '.join(sorted(names))}, got {word!r}")
        chosen.update(found)
    return frozenset(chosen)
