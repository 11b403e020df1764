"""Radiation kicks inside elements: their number and positions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.polynomial import Legendre

from gputrack.base.checks import MOST_STEPS, require_integer


@dataclass(frozen=True)
class RadiationKicks:
    """Kicks in each element at the nodes of the Gauss-Lobatto rule: both ends, and points in between.

    Its weights are shares of the length. The loss in an element is correct to the order 2 `number` - 2 in its phase
    advance, since it is so small that successive kicks are equivalent to their sum. Kicks at the ends do not divide the
    body: two kicks are fastest.

    Parameters
    ----------
    number : int
        Kicks in each element, >= 1; a single one is in the middle.
    """

    number: int = 2

    def __post_init__(self) -> None:
        require_integer("radiation", "number of kicks", self.number, at_least=1, at_most=MOST_STEPS)

    def nodes(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Positions of the kicks in parts of the length, and their shares, which add up to 1."""
        return _nodes(self.number)


@cache
def _nodes(number: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if number == 1:
        return (0.5,), (1.0,)
    last = Legendre.basis(number - 1)
    inner = np.sort(np.real(last.deriv().roots()))
    points = np.concatenate([[-1.0], 0.5 * (inner - inner[::-1]), [1.0]])
    weights = 1.0 / (number * (number - 1) * last(points) ** 2)
    return tuple((0.5 + 0.5 * points).tolist()), tuple(weights.tolist())
