"""Values of knobs that are set on all elements of a lattice at once, without making new elements one by one.

Whoever computes with arrays, as optics do, never needs the elements: other values of thousands of magnets cost a few
array operations. The elements are made when they are first asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gputrack.elements import Element
from gputrack.elements.element import free_parameters

if TYPE_CHECKING:
    from gputrack.lattice.lattice import Knobs, Lattice


@dataclass(frozen=True, eq=False)
class Setting:
    """A lattice whose elements are those of another one, with other values of knobs.

    Attributes
    ----------
    origin : Lattice
    knobs : Knobs
    numbers : (n,) array
    """

    origin: Lattice
    knobs: Knobs
    numbers: np.ndarray

    def changes(self, *parameters: str) -> bool:
        """Whether some of these parameters are set."""
        return any(name in self.knobs.driven for name in parameters)


@dataclass(frozen=True, eq=False)
class Limits:
    """Open intervals in which any values of knobs are right.

    Attributes
    ----------
    knobs : Knobs
    low, high : (n,) arrays
        Empty intervals where elements have to be looked at one by one.
    """

    knobs: Knobs
    low: np.ndarray
    high: np.ndarray

    def admit(self, numbers: np.ndarray) -> bool:
        """Whether all of these values are right."""
        return bool((np.isfinite(numbers) & (self.low < numbers) & (numbers < self.high)).all())


def limits_of(elements: Sequence[Element], knobs: Knobs) -> Limits:
    """Intervals for knobs of elements."""
    low, high = np.full(len(knobs), -np.inf), np.full(len(knobs), np.inf)
    known: dict[int, dict[str, tuple[float, float]]] = {}
    for parameter, (places, numbers) in knobs.driven.items():
        for place, number in zip(places.tolist(), numbers.tolist(), strict=True):
            element = elements[place]
            if id(element) not in known:
                known[id(element)] = intervals(element)
            below, above = known[id(element)].get(parameter, (np.inf, -np.inf))
            low[number], high[number] = max(low[number], below), min(high[number], above)
    return Limits(knobs, low, high)


def intervals(element: Element) -> dict[str, tuple[float, float]]:
    """By parameter, entries of series by themselves: those that it has."""
    found: dict[str, tuple[float, float]] = {}
    for name, interval in free_parameters(element).items():
        value = getattr(element, name)
        if isinstance(value, tuple):
            found |= {f"{name}[{n}]": interval for n in range(len(value))}
        else:
            found[name] = interval
    return found
