"""Radiation inside elements: how many kicks of the energy that particles lose."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from gputrack.checks import require_integer


@dataclass(frozen=True)
class RadiationKicks:
    """So many kicks in each element, at the nodes of Gauss and Legendre's rule.

    Its weights are shares of the length. The loss along the way is so small that one kick after the other is as good as
    their sum: what is lost in an element is right to the order 2 `number` in its phase advance.

    Parameters
    ----------
    number : int
        Kicks in each element, >= 1.
    """

    number: int = 1

    def __post_init__(self) -> None:
        require_integer("radiation", "number of kicks", self.number, at_least=1)

    def nodes(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Where the kicks are, in parts of the length, and their shares, which add up to 1."""
        return _nodes(self.number)


@cache
def _nodes(number: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    points, weights = np.polynomial.legendre.leggauss(number)
    return tuple((0.5 + 0.5 * points).tolist()), tuple((0.5 * weights).tolist())
