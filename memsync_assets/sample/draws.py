"""Random numbers that are a function of what they are drawn for: the same in each process, in any order."""

from __future__ import annotations

from math import gcd
from zlib import crc32

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = 2**64 - 1


def draw(numbers: Ints, what: str, seed: int, below: int) -> Ints:
    """For each number an even draw from 0 to `below` - 1, independent for each `what` (splitmix64)."""
    salt = (crc32(what.encode()) * _GOLDEN + seed * 0xD1B54A32D192ED03) & _MASK
    z = numbers.astype(np.uint64) * np.uint64(_GOLDEN) + np.uint64(salt)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return ((z >> np.uint64(11)) % np.uint64(below)).astype(np.int64)


class Shuffle:
    """A one-to-one map of 0 to `size` - 1 onto itself that spreads neighbours evenly, and its inverse."""

    def __init__(self, size: int, seed: int) -> None:
        self.size = max(size, 1)
        self._step = int(self.size * 0.6180339887) + seed % 7 + 1
        while gcd(self._step, self.size) != 1:
            self._step += 1
        self._back = pow(self._step, -1, self.size) if self.size > 1 else 0

    def place(self, numbers: Ints) -> Ints:
        """Where each number goes."""
        return numbers * self._step % self.size

    def origin(self, places: Ints) -> Ints:
        """Which number went to each place."""
        return places * self._back % self.size
