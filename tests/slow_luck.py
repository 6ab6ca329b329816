"""Luck in plain Python: the same hashes as `simulator.luck`, in arithmetic of unbounded integers."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from hashlib import sha256

_WORD = 2**64 - 1


def stream(seed: int, name: str) -> int:
    """Return the key of the stream `name`."""
    return int.from_bytes(sha256(f"coldrecall/{seed}/{name}".encode()).digest()[:8], "little")


def mix(key: int, *parts: int) -> int:
    """Fold `parts` into `key`, one after another."""
    for part in parts:
        x = ((key ^ part) + 0x9E3779B97F4A7C15) & _WORD
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _WORD
        key = x ^ (x >> 31)
    return key


def uniform(key: int) -> float:
    """Return a number in (0, 1), one of 2^52."""
    return ((key >> 12) + 0.5) / 2**52


def bell(key: int) -> float:
    """Return the sum of the key's four 16-bit numbers, shifted and scaled to mean 0 and variance 1."""
    numbers = [(key >> shift) & 0xFFFF for shift in (0, 16, 32, 48)]
    return (sum(numbers) + 2.0 - 131072.0) * (math.sqrt(3.0) / 65536.0)


def pick(key: int, held: int) -> int:
    """Return a place in [0, held): of the places up to the next power of two, those not held yet fold onto the half."""
    size = 1
    while size < held:
        size *= 2
    place = (key >> 32) % size
    return place if place < held else place % (size // 2)


def poisson(u: float, mean: float) -> int:
    """Return the smallest k whose cumulative Poisson probability reaches u, at most 50."""
    chance = math.exp(-mean)
    upto, k = chance, 0
    while u > upto and k < 50:
        k += 1
        chance *= mean / k
        upto += chance
    return k


def place(u: float, upto: Sequence[float]) -> int:
    """Return the first place whose cumulative share reaches u."""
    return min(bisect_left(upto, u), len(upto) - 1)
