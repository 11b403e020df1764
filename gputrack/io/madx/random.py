"""MAD-X's random numbers, so that files with ranf() give the same lattice as in MAD-X.

The generator is the subtractive one of D. E. Knuth, The Art of Computer Programming, vol. 2 (2nd ed.), section 3.6,
with MAD-X's default seed.
"""

from __future__ import annotations

import math

DEFAULT_SEED = 123_456_789
_LENGTH, _LAG, _STRIDE, _MODULUS = 55, 24, 21, 10**9


class Random:
    """Random number generator of MAD-X."""

    def __init__(self, seed: int = DEFAULT_SEED) -> None:
        self.table = [0] * _LENGTH
        self.table[-1] = last = seed
        step = 1
        for i in range(1, _LENGTH):
            place = _STRIDE * i % _LENGTH - 1
            self.table[place] = step
            step, last = (last - step) % _MODULUS, step
        for _ in range(3):
            self._refill()

    def _refill(self) -> None:
        for i in range(_LENGTH):
            self.table[i] = (self.table[i] - self.table[i - _LAG if i >= _LAG else i + _LENGTH - _LAG]) % _MODULUS
        self.used = 0

    def uniform(self) -> float:
        """Uniform number in [0, 1): MAD-X's ranf()."""
        if self.used == _LENGTH:
            self._refill()
        self.used += 1
        return self.table[self.used - 1] / _MODULUS

    def gauss(self) -> float:
        """Standard normal number by the polar method: MAD-X's gauss()."""
        while True:
            a, b = 2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0
            square = a * a + b * b
            if 0.0 < square < 1.0:
                return a * math.sqrt(-2.0 * math.log(square) / square)

    def truncated_gauss(self, cut: float) -> float:
        """Standard normal number with absolute value <= cut: MAD-X's tgauss(cut), cut >= 1e-3."""
        if not cut >= 1e-3:
            raise ValueError("cut must be >= 0.001")
        while abs(number := self.gauss()) > cut:
            pass
        return number
