"""Names and classes of a lattice's elements in order, by which knobs find their elements in other lattices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from gputrack.base.errors import InputError
from gputrack.elements import Element


@dataclass(frozen=True)
class ElementOrder:
    """Names and classes of elements in order.

    Attributes
    ----------
    names : tuple of str
    kinds : tuple of element classes
    """

    names: tuple[str, ...]
    kinds: tuple[type[Element], ...]

    @classmethod
    def of(cls, elements: Sequence[Element]) -> ElementOrder:
        """Order of elements."""
        return cls(tuple(element.name for element in elements), tuple(map(type, elements)))

    @cached_property
    def namesakes(self) -> dict[str, list[int]]:
        """Places of each name."""
        found: dict[str, list[int]] = {}
        for place, name in enumerate(self.names):
            found.setdefault(name, []).append(place)
        return found

    def corresponding(self, place: int, other: ElementOrder) -> int:
        """Place in another order of the element at `place`: the same occurrence of its name.

        Raises
        ------
        InputError
            The name occurs more or less often there, or the class differs.
        """
        name, kind = self.names[place], self.kinds[place]
        own, there = self.namesakes[name], other.namesakes.get(name, [])
        if len(own) != len(there):
            raise InputError(f"{_times(name, len(own))}, here {len(there) or 'none'}")
        found = there[own.index(place)]
        if other.kinds[found] is not kind:
            raise InputError(f"{name!r} was a {kind.__name__}, here a {other.kinds[found].__name__}")
        return found


def _times(name: str, count: int) -> str:
    return f"there was one element {name!r}" if count == 1 else f"there were {count} elements {name!r}"
