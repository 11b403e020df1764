"""Intervals in which parameters are valid or free."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """Finite numbers between two limits.

    Parameters
    ----------
    low, high : float
    closed : bool
        Whether the limits are included.
    """

    low: float = -math.inf
    high: float = math.inf
    closed: bool = False

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high if self.closed else self.low < value < self.high

    def __str__(self) -> str:
        below, above = ("<=", ">=") if self.closed else ("<", ">")
        limits = [f"{above} {self.low:g}"] if self.low > -math.inf else []
        return " and ".join(limits + [f"{below} {self.high:g}"] if self.high < math.inf else limits)

    def limits(self) -> tuple[float, float]:
        """Equivalent limits of an open interval in double precision."""
        if not self.closed:
            return self.low, self.high
        return math.nextafter(self.low, -math.inf), math.nextafter(self.high, math.inf)


ANY = Interval()
POSITIVE = Interval(low=0.0)
NOT_NEGATIVE = Interval(low=0.0, closed=True)
