"""Random draws as a pure function of (seed, stream, index): the same on every machine, in any order, vectorised.

A simulated meter is asked for any stretch of its past or present. A generator with a state would have to be run from
the beginning each time; hashing the index instead gives draw number k without draws 0..k-1. Integers only, because
floating point may differ in the last place between processors and a meter's past must not.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = 0xFFFFFFFFFFFFFFFF


def _mixed(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the splitmix64 finaliser of each element (Steele, Lea, Flood 2014)."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def _start(seed: int, stream: int) -> int:
    """Return a well-spread 64-bit start for a stream; neighbouring seeds share nothing."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{stream}".encode(), digest_size=8).digest(), "big")


def draws(seed: int, stream: int, index: IntArray, below: int) -> IntArray:
    """Return one integer in ``[0, below)`` per index, uniform to within 2**-31; ``below`` at most 2**31.

    ``stream`` keeps the questions apart that are asked about the same index (is it on? how much?).
    """
    state = index.astype(np.uint64) * np.uint64(_GOLDEN) + np.uint64(_start(seed, stream) & _MASK)
    high = (_mixed(state) >> np.uint64(33)).astype(np.int64)
    drawn: IntArray = (high * below) >> 31
    return drawn


def draw(seed: int, stream: int, index: int, low: int, high: int) -> int:
    """Return one integer in ``[low, high]``."""
    return low + int(draws(seed, stream, np.array([index], dtype=np.int64), high - low + 1)[0])


def secret(seed: int, name: str, size: int) -> bytes:
    """Return ``size`` (at most 64) bytes derived from the seed and a name: keys that are random but repeatable."""
    return hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=size).digest()
