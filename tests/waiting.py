"""What tests do while something else works: say nothing of its progress, and wait for what must come."""

import time
from collections.abc import Callable


def quiet(what: str, done: int, total: int) -> None:
    """Hear of progress and say nothing."""
    del what, done, total


def wait_until(happened: Callable[[], bool], seconds: float = 240.0) -> None:
    """Look again until something has happened, for so many seconds at most."""
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, f"expected it within {seconds:g} s"
        time.sleep(0.02)
