"""Keyed luck: every draw is a hash of what it is for, never the next number of a stream.

Two arms of an experiment that ask for the luck of the same (seed, stream, user, day, slot, note) get the same number,
whoever asked before. Hash: splitmix64 finaliser, Steele et al. 2014, doi:10.1145/2660193.2660195.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from simulator.kernel import compiled, inlined


def stream(seed: int, name: str) -> np.uint64:
    """Return the key of the stream `name` of a world; different names share nothing."""
    digest = hashlib.sha256(f"coldrecall/{seed}/{name}".encode()).digest()
    return np.uint64(int.from_bytes(digest[:8], "little"))


def generator(seed: int, name: str) -> np.random.Generator:
    """Return a generator for draws made once, all together (a population), keyed by (seed, name)."""
    return np.random.default_rng(int(stream(seed, name)))


@inlined
def mix(key: np.uint64, part: np.uint64) -> np.uint64:
    """Fold `part` into `key`; chain the calls to key by several parts."""
    x = (key ^ np.uint64(part)) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@inlined
def uniform(key: np.uint64) -> float:
    """Map a key to a uniform in the open (0, 1), exact in float64."""
    # Through int64: processors turn signed integers into floats in one step, unsigned ones in several.
    return (float(np.int64(key >> np.uint64(12))) + 0.5) * (1.0 / 4503599627370496.0)


@inlined
def bell(key: np.uint64) -> float:
    """Map a key to a near-normal of mean 0 and variance 1: the scaled sum of its four 16-bit lanes (Irwin-Hall)."""
    lanes = (
        (key & np.uint64(0xFFFF))
        + ((key >> np.uint64(16)) & np.uint64(0xFFFF))
        + ((key >> np.uint64(32)) & np.uint64(0xFFFF))
        + (key >> np.uint64(48))
    )
    return (float(np.int64(lanes)) + 2.0 - 131072.0) * (1.7320508075688772 / 65536.0)


@compiled
def _mix_all(keys: NDArray[np.uint64], parts: NDArray[np.uint64]) -> NDArray[np.uint64]:
    out = np.empty(len(keys), np.uint64)
    for i in range(len(keys)):
        out[i] = mix(keys[i], parts[i])
    return out


def keys(
    root: np.uint64, *parts: NDArray[np.int32] | NDArray[np.int64] | NDArray[np.uint64] | int
) -> NDArray[np.uint64]:
    """Return `mix(mix(root, part_1), part_2) ...` element-wise over broadcast integer parts, one-dimensional."""
    columns = np.broadcast_arrays(*(np.atleast_1d(np.asarray(part)) for part in parts))
    hashed = np.full(columns[0].shape, root, np.uint64)
    for column in columns:
        hashed = _mix_all(hashed, np.ascontiguousarray(column).astype(np.uint64))
    return hashed


def day_keys(seed: int, names: tuple[str, ...], day: int) -> NDArray[np.uint64]:
    """Return the key of each named stream on one day."""
    return np.array([int(mix(stream(seed, name), np.uint64(day))) for name in names], np.uint64)


def uniforms(hashed: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Map keys to uniforms in (0, 1); the array form of `uniform`."""
    return ((hashed >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


@inlined
def poisson(u: float, mean: float) -> int:
    """Return the Poisson quantile of `u` (inversion, Devroye 1986, III.10), at most 50."""
    chance = np.exp(-mean)
    upto, k = chance, 0
    while u > upto and k < 50:
        k += 1
        chance *= mean / k
        upto += chance
    return k
