"""Radiation inside elements: how many kicks of the energy that particles lose."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.polynomial import Legendre

from gputrack.base.checks import require_integer


@dataclass(frozen=True)
class RadiationKicks:
    """So many kicks in each element, at the nodes of Gauss and Lobatto's rule: both ends, and places between.

    Its weights are shares of the length. The loss along the way is so small that one kick after the other is as good as
    their sum: what is lost in an element is right to the order 2 `number` - 2 in its phase advance. Kicks at the ends
    do not cut the body, so that two of them cost least.

    Parameters
    ----------
    number : int
        Kicks in each element, >= 1; a single one is in the middle.
    """

    number: int = 2

    def __post_init__(self) -> None:
        require_integer("radiation", "number of kicks", self.number, at_least=1)

    def nodes(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Where the kicks are, in parts of the length, and their shares, which add up to 1."""
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
