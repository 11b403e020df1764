"""Names and positions of a lattice's elements; only positions depend on the setting of knobs."""

from __future__ import annotations

from fnmatch import fnmatchcase
from itertools import accumulate

import numpy as np

from gputrack.base.cache import Entry
from gputrack.base.checks import short
from gputrack.base.errors import InputError
from gputrack.elements import Element
from gputrack.lattice.element_order import ElementOrder
from gputrack.lattice.state import LatticeState

_PLACES: Entry[list[int]] = Entry("places of names", most=64)
_ORDER: Entry[ElementOrder] = Entry("names and classes")
_POSITIONS: Entry[np.ndarray] = Entry("positions")


class LatticePlaces(LatticeState):
    """Methods of `gputrack.Lattice` for names and positions."""

    def __len__(self) -> int:
        return len(self.origin.elements)

    @property
    def names(self) -> list[str]:
        """Names in order; a name may occur several times."""
        return [element.name for element in self.origin.elements]

    @property
    def order(self) -> ElementOrder:
        """Names and classes of its elements."""
        return self.origin.cache.get(_ORDER, lambda: ElementOrder.of(self.origin.elements))

    @property
    def lengths(self) -> np.ndarray:
        """Length of the reference orbit in each element [m], shape (n,)."""
        if self.setting is not None:
            return self.setting.lengths()
        return np.array([orbit_length(element) for element in self.elements], dtype=float)

    @property
    def s(self) -> np.ndarray:
        """Position of each element's entrance and of the end of the lattice [m], shape (n + 1,)."""
        return self.positions.copy()

    @property
    def positions(self) -> np.ndarray:
        """`s` as a cached, read-only array."""
        if self.setting is not None and not self.setting.changes_lengths:
            return self.origin.positions
        return self.cache.get(_POSITIONS, self._accumulated)

    def _accumulated(self) -> np.ndarray:
        ends = np.array([0.0, *accumulate(self.lengths.tolist())])
        ends.flags.writeable = False
        return ends

    @property
    def length(self) -> float:
        """Length of the reference orbit [m]."""
        return float(self.positions[-1])

    def indices(self, pattern: str) -> list[int]:
        """Indices of the elements with names that match a glob pattern (case-sensitive).

        Raises
        ------
        InputError
            No name matches; the message lists similar ones.
        """
        return list(self.places(pattern))

    def places(self, pattern: str) -> list[int]:
        """`indices` as a cached list, not to be modified."""
        if not isinstance(pattern, str):
            raise InputError(f"Lattice {self.name!r}: select must be a glob pattern of names, got {short(pattern)}")
        return self.origin.cache.get(_PLACES, lambda: self._matching(pattern), pattern)

    def _matching(self, pattern: str) -> list[int]:
        found = [i for i, name in enumerate(self.names) if fnmatchcase(name, pattern)]
        if not found:
            raise InputError(self._no_match(pattern))
        return found

    def _no_match(self, pattern: str) -> str:
        from difflib import get_close_matches

        near = get_close_matches(pattern.strip("*"), sorted(set(self.names)), n=3, cutoff=0.5)
        hint = f"; near: {', '.join(near)}" if near else ""
        return f"Lattice {self.name!r}: no element matches {pattern!r}{hint}"


def orbit_length(element: Element) -> float:
    """Length of the reference orbit in an element [m]."""
    return element.arc_length
