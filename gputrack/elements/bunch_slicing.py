"""Slices of a Gaussian bunch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

from gputrack.base.checks import require_integer, require_number

_NORMAL = NormalDist()


@dataclass(frozen=True)
class Slicing:
    """Slices of a Gaussian bunch; use `EqualCharge` or `EqualDistance`. Each acts at its centre of charge."""

    slices: int = 1

    def __post_init__(self) -> None:
        require_integer(type(self).__name__, "slices", self.slices, at_least=1)

    def cuts(self) -> list[float]:
        """Positions of the cuts between slices, in units of the bunch's rms length."""
        raise NotImplementedError

    def parts(self) -> list[tuple[float, float]]:
        """Share of the charge and centre (in units of the rms length) of each slice, from tail to head."""
        return _parts(tuple(self.cuts()))


@dataclass(frozen=True)
class EqualCharge(Slicing):
    """`slices` slices of equal charge."""

    def cuts(self) -> list[float]:
        """Quantiles of the Gaussian."""
        return [_NORMAL.inv_cdf(i / self.slices) for i in range(1, self.slices)]


@dataclass(frozen=True)
class EqualDistance(Slicing):
    """`slices` slices with cuts at equal distances from -`reach` to `reach` rms lengths.

    The first and the last slice contain the tails beyond their outer ends, so that all charge is included.
    """

    reach: float = 3.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number("EqualDistance", "reach", self.reach, above=0.0)

    def cuts(self) -> list[float]:
        """Equal steps."""
        return [self.reach * (2.0 * i / self.slices - 1.0) for i in range(1, self.slices)]


@cache
def _parts(cuts: tuple[float, ...]) -> list[tuple[float, float]]:
    below = [0.0, *(_NORMAL.cdf(t) for t in cuts), 1.0]
    density = [0.0, *(_NORMAL.pdf(t) for t in cuts), 0.0]
    shares = [below[i + 1] - below[i] for i in range(len(cuts) + 1)]
    return [(share, (density[i] - density[i + 1]) / share) for i, share in enumerate(shares)]
