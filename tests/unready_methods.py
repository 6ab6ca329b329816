"""Classes that lack what every method has: what a user's first try looks like."""

from dataclasses import dataclass

from methods.base import Capabilities


@dataclass(frozen=True)
class Config:
    """Nothing to set."""


class NoCapabilities:
    """Says nothing of what it answers."""

    config = Config()


class NoConfig:
    """Has no config."""

    capabilities = Capabilities(frozenset({("user", "note")}), cold_targets=False)


class NeedsWords(NoConfig):
    """Cannot be made without arguments."""

    def __init__(self, words: str) -> None:
        self.words = words
